#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch watch, end to end.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

watch() {
	start "$B/hostwatch" watch "$@"
}

# Without --json nothing on standard output shows that it watches: it says so of $1 directories on stderr.
await_armed() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(grep -c ' watches ' err 2>/dev/null)" = "${1:-1}" ]; do
		[ $SECONDS -lt $end ] || fail "it never watches"
	done
}

# The program ends by itself, with this exit status.
ends() {
	local status=0
	wait "$pid" || status=$?
	equal "$1" $status
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

# Polling with an interval of an hour: only the barrier makes it scan.
test_a_signal_is_a_barrier() {
	mkdir one two
	watch --json --watcher polling --interval 1h one two
	next "$out"
	for name in first second; do
		mkdir one/$name two/$name
		touch one/$name/file
		kill -USR1 "$pid"
		local seen='' synced=0
		while [ $synced -lt 2 ]; do
			next "$out"
			case $(stripped <<<"$line") in
			'{"synced":"SIGUSR1","share":"watch-1","epoch":"E","seq":'*)
				contains "$seen" "\"path\":\"$name/file\""
				synced=$((synced + 1))
				;;
			'{"synced":"SIGUSR1","share":"watch-2","epoch":"E","seq":'*)
				contains "$seen" "\"share\":\"watch-2\",\"event\":\"create\",\"type\":\"dir\",\"path\":\"$name\""
				synced=$((synced + 1))
				;;
			*) seen+=$line$'\n' ;;
			esac
		done
	done
	finish "$pid"
}

test_silence_ends_it_with_a_status_of_its_own() {
	mkdir share
	watch --json --exit-after-idle 100ms share
	ends 3
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
	contains "$line" '"share/\x1b[2J\n\xff"'
	[[ $line != *$'\e'* ]] || fail "an escape byte"
	finish "$pid"
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

# refuses STATUS TEXT ARGUMENT...: the command line is refused with this message.
refuses() {
	local expected=$1 message=$2 status=0 text
	shift 2
	text=$(timeout $DEADLINE "$B/hostwatch" watch "$@" 2>&1) || status=$?
	contains "$text" "$message"
	equal "$expected" $status
}

test_mistakes_name_the_option_and_the_remedy() {
	mkdir share
	refuses 2 'hostwatch watch: DIR is missing'
	refuses 2 'hostwatch watch: --settle: "soon" is not a duration (like 50ms, 1s or 2m)' --settle soon share
	refuses 2 'hostwatch watch: --watcher: no watcher named "inotfy", did you mean "inotify"?' -w inotfy share
	refuses 2 'hostwatch watch: --watcher: no name is given' -w , share
	refuses 2 'hostwatch watch: --events: "creat" is not one of create, delete,' -E modify,creat share
	refuses 2 'did you mean create?' -E modify,creat share
	refuses 2 'hostwatch watch: --exclude: "[a": "[" without "]"' -x '[a' share
	refuses 2 'hostwatch watch: --count: "0" is out of range' -n 0 share
	refuses 2 'hostwatch watch: --interval: "2h" is out of range (10ms to 1h)' --watcher polling -i 2h share
	refuses 2 "Try 'hostwatch watch --help'." --nonesuch share
}

test_a_directory_that_cannot_be_watched_is_an_error() {
	mkdir share
	mkfifo fifo
	ln -s /etc/passwd link
	refuses 1 'hostwatch watch: "nonesuch": No such file or directory' nonesuch
	refuses 1 'hostwatch watch: "nonesuch": No such file or directory' share nonesuch
	refuses 1 'hostwatch watch: "fifo": not a directory or regular file: watch the directory that holds it' fifo
	refuses 1 'hostwatch watch: "link": a symbolic link to a file: watch the file itself' link
}

test_a_time_without_a_unit_is_in_seconds() {
	mkdir share
	watch --json --exit-after-idle 0.1 --settle 20 share || :
	ends 2
	contains "$(cat err)" '--exit-after-idle: "0.1" is not a duration'
	watch --json --settle 20 share
	next "$out"
	finish "$pid"
}

test_several_directories_are_watched_together() {
	mkdir -p two/d here/one/d
	cd here
	watch --json one/ ../two
	next "$out"
	equal '{"hello":{"protocol":1,"version":"V","shares":[{"name":"watch-1","epoch":"E","seq":0,"state":"online"},{"name":"watch-2","epoch":"E","seq":0,"state":"online"}]}}' \
		"$(stripped <<<"$line")"
	mkdir one/d/a
	next "$out"
	equal '{"seq":1,"share":"watch-1","event":"create","type":"dir","path":"d/a"}' "$(stripped <<<"$line")"
	mkdir ../two/d/b
	next "$out"
	equal '{"seq":1,"share":"watch-2","event":"create","type":"dir","path":"d/b"}' "$(stripped <<<"$line")"
	finish "$pid"
}

test_lines_for_people_have_paths_as_the_directory_was_given() {
	mkdir -p two here/one here/three
	cd here
	watch one/ ./three ../two .
	ends 2
	watch one/ ./three ../two
	await_armed 3
	mkdir one/a
	next "$out"
	equal "create       dir      one/a" "${line:14}"
	mkdir ../two/b
	next "$out"
	equal "create       dir      ../two/b" "${line:14}"
	mv ../two/b ../two/c
	next "$out"
	equal "move         dir      ../two/b -> ../two/c" "${line:14}"
	chmod 700 three
	next "$out"
	equal "attrib       dir      ./three" "${line:14}"
	finish "$pid"
}

test_overlapping_directories_are_refused() {
	mkdir -p share/d
	touch share/f
	ln -s share link
	refuses 2 '"share/d" is in "share", which is watched with everything below it: leave it out' share share/d
	refuses 2 '"share/d" is in "share", which is watched with everything below it: leave it out' share/d share
	refuses 2 '"share/f" is in "share", which is watched with everything below it: leave it out' share share/f
	refuses 2 '"share" and "./share/" are the same directory: give one' share ./share/
	refuses 2 '"share" and "link" are the same directory: give one' share link
}

test_files_are_watched_by_their_names() {
	mkdir d
	touch a 'b[*' other d/x d/other
	watch -E attrib,create,delete,move a ./'b[*' d/x # new data of a is reported as well
	await_armed 2
	echo 1 >other
	echo 1 >d/other
	chmod 700 d
	chmod 600 'b[*'
	next "$out"
	equal 'attrib       file     b[*' "${line:14}"
	# As editors save.
	echo 2 >a.new
	mv a.new a
	next "$out"
	equal 'move         file     (outside) -> a (replaced)' "${line:14}"
	rm d/x
	next "$out"
	equal 'delete       file     d/x' "${line:14}"
	touch d/x
	next "$out"
	equal 'create       file     d/x' "${line:14}"
	finish "$pid"
}

test_only_events_that_are_asked_for_are_printed() {
	mkdir share
	watch -E create,delete -E move share
	await_armed
	echo 1 >share/a
	chmod 600 share/a
	mv share/a share/b
	rm share/b
	for kind in create move delete; do
		next "$out"
		contains "$line" " $kind "
	done
	finish "$pid"
}

test_a_rescan_is_always_printed() {
	mkdir share
	watch --json -E attrib --interval 50ms share
	next "$out"
	mv share away
	next "$out"
	contains "$line" '"event":"rescan"'
	finish "$pid"
}

test_patterns_may_stand_in_a_file() {
	mkdir share
	printf '# what is built\n\n*.o  \r\n/gen/\n!kept.o\n\\#literal\n' >patterns
	watch --json --exclude-from patterns --exclude '!also.o' share
	next "$out"
	mkdir share/gen
	touch share/{x.o,'#literal',kept.o,also.o}
	for name in kept.o also.o; do
		await "$out" '"event":"create"'
		contains "$line" "\"path\":\"$name\""
	done
	mkdir share/end
	await "$out" '"event":"create"'
	contains "$line" '"path":"end"'
	finish "$pid"
}

test_mistakes_in_a_file_of_patterns_have_its_lines() {
	mkdir share
	printf '*.o\n[a\n\n[b\n' >patterns
	refuses 78 'patterns:2: "[a": "[" without "]"' --exclude-from patterns share
	refuses 78 'patterns:4: "[b": "[" without "]"' --exclude-from patterns share
	printf 'a\0b\n' >patterns
	refuses 78 'patterns:1: "a": contains a NUL byte' --exclude-from patterns share
	seq 4097 >patterns
	refuses 78 'patterns:4097: "4097": there are more than 4096 patterns' --exclude-from patterns share
	refuses 1 'hostwatch watch: --exclude-from: "nonesuch": No such file or directory' --exclude-from nonesuch share
	refuses 1 'hostwatch watch: --exclude-from: "share": Is a directory' --exclude-from share share
}

test_it_ends_after_a_number_of_events() {
	mkdir share
	watch --json --count 2 share
	next "$out"
	mkdir share/{a,b,c}
	next "$out"
	next "$out"
	! IFS= read -r -t $DEADLINE -u "$out" line || fail "a third: $line"
	ends 0
}

test_what_is_not_printed_is_not_counted() {
	mkdir share
	watch -n 1 -E delete share
	await_armed
	mkdir share/{a,b}
	rmdir share/b
	next "$out"
	equal "delete       dir      share/b" "${line:14}"
	ends 0
}

test_events_that_are_not_printed_do_not_keep_it_from_being_idle() {
	mkdir share
	watch --json -E delete --exit-after-idle 1s share
	next "$out"
	local n=0
	while kill -0 "$pid" 2>/dev/null; do
		mkdir share/$((n++))
	done
	ends 3
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
