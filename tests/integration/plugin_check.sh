#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The conformance kit finds what is wrong, and nothing where nothing is.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

kit=$B/hostwatch-plugin-check

# The kit's report on a plugin ($1) in the checks named ($2), with settings.
check() {
	status=0
	report=$("$kit" --rounds 20 --match '001*' --only "$2" "${@:3}" "$B/tests/kit/$1.so" ${flaw:+"flaw=$flaw"} 2>&1) ||
		status=$?
}

# With this flaw the checks named fail, and say so.
finds() {
	flaw=$2 check "flawed_$1" "$3"
	equal 1 $status "exit status with $2"
	[[ $report =~ not\ ok\ [0-9]+\ -\ $3 ]] || {
		echo "$report"
		fail "$2 was not found by $3"
	}
	contains "$report" "$4"
}

# A sanitizer has its own malloc(), which cannot be counted.
is_sanitized() {
	flaw=none check flawed_watcher 'failure of every allocation'
	[[ $report == *sanitizer* ]]
}

test_a_sound_plugin_passes() {
	for checks in 'order:*' 'two*' '20 rounds*' 'failure*' '100,000*'; do
		flaw=none check flawed_sink "$checks"
		equal 0 $status "$report"
		[[ $report != *'not ok'* ]]
	done
}

test_a_second_exported_symbol_is_found() {
	flaw=none check flawed_watcher 'nothing'
	equal 1 $status
	contains "$report" 'not ok 1 - exports hw_plugin_1 and nothing else'
	contains "$report" 'it exports "flawed_symbol"'
}

test_leaks_are_found() {
	finds watcher leaks_fd '20 rounds leak nothing' 'descriptors more'
	finds watcher keeps_timer 'order: open, start, stop, close' 'a timer (timer_del)'
	finds sink keeps_cursor '20 rounds leak nothing' 'a cursor (cursor_close)'
	! is_sanitized || return 0
	finds watcher leaks_memory '20 rounds leak nothing' 'blocks of memory more'
	finds watcher leaks_when_it_fails 'failure of every service of the host' 'blocks of memory are left'
	finds watcher never_checks_malloc 'failure of every allocation' 'crashed'
}

test_waiting_is_found() {
	finds watcher blocks 'trace 001*' 'watch_dir() blocked for'
}

test_a_crash_is_one_line() {
	finds watcher crashes 'order: stop, close' 'crashed: Aborted'
}

test_a_failure_without_a_reason_is_found() {
	finds watcher no_reason 'option level: any value' 'it fails without a reason'
	contains "$report" 'with level = "100"'
}

test_events_that_are_missing_are_found() {
	finds watcher deaf 'trace 001-create-empty-file' 'not the expected events'
}

test_a_name_that_is_none_is_found() {
	finds watcher bad_hint 'trace 001*' 'a hint with an invalid name'
}

test_state_outside_of_an_instance_is_found() {
	! is_sanitized || skip "the sanitizer has its own malloc()"
	finds watcher shared_state 'two instances at once' 'crashed'
}

test_sinks_that_do_not_draw_are_found() {
	finds sink stops_drawing '100,000 events' 'cursors were not read to their end'
	finds sink runs_ahead '100,000 events' 'cursor_done() of an event that was not read'
	finds sink never_drained '20 rounds leak nothing' 'drain() did not end'
}

test_sinks_that_grow_are_found() {
	! is_sanitized || skip "the sanitizer has its own malloc()"
	finds sink grows '100,000 events' 'something grows without limit'
}

test_broken_headers_end_the_run() {
	for name in magic major short long newer name option; do
		status=0
		report=$("$kit" "$B/tests/plugins/broken_$name.so") || status=$?
		equal 1 $status "broken_$name"
		contains "$report" 'not ok 2 - header and option tables are sound'
		contains "$report" '1..2'
	done
}

test_files_that_are_no_plugins_end_the_run() {
	printf '\177ELF' >short
	head -c 4096 "$B/sinks/virtiofs.so" >truncated
	head -c 100000 /dev/zero >zero
	: >empty
	for file in short truncated zero empty "$B/tests/plugins/nothing.so" .; do
		status=0
		report=$("$kit" "$file") || status=$?
		equal 1 $status "$file"
		contains "$report" 'not ok 1'
	done
}

test_a_plugin_for_another_processor_is_named() {
	for patch in 18:'\xff' 4:'\x01' 5:'\x02'; do # machine, class, byte order
		cp "$B/plugins/polling.so" other
		printf '%b' "${patch#*:}" | dd of=other bs=1 seek="${patch%%:*}" conv=notrunc status=none
		status=0
		report=$("$kit" other) || status=$?
		equal 1 $status
		contains "$report" 'it was built for another processor'
	done
}

test_a_file_that_cannot_be_read_ends_the_run() {
	cp "$kit" "$B/plugins/polling.so" .
	chmod 0 polling.so
	mkdir tmp
	chmod 777 tmp
	status=0
	report=$(TMPDIR=$PWD/tmp as_user ./hostwatch-plugin-check polling.so) || status=$?
	equal 1 $status
	contains "$report" 'it cannot be read: Permission denied'
}

# One that hears nothing of what the kit does: the kit looks at its life cycle alone.
test_a_watcher_whose_events_come_from_elsewhere_is_checked() {
	for checks in '20 rounds*' 'failure*'; do
		status=0
		report=$("$kit" --rounds 20 --match none --only "$checks" "$B/tests/kit/flawed_watcher.so" flaw=deaf) || status=$?
		contains "$report" ' - traces # SKIP left out by --match none'
		grep -q "^ok [0-9]* - $checks" <<<"$report" || {
			echo "$report"
			fail "$checks"
		}
	done
	for pair in leaks_fd='20 rounds*' blocks='20 rounds*' crashes='order: stop, close'; do
		flaw=${pair%%=*}
		status=0
		report=$("$kit" --rounds 20 --match none --only "${pair#*=}" "$B/tests/kit/flawed_watcher.so" "flaw=$flaw") ||
			status=$?
		[[ $report =~ not\ ok\ [0-9]+\ -\ ${pair#*=} ]] || {
			echo "$report"
			fail "$flaw is not found"
		}
	done
}

test_a_path_without_a_slash_is_a_path() {
	cp "$B/plugins/polling.so" mine.so
	"$kit" --only nothing mine.so >report
	contains "$("$B/hostwatch" plugins mine.so)" 'polling: '
	status=0
	text=$("$kit" polling 2>&1) || status=$?
	equal 1 $status
	contains "$text" '"polling": No such file or directory; FILE is the path of a plugin'
	status=0
	text=$("$B/hostwatch" watch --watcher mine.so . 2>&1) || status=$?
	contains "$text" 'did you mean "./mine.so"?'
}

test_a_directory_that_cannot_be_used_is_named() {
	status=0
	text=$(TMPDIR=$PWD/nonesuch "$kit" "$B/plugins/polling.so" 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'nonesuch": No such file or directory; set TMPDIR to a directory that you may write to'
	mkdir shut long
	chmod 555 shut
	cp "$kit" "$B/plugins/polling.so" .
	status=0
	text=$(TMPDIR=$PWD/shut as_user ./hostwatch-plugin-check polling.so 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'shut": Permission denied; set TMPDIR to '
	long=$(printf 'x%.0s' {1..100})
	mkdir "long/$long"
	status=0
	text=$(TMPDIR=$PWD/long/$long "$kit" "$B/sinks/socket.so" 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'too long for the address of a socket: set TMPDIR to a shorter path'
}

test_the_umask_does_not_matter() {
	(umask 077 && "$kit" --rounds 2 --match '13[57]*' "$B/plugins/polling.so") >report || {
		cat report
		fail "the kit"
	}
}

# Every offset in the file is bytes from outside.
test_damaged_files_crash_nothing() {
	for at in 40 58 60 62; do
		cp "$B/plugins/polling.so" damaged
		printf '\xff\xff' | dd of=damaged bs=1 seek=$at conv=notrunc status=none
		status=0
		report=$("$kit" --only nothing damaged) || status=$?
		[[ $report != *crashed* ]] || fail "byte $at: $report"
	done
}

test_wrong_arguments_are_refused() {
	for arguments in '' '--rounds 0 x.so' '--rounds x x.so' '--nonsense x.so' 'x.so nothing' 'x.so =x'; do
		status=0
		# shellcheck disable=SC2086 # several words
		"$kit" $arguments >/dev/null 2>&1 || status=$?
		equal 2 $status "$arguments"
	done
	status=0
	text=$("$kit" nonesuch.so 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'No such file'
	status=0
	text=$("$kit" --traces nonesuch "$B/plugins/polling.so" 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'No such file'
}

test_a_setting_that_is_refused_ends_the_run() {
	status=0
	report=$("$kit" "$B/plugins/polling.so" interval=soon) || status=$?
	equal 1 $status
	contains "$report" 'not ok 3 - takes the settings given'
	contains "$report" 'is not a duration'
}

test_nothing_is_left_behind() {
	mkdir tmp
	TMPDIR=$PWD/tmp "$kit" --rounds 2 --match '001*' "$B/plugins/polling.so" >/dev/null
	equal "" "$(ls tmp)"
}

run_tests
