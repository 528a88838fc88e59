#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# inject = replay: what the kernel keeps while events come, while none come, and afterwards; a program that is killed.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fuse/rig.sh
. "$tree/tests/fuse/rig.sh"
replay_enter "$0" "$@"

make_files() {
	mkdir -p host/d/e
	echo old >host/f
	echo old >host/d/g
	echo old >host/d/e/h
	replay_sync
}

# A program that looks at everything, also at a name that is absent. Prints what it finds.
look() {
	ls -AR at/d
	ls at
	stat -c '%n %s %Y' at/f at/d at/d/g
	cat at/f at/d/g
	[ -e at/later ] && echo "later" || echo "no later"
}

# The mount answers by itself: the server is stopped meanwhile. Writes what a program sees to ./seen.
look_without_requests() { # SECONDS
	local status=0
	freeze "$server"
	{ timeout -s KILL "$1" bash -c "$(declare -f look); look" >seen 2>&1 || status=$?; } 2>/dev/null
	thaw "$server"
	return $status
}

find_server() {
	server=$(pgrep -P "$agent" -f hostwatch-guest-replay)
}

# The kernel may keep a name for a second only that it learnt before the host was connected.
warm_up() {
	replay_until is_warm
}
is_warm() {
	look >/dev/null 2>&1 || : # entries may be absent
	look_without_requests 1
}

test_what_has_not_changed_needs_no_request() {
	replay_start
	make_files
	find_server
	warm_up
	contains "$(cat seen)" 'no later'
	equal "$(look)" "$(cat seen)"
}

test_changes_are_seen_while_no_host_is_connected() {
	replay_start
	make_files
	find_server
	warm_up
	contains "$(cat seen)" 'no later'
	agent_forget
	end_daemon
	replay_until grep -q '\] disconnected' agent.log
	echo new >host/f
	echo more >>host/d/g
	rm -r host/d/e
	mkdir host/fresh
	: >host/later
	replay_until sees_new_state
}
# All caches, those of the mount below as well, are a second old at most.
sees_new_state() {
	[ "$(cat at/f)" = new ] && [ "$(cat at/d/g)" = $'old\nmore' ] && [ ! -e at/d/e ] && [ -e at/later ] &&
		[ "$(ls at)" = $'d\nf\nfresh\nlater' ]
}

# The daemon has no state and begins another history: its first event is a rescan.
test_after_a_rescan_the_new_state_is_there_and_kept() {
	replay_start
	make_files
	find_server
	warm_up
	agent_forget
	freeze "$agent"
	end_daemon
	echo new >host/f
	rm -r host/d/e
	: >host/later
	thaw "$agent"
	replay_until grep -q '\] disconnected' agent.log
	begin_daemon
	replay_until agent_connected
	replay_until sees_rescanned_state
	warm_up
	equal "$(look)" "$(cat seen)"
	echo newer >host/f
	replay_until sees_newer
}

# A program that watched before: what it must read again, and then events as before, also of what it has not seen.
test_watches_work_after_a_rescan() {
	replay_start inotifywait
	mkdir -p host/tree/d host/tree/gone plain/tree
	echo old | tee host/tree/f host/tree/d/g host/tree/gone/h >/dev/null
	replay_sync
	(cd at/tree && exec inotifywait -m --format '%w %e %f %c' -e create,delete,move,attrib,move_self,delete_self . d f) >>in.at 2>in.at.err &
	started+=($!)
	replay_until grep -q '^Watches established' in.at.err
	agent_forget
	freeze "$agent"
	end_daemon
	mv host/tree/f host/tree/d/f
	rm -r host/tree/gone
	echo new >host/tree/new
	thaw "$agent"
	replay_until grep -q '\] disconnected' agent.log
	begin_daemon
	replay_until grep -q '^./ ATTRIB,ISDIR d' in.at
	replay_until grep -q '^d/ ATTRIB,ISDIR' in.at
	equal "$(cd host/tree && find . | sort)" "$(cd at/tree && find . | sort)"
	: >in.at
	replay_sync
	mv host/tree/d/f host/tree/f2
	replay_sync
	mv host/tree/new host/tree/d/new
	rm host/tree/f2
	: >host/tree/last
	replay_until grep -q ' CREATE last ' in.at
	equal "d/ MOVED_FROM f 1
./ MOVED_TO f2 1
f MOVE_SELF
./ MOVED_FROM new 2
d/ MOVED_TO new 2
f ATTRIB
f DELETE_SELF
./ DELETE f2
./ CREATE last" "$(replay_lines in.at)"
}
sees_rescanned_state() {
	[ "$(cat at/f)" = new ] && [ ! -e at/d/e ] && [ -e at/later ]
}
sees_newer() {
	[ "$(cat at/f)" = newer ]
}

# ---- a program that is killed ----

# A program that uses the mount, and counts its rounds in a file elsewhere.
use_mount() { # NUMBER
	local round=0
	set +e # the mount is gone at times
	while :; do
		look >/dev/null
		echo $round >"at/own$1"
		mv "at/own$1" "at/d/own$1"
		cat "at/d/own$1"
		rm -f "at/d/own$1"
		round=$((round + 1))
		echo $round >>"rounds$1"
	done >/dev/null 2>&1
}

change_host() {
	local round=0
	set +e # a name may be in use
	while :; do
		round=$((round + 1))
		echo $round >host/changing
		mv host/changing host/d/changed
	done 2>/dev/null
}

begin_load() {
	replay_start
	make_files
	find_server
	for number in 1 2 3; do
		use_mount $number &
		started+=($!)
	done
	change_host &
	started+=($!)
	programs_go_on
}

# Each program makes ten more rounds.
programs_go_on() {
	local number
	for number in 1 2 3; do
		touch "rounds$number"
		goal=$(($(wc -l <"rounds$number") + 10))
		replay_until has_rounds "$number"
	done
}
has_rounds() {
	[ "$(wc -l <"rounds$1")" -ge $goal ]
}

# Until another server has mounted, and programs receive events of the mount.
mounted_again() {
	find_server && [ "$server" != "$killed" ] && mountpoint -q at
}
events_arrive() {
	replay_until mounted_again
	mkdir -p host/watched
	replay_until [ -d at/watched ]
	inotifywait -q -m -e create --format %f at/watched >events &
	started+=($!)
	replay_until receives_event
}
receives_event() {
	tries=$((tries + 1))
	: >"host/watched/event$tries"
	[ -s events ]
}
tries=0

test_a_killed_server_is_replaced_under_load() {
	command -v inotifywait >/dev/null || skip "no inotifywait"
	begin_load
	for round in 1 2 3; do
		killed=$server
		kill -KILL "$server"
		programs_go_on
		replay_until mounted_again
	done
	events_arrive
}

test_a_killed_replayer_is_replaced_under_load() {
	command -v inotifywait >/dev/null || skip "no inotifywait"
	begin_load
	for round in 1 2 3; do
		killed=$server
		kill -KILL "$(pgrep -P "$server" -x replayer)"
		programs_go_on
		replay_until mounted_again
	done
	events_arrive
}

# The mount of an agent that is killed goes with it: programs find the directory below.
test_a_killed_agent_leaves_no_mount() {
	begin_load
	kill -KILL "$agent"
	programs_go_on
	replay_until not_mounted
	programs_go_on
}
not_mounted() {
	! mountpoint -q at
}

run_tests
