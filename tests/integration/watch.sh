#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch watch, end to end.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

watch() {
	start "$B/hostwatch" watch "$@"
}

# The next event on $out, after $seq of them.
tells() {
	next "$out"
	equal "{\"seq\":$((++seq)),\"share\":\"watch\",$1}" "$(stripped <<<"$line")"
}

json_of_every_operation() {
	mkdir share
	watch --json --watcher "$1" --interval "$2" share
	next "$out"
	equal '{"hello":{"protocol":1,"version":"V","shares":[{"name":"watch","epoch":"E","seq":0,"state":"online"}]}}' \
		"$(stripped <<<"$line")"
	seq=0
	# The next operation only after the one before was told: polling sees each.
	freeze "$pid"
	printf hello >share/a
	thaw "$pid"
	tells '"event":"create","type":"file","path":"a"'
	tells '"event":"modify","type":"file","path":"a"'
	tells '"event":"close_write","type":"file","path":"a"'
	mkdir share/d
	tells '"event":"create","type":"dir","path":"d"'
	mv share/a share/d/b
	tells '"event":"move","type":"file","from":"a","to":"d/b"'
	rm -r share/d
	tells '"event":"delete","type":"file","path":"d/b"'
	tells '"event":"delete","type":"dir","path":"d"'
	finish "$pid"
	contains "$(cat err)" "$1 watches"
}

test_fanotify_tells_every_operation() {
	json_of_every_operation fanotify 1h
}
test_inotify_tells_every_operation() {
	json_of_every_operation inotify 1h
}
test_polling_tells_every_operation() {
	json_of_every_operation polling 50ms
}

test_what_follows_hello_is_seen() {
	mkdir -p share/{a,b,c}/{d,e,f}
	watch --json share
	next "$out"
	touch share/a/d/x share/c/f/y
	await "$out" '"path":"a/d/x"'
	await "$out" '"path":"c/f/y"'
	finish "$pid" INT
}

test_silence_ends_it() {
	mkdir share
	watch --json --exit-after-idle 100ms share
	wait "$pid"
}

test_a_directory_filled_at_once_is_told_whole() {
	mkdir share
	watch --json share
	next "$out"
	mkdir -p share/a/b/c
	touch share/a/1 share/a/b/2 share/a/b/c/3
	for path in a a/1 a/b a/b/2 a/b/c a/b/c/3; do
		echo "$path"
	done | sort >expected
	for _ in 1 2 3 4 5 6; do
		await "$out" '"event":"create"'
		[[ $line =~ \"path\":\"([^\"]*)\" ]]
		echo "${BASH_REMATCH[1]}"
	done | sort >got
	diff expected got
	finish "$pid"
}

test_a_burst_is_told_by_its_net_effect() {
	mkdir share
	watch --json --settle 300ms share
	next "$out"
	seq=0
	freeze "$pid"
	echo 1 >share/a
	echo 2 >share/gone
	mv share/a share/b
	rm share/gone
	thaw "$pid"
	tells '"event":"create","type":"file","path":"b"'
	tells '"event":"modify","type":"file","path":"b"'
	tells '"event":"close_write","type":"file","path":"b"'
	finish "$pid"
}

test_excluded_names_do_not_exist() {
	mkdir -p share/.git
	watch --json --exclude .git/ --exclude '*.swp' share
	next "$out"
	touch share/.git/index share/x.swp
	mkdir share/seen
	next "$out"
	contains "$line" '"seq":1,'
	contains "$line" '"path":"seen"'
	finish "$pid"
}

test_a_terminal_is_never_written_raw_bytes() {
	mkdir share
	watch share
	await_armed
	touch share/$'\e[2J\n\xff'
	next "$out"
	contains "$line" '"\x1b[2J\n\xff"'
	[[ $line != *$'\e'* ]] || fail "an escape byte"
	finish "$pid"
}

# Without --json nothing tells on standard output that it is armed.
await_armed() {
	local end=$((SECONDS + DEADLINE))
	until grep -q ' watches ' err 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "it never watches"
	done
}

test_names_that_are_no_utf8_are_exact_in_json() {
	mkdir share
	watch --json share
	next "$out"
	mkdir share/$'a\xffb'
	next "$out"
	contains "$line" '"path":"a�b","path_b64":"Yf9i"'
	finish "$pid"
}

test_the_root_may_be_a_symlink() {
	mkdir real
	ln -s real share
	watch --json share
	next "$out"
	mkdir real/d
	next "$out"
	contains "$line" '"path":"d"'
	finish "$pid"
}

test_a_root_that_goes_and_comes_back_is_told() {
	mkdir share
	touch share/old
	watch --json --interval 50ms share
	next "$out"
	seq=0
	mv share away
	tells '"event":"rescan","path":""'
	mkdir share
	await "$out" '"event":"delete","type":"file","path":"old"'
	touch share/new
	await "$out" '"event":"create","type":"file","path":"new"'
	finish "$pid"
}

test_what_cannot_be_watched_is_an_error() {
	touch file
	for dir in file nonesuch; do
		status=0
		text=$("$B/hostwatch" watch "$dir" 2>&1) || status=$?
		equal 1 $status
		contains "$text" "$dir"
	done
	status=0
	"$B/hostwatch" watch 2>err || status=$?
	equal 2 $status
	status=0
	"$B/hostwatch" watch --settle soon . 2>err || status=$?
	equal 2 $status
}

test_a_reader_that_leaves_is_no_failure() {
	mkdir share
	watch --json share
	next "$out"
	exec {out}<&-
	local end=$((SECONDS + DEADLINE)) n=0
	while kill -0 "$pid" 2>/dev/null; do
		touch share/$((n++))
		[ $SECONDS -lt $end ] || fail "it does not end"
	done
	wait "$pid"
}

run_tests
