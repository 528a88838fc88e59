#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch watch DIR -- COMMAND: when it runs, with which names, and how it ends.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# run OPTION... DIR -- COMMAND...: starts it and waits until it watches. $pid, and $out for what the command prints.
run() {
	local end=$((SECONDS + DEADLINE))
	start "$B/hostwatch" watch "$@"
	until grep -q ' watches ' err 2>/dev/null; do
		kill -0 "$pid" 2>/dev/null || return 0
		[ $SECONDS -lt $end ] || fail "it never watches"
	done
}

ends() {
	local status=0
	wait "$pid" || status=$?
	[ "$status" = "$1" ] || cat err
	equal "$1" $status
}

# Waits for a condition.
until_true() {
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "never true: $*"
	done
}
gone() {
	! kill -0 "$1" 2>/dev/null
}

# The next run, printed by the command as "run NAME...".
runs_with() {
	next "$out"
	equal "run${1:+ $1}" "$line"
}

# Whether the kernel says who makes a change: CAP_SYS_ADMIN, CAP_NET_ADMIN, and the first namespaces.
knows_writers() {
	[ "$(id -u)" = 0 ] && [ "$(readlink /proc/self/ns/pid)" = "pid:[4026531836]" ] &&
		[ "$(readlink /proc/self/ns/user)" = "user:[4026531837]" ]
}
need_writers() {
	knows_writers || skip "the kernel tells only root, outside of namespaces, who makes a change"
}

# Names sorted, so that their order does not matter.
# shellcheck disable=SC2016
print_sorted='printf "run %s\n" "$(printf "%s\n" "$@" | sort | tr "\n" " " | sed "s/ $//")"'

watchers() {
	if [ "$(id -u)" = 0 ]; then
		echo fanotify inotify polling
	else
		echo inotify polling
	fi
}

# each FUNCTION: with every watcher, in a directory of its own.
each() {
	for watcher in $(watchers); do
		mkdir "$watcher"
		cd "$watcher"
		echo "-- $watcher"
		mkdir s
		touch s/{a,b,old}
		mkfifo go
		"$1"
		cd ..
	done
}

# ---- when ----

one_run_for_a_burst() {
	run -n 1 -w "$watcher" -i 50ms s -- sh -c "$print_sorted" sh {}
	freeze "$pid"
	echo 1 >s/a
	echo 2 >s/a
	mv s/b s/c
	touch s/new
	rm s/old
	thaw "$pid"
	runs_with 's/a s/b s/c s/new s/old'
	ends 0
}
test_a_burst_is_one_run() {
	each one_run_for_a_burst
}

run_for_each_change() {
	run -n 4 -w "$watcher" -i 50ms s -- echo run {}
	# First: later the command may still run, and a new name may count as its own.
	mkdir s/d
	runs_with s/d
	echo 1 >s/a
	runs_with s/a
	rm s/b
	runs_with s/b
	chmod 600 s/old
	runs_with s/old
	ends 0
}
test_every_kind_of_change_is_a_reason() {
	each run_for_each_change
}

test_only_events_that_are_asked_for_are_a_reason() {
	mkdir s
	touch s/old
	run -n 1 -E delete s -- echo run {}
	touch s/{a,b}
	rm s/old
	runs_with s/old
	ends 0
}

test_it_may_run_at_the_start() {
	mkdir s
	touch file s/a
	run -n 2 --initial s file -- echo run {}
	runs_with 's file'
	# The command may still run: a new name would count as its own.
	echo 1 >>s/a
	runs_with s/a
	ends 0
}

test_idleness_begins_when_the_command_has_ended() {
	mkdir s
	mkfifo go
	run -e 100ms --initial s -- sh -c 'echo run; read x <go'
	runs_with ''
	# Many times 100 ms: watch has had its turns when it answers SIGCONT.
	timeout 0.5 tail -f /dev/null || :
	kill -0 "$pid" || fail "it does not wait for the command"
	echo >go
	ends 3
}

# ---- its own changes ----

own() {
	run -n 2 -w "$watcher" -i 50ms s -- sh -c "echo run \"\$*\"; $commands; echo 1 >finished" sh {}
	echo 1 >>s/a
	runs_with s/a
	until_true test -s finished
	rm finished
	echo 1 >>s/b
	runs_with s/b
	ends 0
}
test_new_files_of_its_own_are_no_reason() {
	commands='echo x >>s/new; mkdir -p s/d; touch s/d/x; ln -sf x s/link'
	each own
}
test_temporary_files_of_its_own_are_no_reason() {
	commands='mktemp s/XXXXXX >&2; touch s/t; mv s/t s/u; rm s/u; mkdir s/e; touch s/e/f; rm -r s/e'
	each own
}
test_old_files_that_it_writes_are_no_reason() {
	need_writers
	commands='echo x >>s/old; chmod 600 s/old; touch s/t; mv s/t s/old'
	each own
}
test_files_that_it_was_started_for_are_no_reason() {
	need_writers
	# shellcheck disable=SC2016
	commands='sed -i s/1/2/ "$1"; echo 3 >>"$1"'
	each own
}
removed_tree() {
	mkdir -p s/tree/d
	touch s/tree/d/{x,y}
	own
}
test_removing_an_old_directory_is_no_reason() {
	need_writers
	commands='rm -rf s/tree'
	each removed_tree
}
test_processes_that_it_leaves_are_no_reason() {
	need_writers
	# shellcheck disable=SC2016
	commands='( while [ ! -e go2 ]; do sleep 0.05; done; echo x >>s/old; echo x >written ) >/dev/null 2>&1 &'
	mkdir s
	touch s/{a,b,old}
	run -n 2 -i 50ms s -- sh -c "echo run \"\$*\"; $commands" sh {}
	echo 1 >>s/a
	runs_with s/a
	touch go2
	until_true test -s written
	echo 1 >>s/b
	runs_with s/b
	ends 0
}

# ---- changes of others meanwhile ----

meanwhile() {
	run -n 2 -w "$watcher" -i 50ms s -- sh -c 'echo run "$*"; echo x >>s/own; read x <go; echo x >>s/own2' sh {}
	echo 1 >>s/a
	runs_with s/a
	"$edit"
	echo >go
	next "$out"
	contains " $line " " $edited "
	[[ $line != *own* ]] || fail "its own file: $line"
	echo >go
	ends 0
}
save_the_same() {
	edited=s/a
	echo 2 >>s/a
}
test_a_file_saved_again_meanwhile_is_a_reason() {
	edit=save_the_same
	each meanwhile
}
save_another() {
	edited=s/b
	echo 2 >>s/b
}
test_another_file_saved_meanwhile_is_a_reason() {
	edit=save_another
	each meanwhile
}
save_as_editors_do() {
	edited=s/b
	echo 2 >s/.b.tmp
	mv s/.b.tmp s/b
}
test_a_file_replaced_meanwhile_is_a_reason() {
	edit=save_as_editors_do
	each meanwhile
}
delete() {
	edited=s/b
	rm s/b
}
test_a_file_deleted_meanwhile_is_a_reason() {
	edit=delete
	each meanwhile
}
create() {
	edited=s/c
	echo 1 >s/c
}
test_a_file_created_meanwhile_is_a_reason() {
	need_writers
	edit=create
	each meanwhile
}

# A file that others and the command write in the same run.
both_write() {
	run -n 2 -w "$watcher" -i 50ms s -- sh -c 'echo run "$*"; read x <go; echo x >>s/old' sh {}
	echo 1 >>s/a
	runs_with s/a
	echo 2 >>s/old
	echo >go
	runs_with s/old
	echo >go
	ends 0
}
test_a_file_that_both_write_is_a_reason() {
	need_writers
	each both_write
}

# ---- without the kernel's word on who makes a change ----

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
}
# For root: the same as a user who cannot ask.
run_unprivileged() {
	local end=$((SECONDS + DEADLINE))
	if [ "$(id -u)" = 0 ]; then
		command -v setpriv >/dev/null || skip "no setpriv"
		as_nobody test -x "$B/hostwatch" || skip "$B cannot be entered by nobody"
		chmod -R a+rwX .
		start setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$B/hostwatch" watch "$@"
	else
		start "$B/hostwatch" watch "$@"
	fi
	until grep -q ' watches ' err 2>/dev/null; do
		kill -0 "$pid" 2>/dev/null || fail "it does not watch"
		[ $SECONDS -lt $end ] || fail "it never watches"
	done
}

# An old file that the command writes costs two needless runs, once.
test_an_old_file_that_changes_in_three_runs_is_its_own() {
	mkdir s
	touch s/{a,b,old}
	run_unprivileged -n 4 -w inotify s -- sh -c 'echo run "$*"; echo x >>s/old' sh {}
	echo 1 >>s/a
	runs_with s/a
	runs_with s/old
	runs_with s/old
	written_three_times() {
		[ "$(grep -c x s/old)" = 3 ]
	}
	until_true written_three_times
	echo 1 >>s/b
	runs_with s/b
	ends 0
	contains "$(cat err)" '"s/old" changed while the command ran: it runs once more'
}

# Nothing of the command has run since before the change: it was made by somebody else.
test_a_file_created_while_the_command_rests_is_a_reason() {
	mkdir s
	touch s/a
	run_unprivileged -r -w inotify s -- sh -c 'echo run "$*"; exec tail -f /dev/null' sh {}
	echo 1 >>s/a
	runs_with s/a
	# It takes a moment until it is known to rest; until then new names count as its own.
	local n=0 end=$((SECONDS + DEADLINE))
	until IFS= read -r -t 0.3 -u "$out" line; do
		touch s/new$((n++))
		[ $SECONDS -lt $end ] || fail "it is not restarted"
	done
	[[ $line == "run "*s/new* ]] || fail "$line"
	finish "$pid"
}

# Each time it has just begun to run again, perhaps on another processor: the file is its own all the same.
test_files_that_it_makes_after_a_rest_are_its_own() {
	mkdir s
	mkfifo go never
	touch s/{a,b}
	# shellcheck disable=SC2016
	run_unprivileged -n 2 -w inotify s -- bash -c 'echo run "$*"; [ ! -e made ] || exit 0
		for ((i = 0; i < 60; i++)); do read -rt 0.05 <>never; echo x >s/own$i; done
		touch made; read -r x <go' bash {}
	echo 1 >>s/a
	runs_with s/a
	until_true test -e made
	echo 2 >>s/b
	echo >go
	runs_with s/b
	ends 0
}

# ---- the names ----

test_names_are_passed_as_they_are() {
	mkdir s
	# shellcheck disable=SC2016
	run -n 1 s -- sh -c 'for name; do printf "%s|" "$name"; done; echo' sh {} and {} '{}{}' x{}
	freeze "$pid"
	mkdir $'s/with space' $'s/*' 's/-n' $'s/\xff' 's/$(touch x)'
	thaw "$pid"
	next "$out"
	[[ $line == *'|and|'*'|{}{}|x{}|' ]] || fail "$line"
	names=${line%%|and|*}
	equal $'s/$(touch x)\ns/*\ns/-n\ns/with space\ns/\xff' "$(tr '|' '\n' <<<"$names" | LC_ALL=C sort)"
	[ ! -e x ] || fail "a shell has seen the names"
	ends 0
}

test_more_names_than_a_command_line_can_take_need_several_runs() {
	mkdir s
	local name count=0 runs=0
	name=$(printf 'n%.0s' {1..240})
	ulimit -s 512 # a quarter of it is the limit
	run s -- sh -c 'echo run "$#"' sh {}
	freeze "$pid"
	(cd s && seq -f "%04g$name" 2000 | xargs touch)
	thaw "$pid"
	while [ $count -lt 2000 ]; do
		next "$out"
		count=$((count + ${line#run }))
		runs=$((runs + 1))
	done
	equal 2000 $count
	[ $runs -gt 1 ] || fail "one command line took all names"
	finish "$pid"
}

test_the_events_are_in_a_file() {
	mkdir s
	touch s/a
	# shellcheck disable=SC2016
	run -n 1 s -- sh -c 'cat "$HOSTWATCH_EVENTS_FILE"; echo "$HOSTWATCH_EVENTS_FILE" >name'
	mv s/a s/b
	next "$out"
	equal '{"seq":1,"share":"watch","event":"move","type":"file","from":"a","to":"b"}' "$(stripped <<<"$line")"
	ends 0
	[ ! -e "$(cat name)" ] || fail "the file is still there"
}

test_there_is_no_event_when_it_runs_at_the_start() {
	mkdir s
	# shellcheck disable=SC2016
	run -n 1 --initial s -- sh -c 'test -f "$HOSTWATCH_EVENTS_FILE" && echo run $(wc -c <"$HOSTWATCH_EVENTS_FILE")'
	runs_with 0
	ends 0
}

# ---- its surroundings ----

read_until_end() {
	text=
	while next "$out" && [ "$line" != end ]; do
		text+=$line$'\n'
	done
}
test_it_has_the_surroundings_of_the_shell() {
	mkdir s
	# But signals 32 and 33, which the C library uses for threads.
	# shellcheck disable=SC2016
	command='ulimit -Sn; grep -E "Sig(Blk|Ign)" /proc/self/status | sed -E "s/^(SigIgn:.[0-9a-f]{7})../\1--/"
		readlink /proc/$$/fd/0; ls /proc/$$/fd; echo end'
	start sh -c "exec </dev/null; $command"
	read_until_end
	expected=$text
	exec {out}<&-
	run -n 1 --initial s -- sh -c "$command"
	read_until_end
	equal "$expected" "$text"
	ends 0
}

test_events_are_printed_when_asked_for() {
	mkdir s
	run -v --json -n 1 s -- sh -c 'exit 0'
	next "$out"
	contains "$line" '"hello"'
	mkdir s/d
	next "$out"
	contains "$line" '"path":"d"'
	ends 0
	rm err
	run --json -n 1 s -- echo only
	mkdir s/e
	next "$out"
	equal only "$line"
	ends 0
}

# ---- how it ends ----

test_a_failure_is_told_and_it_goes_on() {
	mkdir s
	# shellcheck disable=SC2016
	run -n 3 s -- sh -c 'echo run; [ -e s/b ] || exit 5; [ -e s/c ] || kill -USR1 $$; exit 7'
	touch s/a
	runs_with ''
	until_true grep -q 'hostwatch watch: sh: exit status 5' err
	touch s/b
	runs_with ''
	until_true grep -q "hostwatch watch: sh: killed by signal 10 (User defined signal 1)" err
	touch s/c
	runs_with ''
	ends 7
}

test_the_last_status_is_passed_on() {
	mkdir s
	run -n 1 --initial s -- true
	ends 0
	run -n 1 --initial s -- sh -c 'exit 42'
	ends 42
	# shellcheck disable=SC2016
	run -n 1 --initial s -- sh -c 'kill -TERM $$'
	ends 143
}

test_a_command_that_cannot_be_executed_is_a_failure() {
	mkdir s
	touch s/plain
	PATH=/usr/bin:/bin # others may have directories that cannot be searched
	run -n 1 --initial s -- nonesuch-command
	ends 127
	contains "$(cat err)" 'hostwatch watch: "nonesuch-command": No such file or directory'
	run -n 1 --initial s -- ./s/plain
	ends 126
	contains "$(cat err)" 'hostwatch watch: "./s/plain": Permission denied'
	rm err
	# It may be there the next time.
	run -n 2 s -- ./s/later
	touch s/a
	until_true grep -q 'later": No such file' err
	printf '#!/bin/sh\necho run\n' >later.tmp
	chmod 755 later.tmp
	mv later.tmp s/later
	runs_with ''
	ends 0
}

test_a_restart_ends_the_whole_group() {
	mkdir s
	touch s/b
	# shellcheck disable=SC2016
	run -r s -- sh -c 'tail -f /dev/null & echo run $$ $!; wait'
	touch s/a
	next "$out"
	read -r _ shell child <<<"$line"
	touch s/b
	next "$out"
	gone "$shell" || fail "the command still runs"
	gone "$child" || fail "its child still runs"
	finish "$pid"
	read -r _ shell child <<<"$line"
	gone "$shell" || fail "the last command still runs"
	gone "$child" || fail "its child still runs"
}

test_a_command_that_does_not_end_is_killed() {
	mkdir s
	touch s/b
	# shellcheck disable=SC2016
	run -r --kill-after 100ms s -- sh -c 'trap "" TERM; echo run $$; while :; do tail -f /dev/null; done'
	touch s/a
	next "$out"
	shell=${line#run }
	touch s/b
	next "$out"
	gone "$shell" || fail "the command still runs"
	finish "$pid"
}

test_a_server_that_writes_is_not_restarted() {
	need_writers
	mkdir s
	touch s/{a,old,b}
	# shellcheck disable=SC2016
	run -r s -- sh -c 'echo run "$*"; n=0; while :; do echo $((n += 1)) >>s/old; sleep 0.02; done' sh {}
	echo >>s/a
	runs_with s/a
	until_true grep -q '^50$' s/old
	echo >>s/b
	runs_with s/b
	finish "$pid"
}

test_an_interrupt_ends_both() {
	mkdir s
	for signal in INT TERM HUP; do
		# shellcheck disable=SC2016
		run --initial s -- sh -c 'trap "echo got '$signal'; exit 9" '$signal'; echo run $$; while :; do sleep 0.01; done'
		next "$out"
		shell=${line#run }
		finish "$pid" $signal
		next "$out"
		equal "got $signal" "$line"
		gone "$shell" || fail "the command still runs"
		rm err
	done
}

test_a_second_interrupt_kills() {
	mkdir s
	# shellcheck disable=SC2016
	run --kill-after 1h --initial s -- sh -c 'trap "echo got INT" INT; echo run $$; while :; do sleep 0.01; done'
	next "$out"
	shell=${line#run }
	kill -INT "$pid"
	next "$out"
	equal "got INT" "$line"
	finish "$pid" INT
	gone "$shell" || fail "the command still runs"
}

test_a_watch_that_is_killed_leaves_no_command() {
	mkdir s
	# shellcheck disable=SC2016
	run --initial s -- sh -c 'echo run $$; exec tail -f /dev/null'
	next "$out"
	shell=${line#run }
	finish "$pid" KILL 137
	until_true gone "$shell"
}

test_nothing_is_left_of_processes_that_have_ended() {
	mkdir s
	touch s/a
	# shellcheck disable=SC2016
	run s -- sh -c '(sleep 0.01; echo >>ended) & echo run'
	for n in 1 2 3; do
		echo >>s/a
		runs_with ''
		until_true sh -c "[ \$(grep -c '' ended 2>/dev/null || echo 0) -ge $n ]"
	done
	no_children() {
		[ -z "$(cat "/proc/$pid/task/$pid/children")" ]
	}
	until_true no_children
	finish "$pid"
}

test_options_of_a_command_need_one() {
	mkdir s
	for option in --restart --initial --verbose --kill-after=1s; do
		status=0
		text=$("$B/hostwatch" watch $option s 2>&1) || status=$?
		equal 2 $status
		contains "$text" "hostwatch watch: ${option%=*} needs a command: DIR... -- COMMAND"
	done
	status=0
	text=$("$B/hostwatch" watch s -- 2>&1) || status=$?
	equal 2 $status
	contains "$text" "a command is missing after --"
}

run_tests
