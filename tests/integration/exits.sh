#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Exit statuses of all programs and subcommands: 0 done, 1 failure, 2 command line, 78 configuration.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p "${TMPDIR:-/tmp}"

# A line for each: what to type. New subcommands come by themselves.
programs() {
	echo "$B/hostwatchd"
	echo "$B/hostwatch-guest"
	"$B/hostwatch" --help | sed -n "s|^  \([a-z][a-z-]*\)  *[A-Za-z].*|$B/hostwatch \1|p"
}

# Runs a program: $status, $text (both outputs).
run() {
	status=0
	text=$(timeout $DEADLINE "$@" 2>&1 </dev/null) || status=$?
}

# exits STATUS COMMAND...
exits() {
	run "${@:2}"
	[ "$status" = "$1" ] && return
	printf '%s\n' "$text"
	fail "exit status $status, not $1: ${*:2}"
}

# The same, and a message in the one form for mistakes in a command line.
refuses() {
	exits 2 "$@"
	local name=${1##*/}
	[ "$name" != hostwatch ] || name="hostwatch $2"
	contains "$text" "$name: "
	contains "$text" "Try '$name --help'."
}

# The operands in the first form of the synopsis: $required, $optional; $many when there may be any number.
synopsis() {
	required=0 optional=0 many=
	local word
	for word in $(set -f && "$@" --help | sed -n 's/^usage: //p'); do
		case $word in
		*'|'*) required=$((required + 1)) ;; # watcher|sink
		'[OPTION]...' | [a-z]* | -* | '[--') ;;
		'['*...*) many=1 ;;
		'['*) optional=$((optional + 1)) ;;
		*...) required=$((required + 1)) many=1 ;;
		*) required=$((required + 1)) ;;
		esac
	done
}

# Every test of the command line alone is for all programs.
each_program() {
	local line words
	programs >list
	[ "$(wc -l <list)" -ge 16 ] || fail "programs are missing: $(cat list)"
	while read -r line; do
		read -ra words <<<"$line"
		"$@" "${words[@]}"
	done <list
}

help_is_0() {
	exits 0 "$@" --help
	contains "$text" "usage: "
	exits 0 "$@" -h
}
test_help_is_0() {
	each_program help_is_0
}

help_on_a_full_disk_is_1() {
	status=0
	text=$("$@" --help 2>&1 >/dev/full) || status=$?
	equal 1 $status "$*"
	contains "$text" "No space left on device"
	status=0
	text=$("$@" --help 2>&1 >&-) || status=$?
	equal 1 $status "$*"
	contains "$text" "Bad file descriptor"
}
help_without_a_reader_is_0() {
	status=$(
		"$@" --help 2>err | :
		echo "${PIPESTATUS[0]}"
	)
	equal 0 "$status" "$* --help | :"
	equal "" "$(cat err)"
}
test_help_without_a_reader_is_0() {
	each_program help_without_a_reader_is_0
}

test_output_that_cannot_be_written_is_1() {
	each_program help_on_a_full_disk_is_1
}

unknown_option_is_2() {
	refuses "$@" --nonesuch
	contains "$text" '"--nonesuch": no such option'
	refuses "$@" --halp
	contains "$text" 'did you mean --help?'
	refuses "$@" -%
}
test_an_unknown_option_is_2() {
	each_program unknown_option_is_2
}

missing_operand_is_2() {
	synopsis "$@"
	[ "$required" -gt 0 ] || return 0
	refuses "$@"
	contains "$text" "is missing"
}
test_a_missing_operand_is_2() {
	each_program missing_operand_is_2
}

extra_operand_is_2() {
	synopsis "$@"
	[ -z "$many" ] || return 0
	local words=()
	for ((i = 0; i <= required + optional; i++)); do words+=(x); done
	refuses "$@" "${words[@]}"
	contains "$text" '"x": unexpected argument'
}
test_an_extra_operand_is_2() {
	each_program extra_operand_is_2
}

test_the_top_level_is_2_without_a_command() {
	exits 2 "$B/hostwatch"
	contains "$text" "usage: hostwatch COMMAND"
	contains "$text" "  watch "
	equal "" "$("$B/hostwatch" 2>/dev/null)"
	exits 2 "$B/hostwatch" wacth
	contains "$text" 'hostwatch: "wacth": no such command, did you mean watch?'
	exits 2 "$B/hostwatch" --vresion
	contains "$text" 'did you mean --version?'
	exits 0 "$B/hostwatch" help
	exits 0 "$B/hostwatch" help demo
	exits 2 "$B/hostwatch" help dmeo
}

test_a_wrong_configuration_is_78() {
	printf '[share a]\npth = /\n' >conf
	printf '[mount a]\npth = /\n' >guest.conf
	exits 78 "$B/hostwatch" check conf
	contains "$text" "conf:2: "
	exits 78 "$B/hostwatch" check nonesuch
	for options in '' --check; do
		exits 78 "$B/hostwatchd" $options -c conf
		contains "$text" "conf:2: "
		exits 78 "$B/hostwatchd" $options -c nonesuch
		exits 78 "$B/hostwatch-guest" $options -c guest.conf
		contains "$text" "guest.conf:2: "
		exits 78 "$B/hostwatch-guest" $options -c nonesuch
	done
	printf '[share a]\npath = %s\n' "$PWD" >conf
	exits 0 "$B/hostwatch" check conf
	exits 0 "$B/hostwatchd" --check -c conf
}

test_a_failure_is_1() {
	mkdir here
	exits 1 "$B/hostwatch" demo nonesuch
	exits 1 "$B/hostwatch" explain nonesuch
	exits 1 "$B/hostwatch" guest-sim --listen "unix:$PWD/nonesuch/s"
	exits 1 "$B/hostwatch" new-plugin watcher here
	exits 1 "$B/hostwatch" plugin-check nonesuch.so
	exits 1 "$B/hostwatch" plugins nonesuch
	exits 1 "$B/hostwatch" status --socket "$PWD/nonesuch"
	exits 1 "$B/hostwatch" switch --socket "$PWD/nonesuch" share polling
	exits 1 "$B/hostwatch" sync --socket "$PWD/nonesuch" share
	exits 1 "$B/hostwatch" tail "unix:$PWD/nonesuch"
	exits 1 "$B/hostwatch" watch nonesuch
	exits 1 "$B/hostwatch-guest" --probe nonesuch
}

# ---- output: a reader that leaves, a full disk, a closed descriptor ----

# Programs that print and end, or print on and on.
printers() {
	echo "$B/hostwatch plugins"
	echo "$B/hostwatch plugins polling"
	echo "$B/hostwatch explain $PWD"
	echo "$B/hostwatch demo $PWD/tmp"
	echo "$B/hostwatch plugin-check --rounds 2 --match 001* $B/plugins/polling.so"
	echo "$B/hostwatch-guest --probe $PWD"
}

each_printer() {
	local line words
	mkdir tmp
	export TMPDIR=$PWD/tmp
	while read -r line; do
		read -ra words <<<"$line"
		"$@" "${words[@]}"
		equal "" "$(ls -A tmp)" "left behind by $line"
	done < <(printers)
}

reader_leaves() {
	local status
	status=$(
		"$@" 2>err </dev/null | head -n 1 >first
		echo "${PIPESTATUS[0]}"
	)
	equal 0 "$status" "$* | head -n 1: $(cat err)"
	[ -s first ] || fail "no output: $*"
	! grep -i 'output' err || fail "$*"
	# One that is gone before the first byte.
	status=$(
		"$@" 2>err </dev/null | :
		echo "${PIPESTATUS[0]}"
	)
	equal 0 "$status" "$* | : $(cat err)"
}
test_a_reader_that_leaves_is_0() {
	each_printer reader_leaves
}

disk_is_full() {
	status=0
	"$@" >/dev/full 2>err </dev/null || status=$?
	equal 1 $status "$* >/dev/full"
	grep -q 'standard output: No space left on device' err || fail "no message: $*: $(cat err)"
	status=0
	"$@" >&- 2>err </dev/null || status=$?
	equal 1 $status "$* >&-"
	grep -q 'standard output: Bad file descriptor' err || fail "no message: $*: $(cat err)"
}
test_a_full_disk_is_1() {
	each_printer disk_is_full
}

test_the_demonstration_on_a_full_disk_is_1() {
	[ "$(id -u)" = 0 ] || skip "mounting a small filesystem needs root"
	mkdir small
	# shellcheck disable=SC2016 # in the inner shell
	timeout $DEADLINE unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs -o size=4k,nr_inodes=12 none small &&
		{ "$1" demo small >out 2>err; echo $? >status; ls -A small >left; }' - "$B/hostwatch" ||
		skip "a mount namespace cannot be made here"
	equal 1 "$(cat status)"
	contains "$(cat err)" "No space left on device"
	equal "" "$(cat left)"
}

# ---- a daemon with sinks, and the programs that print what it sends ----

daemon() {
	mkdir -p share
	rm -f err
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share src]
		path = $PWD/share
		watcher = polling
		interval = 20ms
		[sink lines]
		plugin = socket
		listen = unix:$PWD/lines
		[sink guest]
		plugin = virtiofs
		share = src
		channel = unix-listen:$PWD/guest
	EOF
	start "$B/hostwatchd" -c conf
	daemon=$pid
	end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	"$B/hostwatch" sync --socket "$PWD/control" src >seq
}

# Changes files until the program has ended; its exit status.
ends_while_things_happen() {
	local number=0 status=0
	end=$((SECONDS + DEADLINE))
	while kill -0 "$1" 2>/dev/null; do
		number=$((number + 1))
		echo x >"share/f$((number % 50))"
		[ $SECONDS -lt $end ] || fail "it does not end"
	done
	wait "$1" || status=$?
	equal "$2" $status "$3: $(cat errors)"
}

followers() {
	echo "$B/hostwatch watch --watcher polling --interval 20ms $PWD/share"
	echo "$B/hostwatch tail unix:$PWD/lines"
	echo "$B/hostwatch tail --retry unix:$PWD/lines"
	echo "$B/hostwatch status --watch 20ms --socket $PWD/control"
	echo "$B/hostwatch guest-sim unix:$PWD/guest"
	echo "$B/hostwatch-guest --print --channel unix:$PWD/guest"
}

each_follower() {
	local line words
	daemon
	while read -r line; do
		read -ra words <<<"$line"
		"$@" "${words[@]}"
	done < <(followers)
	finish "$daemon"
}

follower_loses_its_reader() {
	mkfifo pipe
	head -n 2 <pipe >first &
	"$@" >pipe 2>errors &
	ends_while_things_happen $! 0 "$* | head"
	rm pipe
}
test_a_reader_that_leaves_ends_what_follows_with_0() {
	each_follower follower_loses_its_reader
}

follower_fills_the_disk() {
	"$@" >/dev/full 2>errors &
	ends_while_things_happen $! 1 "$* >/dev/full"
	grep -q 'No space left on device' errors || fail "no message: $*: $(cat errors)"
}
test_a_full_disk_ends_what_follows_with_1() {
	each_follower follower_fills_the_disk
}

# ---- signals ----

# Ends a program that has printed something; what it prints later is read by nobody.
follower_gets_a_signal() {
	local signal
	for signal in INT TERM; do
		start "$@"
		while ! IFS= read -r -t 0.05 -u "$out" line; do # the deadline is that of the whole test
			echo x >"share/f$RANDOM"
		done
		finish "$pid" $signal 0
	done
}
test_a_signal_ends_what_follows_with_0() {
	each_follower follower_gets_a_signal
}

# After a number of lines, wherever that is.
test_a_signal_ends_the_demonstration_with_0() {
	mkdir tmp
	for lines in 1 2 7 30 60; do
		for signal in INT TERM HUP; do
			TMPDIR=$PWD/tmp start "$B/hostwatch" demo --pace 1ms
			for ((i = 0; i < lines; i++)); do next "$out"; done
			finish "$pid" $signal 0
			equal "" "$(ls -A tmp)"
		done
	done
}

test_a_signal_ends_the_kit_with_0() {
	mkdir tmp
	for lines in 2 5 20 30; do
		for signal in INT TERM; do
			TMPDIR=$PWD/tmp start "$B/hostwatch" plugin-check --rounds 20 "$B/plugins/polling.so"
			for ((i = 0; i < lines; i++)); do next "$out"; done
			children=$(cat "/proc/$pid/task/$pid/children")
			finish "$pid" $signal 0
			equal "" "$(ls -A tmp)"
			for child in $children; do
				! kill -0 "$child" 2>/dev/null || fail "a process is left"
			done
		done
	done
}

# A program whose output nobody takes is blocked; a signal ends it all the same.
blocked_program_gets_a_signal() {
	local signal command=("$@")
	for signal in INT TERM; do
		exec {out}< <(exec "${command[@]}" 1>&"$pipe" 2>>err)
		pid=$!
		started+=("$pid")
		end=$((SECONDS + DEADLINE))
		until grep -q pipe_write "/proc/$pid/wchan"; do
			! { grep -q '^State:.S' "/proc/$pid/status" && grep -qx 0 "/proc/$pid/wchan"; } ||
				skip "the kernel does not say where a process waits"
			[ $SECONDS -lt $end ] || fail "it does not block: ${command[*]}"
		done
		finish "$pid" $signal 0
		equal "" "$(ls -A tmp)"
	done
}
test_a_signal_ends_what_is_blocked() {
	mkdir tmp
	export TMPDIR=$PWD/tmp
	mkfifo pipe
	exec {pipe}<>pipe
	head -c 1048576 /dev/zero | dd of=pipe oflag=nonblock bs=4096 status=none 2>/dev/null || : # until it is full
	blocked_program_gets_a_signal "$B/hostwatch" demo
	blocked_program_gets_a_signal "$B/hostwatch" plugin-check "$B/plugins/polling.so"
}

# One that waits for an answer has not done what it was asked to do: it ends by the signal itself.
test_a_signal_ends_what_waits_for_an_answer() {
	local command
	daemon
	freeze "$daemon"
	for command in "sync src" "switch src inotify" status reload metrics; do
		# shellcheck disable=SC2086 # several words
		start "$B/hostwatch" ${command%% *} --socket "$PWD/control" ${command#"${command%% *}"}
		end=$((SECONDS + DEADLINE))
		until readlink "/proc/$pid/fd/"* | grep -q '^socket:' && grep -q '^State:.S' "/proc/$pid/status"; do
			[ $SECONDS -lt $end ] || fail "it does not wait: $command"
		done
		finish "$pid" TERM 143
	done
	thaw "$daemon"
	finish "$daemon"
	start "$B/hostwatch" tail --retry "unix:$PWD/nonesuch"
	end=$((SECONDS + DEADLINE))
	until grep -q nonesuch err; do
		[ $SECONDS -lt $end ] || fail "it does not wait: $(cat err)"
	done
	finish "$pid" TERM 0
}

test_a_signal_ends_the_daemon_with_0() {
	for signal in INT TERM; do
		daemon
		finish "$daemon" $signal 0
		[ ! -e control ] && [ ! -e lines ] && [ ! -e guest ] || fail "sockets are left: $(ls)"
	done
}

run_tests
