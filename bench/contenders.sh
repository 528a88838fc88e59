# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: how each contender is started, when it is ready, and why it may be missing.
# shellcheck shell=bash disable=SC2154,SC2034

ready_ns=0
watched='' # the directory of the contender that runs
shares=1 # of a daemon
state='' # the directory where a daemon keeps its state
interval=100ms # of the polling watcher, except where a scenario sets its own
hostwatch=${HOSTWATCH_BENCH_PROGRAM:-hostwatch}

is_hostwatch() { [[ $1 = hostwatch-* ]]; }
is_daemon() { [[ $1 = hostwatch-*+* ]]; } # with a sink
is_virtiofs() { [[ $1 = hostwatch-*+virtiofs ]]; }
# These find changes by comparison only, so they may miss names that are gone at once.
is_poller() { [[ $1 = hostwatch-polling* || $1 = watchman || $1 = chokidar ]]; }
prints() { [[ $1 != raw-* || $1 = *-print || $1 = *-stat ]]; }

# The name of the watcher in a contender's name, or the path of its plugin.
watcher_of() {
	local name=${1#hostwatch-} plugin
	name=${name%+*}
	for plugin in "${plugins[@]}"; do
		if [ "$(basename -- "$plugin" .so)" = "$name" ]; then
			realpath -- "$plugin"
			return
		fi
	done
	echo "$name"
}

# contender NAME DIR: sets `command`, and `ready_in` (out or err), `ready_text` (what it prints once it watches), and `format`, that of judge.
contender() {
	local mark=()
	[ "$(id -u)" = 0 ] || mark=(-i)
	ready_in=err ready_text=ready format=raw
	case $1 in
	raw-inotify) command=("$bin/raw_inotify" "$2") ;;
	raw-inotify-print) command=("$bin/raw_inotify" -p "$2") ;;
	raw-inotify-stat) command=("$bin/raw_inotify" -s -p "$2") ;;
	raw-inotify-nap) command=("$bin/raw_inotify" -w 1000 "$2") ;;
	raw-fanotify) command=("$bin/raw_fanotify" "${mark[@]}" "$2") ;;
	raw-fanotify-print) command=("$bin/raw_fanotify" "${mark[@]}" -p "$2") ;;
	raw-fanotify-stat) command=("$bin/raw_fanotify" "${mark[@]}" -s -p "$2") ;;
	raw-fanotify-nap) command=("$bin/raw_fanotify" "${mark[@]}" -w 1000 "$2") ;;
	hostwatch-*+*)
		command=("$(daemon_program)" -c "$scratch/conf")
		ready_in=out ready_text='{"hello"' format=json
		;;
	hostwatch-*)
		command=("$hostwatch" watch --json --interval "$interval" --watcher "$(watcher_of "$1")" "$2")
		[[ $1 = *polling* ]] || command=("${command[@]:0:3}" "${command[@]:5}")
		ready_in=out ready_text='{"hello"' format=json
		;;
	inotifywait)
		command=(inotifywait -m -r -e "create,delete,modify,attrib,close_write,move" --format '%w%f %e' "$2")
		ready_text='Watches established' format=words
		;;
	fsnotifywait)
		command=(fsnotifywait -F -m -r -e "create,delete,modify,attrib,close_write,move" --format '%w%f %e' "$2")
		ready_text='Watches established' format=words
		;;
	fswatch) # never says that it is ready: becomes idle
		command=(fswatch -r -x -l 0.1 "$2")
		ready_text='' format=words
		;;
	watchman)
		command=(watchman --foreground "--sockname=$scratch/watchman.sock" "--pidfile=$scratch/watchman.pid"
			"--statefile=/dev/null" --no-save-state "--logfile=$scratch/watchman.log")
		ready_in=out ready_text='"subscribe"' format=watchman
		;;
	chokidar | parcel-watcher)
		command=(node "$here/peer.js" "$1" "$2")
		format=words
		;;
	*)
		echo "hostwatch bench: unknown peer or watcher $1" >&2
		exit 2
		;;
	esac
}

# Prints the path of the daemon that belongs to this hostwatch.
daemon_program() {
	local place
	for place in "$(dirname "$hostwatch")" "$(dirname "$hostwatch")/../sbin"; do
		if [ -x "$place/hostwatchd" ]; then
			echo "$place/hostwatchd"
			return
		fi
	done
	command -v hostwatchd || echo hostwatchd
}

write_conf() { # CONTENDER DIR
	local share
	printf '[hostwatch]\ncontrol = %s/control\n' "$scratch"
	[ -z "$state" ] || printf 'state_dir = %s\nstate_log_dir = %s\n' "$state" "$state"
	printf '[share bench]\npath = %s\nwatcher = %s\ninterval = %s\n' "$2" "$(watcher_of "$1")" "$interval"
	for ((share = 2; share <= shares; share++)); do
		printf '[share bench%d]\npath = %s/%d\nwatcher = %s\n' $share "$(dirname -- "$2")" $share "$(watcher_of "$1")"
	done
	if is_virtiofs "$1"; then
		printf '[sink bench]\nplugin = virtiofs\nchannel = unix-listen:%s/events.sock\n' "$scratch"
		return
	fi
	printf '[sink bench]\nplugin = socket\nlisten = unix:%s/events.sock\nmax_subscribers = 16384\n' "$scratch"
}

# Prints the reason why a contender cannot take part here, or nothing.
why_not() {
	local out
	mkdir -p "$work/probe"
	contender "$1" "$work/probe"
	if ! command -v "${command[0]}" >/dev/null; then
		echo "${command[0]##*/} is not installed"
	elif [[ $1 = chokidar || $1 = parcel-watcher ]]; then
		node "$here/peer.js" "$1" --version >/dev/null 2>&1 || echo "node finds no module ${1/parcel-/@parcel/}"
	elif [[ $1 = raw-fanotify* ]]; then
		out=$(timeout -s TERM 0.2 "${command[@]}" 2>&1 >/dev/null)
		[[ $out = ready* ]] || echo "$out"
	elif is_hostwatch "$1"; then
		out=$("$hostwatch" watch --json --watcher "$(watcher_of "$1")" --exit-after-idle 1ms "$work/probe" 2>&1)
		[[ $out = *'"hello"'*'"online"'* ]] || echo "$out" | head -n 1 | tr -d '\t'
	elif [ "$1" = inotifywait ] || [ "$1" = fsnotifywait ]; then
		out=$(timeout -s TERM 0.3 "${command[@]}" 2>&1 >/dev/null)
		[[ $out = *established* ]] || echo "$out" | tail -n 1 | tr -d '\t'
	fi
	rm -rf -- "$work/probe"
}

# Sets `contenders` to those that can take part, and reports the others with the reason. A peer that
# `auto` does not find is worth a note; a watcher, or a peer that was asked for, also.
find_contenders() {
	local wanted=() one kind sink reason plugin
	for one in inotify fanotify; do
		[[ ,$watchers, = *,$one,* ]] || continue
		for kind in count print stat nap; do
			[[ ,$readers, != *,$kind,* ]] || wanted+=("raw-$one-$kind")
		done
	done
	for sink in "${sinks[@]}"; do
		for one in ${watchers//,/ }; do wanted+=("hostwatch-$one${sink/print/}"); done
		for plugin in "${plugins[@]}"; do wanted+=("hostwatch-$(basename -- "$plugin" .so)${sink/print/}"); done
	done
	wanted=("${wanted[@]/%-count/}")
	wanted=("${wanted[@]/%socket/+socket}")
	wanted=("${wanted[@]/%virtiofs/+virtiofs}")
	if [ "$peers" = auto ]; then
		[ $quick = 1 ] || wanted+=(inotifywait fsnotifywait fswatch watchman chokidar parcel-watcher)
	elif [ "$peers" != none ]; then
		for one in ${peers//,/ }; do wanted+=("$one"); done
	fi
	contenders=()
	for one in "${wanted[@]}"; do
		reason=$(why_not "$one") || exit 2
		if [ -z "$reason" ]; then
			contenders+=("$one")
			continue
		fi
		printf '%s\t%s\n' "$one" "$reason" >>"$scratch/skipped.tsv"
		echo "skip  $one: $reason"
	done
	for one in "${contenders[@]}"; do is_hostwatch "$one" && return; done
	fail "no watcher of hostwatch works here"
}

# A watchman server prints nothing by itself: once it has crawled, a client subscribes, and its output counts.
start_watchman_client() {
	local deadline=$((SECONDS + 10)) ask=(watchman "--sockname=$scratch/watchman.sock" --no-spawn --no-pretty -j)
	until [ -S "$scratch/watchman.sock" ] || [ $SECONDS -ge $deadline ]; do "$bin/meter" nap 10; done
	{
		"${ask[@]}" <<<"[\"watch\",\"$1\"]" &&
			"${ask[@]}" <<<"[\"clock\",\"$1\",{\"sync_timeout\":120000}]"
	} >"$scratch/clock" 2>>"$scratch/err"
	"${ask[@]}" -p <<<"[\"subscribe\",\"$1\",\"bench\",{\"fields\":[\"name\",\"exists\",\"new\"],\"since\":\"$(
		grep -o 'c:[0-9:]*' "$scratch/clock" | tail -n 1)\"}]" >"$2" 2>>"$scratch/err" &
	helper_pid=$!
}

# Waits until the daemon has armed its share, then subscribes; a scenario may have another way.
start_subscriber() { # CONTENDER OUTPUT
	local command=("$bin/subscriber" "$scratch/events.sock")
	[ "$("$bin/meter" text "$pid" "$scratch/err" 'ready: ' 0 300000)" ] || return
	! is_virtiofs "$1" || command=("$hostwatch" guest-sim --json "unix:$scratch/events.sock")
	"${command[@]}" >"$2" 2>"$scratch/err.subscriber" &
	helper_pid=$!
}

# start_contender NAME DIR [OUTPUT]: runs it until it is armed. Sets pid and ready_ns, the time that took.
start_contender() {
	local output=${3:-$scratch/out} began at
	contender "$1" "$2"
	watched=$2
	: >"$scratch/err"
	: >"$scratch/barriers"
	[ -p "$output" ] || [ "$output" = none ] || : >"$output"
	began=$("$bin/meter" now)
	if [ "$1" = watchman ]; then
		rm -f "$scratch/watchman.sock"
		"${command[@]}" >/dev/null 2>"$scratch/err" </dev/null &
		pid=$!
		start_watchman_client "$2" "$output"
	elif is_daemon "$1"; then
		write_conf "$1" "$2" >"$scratch/conf"
		rm -f "$scratch/events.sock"
		"${command[@]}" >/dev/null 2>"$scratch/err" </dev/null &
		pid=$!
		[ "$output" = none ] || start_subscriber "$1" "$output"
	else
		"${command[@]}" >"$output" 2>"$scratch/err" </dev/null &
		pid=$!
	fi
	if [ -z "$ready_text" ]; then
		at=$(value active_until_ns "$("$bin/meter" rest $pid "$scratch/out" 500 60000)")
	elif [ "$output" = none ]; then
		at=$(value at_ns "$("$bin/meter" text $pid "$scratch/err" 'ready: ' 0 300000)")
	elif [ "$ready_in" = out ] && [ -p "$output" ]; then # the reader of the pipe says when it came
		at=$(value at_ns "$("$bin/meter" text $pid "$scratch/latency" first_line 0 60000)")
	elif [ "$ready_in" = out ]; then
		at=$(value at_ns "$("$bin/meter" text $pid "$output" "$ready_text" 0 300000)")
	else
		at=$(value at_ns "$("$bin/meter" text $pid "$scratch/err" "$ready_text" 0 300000)")
	fi
	if [ "$at" = 0 ]; then
		# A peer that fails is not our failure.
		if is_hostwatch "$1"; then
			fail "$scenario $1: not ready: $(tail -n 1 "$scratch/err" | tr -cd '[:print:]')"
		else
			note "$scenario $1: not ready: $(tail -n 1 "$scratch/err" | tr -cd '[:print:]')"
		fi
		stop_contender
		return 1
	fi
	ready_ns=$((at - began))
}

stop_contender() {
	local one
	for one in $helper_pid $pid; do
		kill -CONT "$one" 2>/dev/null
		kill -TERM "$one" 2>/dev/null
	done
	for one in $helper_pid $pid; do wait "$one" 2>/dev/null; done
	pid='' helper_pid=''
}

cpu_now() {
	value cpu_ns "$("$bin/meter" cpu "$pid")"
}

# Waits until a contender that is armed has become idle.
settle() {
	[[ $1 = hostwatch-polling* ]] || "$bin/meter" rest "$pid" "$scratch/out" 100 20000 >/dev/null
}

# Waits until the contender has nothing left to do. A poller is never idle: for it only its output counts. A peer
# that needs longer is cut short, and events that it has not reported at that point count as lost.
await_rest() {
	local how=rest window=$((quick ? 150 : 250)) patience=120000
	case $1 in
	hostwatch-polling*) how=quiet window=$((quick ? 500 : 1200)) ;;
	fswatch) window=500 patience=10000 ;;
	watchman | chokidar | parcel-watcher) window=500 patience=20000 ;;
	esac
	rest=$("$bin/meter" $how "$pid" "$scratch/out" $window $patience) && return
	case $1 in
	raw-* | hostwatch-*) fail "$scenario $1: not idle after $((patience / 1000)) seconds" ;;
	*) note "$scenario $1: not finished after $((patience / 1000)) seconds" ;;
	esac
}
