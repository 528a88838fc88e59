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

test_three_watchers_report_the_same() {
	demo
	equal 0 $status "$text"
	contains "$text" "fanotify, inotify and polling reported the same "
	[[ $text != *"not the same"* ]]
	[[ $text != *"not compared"* ]]
}

test_every_step_is_identical_where_handles_can_be_opened() {
	can_open_handles || skip "opening file handles needs CAP_DAC_READ_SEARCH"
	demo
	equal 0 $status "$text"
	[[ $text != *"which a scan cannot tell"* ]] || skip "no file handles in $PWD"
	steps=$(grep -c '^ *[0-9][0-9]*  \$ ' text)
	left_out=$(grep -c 'left out' text) || :
	contains "$text" " events in $((steps - left_out)) steps."
}

test_without_a_filesystem_mark_it_says_so() {
	[ "$(id -u)" != 0 ] || skip "root may mark filesystems"
	demo
	equal 0 $status "$text"
	contains "$(cat err)" "one mark per directory"
}

test_a_watcher_that_reports_other_events_is_found_out() {
	[ -e "$B/tests/demo/deaf.so" ] || skip "deaf.so is not built"
	mkdir -p tmp plugins
	cp "$B/tests/demo/deaf.so" plugins/inotify.so
	status=0
	text=$(HOSTWATCH_PLUGIN_PATH=$PWD/plugins TMPDIR=$PWD/tmp "$B/hostwatch" demo 2>err) || status=$?
	equal 1 $status "$text"
	contains "$text" "not the same"
	contains "$text" "did NOT report the same events"
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

widest() {
	awk '{ if (length($0) > most) most = length($0) } END { print most }' "$1"
}

# Without line breaks and indentation.
joined() {
	sed 's/ \\$//' "$1" | tr -s ' \n' ' '
}

# Every step and every event is there, however narrow it is.
test_no_line_is_wider_than_the_terminal() {
	COLUMNS=150 demo
	cp text wide
	[ "$(widest wide)" -lt 150 ]
	for columns in 40 60 80 132; do
		COLUMNS=$columns demo
		equal 0 $status "$text"
		[ "$(widest text)" -le $columns ] || fail "$(widest text) columns of $columns"
		grep -c '^ *[0-9]*  [$] ' text >steps
		equal "$(grep -c '^ *[0-9]*  [$] ' wide)" "$(cat steps)"
		[ $columns -le 60 ] || continue # lanes are side by side
		all=$(joined text)
		# The first column of the wide one, and the commands.
		sed -nE '/^ *[0-9]+  [$] /{s///; s/  # .*//; p}; s/^    ([a-z_]+ [^ ]+( -> [^ ]+)?( \([a-z]+\))?)( .*)?$/\1/p' wide >words
		while read -r words; do
			contains "$all" "$words"
		done <words
	done
}

test_the_width_of_a_terminal_is_found_out() {
	command -v script >/dev/null || skip "no script(1)"
	mkdir tmp
	for columns in 40 80; do
		TMPDIR=$PWD/tmp TERM=dumb COLUMNS='' timeout $DEADLINE script -qec \
			"stty cols $columns && exec '$B/hostwatch' demo --pace 0" /dev/null </dev/null | tr -d '\r' >text
		contains "$(joined text)" "reported the same"
		[ "$(widest text)" -le $columns ] || fail "$(widest text) columns of $columns"
		[ "$(widest text)" -gt $((columns / 2)) ] || fail "$(widest text) columns of $columns"
	done
}

# One that hears nothing, in few columns.
test_differences_are_seen_on_a_narrow_terminal() {
	[ -e "$B/tests/demo/deaf.so" ] || skip "deaf.so is not built"
	mkdir -p tmp plugins
	cp "$B/tests/demo/deaf.so" plugins/inotify.so
	text=$(COLUMNS=40 HOSTWATCH_PLUGIN_PATH=$PWD/plugins TMPDIR=$PWD/tmp "$B/hostwatch" demo 2>err) || :
	contains "$text" $'    inotify:\n      no event\n    ^ not the same'
	contains "$text" $'    fanotify, polling:\n      create notes.txt'
}

# The picture in README.md is that of this program; its steps are those that mk/docs.mk names.
test_the_picture_shows_what_the_program_prints() {
	[ -e "$tree/docs/demo.svg" ] || skip "docs/demo.svg is not here"
	steps=$(sed -n 's/.*-v steps="\([0-9 ]*\)".*/\1/p' "$tree/mk/docs.mk")
	mkdir tmp
	COLUMNS=80 "$B/hostwatch" demo tmp >text 2>err
	[[ $(<text) == *"fanotify, inotify and polling reported the same 58 events in 30 steps."* ]] ||
		skip "not every watcher sees all steps here: $(tail -n 1 text)"
	# The directory of the picture.
	sed -i "1,/fanotify/{/fanotify/!d}" text
	{
		printf '%s\n%s\n\n' '3 watchers watch "/tmp/hostwatch-demo-XXXXXX/share". After each step, each of' 'them reports what it saw.'
		cat text
	} | awk -v steps="$steps" -f "$tree/docs/demo.awk" >picture
	cmp picture "$tree/docs/demo.svg" || fail "docs/demo.svg is old: make docs/demo.svg"
	[ "$(sed 's/[^<]//g' picture | tr -d '\n' | wc -c)" = "$(sed 's/[^>]//g' picture | tr -d '\n' | wc -c)" ]
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
