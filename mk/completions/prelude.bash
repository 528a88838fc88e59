# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completes a command line from tables: mk/completions/bash.awk writes them behind this, from the programs' own.
# Needs bash alone.

# The words so far in $words, the last one in $cur. Readline has split them at = and :
_hostwatch_split() {
	local word glued=
	words=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		if [[ $word =~ ^[=:]+$ && ${#words[@]} -gt 0 ]]; then
			words[-1]+=$word
			glued=1
		elif [[ $glued ]]; then
			words[-1]+=$word
			glued=
		else
			words+=("$word")
		fi
	done
	[[ ${#words[@]} -gt 0 ]] || words=("")
	cur=${words[-1]}
}

# Offers those of the words that begin like $1.
_hostwatch_offer() {
	local start=$1 word
	shift
	for word; do
		[[ $word != "$start"* ]] || COMPREPLY+=("$word")
	done
}

# The same for the last part of a list with commas, without the words that are in it.
_hostwatch_offer_list() {
	local before='' word
	[[ $1 != *,* ]] || before=${1%,*},
	local start=${1##*,}
	shift
	for word; do
		[[ $word == "$start"* && ",$before" != *",$word,"* ]] && COMPREPLY+=("$before$word")
	done
}

_hostwatch_offer_files() { # compgen's option, START
	local IFS=$'\n'
	# shellcheck disable=SC2207 # a name a line
	COMPREPLY+=($(compgen "$1" -- "$2"))
	compopt -o filenames 2>/dev/null # fails outside of a completion
}

_hostwatch_program() {
	if [[ ${COMP_WORDS[0]##*/} == hostwatch ]]; then
		"${COMP_WORDS[0]}" "$@" 2>/dev/null
	else
		hostwatch "$@" 2>/dev/null
	fi
}

_hostwatch_plugins() { # [KIND]
	_hostwatch_program plugins | while read -r name kind _; do
		[[ ${1:-$kind} != "$kind" ]] || echo "$name"
	done
}

# Of the daemon whose socket the command line names, or of the usual one.
_hostwatch_shares() {
	local i socket=()
	for ((i = 0; i + 1 < ${#words[@]}; i++)); do
		case ${words[i]} in
		-s | --socket) socket=(--socket "${words[i + 1]}") ;;
		--socket=*) socket=("${words[i]}") ;;
		esac
	done
	_hostwatch_program status --json --timeout 1s "${socket[@]}" |
		grep -o '"name":"[^"]*","path"' | sed 's/^"name":"//; s/","path"$//'
}

# Completes a value: KIND CHOICES TYPE START
_hostwatch_value() {
	local list=()
	case $1 in
	file) _hostwatch_offer_files -f "$4" ;;
	dir) _hostwatch_offer_files -d "$4" ;;
	command) _hostwatch_offer_files -c "$4" ;;
	watcher)
		mapfile -t list < <(_hostwatch_plugins watcher)
		_hostwatch_offer_list "$4" auto "${list[@]}"
		;;
	plugin)
		mapfile -t list < <(_hostwatch_plugins)
		_hostwatch_offer "$4" "${list[@]}"
		[[ $4 != */* ]] || _hostwatch_offer_files -f "$4"
		;;
	share)
		mapfile -t list < <(_hostwatch_shares)
		_hostwatch_offer "$4" "${list[@]}"
		;;
	address)
		if [[ $4 == unix:* ]]; then
			_hostwatch_offer_files -f "${4#unix:}"
			COMPREPLY=("${COMPREPLY[@]/#/unix:}")
		else
			_hostwatch_offer "$4" unix: tcp: vsock: netlink:
			compopt -o nospace 2>/dev/null # fails outside of a completion
		fi
		;;
	*)
		IFS='|' read -r -a list <<<"${2#-}"
		if [[ $3 == set ]]; then
			_hostwatch_offer_list "$4" "${list[@]}"
		else
			_hostwatch_offer "$4" "${list[@]}"
		fi
		;;
	esac
}

# Readline replaces only what follows the last = or :
_hostwatch_trim() {
	local before=''
	if [[ $cur == *[=:]* && $COMP_WORDBREAKS == *[=:]* ]]; then
		before=${cur%"${cur##*[=:]}"}
		COMPREPLY=("${COMPREPLY[@]#"$before"}")
	fi
}

# The option's type, kind of value, and choices in $type $kind $choices; false: it takes none.
_hostwatch_option() { # PROGRAM OPTION
	local row
	_hostwatch_option_row "$1" "$2"
	[[ $row ]] || return 1
	IFS=$'\t' read -r type kind choices <<<"$row"
}

_hostwatch_operand() { # PROGRAM NUMBER
	local row max first next choices
	_hostwatch_operand_row "$1"
	[[ $row ]] || return
	IFS=$'\t' read -r max first next choices <<<"$row"
	[ "$2" -lt "$max" ] || return
	[[ $2 == 0 ]] || { first=$next choices=-; }
	_hostwatch_value "$first" "$choices" choice "$cur"
}

# The words from number $2 on belong to a program or subcommand.
_hostwatch_complete() { # PROGRAM FIRST
	local i last=$((${#words[@]} - 1)) operands=0 type kind choices
	for ((i = $2; i < last; i++)); do
		if [[ ${words[i]} == -- ]] && _hostwatch_takes_command "$1"; then
			[[ $((i + 1)) == "$last" ]] && _hostwatch_offer_files -c "$cur" || _hostwatch_offer_files -f "$cur"
			return
		elif [[ ${words[i]} == -* ]]; then
			_hostwatch_option "$1" "${words[i]}" || continue
			if [[ $((i + 1)) == "$last" ]]; then
				_hostwatch_value "$kind" "$choices" "$type" "$cur"
				return
			fi
			i=$((i + 1))
		else
			operands=$((operands + 1))
		fi
	done
	if [[ $cur == --*=* ]]; then
		_hostwatch_option "$1" "${cur%%=*}" || return
		_hostwatch_value "$kind" "$choices" "$type" "${cur#*=}"
		COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
	elif [[ $cur == -* ]]; then
		local names
		_hostwatch_option_names "$1"
		_hostwatch_offer "$cur" "${names[@]}"
	else
		_hostwatch_operand "$1" $operands
	fi
}

_hostwatch() {
	local words cur names
	COMPREPLY=()
	_hostwatch_split
	_hostwatch_subcommands
	if [[ ${#names[@]} == 0 ]]; then
		_hostwatch_complete "$_hostwatch_name" 0
	elif [[ ${#words[@]} -gt 1 && ${words[0]} != -* ]]; then
		_hostwatch_complete "$_hostwatch_name ${words[0]}" 1
	else
		_hostwatch_complete "$_hostwatch_name" 0
		[[ $cur == -* ]] || _hostwatch_offer "$cur" "${names[@]}"
	fi
	_hostwatch_trim
}
