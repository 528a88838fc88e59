# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: how each contender is started, when it is ready, and why it may be missing.
# shellcheck shell=bash disable=SC2154,SC2034

pid='' helper_pid='' ready_ns=0
poller_window=2500 # a poller without output for this time has reported everything
interval=200ms # of the polling watcher, except where a test sets its own

# contender NAME DIR: sets `command`, and `ready_in` (out or err) and `ready_text`: what it prints once armed.
contender() {
	local mark=()
	[ "$(id -u)" = 0 ] || mark=(-i)
	ready_in=err ready_text=ready
	case $1 in
	raw-inotify) command=("$bin/raw_inotify" "$2") ;;
	raw-inotify-print) command=("$bin/raw_inotify" -p "$2") ;;
	raw-inotify-stat) command=("$bin/raw_inotify" -s -p "$2") ;;
	raw-inotify-nap) command=("$bin/raw_inotify" -w 1000 "$2") ;;
	raw-fanotify) command=("$bin/raw_fanotify" "${mark[@]}" "$2") ;;
	raw-fanotify-print) command=("$bin/raw_fanotify" "${mark[@]}" -p "$2") ;;
	raw-fanotify-stat) command=("$bin/raw_fanotify" "${mark[@]}" -s -p "$2") ;;
	raw-fanotify-nap) command=("$bin/raw_fanotify" "${mark[@]}" -w 1000 "$2") ;;
	hostwatch-*)
		command=("$build/hostwatch" watch --json --watcher "${1#hostwatch-}" "$2")
		[ "$1" = hostwatch-polling ] && command=("${command[@]:0:5}" --interval "$interval" "$2")
		ready_in=out ready_text='{"hello"'
		;;
	inotifywait)
		command=(inotifywait -m -r -e "create,delete,modify,attrib,close_write,move" --format '%w%f %e' "$2")
		ready_text='Watches established'
		;;
	fswatch) # never says that it is ready: comes to rest
		command=(fswatch -r -x -l 0.1 "$2")
		ready_text=
		;;
	watchman)
		command=(watchman --foreground "--sockname=$scratch/watchman.sock" "--pidfile=$scratch/watchman.pid"
			"--statefile=/dev/null" --no-save-state "--logfile=$scratch/watchman.log")
		ready_in=out ready_text='"subscribe"'
		;;
	*)
		echo "bench: unknown contender $1" >&2
		exit 2
		;;
	esac
}

# The reason why a contender cannot take part here, or nothing.
why_not() {
	local probe
	contender "$1" "$work"
	if ! command -v "${command[0]}" >/dev/null; then
		echo "${command[0]##*/} is not there"
		return
	fi
	[[ $1 = *-fanotify* ]] || return 0
	contender raw-fanotify "$work/probe"
	mkdir -p "$work/probe"
	probe=$(timeout -s TERM 0.2 "${command[@]}" 2>&1 >/dev/null)
	rmdir "$work/probe"
	[[ $probe = ready* ]] || echo "$probe"
}

# A watchman server tells nothing by itself: once it has crawled, a client subscribes, and its output counts.
start_client() {
	local deadline=$((SECONDS + 10)) ask=(watchman "--sockname=$scratch/watchman.sock" --no-spawn --no-pretty -j)
	until [ -S "$scratch/watchman.sock" ] || [ $SECONDS -ge $deadline ]; do "$bin/meter" nap 10; done
	{
		"${ask[@]}" <<<"[\"watch\",\"$1\"]" &&
			"${ask[@]}" <<<"[\"clock\",\"$1\",{\"sync_timeout\":120000}]"
	} >"$scratch/clock" 2>>"$scratch/err"
	"${ask[@]}" -p <<<"[\"subscribe\",\"$1\",\"bench\",{\"fields\":[\"name\"],\"since\":\"$(
		grep -o 'c:[0-9:]*' "$scratch/clock" | tail -n 1)\"}]" >"$2" 2>>"$scratch/err" &
	helper_pid=$!
}

# start_contender NAME DIR [OUTPUT]: runs it until it is armed. Sets pid and ready_ns, the time that took.
start_contender() {
	local output=${3:-$scratch/out} began at
	contender "$1" "$2"
	: >"$scratch/err"
	[ -p "$output" ] || : >"$output"
	began=$("$bin/meter" now)
	if [ "$1" = watchman ]; then
		rm -f "$scratch/watchman.sock"
		"${command[@]}" >/dev/null 2>"$scratch/err" </dev/null &
		pid=$!
		start_client "$2" "$output"
	else
		"${command[@]}" >"$output" 2>"$scratch/err" </dev/null &
		pid=$!
	fi
	if [ -z "$ready_text" ]; then
		at=$(value active_until_ns "$("$bin/meter" rest $pid "$scratch/out" 500 60000)")
	elif [ "$ready_in" = out ] && [ -p "$output" ]; then # the reader behind the pipe says when it came
		at=$(value at_ns "$("$bin/meter" text $pid "$scratch/latency" first_line 60000)")
	elif [ "$ready_in" = out ]; then
		at=$(value at_ns "$("$bin/meter" text $pid "$output" "$ready_text" 300000)")
	else
		at=$(value at_ns "$("$bin/meter" text $pid "$scratch/err" "$ready_text" 300000)")
	fi
	if [ "$at" = 0 ]; then
		fail "$filesystem $1: not ready: $(tail -n 1 "$scratch/err" | tr -cd '[:print:]')"
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

# Waits until the contender has nothing left to do. A poller is never idle: for it only its output counts. A peer
# that needs longer is cut short, and events that it has not reported at that point count as lost.
await_rest() {
	local how=rest window=250 patience=120000
	case $1 in
	hostwatch-polling) how=quiet window=$poller_window ;;
	fswatch) window=500 patience=10000 ;;
	watchman) window=500 patience=20000 ;;
	esac
	rest=$("$bin/meter" $how "$pid" "$scratch/out" $window $patience) && return
	case $1 in
	raw-* | hostwatch-*) fail "$filesystem $test $1: no rest after $((patience / 1000)) seconds" ;;
	*) echo "note  $filesystem $test $1: not finished after $((patience / 1000)) seconds" ;;
	esac
}
