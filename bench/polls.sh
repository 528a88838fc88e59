# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: scenarios of the large tree whose costs are compared with those of one poll of it.
# shellcheck shell=bash disable=SC2154,SC2034

# chill: makes the caches cold with the command of the user. Returns 1 if there is none, or if it fails.
chill() {
	[ -n "$cold" ] || return
	sh -c "$cold" >"$scratch/cold" 2>&1 && return
	note "$scenario: --cold: $(head -n 1 "$scratch/cold")"
	return 1
}

# A daemon that polls the tree only when it is asked to.
start_poller() {
	interval=1h
	start_contender hostwatch-polling+socket "$work/tree" none
	local status=$?
	interval=100ms
	return $status
}
# poll CONTENDER: one poll by this daemon.
poll() {
	local cpu began
	cpu=$(cpu_now)
	began=$("$bin/meter" now)
	flush hostwatch-polling+socket
	record "$scenario" "$1" wall_ns $(($("$bin/meter" now) - began)) cpu_ns $(($(cpu_now) - cpu)) entries "$entries"
}
# The base of other scenarios.
poll_tree() {
	build_tree
	entries=$((files + directories))
	start_poller || return
	flush hostwatch-polling+socket
	poll poll
	stop_contender
}

# ---- poll: one scan of the large tree, in which nothing has changed ----
before_poll() {
	build_tree
	entries=$((files + directories))
	walk_tree walk
	! chill || walk_tree walk/cold
}
after_poll() { :; }
measure_poll() {
	[ "$1" = hostwatch-polling ] || return
	start_poller || return
	flush hostwatch-polling+socket # after the start everything is examined once more
	poll "$1"
	! chill || poll "$1/cold"
	stop_contender
}

# ---- restart: a start from nothing, and one from the state that the daemon kept before ----
before_restart() { poll_tree; }
after_restart() { :; }
measure_restart() {
	local ready=0
	is_served "$1" || return
	state=$scratch/state
	rm -rf -- "$state"
	mkdir "$state"
	if start_daemon "$1" "$work/tree"; then
		ready=$ready_ns
		flush "${1%+*}+socket"
		stop_contender
		if start_daemon "$1" "$work/tree"; then
			record restart "$1" wall_ns "$ready_ns" cold_ns "$ready" cpu_ns "$(cpu_now)" entries "$entries"
			stop_contender
		fi
	fi
	rm -rf -- "$state"
	state=''
}

# ---- recovery: an overflow of the kernel's queue in the large tree ----
before_recovery() {
	build_tree
	recovered=$((files * 3 / 20)) # two changes of each
	rm -rf -- "$work/tree/load"
	mkdir "$work/tree/load"
	"$bin/load" -e -n $recovered -s 16 mix "$work/tree/load" | sed 's/\t/\tload\//g' >"$scratch/list"
	load -p -n $recovered -s 16 mix "$work/tree/load"
	poll_tree
}
after_recovery() { rm -rf -- "$work/tree/load"; }
measure_recovery() {
	local cpu began
	is_served "$1" || return
	rm -rf -- "$work/tree/load"
	mkdir "$work/tree/load"
	load -p -n $recovered -s 16 mix "$work/tree/load"
	start_contender "$1" "$work/tree" || return
	settle "$1"
	kill -STOP "$pid"
	load -n $recovered -s 16 mix "$work/tree/load"
	cpu=$(cpu_now)
	began=$("$bin/meter" now)
	kill -CONT "$pid"
	flush "$1"
	record recovery "$1" wall_ns $(($("$bin/meter" now) - began)) cpu_ns $(($(cpu_now) - cpu)) entries "$entries" \
		changes $((2 * recovered))
	judge_output "$1"
	stop_contender
}
