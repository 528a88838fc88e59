# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: scenarios about idle programs, large trees and many subscribers.
# shellcheck shell=bash disable=SC2154,SC2034

# ---- idle: wake-ups and CPU time while nothing changes ----
before_idle() {
	build_tree
	idle_ms=$((idle_s ? idle_s * 1000 : quick ? 1000 : 10000))
}
after_idle() { :; }
measure_idle() {
	local before after
	start_contender "$1" "$work/tree" || return
	! is_hostwatch "$1" || flush "$1"
	settle "$1" # it sleeps now, so the first switch that is counted is a wake-up
	before=$("$bin/meter" cpu "$pid")
	"$bin/meter" nap $idle_ms
	after=$("$bin/meter" cpu "$pid")
	record idle "$1" idle_ms $idle_ms cpu_ns $(($(value cpu_ns "$after") - $(value cpu_ns "$before"))) \
		switches $(($(value switches "$after") - $(value switches "$before")))
	stop_contender
}

# ---- arm: time and memory until a large tree is watched ----
build_tree() {
	[ ! -d "$work/tree" ] || return
	"$bin/tree" -f "$files" -d "$directories" "$work/tree" >/dev/null || exit 2
	mkdir -p "$work/empty"
	"$bin/tree" -W "$work/tree" >/dev/null # warm for every contender
}
walk_tree() { # LABEL
	local walked
	walked=$("$bin/tree" -W "$work/tree")
	record "$scenario" "$1" wall_ns "$(value ns "$walked")" cpu_ns "$(value cpu_ns "$walked")" \
		entries "$(value entries "$walked")"
}
before_arm() {
	build_tree
	walk_tree walk
	! chill || walk_tree walk/cold
}
after_arm() { :; }
measure_arm() {
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
	chill || return
	start_contender "$1" "$work/tree" || return
	record arm "$1/cold" wall_ns "$ready_ns" cpu_ns "$(cpu_now)" entries $((files + directories))
	stop_contender
}

# ---- sizes: the same for trees of several sizes, and the cost of an event in each; labels are CONTENDER/ENTRIES ----
before_sizes() {
	local size
	sizes=()
	for size in $((files / 100)) $((files / 10)) "$files"; do
		sizes+=("$size")
		[ -d "$work/tree-$size" ] || "$bin/tree" -f "$size" -d $(((size + 9) / 10)) "$work/tree-$size" >/dev/null || exit 2
	done
	mkdir -p "$work/empty"
	appended=$((changes / 4))
}
after_sizes() { :; }
measure_sizes() {
	local size empty
	is_daemon "$1" && return
	[[ $1 = hostwatch-* || $1 =~ ^(raw-(inotify|fanotify)|inotifywait)$ ]] || return
	start_contender "$1" "$work/empty" || return
	empty=$(value rss_kb "$("$bin/meter" memory "$pid")")
	stop_contender
	for size in "${sizes[@]}"; do measure_size "$1" "$size" "$empty"; done
}
measure_size() { # CONTENDER FILES RSS_OF_AN_EMPTY_DIRECTORY
	local tree=$work/tree-$2 entries=$(($2 + ($2 + 9) / 10)) memory slab before label
	label=$1/$entries
	rm -rf -- "$tree/load"
	mkdir "$tree/load"
	"$bin/load" -p -s 16 -n $appended append "$tree/load" >/dev/null
	slab=$(value slab_kb "$("$bin/meter" memory $$)")
	start_contender "$1" "$tree" || return
	memory=$("$bin/meter" memory "$pid")
	record sizes "$label" wall_ns "$ready_ns" cpu_ns "$(cpu_now)" entries $entries \
		grown_kb $(($(value rss_kb "$memory") - $3)) kernel_kb $(($(value slab_kb "$memory") - slab))
	if [[ $1 != *polling* ]]; then # its CPU time is that of its scans
		settle "$1"
		before=$(cpu_now)
		"$bin/load" -s 16 -n $appended append "$tree/load" >/dev/null
		await_rest "$1"
		record sizes "$label" event_cpu_ns $(($(value cpu_ns "$rest") - before)) changes $appended
	fi
	stop_contender
	rm -rf -- "$tree/load"
}

# ---- with a daemon: fan-out to many subscribers, snapshots, resumes; once for each watcher ----
start_daemon() { # CONTENDER DIR
	start_contender "${1%+*}+socket" "$2" none
}
# Only the first contender of each watcher has these.
is_served() {
	is_hostwatch "$1" && ! is_daemon "$1" && [[ $1 != *polling* ]]
}
# subscribe STATUS [OPTION...]: starts subscribers and waits until they have asked.
subscribe() {
	: >"$1" # before the program does it, which may be late
	"$bin/subscriber" "${@:2}" "$scratch/events.sock" >"$scratch/out" 2>"$1" &
	helper_pid=$!
	[ "$(value at_ns "$("$bin/meter" text $helper_pid "$1" ready 0 60000)")" != 0 ]
}

before_fanout() {
	fanned=$((changes / 10))
	"$bin/load" -e -n $fanned -s 16 create "$work/dir" >"$scratch/list"
}
after_fanout() { fresh_dir; }
measure_fanout() {
	local count counts='1 10 100 1000' before who=$1 got events
	is_served "$who" || return
	[ $quick = 0 ] || counts='1 20'
	[ "$(ulimit -n)" -ge 1100 ] || ulimit -n 1100 2>/dev/null || counts='1 10 100'
	for count in $counts; do
		fresh_dir
		load -p -s 16 create "$work/dir"
		start_daemon "$who" "$work/dir" || return
		subscribe "$scratch/err.subscriber" -n "$count" || fail "fanout $who: $(<"$scratch/err.subscriber")"
		await_rest "$who"
		before=$(cpu_now)
		load -n $fanned -s 16 create "$work/dir"
		await_rest "$who"
		await_subscribers "$count"
		if ! kill -0 "$helper_pid" 2>/dev/null; then
			note "fanout $who/$count: not measured: $(tail -n 1 "$scratch/err.subscriber"); $(grep -m 1 refused "$scratch/err")"
			stop_contender
			continue
		fi
		events=$(grep -c '"event"' "$scratch/out")
		record fanout "$who/$count" rss_kb "$(value rss_kb "$("$bin/meter" memory "$pid")")" cpu_ns $(($(value cpu_ns "$rest") - before)) subscribers "$count" \
			events "$events" deliveries $((events * count)) changes $fanned
		scenario_of_output "$who" "$count"
		stop_contender
		send_output "$who" "$count" $((events * count))
	done
}
# The daemon is idle, and so must be the subscribers before they are counted.
await_subscribers() {
	"$bin/meter" rest "$helper_pid" "$scratch/out" 100 60000 >/dev/null
}
# Judges the output of the first subscriber, and compares with it how much the others got. They end when each has got as much.
scenario_of_output() {
	local got
	await_barrier "${1%+*}+socket"
	kill -TERM "$helper_pid"
	wait "$helper_pid"
	helper_pid=''
	got=$(<"$scratch/err.subscriber")
	format=json
	judge_output "$1/$2"
	[ "$(value least "$got")" = "$(value most "$got")" ] ||
		fail "fanout $1: of $2 subscribers one received $(value least "$got") lines and another $(value most "$got")"
}

# The limit: one send(2) to each subscriber of the same bytes, in as many pieces as the first subscriber got.
send_output() { # CONTENDER COUNT DELIVERIES
	local pieces bytes
	pieces=$(value reads "$(<"$scratch/err.subscriber")")
	bytes=$(stat -c %s "$scratch/out")
	[ "$pieces" -gt 0 ] && [ "$bytes" -gt 0 ] || return
	cp "$scratch/out" "$scratch/sent"
	rm -f "$scratch/events.sock"
	: >"$scratch/err"
	"$bin/raw_send" "$scratch/events.sock" "$2" "$scratch/sent" $((bytes / pieces + 1)) >"$scratch/made" 2>"$scratch/err" &
	pid=$!
	"$bin/meter" text $pid "$scratch/err" ready 0 60000 >/dev/null
	"$bin/subscriber" -n "$2" "$scratch/events.sock" >/dev/null 2>&1 &
	helper_pid=$!
	wait $pid && record fanout "send-${1#hostwatch-}/$2" cpu_ns "$(value cpu_ns "$(<"$scratch/made")")" deliveries "$3" subscribers "$2"
	pid=''
	wait $helper_pid # the server has closed its connections
	helper_pid=''
}

before_snapshot() { build_tree; }
after_snapshot() { :; }
measure_snapshot() {
	local before began got
	is_served "$1" || return
	start_daemon "$1" "$work/tree" || return
	await_rest "$1"
	before=$(cpu_now)
	began=$("$bin/meter" now)
	"$bin/subscriber" -w '"snapshot":"end"' -r '{"subscribe":{"share":"bench","snapshot":true}}' \
		"$scratch/events.sock" >"$scratch/out" 2>"$scratch/err.subscriber"
	got=$(grep -c '"event":"create"' "$scratch/out")
	await_rest "$1"
	record snapshot "$1" wall_ns $(($(value until_ns "$(tr '\n' ' ' <"$scratch/err.subscriber")") - began)) \
		cpu_ns $(($(value cpu_ns "$rest") - before)) entries "$got" names $((files + directories)) \
		lost $((files + directories - got)) wrong 0
	[ "$got" = $((files + directories)) ] || fail "snapshot $1: $got of $((files + directories)) entries"
	stop_contender
}

# A subscriber that has left comes back after some changes.
before_resume() {
	resumed=$((changes / 10))
	"$bin/load" -e -n $resumed -s 16 create "$work/dir" >"$scratch/list"
}
after_resume() { fresh_dir; }
measure_resume() {
	local epoch began before
	is_served "$1" || return
	fresh_dir
	load -p -s 16 create "$work/dir"
	start_daemon "$1" "$work/dir" || return
	"$bin/subscriber" -w '"hello"' "$scratch/events.sock" >"$scratch/out" 2>"$scratch/err.subscriber"
	epoch=$(grep -o '"epoch":"[0-9a-f]*"' "$scratch/out" | head -n 1)
	load -n $resumed -s 16 create "$work/dir"
	flush "${1%+*}+socket"
	await_rest "$1"
	before=$(cpu_now)
	began=$("$bin/meter" now)
	"$bin/subscriber" -w '"resumed":"end"' -r "{\"subscribe\":{\"share\":\"bench\",$epoch,\"after\":0}}" \
		"$scratch/events.sock" >"$scratch/out" 2>"$scratch/err.subscriber"
	await_rest "$1"
	record resume "$1" wall_ns $(($(value until_ns "$(tr '\n' ' ' <"$scratch/err.subscriber")") - began)) \
		cpu_ns $(($(value cpu_ns "$rest") - before)) events "$(grep -c '"event"' "$scratch/out")"
	format=json
	judge_output "$1"
	stop_contender
}

# ---- shares: a daemon with several shares of one directory with 16 files each; labels are CONTENDER/SHARES ----
before_shares() {
	local share
	for share in $(seq 100); do
		mkdir -p "$work/shares/$share"
		touch "$work/shares/$share/file"{1..16}
	done
}
after_shares() { :; }
measure_shares() {
	local count memory
	is_served "$1" || return
	for count in 1 10 100; do
		shares=$count
		start_daemon "$1" "$work/shares/1" || break
		memory=$("$bin/meter" memory "$pid")
		record shares "$1/$count" wall_ns "$ready_ns" cpu_ns "$(cpu_now)" rss_kb "$(value rss_kb "$memory")" shares "$count"
		stop_contender
	done
	shares=1
}
