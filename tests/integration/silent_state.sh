#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The state of shares is on a filesystem that stops answering: shares, the control socket and the end of the daemon do not
# wait for it.
script=$(realpath "$0")
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/silent_lib.bash
. "$(dirname "$0")/silent_lib.bash"

# A directory "state" that the server has a layer of: each name that is looked up for the first time is a request.
state_on_a_layer() {
	mkdir -p lower upper work state near log
	chmod 700 state upper log
	serve lower
	mount -t overlay none -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" state
}

# Starts a daemon that keeps the state of two shares there, and has another share on directory $1, if one is given. Does not
# wait until it is ready.
keep() { # [DIR]
	mkdir -p near other
	cat >conf <<-EOT
		[hostwatch]
		control = $PWD/control
		user = root
		state_dir = $PWD/state
		state_log_dir = $PWD/log
		[share near]
		path = $PWD/near
		interval = 50ms
		[share other]
		path = $PWD/other
		interval = 50ms
		[sink s]
		plugin = socket
		listen = unix:$PWD/s
	EOT
	[ $# = 0 ] || cat >>conf <<-EOT
		[share far]
		path = $PWD/$1
		watcher = polling
		interval = 50ms
	EOT
	: >err
	start "$B/hostwatchd" -c conf
	daemon=$pid
}
epoch() { ask status --json | tr '{' '\n' | grep '"name":"near"' | grep -o '"epoch":"[0-9a-f]*"'; }
online() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(ask status --json 2>/dev/null | grep -o '"state":"online"' | wc -l)" = 2 ]; do
		kill -0 "$daemon" || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "not online: $(ask status); $(cat err)"
	done
}
kept() { # DIR
	local end=$((SECONDS + DEADLINE))
	until [ -e "$1/near.open" ] && [ -e "$1/other.open" ] && [ ! -e "$1/near.open.new" ] && [ ! -e "$1/other.open.new" ]; do
		[ $SECONDS -lt $end ] || fail "no snapshot: $(ls "$1"); $(cat err)"
	done
}
# Changes are reported.
reports() {
	local before
	before=$(ask sync near)
	mkdir "near/$1"
	[ "$(ask sync near)" != "$before" ] || fail "the change was not reported"
}

state_at_the_end() {
	local before
	state_on_a_layer
	keep
	log "hostwatchd: ready: "
	kept upper
	before=$(epoch)
	reports one
	echo lookup >request
	reports two
	ends
	contains "$(cat err)" "does not answer: its state is not written"
	answer
	# Nothing is lost: the log is in memory.
	keep
	log "hostwatchd: ready: "
	equal "$before" "$(epoch)"
	contains "$(cat err)" "after a run that did not stop cleanly"
	ends
	[ -e upper/near.state ] || fail "no state: $(ls upper)"
}

state_at_the_start() {
	local before
	state_on_a_layer
	keep
	log "hostwatchd: ready: "
	kept upper
	before=$(epoch)
	ends
	# Names that the kernel has looked up are no requests.
	umount state
	mount -t overlay none -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" state
	echo lookup >request
	keep
	await "$lines" silent
	contains "$(ask status)" near
	if [ "$1" = answered ]; then
		answer
		online
		equal "$before" "$(epoch)"
		contains "$(cat err)" "continues from the state"
		[[ $(cat err) != *"does not answer"* ]] || fail "$(cat err)"
	elif [ "$1" = never ]; then
		online
		[ "$before" != "$(epoch)" ] || fail "it has a state"
		contains "$(cat err)" "its state is not kept: the filesystem of state_dir, $PWD/state, does not answer; a new epoch begins"
		contains "$(ask status)" "restart hostwatchd when it does"
		reports one
	fi
	ends
}

# ---- each request ----

# "state" is a mount of "disk", which is in memory: fsync(2) takes no time.
state_of_a_server() {
	mkdir -p disk state near log
	mount -t tmpfs none disk
	chmod 700 disk log
	begin_server "" fuse-passthrough "$PWD/disk" "$PWD/state" silent
}

# Prints the daemons of this test, and their children.
daemons() {
	local here process
	here=$(readlink /proc/self/ns/mnt)
	for process in /proc/[0-9]*; do
		[[ $(readlink "$process/exe") != "$B/hostwatchd" || $(readlink "$process/ns/mnt") != "$here" ]] || echo "$process"
	done
}

# The server continues, after the daemon has ended. What waited for it ends also; the next daemon needs the lock.
answer_the_dead() {
	local end=$((SECONDS + DEADLINE))
	answer
	until [ -z "$(daemons)" ]; do
		[ $SECONDS -lt $end ] || fail "a process stays: $(daemons)"
	done
}

# While the server is silent, shares and the control socket are served.
serves() {
	contains "$(ask status)" near
	[ $# = 0 ] || reports "$1"
}

silent_at_the_end() {
	local before request
	state_of_a_server
	for request; do
		keep
		online
		kept disk
		before=${before-$(epoch)}
		equal "$before" "$(epoch)" "before $request"
		reports "$request"
		echo "$request" >request
		ends
		await "$lines" silent
		contains "$(cat err)" "does not answer: its state is not written"
		answer_the_dead
	done
	keep
	online
	equal "$before" "$(epoch)"
	ends
	[ -e disk/near.state ] || fail "no state: $(ls disk)"
}

silent_at_the_start() {
	local before how=$1 request
	state_of_a_server
	keep
	online
	kept disk
	before=$(epoch)
	ends
	for request in "${@:2}"; do
		echo "$request" >request
		keep
		await "$lines" silent
		serves
		if [ "$how" = answered ]; then
			answer
		else
			ends
			answer_the_dead
			keep
		fi
		online
		equal "$before" "$(epoch)" "after $request"
		ends
	done
}

# A child writes the first snapshot.
silent_while_a_snapshot_is_written() {
	local request
	state_of_a_server
	keep # makes the files with the locks
	online
	ends
	rm -f disk/*.state
	for request; do
		keep
		echo "$request" >request
		online
		await "$lines" silent
		serves "$request"
		ends
		answer_the_dead
		rm -f disk/*.open* disk/*.copy log/*
	done
}

# The log is copied a second after its beginning.
silent_while_the_log_is_copied() {
	local request before
	state_of_a_server
	keep
	online
	kept disk
	before=$(epoch)
	ends
	for request; do
		keep
		online
		echo "$request" >request
		reports "$request"
		await "$lines" silent
		serves "$request.later"
		answer
		reports "$request.again"
		ends
	done
	keep
	online
	equal "$before" "$(epoch)"
	ends
}

# hostwatch tail, which has its hello: a child of the daemon keeps the connection open.
ends_with_the_daemon() {
	local status=0
	timeout $DEADLINE tail --pid="$pid" -f /dev/null || fail "hostwatch tail waits for a hostwatchd that was killed"
	wait "$pid" || status=$?
	equal 1 $status "$(<err)"
	contains "$(<err)" "the hostwatchd that listened there was killed"
}

# Its socket accepts connections, so a command that has no limit of time would wait for ever.
says_that_it_was_killed() {
	local command text status
	ends_with_the_daemon
	# More commands than one: each leaves a connection in the queue of the socket.
	for command in "status" "sync near" "reload" "status"{,,,,,,,,,}; do
		status=0
		# shellcheck disable=SC2086 # several words
		text=$(ask $command --timeout 0 2>&1) || status=$?
		equal 1 $status "$command: $text"
		contains "$text" "was killed; a part of it waits for a filesystem that does not answer"
	done
	for command in "since --timeout 0 --socket unix:$PWD/s near" "tail --timeout 0 unix:$PWD/s"; do
		status=0
		# shellcheck disable=SC2086 # several words
		text=$(timeout $DEADLINE "$B/hostwatch" $command 2>&1) || status=$?
		equal 1 $status "$command: $text"
		contains "$text" "the hostwatchd that listened there was killed"
	done
}

# A child of a daemon that was killed has its locks and sockets until the server of another share answers.
killed_while_a_share_is_silent() {
	local before killed
	mkdir -p far state near log
	chmod 700 state log
	serve far
	keep far
	log "hostwatchd: ready: "
	kept state
	before=$(epoch)
	reports one
	echo readdir >request
	await "$lines" silent
	start "$B/hostwatch" tail --json "unix:$PWD/s"
	await "$out" '"hello"'
	for killed in once twice; do
		kill -KILL "$daemon"
		wait "$daemon" || : # it was killed
		[ -n "$(daemons)" ] || fail "no child waits"
		[ "$killed" = twice ] || says_that_it_was_killed # the server has read no request of the second one
		keep far
		log "hostwatchd: ready: " # before that, nobody answers at the socket
		online
		equal "$before" "$(epoch)" "killed $killed"
		reports "$killed"
	done
	ends
	answer_the_dead
}

# A share starts again, with other settings.
silent_at_a_reload() {
	local request before end
	state_of_a_server
	keep
	online
	kept disk
	before=$(epoch)
	for request; do
		reports "$request"
		echo "$request" >request
		sed -i "0,/interval = .*/s//interval = $((++interval))00ms/" conf
		ask reload
		await "$lines" silent
		ask sync other >/dev/null
		serves
		answer
		online
		equal "$before" "$(epoch)" "after $request"
		kept disk
	done
	ends
}
interval=1

test_a_state_that_is_silent_at_the_end() { in_mounts state_at_the_end; }
test_a_state_that_is_silent_at_the_start_and_answers() { in_mounts state_at_the_start answered; }
test_a_state_that_is_silent_at_the_start_and_never_answers() { in_mounts state_at_the_start never; }
test_the_end_of_a_start_that_waits_for_the_state() { in_mounts state_at_the_start stopped; }
at_each_request() {
	[ -x "$B/tests/fuse-passthrough" ] || skip "built without libfuse3"
	in_mounts "$@"
}
test_a_daemon_that_was_killed_while_another_share_is_silent() { in_mounts killed_while_a_share_is_silent; }
test_each_request_of_a_stop() { at_each_request silent_at_the_end lookup getxattr create write flush fsync rename fsyncdir unlink opendir readdir; }
test_each_request_of_a_start() { at_each_request silent_at_the_start answered lookup getattr opendir readdir open read flush rename fsyncdir; }
test_the_end_of_a_start_that_waits_for_each_request() { at_each_request silent_at_the_start stopped lookup getattr opendir readdir open read flush rename fsyncdir; }
test_each_request_of_a_snapshot() { at_each_request silent_while_a_snapshot_is_written create getxattr write fsync flush rename fsyncdir; }
test_each_request_of_a_copy() { at_each_request silent_while_the_log_is_copied lookup getattr write fsync flush; }
test_each_request_of_a_reload() { at_each_request silent_at_a_reload create write fsync flush rename unlink open read; }

run_silent "$@"
