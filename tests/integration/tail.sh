#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch tail: filters, and connections that fail.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# configure MODE SHARE...: a daemon with these shares, each a directory, and a socket sink.
configure() {
	local share
	{
		printf '[hostwatch]\ncontrol = %s/control\n' "$PWD"
		for share in "${@:2}"; do
			mkdir -p "$share"
			printf '[share %s]\npath = %s/%s\n' "$share" "$PWD" "$share"
		done
		printf '[sink s]\nplugin = socket\nlisten = unix:%s/s\nmode = %s\nformat = %s\n' "$PWD" "$1" "${format:-json}"
	} >conf
}

# Waits until err has a line with this text, $2 times.
says() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(grep -c -- "$1" err 2>/dev/null)" -ge "${2:-1}" ]; do
		[ $SECONDS -lt $end ] || fail "it never says: $1: $(cat err)"
	done
}

# Starts tail and waits until it has subscribed. --json, to see hello.
begin_tail() {
	start "$B/hostwatch" tail --json "$@" "unix:$PWD/s"
	next "$out"
	contains "$line" '"hello"'
}
event() {
	next "$out"
	equal "$1" "$(stripped <<<"$line")"
}

test_events_are_chosen_by_kind() {
	configure 0600 a
	begin_daemon
	begin_tail -E delete,move
	mkdir a/d
	mv a/d a/e
	event '{"seq":2,"share":"a","event":"move","type":"dir","from":"d","to":"e"}'
	rmdir a/e
	event '{"seq":3,"share":"a","event":"delete","type":"dir","path":"e"}'
	finish "$pid"
}

filters() {
	configure 0600 a
	begin_daemon
	printf '*.o\n/gen/\n' >patterns
	begin_tail --exclude-from patterns -x '!kept.o'
	mkdir a/gen a/gen/d a/x.o
	mkdir a/kept.o
	event '{"seq":4,"share":"a","event":"create","type":"dir","path":"kept.o"}'
	mv a/gen/d a/d
	event '{"seq":5,"share":"a","event":"move","type":"dir","to":"d"}'
	# Nobody has reported what is in it.
	event '{"seq":5,"share":"a","event":"rescan","path":"d"}'
	mv a/d a/gen/e
	event '{"seq":6,"share":"a","event":"move","type":"dir","from":"d"}'
	mv a/gen/e a/gen/f
	mkdir a/end
	event '{"seq":8,"share":"a","event":"create","type":"dir","path":"end"}'
	finish "$pid"
	end_daemon
}
test_excluded_names_are_left_out() {
	for format in json netlink; do
		mkdir $format
		cd $format
		filters
		cd ..
	done
}

test_it_ends_after_a_number_of_events() {
	configure 0600 a
	begin_daemon
	begin_tail -n 2 -E create
	mkdir a/1 a/2 a/3
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"1"}'
	event '{"seq":2,"share":"a","event":"create","type":"dir","path":"2"}'
	! IFS= read -r -t $DEADLINE -u "$out" line || fail "a third: $line"
	wait "$pid"
}

test_retry_waits_for_a_server() {
	configure 0600 a
	start "$B/hostwatch" tail --retry --json "unix:$PWD/s"
	says 's: No such file or directory'
	says 's: connecting again'
	begin_daemon
	next "$out"
	contains "$line" '"hello"'
	mkdir a/d
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"d"}'
	finish "$pid" INT
	equal 2 "$(grep -c . err)"
}

test_an_interrupt_ends_it_while_it_waits() {
	for signal in INT TERM; do
		start "$B/hostwatch" tail --retry "unix:$PWD/nobody"
		says 'connecting again'
		finish "$pid" $signal
		rm err
	done
}

# The sink starts again when its settings change, the share goes on.
reconnect() {
	configure 0600 a
	begin_daemon
	begin_tail --retry
	mkdir a/1
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"1"}'
	kill -STOP "$pid"
	configure 0660 a
	"$B/hostwatch" reload --socket "$PWD/control" >/dev/null
	mkdir a/2
	"$B/hostwatch" sync --socket "$PWD/control" a >/dev/null
	kill -CONT "$pid"
	says 'the server closed the connection'
	says 'connected again, continuing after event 1 of a'
	next "$out"
	contains "$line" '"hello"'
	event '{"seq":2,"share":"a","event":"create","type":"dir","path":"2"}'
	mkdir a/3
	event '{"seq":3,"share":"a","event":"create","type":"dir","path":"3"}'
	finish "$pid"
	end_daemon
}
test_retry_continues_after_the_last_event() {
	for format in json netlink; do
		mkdir $format
		cd $format
		reconnect
		cd ..
	done
}

test_a_new_history_begins_with_a_rescan() {
	configure 0600 a
	begin_daemon
	begin_tail --retry
	mkdir a/1
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"1"}'
	for n in 1 2; do
		end_daemon
		says 'the server closed the connection' $n
		mkdir a/during$n
		begin_daemon
		next "$out"
		contains "$line" '"hello"'
		event '{"seq":0,"share":"a","event":"rescan","path":""}'
	done
	mkdir a/2
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"2"}'
	finish "$pid"
}

# Several shares cannot be resumed in one connection.
test_shares_with_missed_events_are_rescanned() {
	configure 0600 a b
	begin_daemon
	begin_tail --retry
	mkdir a/1
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"1"}'
	mkdir b/1
	event '{"seq":1,"share":"b","event":"create","type":"dir","path":"1"}'
	kill -STOP "$pid"
	configure 0660 a b
	"$B/hostwatch" reload --socket "$PWD/control" >/dev/null
	mkdir b/2
	"$B/hostwatch" sync --socket "$PWD/control" b >/dev/null
	kill -CONT "$pid"
	next "$out"
	contains "$line" '"hello"'
	event '{"seq":2,"share":"b","event":"rescan","path":""}'
	mkdir a/2
	event '{"seq":2,"share":"a","event":"create","type":"dir","path":"2"}'
	says 'connected again'
	finish "$pid"
}

test_a_snapshot_is_not_repeated() {
	configure 0600 a
	mkdir a/old
	begin_daemon
	begin_tail --retry --snapshot
	event '{"seq":0,"share":"a","event":"create","type":"dir","path":"old"}'
	event '{"snapshot":"end","seq":0,"share":"a"}'
	configure 0660 a
	"$B/hostwatch" reload --socket "$PWD/control" >/dev/null
	says 'connected again'
	mkdir a/new
	next "$out"
	contains "$line" '"hello"'
	event '{"seq":1,"share":"a","event":"create","type":"dir","path":"new"}'
	finish "$pid"
}

test_mistakes_are_not_tried_again() {
	configure 0600 a
	begin_daemon
	status=0
	text=$(timeout $DEADLINE "$B/hostwatch" tail --retry --share nonesuch "unix:$PWD/s" 2>&1) || status=$?
	equal 1 $status
	contains "$text" "no such share"
	status=0
	text=$(timeout $DEADLINE "$B/hostwatch" tail --retry "unix:$PWD/control" 2>&1 --timeout 50ms) || status=$?
	equal 1 $status
	contains "$text" "this is the control socket of hostwatchd"
}

test_a_reader_that_leaves_is_no_failure() {
	configure 0600 a
	begin_daemon
	begin_tail --retry
	exec {out}<&-
	local end=$((SECONDS + DEADLINE)) n=0
	while kill -0 "$pid" 2>/dev/null; do
		mkdir a/$((n++))
		[ $SECONDS -lt $end ] || fail "it does not end"
	done
	wait "$pid"
}

refuses() {
	local message=$1 status=0 text
	shift
	text=$("$B/hostwatch" tail "$@" 2>&1) || status=$?
	contains "$text" "hostwatch tail: $message"
	contains "$text" "Try 'hostwatch tail --help'."
	equal 2 $status
}
test_mistakes_name_the_option() {
	refuses 'ADDRESS is missing'
	refuses '"smtp:x": ' smtp:x
	refuses '--after and --epoch require each other' --after 1 unix:/s
	refuses '--epoch: expected 1 to 16 hexadecimal digits' --epoch 0x1 --after 1 unix:/s
	refuses '--after: "x" is not a number' --after x --epoch 1 unix:/s
	refuses '--timeout: "soon" is not a duration' --timeout soon unix:/s
	refuses '"netlink:1": a netlink group has no connection that could fail' --retry netlink:1
	refuses '"netlink:1": a netlink group has neither snapshots nor resume' --snapshot netlink:1
}

# Prints the complete lines of all runs with epoch and sequence number before the path, each once. A killed tail may leave
# half a line.
received() {
	cat out.* | sed -nE 's/^\{"seq":([0-9]+),.*"path":"([^"]*)"\}$/\1 \2/p' | sort -un
}

# Starts a tail that writes to a new file.
begin_kept() {
	runs=$((runs + 1))
	"$B/hostwatch" tail --json --state state "$@" "unix:$PWD/s" >out.$runs 2>>err &
	pid=$!
	started+=("$pid")
}

# Waits until the state file has this event.
kept() {
	local end=$((SECONDS + DEADLINE))
	until grep -q " $1\$" state 2>/dev/null; do
		kill -0 "$pid" || fail "$(cat err)"
		[ $SECONDS -lt $end ] || fail "never kept: $1; $(cat state)"
	done
}

keeps_its_place() {
	local count=${STATE_DIRS:-1000} kills=${STATE_KILLS:-6} i writer
	configure 0600 a
	begin_daemon
	runs=0
	begin_kept
	kept 0
	(for ((i = 1; i <= count; i++)); do mkdir a/$i; done) &
	writer=$!
	started+=("$writer")
	for ((i = 0; i < kills; i++)); do
		# Until it has read some, and after 0 to 63 turns of an empty loop: at any place of its work.
		until [ -s out.$runs ] || grep -q " $count\$" state; do :; done
		for ((n = RANDOM % 64; n; n--)); do :; done
		kill -KILL "$pid"
		wait "$pid" || :
		begin_kept
	done
	wait "$writer"
	kept "$count"
	finish "$pid"
	equal "$(seq 1 "$count" | sed 's/.*/& &/')" "$(received)"
	[ ! -s err ] || fail "$(cat err)"
	# Nothing is sent again.
	begin_kept -n 1
	mkdir a/last
	wait "$pid"
	contains "$(cat out.$runs)" "{\"seq\":$((count + 1)),"
	end_daemon
}

test_state_lets_a_killed_tail_miss_nothing() {
	for format in json netlink; do
		mkdir $format
		cd $format
		keeps_its_place
		cd ..
	done
}

test_state_of_another_history_is_reported() {
	configure 0600 a
	begin_daemon
	runs=0
	begin_kept
	kept 0
	mkdir a/1
	kept 1
	finish "$pid"
	end_daemon
	mkdir a/2
	begin_daemon
	begin_kept
	kept 0
	finish "$pid"
	contains "$(cat out.$runs)" '"event":"rescan","path":""}'
	contains "$(cat err)" 'a has a new history: cannot resume after event 1, a rescan follows'
}

test_state_that_the_journal_no_longer_has_is_reported() {
	configure 0600 a
	sed -i 's/^path = .*/&\njournal = 1M/' conf
	begin_daemon
	runs=0
	begin_kept
	kept 0
	finish "$pid"
	printf 'a/%0200d\n' {1..6000} | xargs mkdir
	"$B/hostwatch" sync --socket "$PWD/control" a >/dev/null
	begin_kept
	kept 6000
	finish "$pid"
	contains "$(cat out.$runs)" '"event":"rescan","path":""}'
	contains "$(cat err)" 'a: events after 0 are missing, a rescan replaces them'
}

test_state_does_not_pass_what_count_left_out() {
	configure 0600 a
	begin_daemon
	runs=0
	begin_kept
	kept 0
	finish "$pid"
	mkdir a/{1,2,3}
	for i in 1 2 3; do
		begin_kept -n 1
		wait "$pid"
		contains "$(cat out.$runs)" "{\"seq\":$i,"
		contains "$(cat state)" " $i"
	done
}

# What COUNT leaves out of a snapshot would come again each time.
test_state_has_a_whole_snapshot() {
	configure 0600 a
	mkdir a/{1,2,3}
	begin_daemon
	runs=0
	begin_kept --snapshot -n 2
	wait "$pid"
	equal 3 "$(grep -c '"event":"create"' out.1)"
	contains "$(cat state)" " 0"
	mkdir a/4
	begin_kept --snapshot -n 1
	wait "$pid"
	contains "$(cat out.2)" '"path":"4"'
	equal 1 "$(grep -c '"event":"create"' out.2)"
}

test_other_files_are_no_state() {
	local text status
	configure 0600 a b
	begin_daemon
	echo mine >file
	mkfifo pipe
	for args in '--state file' '--state other --share b' '--state new' '--state pipe --share a' '--state third'; do
		echo 'hostwatch-tail 1 a 0000000000000001 7' >other
		echo 'hostwatch-tail 1 c 0000000000000001 7' >third
		status=0
		# shellcheck disable=SC2086 # several words
		text=$(timeout $DEADLINE "$B/hostwatch" tail --retry $args "unix:$PWD/s" 2>&1) || status=$?
		equal 1 $status
		contains "$text" "hostwatch tail: --state:"
	done
	contains "$text" 'this is the state of share c, which the server at'
	equal mine "$(cat file)"
	[ -p pipe ] || fail "the pipe was replaced, as /dev/null would be"
	refuses '--state and --after exclude each other' --state x --after 1 --epoch 1 unix:/s
	refuses '--state: a netlink group has no resume' --state x netlink:1
}

test_a_second_tail_with_the_same_state_is_refused() {
	local status=0 text first
	configure 0600 a
	begin_daemon
	runs=0
	begin_kept
	kept 0
	first=$pid
	text=$(timeout $DEADLINE "$B/hostwatch" tail --state ./state "unix:$PWD/s" 2>&1) || status=$?
	equal 1 $status
	equal 'hostwatch tail: --state: "./state": another hostwatch tail uses this file; give each one a file of its own' "$text"
	mkdir a/1
	kept 1
	kill -KILL "$first"
	wait "$first" || :
	begin_kept -n 1
	mkdir a/2
	wait "$pid"
	contains "$(cat out.$runs)" '"path":"2"'
	[ ! -e state.lock ] || fail "the lock is left"
}

# The events about the file end: it is written for others only.
test_a_state_in_the_share_does_not_report_itself_for_ever() {
	local i end=$((SECONDS + DEADLINE))
	configure 0600 a
	mkdir a/d
	begin_daemon
	"$B/hostwatch" tail --json --state a/d/state "unix:$PWD/s" >out 2>err &
	pid=$!
	started+=("$pid")
	until [ -s a/d/state ]; do
		[ $SECONDS -lt $end ] || fail "no state: $(cat err)"
	done
	for i in {1..20}; do
		mkdir a/$i
		until grep -q "\"path\":\"$i\"" out; do
			[ $SECONDS -lt $end ] || fail "no event: $(cat err)"
		done
	done
	says 'the file seems to be in the share: an event is about "d/state'
	# As many barriers as there would be events: each could have caused the next.
	for i in {1..50}; do
		"$B/hostwatch" sync --socket "$PWD/control" a >/dev/null
	done
	finish "$pid"
	equal 1 "$(grep -c . err)"
	# It was written at the start, and at most once for each directory.
	[ "$(grep -c '"to":"d/state"' out)" -le 21 ] || fail "$(wc -l <out) lines"
	equal 20 "$(grep -c '"path":"[0-9]*"' out)"
}

run_tests
