#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch bench: measures, cleans up, and notices what is lost.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Sets $pid.
bench() {
	TMPDIR=$PWD "$B/hostwatch" bench --quick --changes 200 --files 200 --peers none "$@" &
	pid=$!
	wait $pid
}

# Nothing of this run is left, here or in memory: its directories have its process number in their names. Others may measure at the same time.
is_clean() {
	equal '' "$(find . /dev/shm -maxdepth 2 -name "hostwatch-bench.$pid.*" 2>/dev/null)" "directories are left"
}

test_scenarios_have_results() {
	bench --watchers inotify,polling --json result.json race rename append >text 2>err || fail "$(cat text err)"
	equal '' "$(cat err)" "progress on a pipe"
	contains "$(<text)" hostwatch-inotify
	is_clean
	command -v jq >/dev/null || skip "jq is not installed"
	equal 0,0 "$(jq -r '[.results[] | select(.contender == "hostwatch-inotify" and .scenario == "race" and (.metric == "lost" or .metric == "wrong")).median] | join(",")' result.json)"
	equal "$(uname -sr)" "$(jq -r .kernel result.json)"
	equal 3 "$(jq '[.results[].scenario] | unique | length' result.json)"
}

test_an_ordinary_user_can_measure() {
	as_user test -x "$B/bench/run" || skip "$B cannot be entered by another user"
	mkdir -m 777 mine
	(cd mine && TMPDIR=$PWD as_user "$B/hostwatch" bench --quick --changes 200 --peers none --watchers inotify storm) >text 2>&1 ||
		fail "$(<text)"
	contains "$(<text)" hostwatch-inotify
	equal '' "$(ls mine)" "something is left"
}

test_a_missing_contender_is_skipped_with_the_reason() {
	bench --watchers inotify --peers nonesuch storm >text 2>&1 && fail "an unknown peer is accepted"
	contains "$(<text)" 'nonesuch'
	mkdir bin
	for program in bash awk cat mktemp mkdir rm stat dirname basename sed uname nproc cut date id tr grep head tail timeout sleep cp realpath mkfifo mv; do
		ln -s "$(command -v $program)" bin/
	done
	PATH=$PWD/bin bench --watchers inotify --peers fswatch fill >text 2>&1 || fail "$(<text)"
	contains "$(<text)" 'skip  fswatch: fswatch is not installed'
}

test_a_signal_ends_it_and_nothing_is_left() {
	for signal in INT TERM; do
		TMPDIR=$PWD start "$B/hostwatch" bench --watchers inotify --peers none --dir .
		end=$((SECONDS + DEADLINE))
		until [ -n "$(find . -maxdepth 1 -name "hostwatch-bench.$pid.*")" ]; do [ $SECONDS -lt $end ] || fail "no directory: $(<err)"; done
		await "$out" '^# '
		status=0
		kill -$signal "$pid"
		wait "$pid" || status=$?
		equal "$([ $signal = INT ] && echo 130 || echo 143)" $status "exit status after $signal"
		is_clean
	done
}

# plugin NAME SOURCE [FLAG]...: compiles a watcher of the tests.
plugin() {
	command -v "${CC:=cc}" >/dev/null || CC=gcc
	"$CC" -std=c11 -D_GNU_SOURCE -shared -fPIC -I"$tree/framework/include" "${@:3}" -o "$1.so" "$tree/tests/demo/$2" ||
		fail "the plugin does not compile"
}

# A watcher that reports nothing of what it sees.
test_lost_events_are_noticed() {
	plugin leaky deaf.c -DHW_DEAF_NAME='"leaky"' -DHW_VERSION='"1"'
	status=0
	bench --watchers inotify --watcher leaky.so append >text 2>&1 || status=$?
	equal 1 $status "$(<text)"
	[[ $(<text) =~ FAIL\ \ append\ hostwatch-leaky\ lost ]] || fail "$(<text)"
	[[ ! $(<text) =~ hostwatch-inotify\ lost ]] || fail "$(<text)"
}

# A watcher that reports nothing before a barrier: everything is late, nothing is lost, and that is no failure.
test_late_events_are_not_lost() {
	plugin late late.c
	for sink in print socket; do
		bench --watchers inotify --watcher late.so --sinks $sink --json result.json append rename >text 2>&1 || fail "$(<text)"
		[ $sink = print ] && who=hostwatch-late || who=hostwatch-late+socket
		for scenario in append rename; do
			grep -q "\"$scenario\",\"contender\":\"$who\",\"metric\":\"lost\",\"median\":0," result.json || fail "$(<text)"
			grep -q "\"$scenario\",\"contender\":\"$who\",\"metric\":\"late\",\"median\":[1-9]" result.json || fail "$(<text)"
			grep -q "\"$scenario\",\"contender\":\"${who/late/inotify}\",\"metric\":\"late\",\"median\":0," result.json || fail "$(<text)"
		done
	done
}

test_a_workload_is_replayed() {
	command -v xz >/dev/null || skip "xz is not installed"
	printf 'hostwatch-workload 1\nabout\ta test\nfile\t9\tkept\nfile\t9\tgone\nbegin\n' >mine
	printf '%s\n' 'unlink gone' 'mkdir d' 'open 0 wcx d/f.new' 'write 0 100' 'sync 0' 'close 0' 'rename d/f.new d/f' \
		'open 1 wa kept' 'write 1 3' 'close 1' 'symlink f d/s' | tr ' ' '\t' >>mine
	xz mine
	bench --watchers inotify,polling --json result.json --workload mine.xz replay >text 2>&1 || fail "$(<text)"
	grep -qE '^  hostwatch-inotify .* 0 +0$' text || fail "$(<text)"
	contains "$(<text)" replay-mine
	is_clean
	# Each of kept, gone, d, f and s must be reported.
	grep -q '"replay-mine","contender":"hostwatch-polling","metric":"names","median":5,' result.json || fail "$(grep names result.json)"
	! bench --workload text replay >text 2>&1 || fail "a file of any kind is accepted"
	! bench --workload missing.xz replay >text 2>&1 || fail "a file that does not exist is accepted"
}

# Each workload that is shipped: whatever hostwatch loses or reports wrongly fails the run.
test_recorded_programs_are_reported_completely() {
	command -v xz >/dev/null || skip "xz is not installed"
	TMPDIR=$PWD "$B/hostwatch" bench --rounds 1 --peers none --watchers inotify,polling --json result.json replay >text 2>&1 || fail "$(<text)"
	for name in "$tree"/bench/workloads/*.xz; do
		name=$(basename "$name" .xz)
		grep -q "\"replay-$name\",\"contender\":\"hostwatch-polling\",\"metric\":\"lost\",\"median\":0," result.json || fail "$name: $(<text)"
	done
}

# On a terminal the round, the scenario and the contender are shown on one line.
test_progress_is_shown_on_a_terminal() {
	command -v script >/dev/null || skip "script(1) is not installed"
	TMPDIR=$PWD script -qec "'$B/hostwatch' bench --quick --changes 200 --peers none --watchers inotify fill" /dev/null >text </dev/null ||
		fail "$(<text)"
	contains "$(<text)" $'\r\e[Kround 1 of 1: fill: hostwatch-inotify'
}

# The time until a frame of the virtiofs sink can be read.
test_frames_for_a_guest_are_timed() {
	bench --watchers inotify --sinks virtiofs --json result.json latency storm >text 2>&1 || fail "$(<text)"
	grep -q '"latency","contender":"hostwatch-inotify+virtiofs","metric":"line_p50_ns","median":[1-9]' result.json || fail "$(<text)"
	for scenario in latency storm; do
		grep -q "\"$scenario\",\"contender\":\"hostwatch-inotify+virtiofs\",\"metric\":\"lost\",\"median\":0," result.json || fail "$scenario: $(<text)"
	done
}

# `make performance`: only the part between the marks is written, and the same results give the same page.
test_a_page_is_made_from_results() {
	mkdir results
	bench --watchers inotify --json results/tmpfs.json drain fill sizes shares fanout restart depths >text 2>&1 || fail "$(<text)"
	printf '%s\n' before '<!-- make performance: begin -->' old '<!-- make performance: end -->' after >page
	cp page short
	"$tree/bench/performance" page short results 2>err || fail "$(<err)"
	equal '' "$(<err)"
	equal "before after" "$(sed -n '1p;$p' short | paste -sd ' ')"
	grep -qE '^    CPU time of a start from a state, times a poll +1.3 ' short || fail "$(<short)"
	equal "before after" "$(sed -n '1p;$p' page | paste -sd ' ')"
	! grep -qx old page || fail "the old part is still there"
	contains "$(<page)" "| time of a start from a state, times a poll | 1.3 |"
	grep -qE '^\| tmpfs \| raw-inotify-print \| fill \| [0-9]+ \| 0 \| [1-9]' page || fail "no losses: $(<page)"
	grep -qE '^\| 10,000,000 files, 1 share \| inotify \| .* \| 1000000 \| [0-9.]+ s \| .*max_user_watches' page || fail "no scaling: $(<page)"
	cp page once
	"$tree/bench/performance" page short results
	equal "$(<once)" "$(<page)" "the second time"
	if command -v gnuplot >/dev/null; then
		"$tree/bench/plot.sh" results/tmpfs.json pictures svg || fail "no pictures"
		"$tree/bench/scaling.sh" results/tmpfs.json pictures/scaling.svg || fail "no scaling"
		for name in cost-drain sizes-time sizes-memory depths fanout scaling; do
			grep -q '</svg>' pictures/$name.svg || fail "no picture $name"
		done
	fi
	echo before >unmarked
	! "$tree/bench/performance" page unmarked results 2>/dev/null || fail "a page without marks is written"
}

# has SCENARIO CONTENDER METRIC REGEX: the median in result.json.
has() {
	grep -qE "\"$1\",\"contender\":\"$2\",\"metric\":\"$3\",\"median\":$4," result.json || fail "$1 $2 $3: $(<text)"
}
test_scenarios_of_the_large_tree_are_compared_with_a_poll() {
	bench --readers none --cold true --json result.json arm poll restart recovery idle >text 2>&1 || fail "$(<text)"
	for contender in walk walk/cold hostwatch-polling hostwatch-polling/cold; do has poll "$contender" wall_ns '[1-9][0-9]*'; done
	has arm hostwatch-inotify/cold wall_ns '[1-9][0-9]*'
	for scenario in restart recovery; do has $scenario poll cpu_ns '[1-9][0-9]*'; done
	has restart hostwatch-inotify wall_ns '[1-9][0-9]*'
	has recovery hostwatch-inotify lost 0
	has recovery hostwatch-inotify names '[1-9][0-9]*'
	bench --watchers inotify --readers none --cold 'echo no caches; false' arm >text 2>&1 || fail "$(<text)"
	contains "$(<text)" 'note  arm: --cold: no caches'
}

test_a_fan_out_is_compared_with_one_send() {
	bench --watchers inotify --json result.json fanout >text 2>&1 || fail "$(<text)"
	has fanout send-inotify/20 cpu_ns '[1-9][0-9]*'
	has fanout hostwatch-inotify/20 lost 0
}

test_stages_and_system_calls_are_shown() {
	bench --where --watchers inotify,polling --dir . >text 2>err || fail "$(cat text err)"
	equal '' "$(<err)"
	[[ $(<text) =~ ==\ inotify.*encode\ +600\  ]] || fail "200 files have 600 events: $(<text)"
	! grep -q '== polling' text || fail "polling is shown"
	! strace -f -qq -o /dev/null true 2>/dev/null || grep -qE '^statx +[0-9]+' text || fail "no system calls: $(<text)"
	equal '' "$(find . -name 'hostwatch-where.*')" "directories are left"
}

# perf stat and perf record, in the scenarios at full speed.
test_perf_counts_and_draws() {
	perf record -q -o probe true >/dev/null 2>&1 || skip "perf cannot record here"
	bench --watchers inotify --changes 2000 --perf stat storm >text 2>&1 || fail "$(<text)"
	grep -qE '^ +per change, hostwatch-inotify: .* task-clock [0-9.]+' text || fail "$(<text)"
	bench --watchers inotify --changes 5000 --readers none --perf record storm >text 2>&1 || fail "$(<text)"
	contains "$(<text)" 'drew perf-storm-hostwatch-inotify.svg'
	grep -q '</svg>' perf-storm-hostwatch-inotify.svg || fail "no picture"
	"$B/bench/flame" -d perf-storm-hostwatch-inotify.folded perf-storm-hostwatch-inotify.folded difference.svg || fail "no difference"
	grep -q 'rgb(255,255,255)' difference.svg || fail "no box"
}

test_claims_are_those_of_the_readme_and_have_tests() {
	[ -e "$tree/README.md" ] || skip "no README.md"
	"$tree/bench/performance" -c 2>err || fail "$(<err)"
}

test_names_are_checked() {
	status=0
	text=$("$B/hostwatch" bench strom 2>&1) || status=$?
	equal 2 $status
	contains "$text" 'did you mean storm'
}

run_tests
