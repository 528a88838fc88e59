#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# guest-sim that listens: it removes its socket, replaces one that is stale, and touches nothing else.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# How many processes listen at ./s, or did before they lost the name. That there is a file says less: it is made before.
listeners() {
	grep -c " 00010000 .* $PWD/s\$" /proc/net/unix || : # none
}

listen() {
	local before
	before=$(listeners)
	start "$B/hostwatch" guest-sim --listen "unix:$PWD/s"
	end=$((SECONDS + DEADLINE))
	until [ "$(listeners)" -gt "$before" ]; do
		[ $SECONDS -lt $end ] || fail "it does not listen: $(cat err)"
	done
}

# Is refused, with this reason.
refused() {
	status=0
	text=$("$B/hostwatch" guest-sim --listen "unix:$PWD/s" 2>&1) || status=$?
	equal 1 $status
	contains "$text" "$1"
}

test_a_signal_ends_it_and_removes_its_socket() {
	for signal in INT TERM HUP; do
		listen
		finish "$pid" $signal 0
		[ ! -e s ] || fail "the socket is left after SIG$signal"
	done
}

test_it_starts_again_after_it_was_killed() {
	listen
	finish "$pid" KILL 137
	[ -S s ] || fail "a killed process removes nothing"
	listen
	finish "$pid" TERM 0
	[ ! -e s ] || fail "the socket is left"
}

test_a_socket_in_use_is_left_alone() {
	listen
	inode=$(stat -c %i s)
	refused "another process is listening there"
	equal "$inode" "$(stat -c %i s)"
	finish "$pid"
}

test_a_file_is_left_alone() {
	echo mine >s
	refused "the path exists and is not a socket"
	equal mine "$(cat s)"
	rm s
	ln -s nowhere s
	refused "the path exists and is not a socket"
	rm s
	mkdir s
	refused "the path exists and is not a socket"
}

test_a_socket_that_took_its_name_is_left_alone() {
	listen
	first=$pid
	rm s
	listen
	finish "$first"
	[ -S s ] || fail "it removed the socket of another process"
	finish "$pid"
}

test_a_directory_that_is_absent_is_named() {
	status=0
	text=$("$B/hostwatch" guest-sim --listen "unix:$PWD/none/s" 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'none/s": cannot listen: No such file or directory'
}

# A signal while it waits for a host that says nothing, and between two attempts.
test_a_signal_ends_it_in_every_wait() {
	start "$B/hostwatch" guest-sim "unix:$PWD/nobody"
	end=$((SECONDS + DEADLINE))
	until grep -q 'trying again' err; do
		[ $SECONDS -lt $end ] || fail "it reports nothing"
	done
	finish "$pid" TERM 0
	listen
	host=$pid
	freeze "$host"
	start "$B/hostwatch" guest-sim "unix:$PWD/s"
	end=$((SECONDS + DEADLINE))
	until [ "$(grep -c "$PWD/s\$" /proc/net/unix)" -ge 2 ]; do
		[ $SECONDS -lt $end ] || fail "it does not connect: $(cat err)"
	done
	finish "$pid" INT 0
}

run_tests
