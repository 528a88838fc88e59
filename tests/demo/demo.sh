#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demonstration: its verdict, its exit status, and what it leaves behind.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"

demo() {
	status=0
	mkdir -p tmp
	TMPDIR=$PWD/tmp "$B/hostwatch" demo "$@" >text 2>err || status=$?
	text=$(<text)
}

can_open_handles() {
	[ "$(id -u)" = 0 ] && grep -q '^CapEff:.*[4567cdef].$' /proc/self/status
}

test_three_watchers_tell_the_same() {
	demo
	equal 0 $status "$text"
	contains "$text" "fanotify, inotify and polling told the same: "
	[[ $text != *"not the same"* ]]
	[[ $text != *"not compared"* ]]
}

test_every_step_is_identical_where_handles_can_be_opened() {
	can_open_handles || skip "opening file handles needs CAP_DAC_READ_SEARCH"
	demo
	equal 0 $status "$text"
	[[ $text != *"which scanning here cannot tell"* ]] || skip "no file handles in $PWD"
	steps=$(grep -c '^ *[0-9][0-9]*  \$ ' text)
	left_out=$(grep -c 'left out' text) || :
	contains "$text" "told the same: $((steps - left_out)) steps"
}

test_without_a_filesystem_mark_it_says_so() {
	[ "$(id -u)" != 0 ] || skip "root may mark filesystems"
	demo
	equal 0 $status "$text"
	contains "$(cat err)" "each directory gets a mark"
}

test_a_watcher_that_tells_another_story_is_found_out() {
	[ -e "$B/tests/demo/deaf.so" ] || skip "deaf.so is not built"
	mkdir -p tmp plugins
	cp "$B/tests/demo/deaf.so" plugins/inotify.so
	status=0
	text=$(HOSTWATCH_PLUGIN_PATH=$PWD/plugins TMPDIR=$PWD/tmp "$B/hostwatch" demo 2>err) || status=$?
	equal 1 $status "$text"
	contains "$text" "not the same"
	contains "$text" "did NOT tell the same"
}

test_a_watcher_that_is_broken_is_an_error() {
	mkdir plugins
	echo nonsense >plugins/inotify.so
	HOSTWATCH_PLUGIN_PATH=$PWD/plugins demo
	equal 1 $status "$text"
	contains "$(cat err)" inotify.so
}

test_nothing_stays_behind() {
	demo
	equal "" "$(ls -A tmp)"
}

test_an_interrupt_ends_it_and_nothing_stays_behind() {
	mkdir tmp
	TMPDIR=$PWD/tmp start "$B/hostwatch" demo --pace 10s
	await "$out" 'echo hello'
	finish "$pid" INT 0
	equal "" "$(ls -A tmp)"
}

test_a_pipe_gets_no_colours() {
	demo
	[[ $text != *$'\e'* ]] || fail "an escape byte"
}

test_it_is_quick_on_a_pipe() {
	begun=$SECONDS
	demo
	[ $((SECONDS - begun)) -lt $DEADLINE ]
}

test_a_place_that_is_not_there_is_an_error() {
	demo "$PWD/nonesuch"
	equal 1 $status
	contains "$(cat err)" nonesuch
	status=0
	demo one two
	equal 2 $status
	demo --pace soon
	equal 2 $status
}

run_tests
