# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: perf stat and perf record around a contender, in the scenarios at full speed; --where.
# shellcheck shell=bash disable=SC2154,SC2034

perf_pid='' perf_events=''
perf_wanted=(task-clock context-switches cpu-migrations page-faults instructions cycles cache-misses branch-misses
	raw_syscalls:sys_enter)

# Finds the counters of this machine, once.
perf_find() {
	local event absent=()
	if ! command -v perf >/dev/null; then
		note "--perf: perf is not installed; nothing is counted"
		perf=none
		return
	fi
	for event in "${perf_wanted[@]}"; do
		if perf stat -x, -e "$event" true 2>&1 | grep -q "^[0-9.]*,.*,$event"; then
			perf_events+=${perf_events:+,}$event
		else
			absent+=("$event")
		fi
	done
	[ ${#absent[@]} = 0 ] || note "this machine or this user cannot count ${absent[*]}"
	[ -n "$perf_events" ] || perf=none
}

perf_begin() {
	local answer
	[ "$perf" != none ] || return
	[ -n "$perf_events" ] || perf_find
	[ "$perf" != none ] || return
	rm -f "$scratch/control" "$scratch/ack"
	mkfifo "$scratch/control" "$scratch/ack"
	if [ "$perf" = stat ]; then
		perf stat -x, -D -1 --control "fifo:$scratch/control,$scratch/ack" -e "$perf_events" -p "$pid" \
			-o "$scratch/counters" 2>/dev/null &
	else
		perf record -q -F 4999 --call-graph dwarf -D -1 --control "fifo:$scratch/control,$scratch/ack" -p "$pid" \
			-o "$scratch/perf.data" >/dev/null 2>&1 &
	fi
	perf_pid=$!
	exec {control}<>"$scratch/control" {ack}<>"$scratch/ack"
	echo enable >&"$control"
	read -r -t 10 -u "$ack" answer || note "$scenario $1: perf does not answer"
}

# The flame graph of a contender, and its stacks as text (bench/flame -d draws the difference of two).
draw_flame() {
	local name=perf-$scenario-${1//[^a-z0-9+-]/_}
	perf script -i "$scratch/perf.data" --no-inline 2>/dev/null | awk -f "$here/fold.awk" >"$scratch/folded"
	if awk -v title="$scenario: $1" -f "$here/flame.awk" "$scratch/folded" >"$scratch/flame.svg" 2>/dev/null; then
		mv "$scratch/folded" "$name.folded" && mv "$scratch/flame.svg" "$name.svg" && note "drew $name.svg"
	else
		note "$scenario $1: perf has recorded no sample"
	fi
}

perf_end() {
	local amount event more
	[ -n "$perf_pid" ] || return 0
	kill -INT $perf_pid
	wait $perf_pid
	perf_pid=''
	exec {control}>&- {ack}>&-
	if [ "$perf" = record ]; then
		draw_flame "$1"
		return
	fi
	while IFS=, read -r amount _ event more; do
		[[ $amount != [0-9]* ]] || record "$scenario" "$1" "perf_${event%%:[a-z]}" "$amount"
	done <"$scratch/counters"
}

# --where: the stages of each watcher, and its system calls.
show_where() {
	local one plugin
	for plugin in ${plugins[@]+"${plugins[@]}"}; do watchers+=,$(realpath -- "$plugin"); done
	for one in ${watchers//,/ }; do
		[ "$one" != polling ] || continue # its time is that of its scans
		echo "== $one"
		"$here/where" -w "$one" ${changes:+-n "$changes"} "$dir" || exit
		! command -v strace >/dev/null || { echo && "$here/where" -c -w "$one" "$dir"; }
		echo
	done
}
