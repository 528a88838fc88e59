#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completions: the words that bash is offered, and that zsh can read its functions.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# The words of a line as readline splits them. Names are expanded by nobody.
split_line() {
	local word part
	COMP_WORDS=()
	for word in $1; do
		while [[ $word =~ ^([^=:]*)([=:]+)(.*)$ ]]; do
			part=${BASH_REMATCH[1]}
			[[ -z $part ]] || COMP_WORDS+=("$part")
			COMP_WORDS+=("${BASH_REMATCH[2]}")
			word=${BASH_REMATCH[3]}
		done
		[[ -z $word ]] || COMP_WORDS+=("$word")
	done
	[[ $1 != *' ' ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
}

# offers LINE WORD...: exactly these, in any order, when the cursor is at its end.
offers() {
	local line=$1 program
	shift
	split_line "$line"
	program=${COMP_WORDS[0]}
	# The functions as they are installed, found by the program's name.
	# shellcheck disable=SC1090
	. "$B/completions/bash/$program"
	[ "$program" != hostwatch ] || COMP_WORDS[0]=$B/hostwatch
	COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
	COMPREPLY=()
	set +e
	"$(complete -p "$program" | sed 's/.*-F \([^ ]*\) .*/\1/')"
	set -e
	equal "$(printf '%s\n' "$@" | LC_ALL=C sort)" "$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort)" "$line"
}

test_subcommands() {
	offers 'hostwatch wat' watch
	offers 'hostwatch s' since status switch sync
	# shellcheck disable=SC2046
	offers 'hostwatch ' $("$B/hostwatch" --help | sed -n 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p')
	offers 'hostwatch --v' --version
	offers 'hostwatch nonesuch --' ''
}

# Of each program and subcommand: those that its --help has.
test_every_option() {
	local name words
	for name in '' $("$B/hostwatch" --help | sed -n 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p'); do
		# shellcheck disable=SC2086
		words=$("$B/hostwatch" $name --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -- '--[a-z-]+')
		# shellcheck disable=SC2086
		offers "hostwatch ${name:+$name }--" $words
	done
	for name in hostwatchd hostwatch-guest; do
		words=$("$B/$name" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -- '--[a-z-]+')
		# shellcheck disable=SC2086
		offers "$name --" $words
	done
}

test_letters() {
	offers 'hostwatch sync -' --socket -s --timeout -t --help -h
}

test_choices() {
	offers 'hostwatchd --log-level ' error warning info debug
	offers 'hostwatchd -l w' warning
	offers 'hostwatchd --log-level=w' warning
	offers 'hostwatch new-plugin ' watcher sink
	offers 'hostwatch new-plugin watcher ' ''
}

test_lists() {
	offers 'hostwatch watch -E cr' create
	offers 'hostwatch watch --events create,de' create,delete
	offers 'hostwatch watch --events=create,de' create,delete
	offers 'hostwatch watch -E close_write,c' close_write,create
}

test_watchers_and_plugins() {
	offers 'hostwatch watch -w ' auto fanotify inotify polling
	offers 'hostwatch watch --watcher=inotify,' inotify,auto inotify,fanotify inotify,polling
	offers 'hostwatch switch share p' polling
	offers 'hostwatch switch share inotify,p' inotify,polling
	offers 'hostwatch switch share a' auto
	local nats=
	[ ! -e "$B/sinks/nats.so" ] || nats=nats # built without libnats
	# shellcheck disable=SC2086 # none or one word
	offers 'hostwatch plugins ' fanotify inotify $nats polling socket virtiofs
}

test_files_and_directories() {
	mkdir -p one/two other
	touch one/file
	offers 'hostwatch check o' one other
	offers 'hostwatch check one/' one/two one/file
	offers 'hostwatch explain one/' one/two
	offers 'hostwatch watch one other o' one other
	offers 'hostwatch watch --exclude-from one/f' one/file
	offers 'hostwatch check one/file ' ''
	mkdir 'with space'
	offers 'hostwatch watch w' 'with space'
}

test_addresses() {
	touch here.sock
	offers 'hostwatch tail u' unix:
	offers 'hostwatch tail ' unix: tcp: vsock: netlink:
	offers 'hostwatch tail unix:' here.sock
	offers 'hostwatch tail unix:he' here.sock
	offers 'hostwatch tail --json unix:he' here.sock
}

test_commands() {
	mkdir bin
	printf '#!/bin/sh\n' >bin/a-command-of-its-own
	chmod 755 bin/a-command-of-its-own
	PATH=$PWD/bin:$PATH
	offers 'hostwatch watch src -- a-command-of' a-command-of-its-own
	touch made
	offers 'hostwatch watch src -- cat ma' made
	offers 'hostwatch watch src -- cat --' ''
	# Elsewhere "--" is followed by operands.
	offers 'hostwatch check -- ma' made
}

test_shares_of_the_daemon() {
	mkdir a b
	printf '[hostwatch]\ncontrol = %s/c\n[share alpha]\npath = %s/a\n[share beta]\npath = %s/b\n' "$PWD" "$PWD" "$PWD" >conf
	start "$B/hostwatchd" -c conf
	local end=$((SECONDS + DEADLINE))
	until grep -q 'ready: ' err 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	export HOSTWATCH_CONTROL=$PWD/c
	offers 'hostwatch sync ' alpha beta
	offers 'hostwatch switch al' alpha
	offers 'hostwatch tail --share b' beta
	unset HOSTWATCH_CONTROL
	ln -s c other
	offers 'hostwatch sync --socket other ' alpha beta
	offers 'hostwatch sync --socket=other b' beta
	finish "$pid"
	# Nobody answers.
	offers 'hostwatch sync --socket other ' ''
}

test_values_that_nothing_is_known_of() {
	touch file
	offers 'hostwatch watch --settle ' ''
	offers 'hostwatch watch -x ' ''
	offers 'hostwatch watch -s 1s f' file
}

test_zsh_reads_its_functions() {
	for name in hostwatch hostwatchd hostwatch-guest; do
		contains "$(head -n 1 "$B/completions/zsh/_$name")" "#compdef $name"
	done
	command -v zsh >/dev/null || skip "zsh is not installed"
	for name in hostwatch hostwatchd hostwatch-guest; do
		zsh -n "$B/completions/zsh/_$name"
	done
}

run_tests
