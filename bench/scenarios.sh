# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: scenarios that make changes and judge what was reported. before_X and after_X run once in each round for all contenders,
# measure_X for each.
# shellcheck shell=bash disable=SC2154,SC2034

fresh_dir() {
	rm -rf -- "$work/dir" "$work/outside"
	mkdir "$work/dir" "$work/outside"
}

# Runs the load generator so that Ctrl-C also ends it.
load() {
	local status=0
	"$bin/load" -o "$work/outside" "$@" >"$scratch/made" &
	load_pid=$!
	wait $load_pid || status=$?
	load_pid=''
	return $status
}

# judged CONTENDER [-a]: what its output says, compared with the changes in $scratch/list.
judged() {
	local raw=()
	[[ $1 != raw-* ]] || raw=(-b)
	"$bin/judge" "${@:2}" ${raw[@]+"${raw[@]}"} -r "$watched" -d "$scratch/details" "$format" "$scratch/list" "$scratch/barriers" <"$scratch/out"
}

# judge_output CONTENDER [-a]: records the result. hostwatch may lose nothing and report nothing wrong; the losses of others are shown. A name
# is late if it was reported before a barrier, although the contender seemed to be idle.
judge_output() {
	local result missing who=$1
	prints "$who" || return 0
	is_poller "$who" && set -- "$who" # it cannot see names that existed only for a moment
	result=$(judged "$@")
	missing=$(value lost "$result")
	if [ -n "$pid" ] && [ "$missing,$(value wrong "$result")" != 0,0 ]; then
		await_barrier "$who"
		result=$(judged "$@")
	fi
	record "$scenario" "$who" names "$(value names "$result")" lost "$(value lost "$result")" late $((missing - $(value lost "$result"))) \
		lost_created "$(value lost_created "$result")" lost_changed "$(value lost_changed "$result")" \
		lost_deleted "$(value lost_deleted "$result")" lost_passing "$(value lost_passing "$result")" \
		wrong "$(value wrong "$result")" reports "$(value reports "$result")"
	is_hostwatch "$who" || return 0
	[ "$(value lost "$result")" = 0 ] ||
		fail "$scenario $who lost $(value lost "$result") of $(value names "$result") changes: $(head -n 3 "$scratch/details" | tr '\t\n' ' ;')"
	[ "$(value wrong "$result")" = 0 ] ||
		fail "$scenario $who reported $(value wrong "$result") that are wrong: $(grep -v ^lost "$scratch/details" | head -n 3 | tr '\t\n' ' ;')"
}

# Takes the counters that a raw reader prints at its end.
record_raw() {
	[[ $1 = raw-* ]] || return 0
	record "$scenario" "$1" events "$(value events "$(<"$scratch/err")")" \
		overflows "$(value overflows "$(<"$scratch/err")")"
}

# ---- drain: a full queue, and how much CPU it takes to empty it ----
before_drain() {
	"$bin/load" -e -n "$drained" -s 16 create "$work/dir" >"$scratch/list"
}
after_drain() { fresh_dir; }
measure_drain() { drain_queue "$1" ''; }
drain_queue() { # CONTENDER LABEL
	local cpu began
	fresh_dir
	load -p -s 16 create "$work/dir"
	start_contender "$1" "$work/dir" || return
	settle "$1"
	kill -STOP "$pid"
	load -n "$drained" -s 16 create "$work/dir"
	cpu=$(cpu_now)
	began=$("$bin/meter" now)
	kill -CONT "$pid"
	await_rest "$1"
	record "$scenario" "$1$2" cpu_ns $(($(value cpu_ns "$rest") - cpu)) changes "$drained" \
		wall_ns $(($(value active_until_ns "$rest") - began))
	[ -n "$2" ] || judge_output "$1"
	stop_contender
	[ -n "$2" ] || record_raw "$1"
}

# ---- depths: the same for queues of several depths; labels are CONTENDER/CHANGES ----
before_depths() { :; }
after_depths() { fresh_dir; }
measure_depths() {
	local depth depths='10 100 1000' most=$drained
	[[ $1 = *polling* ]] && return
	[ "$drained" -le 1000 ] || depths="$depths $drained"
	for depth in $depths; do
		[ "$depth" -le "$most" ] || continue
		drained=$depth
		drain_queue "$1" "/$depth"
	done
	drained=$most
}

# full_speed CONTENDER MODE [-a]: changes at full speed, the CPU time of the contender, how often it slept, and the time of the writer.
full_speed() {
	local before
	fresh_dir
	load -p -n "$changes" -s 16 "$2" "$work/dir"
	start_contender "$1" "$work/dir" || return
	settle "$1"
	before=$("$bin/meter" cpu "$pid")
	perf_begin "$1"
	load -n "$changes" -s 16 "$2" "$work/dir"
	await_rest "$1"
	perf_end "$1"
	record "$scenario" "$1" cpu_ns $(($(value cpu_ns "$rest") - $(value cpu_ns "$before"))) changes "$changes" \
		writer_ns "$(value ns "$(<"$scratch/made")")" switches $(($(value switches "$rest") - $(value switches "$before")))
	judge_output "$1" "${@:3}"
	stop_contender
	record_raw "$1"
}

# The same without a contender: what the writer needs if no program watches.
before_full_speed() {
	"$bin/load" -e -n "$changes" -s 16 "$1" "$work/dir" >"$scratch/list"
	for _ in cold warm; do
		fresh_dir
		load -p -n "$changes" -s 16 "$1" "$work/dir"
		load -n "$changes" -s 16 "$1" "$work/dir"
	done
	record "$scenario" unwatched writer_ns "$(value ns "$(<"$scratch/made")")" changes "$changes"
}

# ---- storm: create, write, close, delete ----
before_storm() { before_full_speed storm; }
after_storm() { fresh_dir; }
measure_storm() { full_speed "$1" storm -a; }

# ---- append: logs that grow ----
before_append() { before_full_speed append; }
after_append() { fresh_dir; }
measure_append() { full_speed "$1" append; }

# ---- rename: files, directories, out of the directory and into it ----
before_rename() { before_full_speed rename; }
after_rename() { fresh_dir; }
measure_rename() { full_speed "$1" rename; }

# ---- race: directories and files that are renamed or removed before a watcher can have examined them ----
before_race() { before_full_speed race; }
after_race() { fresh_dir; }
measure_race() { full_speed "$1" race; }

# ---- replay: what real programs did (bench/record), a scenario for each workload ----
# Replaces the scenario `replay` by one for each workload, replay-NAME, if they can be read.
find_workloads() {
	local one all=()
	[[ " ${scenarios[*]} " = *" replay "* ]] || return 0
	if ! command -v xz >/dev/null; then
		printf 'replay\txz is not installed\n' >>"$scratch/skipped.tsv"
		echo "skip  replay: xz is not installed"
		workloads=()
	elif [ ${#workloads[@]} = 0 ] && [ $quick = 1 ]; then
		workloads=("$here/workloads/rsync.xz")
	elif [ ${#workloads[@]} = 0 ]; then
		workloads=("$here"/workloads/*.xz)
	fi
	for one in ${workloads[@]+"${workloads[@]}"}; do
		[[ $(basename -- "$one") =~ ^[[:alnum:]_-]+\.xz$ && -r $one ]] && continue
		echo "hostwatch bench: $one: not a readable file whose name is letters, digits, - and _ before .xz" >&2
		exit 2
	done
	for one in "${scenarios[@]}"; do
		[ "$one" = replay ] || all+=("$one")
		[ "$one" != replay ] || for one in ${workloads[@]+"${workloads[@]}"}; do all+=("replay-$(basename -- "$one" .xz)"); done
	done
	scenarios=(${all[@]+"${all[@]}"})
}
# Replays like `load`, so that Ctrl-C also ends it.
replay() {
	local status=0
	"$bin/replay" "$@" "$scratch/workload" "$work/dir" >"$scratch/made" &
	load_pid=$!
	wait $load_pid || status=$?
	load_pid=''
	return $status
}
before_replay() {
	local one
	for one in "${workloads[@]}"; do
		[ "replay-$(basename -- "$one" .xz)" != "$scenario" ] || xz -dc -- "$one" >"$scratch/workload" || exit 2
	done
	awk -f "$here/workload.awk" "$scratch/workload" >"$scratch/list"
	for _ in cold warm; do
		fresh_dir
		replay -p && replay || exit 2
	done
	replayed=$(value changes "$(<"$scratch/made")")
	record "$scenario" unwatched writer_ns "$(value ns "$(<"$scratch/made")")" changes "$replayed"
}
after_replay() { fresh_dir; }
measure_replay() {
	local before
	fresh_dir
	replay -p
	start_contender "$1" "$work/dir" || return
	settle "$1"
	before=$("$bin/meter" cpu "$pid")
	perf_begin "$1"
	replay
	await_rest "$1"
	perf_end "$1"
	record "$scenario" "$1" cpu_ns $(($(value cpu_ns "$rest") - $(value cpu_ns "$before"))) changes "$replayed" \
		writer_ns "$(value ns "$(<"$scratch/made")")" switches $(($(value switches "$rest") - $(value switches "$before")))
	judge_output "$1"
	stop_contender
	record_raw "$1"
}

# ---- fill: directories made and filled before any watcher can have armed them ----
before_fill() {
	"$bin/load" -e -n $((changes / 50 + 20)) fill "$work/dir" >"$scratch/list"
}
after_fill() { fresh_dir; }
measure_fill() {
	prints "$1" || return
	fresh_dir
	start_contender "$1" "$work/dir" || return
	load -n $((changes / 50 + 20)) fill "$work/dir"
	await_rest "$1"
	record fill "$1" changes $((5 * (changes / 50 + 20)))
	judge_output "$1"
	stop_contender
}

# ---- overflow: more changes than the kernel's queue holds, while the reader is stopped ----
before_overflow() {
	overflowing=$(($(queue_limit) * 6 / 5))
	"$bin/load" -e -n $overflowing -s 16 mix "$work/dir" >"$scratch/list"
}
after_overflow() { fresh_dir; }
measure_overflow() {
	local cpu began
	prints "$1" || return
	fresh_dir
	load -p -n $overflowing -s 16 mix "$work/dir"
	start_contender "$1" "$work/dir" || return
	settle "$1"
	kill -STOP "$pid"
	load -n $overflowing -s 16 mix "$work/dir"
	cpu=$(cpu_now)
	began=$("$bin/meter" now)
	kill -CONT "$pid"
	! is_hostwatch "$1" || flush "$1"
	await_rest "$1"
	record overflow "$1" cpu_ns $(($(value cpu_ns "$rest") - cpu)) changes $((2 * overflowing)) \
		wall_ns $(($(value active_until_ns "$rest") - began))
	judge_output "$1"
	stop_contender
	record_raw "$1"
}

# ---- latency: from just before the system call until the line can be read; leave: likewise, for moves out ----
before_latency() { before_timed create; }
after_latency() { fresh_dir; }
measure_latency() { time_changes "$1" create; }
before_leave() { before_timed leave; }
after_leave() { fresh_dir; }
measure_leave() {
	[[ $1 = hostwatch-polling* ]] || time_changes "$1" leave
}
before_timed() {
	"$bin/load" -e -n "$timed" "$1" "$work/dir" >"$scratch/list"
}

# A reader of a pipe, or of the daemon's socket, notes when each line arrives.
start_reader() {
	local source=()
	: >"$scratch/latency"
	! is_daemon "$1" || source=(-c "$scratch/events.sock")
	! is_virtiofs "$1" || source=(-f "$scratch/events.sock")
	"$bin/latency" -n "$timed" -l "$scratch/log" -b barrier- -o "$scratch/copy" ${source[@]+"${source[@]}"} <"$2" >"$scratch/latency" &
	helper_pid=$!
}

time_changes() { # CONTENDER MODE
	local who=$1 key seen number reader
	prints "$who" || return
	fresh_dir
	rm -f "$scratch/pipe"
	mkfifo "$scratch/pipe"
	: >"$scratch/log"
	load -n "$timed" -p "$2" "$work/dir"
	if is_daemon "$who"; then
		start_contender "$who" "$work/dir" none || return
		start_reader "$who" /dev/null
		reader=$helper_pid
		"$bin/meter" text "$reader" "$scratch/latency" first_line 0 60000 >/dev/null
	else
		start_reader "$who" "$scratch/pipe"
		reader=$helper_pid
		start_contender "$who" "$work/dir" "$scratch/pipe" || {
			kill "$reader"
			wait "$reader"
			return
		}
	fi
	: >"$scratch/out"
	load -n "$timed" -u "$((quick ? 1000 : 2000))" -l "$scratch/log" "$2" "$work/dir"
	await_rest "$who"
	await_timed "$reader"
	if is_daemon "$who" || [ "$who" = watchman ]; then stop_contender; else
		stop_contender
		wait
	fi
	seen=$(tr '\n' ' ' <"$scratch/latency")
	for key in line_p50_ns line_p99_ns line_p999_ns line_max_ns observed_p50_ns; do
		[[ $seen != *$key* ]] || record "$scenario" "$who" $key "$(value $key "$seen")"
	done
	while read -r key number; do
		[[ $key != hist_* ]] || record "$scenario" "$who" "$key" "$number"
	done <"$scratch/latency"
	mv "$scratch/copy" "$scratch/out"
	judge_output "$who"
}
