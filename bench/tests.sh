# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: one function a test. before_X and after_X run once for all contenders, test_X for each.
# shellcheck shell=bash disable=SC2154,SC2034

fresh_dir() {
	rm -rf -- "$work/dir"
	mkdir "$work/dir"
}

# hostwatch must tell every one of them; what others lose is only shown.
check_reported() {
	local contender=$1 reported=$2 of=$3
	[[ $contender = hostwatch-* ]] || return 0
	[ "$reported" = "$of" ] || fail "$filesystem $test $contender: reported $reported of $of"
}

count_reported() {
	"$bin/latency" -n "$1" <"$scratch/out" | tr '\n' ' '
}

# await_reported NAME CHANGES: waits until the contender is idle; a poller must also have reported all changes. On a busy machine it may take longer to
# scan than it is silent otherwise. Changes that are missing after twenty tries are lost.
await_reported() {
	local tries=20
	await_rest "$1"
	while [[ $1 = hostwatch-polling && $((tries--)) -gt 0 ]]; do
		[ "$(value reported "$(count_reported "$2")")" -lt "$2" ] || return 0
		await_rest "$1"
	done
}

# Takes the counters a raw reader leaves behind.
record_raw() {
	[[ $1 = raw-* ]] || return 0
	record "$test" "$1" events "$(value events "$(<"$scratch/err")")" \
		overflows "$(value overflows "$(<"$scratch/err")")"
}

prints() {
	[[ $1 != raw-* || $1 = *-print || $1 = *-stat ]]
}

# ---- drain: a full queue, and how much CPU it takes to empty it ----
before_drain() { :; }
after_drain() { fresh_dir; }
test_drain() {
	local cpu began reported
	fresh_dir
	"$bin/load" -p -s 16 create "$work/dir" >/dev/null
	start_contender "$1" "$work/dir" || return
	await_rest "$1"
	kill -STOP "$pid"
	"$bin/load" -n "$drained" -s 16 create "$work/dir" >/dev/null
	cpu=$(cpu_now)
	began=$("$bin/meter" now)
	kill -CONT "$pid"
	await_reported "$1" "$drained"
	stop_contender
	record drain "$1" cpu_ns $(($(value cpu_ns "$rest") - cpu)) changes "$drained" \
		wall_ns $(($(value active_until_ns "$rest") - began))
	record_raw "$1"
	prints "$1" || return
	reported=$(count_reported "$drained")
	record drain "$1" reported "$(value reported "$reported")" lines "$(value lines "$reported")"
	check_reported "$1" "$(value reported "$reported")" "$drained"
}

# ---- storm: full speed; only a poller may miss files that are gone at once ----
before_storm() {
	local made
	fresh_dir
	"$bin/load" -n "$stormed" -s 16 storm "$work/dir" >/dev/null # the first one finds everything cold
	made=$("$bin/load" -n "$stormed" -s 16 storm "$work/dir")
	record storm unwatched writer_ns "$(value ns "$made")" changes "$stormed"
}
after_storm() { fresh_dir; }
test_storm() {
	local before made reported
	[[ $quick = 1 && $1 = *-polling ]] && return
	fresh_dir
	"$bin/load" -p -s 16 storm "$work/dir" >/dev/null
	start_contender "$1" "$work/dir" || return
	await_rest "$1"
	before=$("$bin/meter" cpu "$pid")
	made=$("$bin/load" -n "$stormed" -s 16 storm "$work/dir")
	await_rest "$1"
	stop_contender
	record storm "$1" cpu_ns $(($(value cpu_ns "$rest") - $(value cpu_ns "$before"))) changes "$stormed" \
		writer_ns "$(value ns "$made")" switches $(($(value switches "$rest") - $(value switches "$before")))
	record_raw "$1"
	prints "$1" || return
	reported=$(count_reported "$stormed")
	record storm "$1" reported "$(value reported "$reported")" lines "$(value lines "$reported")"
	[ "$1" = hostwatch-polling ] || check_reported "$1" "$(value reported "$reported")" "$stormed"
}

# ---- fill: directories made and filled before any watcher can have armed them ----
before_fill() { :; }
after_fill() { fresh_dir; }
test_fill() {
	local reported chains=$((stormed / 50 + 20))
	prints "$1" || return
	fresh_dir
	start_contender "$1" "$work/dir" || return
	"$bin/load" -n $chains fill "$work/dir" >/dev/null
	await_reported "$1" $((5 * chains))
	stop_contender
	reported=$(count_reported $((5 * chains)))
	record fill "$1" changes $((5 * chains)) reported "$(value reported "$reported")" lines "$(value lines "$reported")" \
		repeats "$(value repeats "$reported")"
	check_reported "$1" "$(value reported "$reported")" $((5 * chains))
}

# ---- latency: from just before the system call until the line can be read from a pipe; leave: likewise, for moves out ----
before_latency() { :; }
after_latency() { fresh_dir; }
before_leave() { :; }
after_leave() { fresh_dir; rm -rf -- "$work/outside"; }
test_latency() {
	time_changes latency "$1" create
}
test_leave() {
	[ "$1" = hostwatch-polling ] && return
	rm -rf -- "$work/outside"
	mkdir "$work/outside"
	time_changes leave "$1" leave -o "$work/outside"
}

# time_changes TEST CONTENDER MODE...: MODE is that of load.
time_changes() {
	local reader reported key test=$1 contender=$2
	shift 2
	prints "$contender" || return
	fresh_dir
	rm -f "$scratch/pipe" "$scratch/latency"
	mkfifo "$scratch/pipe"
	: >"$scratch/log"
	"$bin/load" -n "$timed" "${@:2}" -p "$1" "$work/dir" >/dev/null
	"$bin/latency" -n "$timed" -l "$scratch/log" <"$scratch/pipe" >"$scratch/latency" &
	reader=$!
	if start_contender "$contender" "$work/dir" "$scratch/pipe"; then
		"$bin/load" -n "$timed" -u 2000 -l "$scratch/log" "${@:2}" "$1" "$work/dir" >/dev/null
		: >"$scratch/out"
		await_rest "$contender"
		[ "$contender" = watchman ] && "$bin/meter" quiet "$pid" "$scratch/out" 2500 4000 >/dev/null
		stop_contender
	fi
	wait $reader
	reported=$(tr '\n' ' ' <"$scratch/latency")
	record "$test" "$contender" changes "$timed" reported "$(value reported "$reported")"
	for key in line_p50_ns line_p99_ns line_max_ns observed_p50_ns; do
		[[ $reported = *$key* ]] && record "$test" "$contender" "$key" "$(value "$key" "$reported")"
	done
	check_reported "$contender" "$(value reported "$reported")" "$timed"
}

# ---- arm: time and memory until a large tree is watched; poll: one pass over it ----
build_tree() {
	[ -d "$work/tree" ] && return
	"$bin/tree" -f "$files" -d "$directories" "$work/tree" >/dev/null || exit 2
	mkdir -p "$work/empty"
	"$bin/tree" -W "$work/tree" >/dev/null # warm for everyone
}
before_arm() {
	local walked
	fresh_dir
	build_tree
	walked=$("$bin/tree" -w "$work/tree")
	record arm list wall_ns "$(value ns "$walked")" cpu_ns "$(value cpu_ns "$walked")"
}
after_arm() { :; }
test_arm() {
	local memory slab empty
	start_contender "$1" "$work/empty" || return
	memory=$("$bin/meter" memory "$pid")
	empty=$(value rss_kb "$memory")
	stop_contender
	slab=$(value slab_kb "$("$bin/meter" memory $$)")
	start_contender "$1" "$work/tree" || return
	memory=$("$bin/meter" memory "$pid")
	record arm "$1" wall_ns "$ready_ns" cpu_ns "$(cpu_now)" rss_kb "$(value rss_kb "$memory")" \
		peak_kb "$(value peak_kb "$memory")" grown_kb $(($(value rss_kb "$memory") - empty)) \
		kernel_kb $(($(value slab_kb "$memory") - slab)) entries $((files + directories))
	stop_contender
}

before_poll() {
	local walked
	build_tree
	walked=$("$bin/tree" -W "$work/tree")
	record poll walk wall_ns "$(value ns "$walked")" cpu_ns "$(value cpu_ns "$walked")" \
		entries "$(value entries "$walked")"
}
after_poll() { :; }
test_poll() {
	local spell
	[ "$1" = hostwatch-polling ] || return
	interval=2s
	start_contender "$1" "$work/tree"
	if [ -n "$pid" ]; then
		"$bin/meter" rest "$pid" "$scratch/out" 300 60000 >/dev/null # a pass may be on its way
		if spell=$("$bin/meter" spell "$pid" 1500 $((100 * (files + directories))) 150000); then
			record poll "$1" wall_ns "$(value spell_ns "$spell")" cpu_ns "$(value spell_cpu_ns "$spell")" \
				entries $((files + directories))
		else
			echo "note  $filesystem poll: no pass seen in time"
		fi
		stop_contender
	fi
	interval=200ms
}

# ---- counters: a storm under perf stat, with those events that this machine has ----
wanted=(task-clock context-switches cpu-migrations page-faults instructions cycles cache-misses branch-misses
	raw_syscalls:sys_enter)
before_counters() {
	local event absent=()
	counted=
	fresh_dir
	if ! command -v perf >/dev/null; then
		echo "skip  counters: perf is not installed"
		return
	fi
	for event in "${wanted[@]}"; do
		if perf stat -x, -e "$event" true 2>&1 | grep -q "^[0-9.]*,.*,$event,"; then
			counted+=${counted:+,}$event
		else
			absent+=("$event")
		fi
	done
	[ ${#absent[@]} = 0 ] || echo "note  $filesystem counters: this machine lacks ${absent[*]}"
}
after_counters() { fresh_dir; }
test_counters() {
	local perf amount event rest_of_line
	[ -n "$counted" ] || return
	fresh_dir
	"$bin/load" -p -s 16 storm "$work/dir" >/dev/null
	start_contender "$1" "$work/dir" || return
	await_rest "$1"
	rm -f "$scratch/control" "$scratch/ack"
	mkfifo "$scratch/control" "$scratch/ack"
	perf stat -x, -D -1 --control "fifo:$scratch/control,$scratch/ack" -e "$counted" -p "$pid" \
		-o "$scratch/counters" 2>/dev/null &
	perf=$!
	exec {control}<>"$scratch/control" {ack}<>"$scratch/ack"
	echo enable >&"$control"
	read -r -t 10 -u "$ack" event
	"$bin/load" -n "$stormed" -s 16 storm "$work/dir" >/dev/null
	await_rest "$1"
	kill -INT $perf
	wait $perf
	exec {control}>&- {ack}>&-
	stop_contender
	while IFS=, read -r amount _ event rest_of_line; do
		[[ $amount = [0-9]* ]] && record counters "$1" "$event" "$amount"
	done <"$scratch/counters"
	record counters "$1" changes "$stormed"
}
