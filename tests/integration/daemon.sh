#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatchd with real watchers and sinks, and the commands that talk to it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

configure() {
	mkdir -p share
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		log_level = ${log_level-info}
		[share src]
		path = $PWD/share
		interval = 50ms
		${1-}
		[watcher polling]
		interval = ${interval-50ms}
		[sink messages]
		plugin = socket
		shares = src
		format = netlink
		listen = unix:$PWD/messages
		[sink lines]
		plugin = socket
		shares = src
		listen = unix:$PWD/lines
		${2-}
	EOF
}

daemon() {
	configure "${1-}" "${2-}"
	start "$B/hostwatchd" -c conf
	daemon=$pid
	ask status >first_status
}

# The daemon listens a moment after its start.
ask() {
	local end=$((SECONDS + DEADLINE)) command=$1
	until grep -q 'hostwatchd: ready: ' err 2>/dev/null; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	shift
	"$B/hostwatch" "$command" --socket "$PWD/control" "$@"
}

tail_of() {
	local end=$((SECONDS + DEADLINE))
	until [ -S "$1" ]; do
		[ $SECONDS -lt $end ] || fail "no socket $1"
	done
	start "$B/hostwatch" tail --json "${@:2}" "unix:$PWD/$1"
}

test_both_formats_tell_the_same() {
	daemon
	tail_of messages
	messages=$out
	tail_of lines
	lines=$out
	ask sync src
	next "$messages"
	contains "$line" '"hello"'
	next "$lines"
	contains "$line" '"hello"'
	printf x >share/a
	mv share/a share/b
	rm share/b
	until [[ $line == *'"event":"delete","type":"file","path":"b"'* ]]; do
		next "$messages"
		one=$line
		next "$lines"
		equal "$one" "$line"
	done
	finish "$daemon"
}

# A client that knows nothing of hostwatch: it connects and reads. perl is in every Debian, jq is in mk/deps.
test_a_script_reads_json_from_the_socket() {
	command -v jq >/dev/null || skip "jq is not installed"
	command -v perl >/dev/null || skip "perl is not installed"
	daemon
	start perl -MIO::Socket::UNIX -e '$| = 1; $s = IO::Socket::UNIX->new(shift) or die; print while <$s>' \
		"$PWD/lines"
	next "$out"
	equal 1 "$(jq .hello.protocol <<<"$line")"
	printf x >share/a
	await "$out" '"close_write"'
	equal "close_write a" "$(jq -r '"\(.event) \(.path)"' <<<"$line")"
	finish "$daemon"
}

test_tail_recognizes_the_control_socket() {
	daemon
	status=0
	text=$("$B/hostwatch" tail --timeout 50ms "unix:$PWD/control" 2>&1) || status=$?
	equal 1 $status
	contains "$text" "this is the control socket of hostwatchd; use hostwatch status"
	finish "$daemon"
}

test_sync_says_how_far_the_stream_is() {
	daemon
	ask sync src
	mkdir share/{1,2,3}
	read -r seq epoch < <(ask sync src)
	equal 3 "$seq"
	mkdir share/4
	read -r seq again < <(ask sync src)
	equal 4 "$seq"
	equal "$epoch" "$again"
	finish "$daemon"
}

test_a_subscriber_resumes_where_it_was() {
	daemon
	ask sync src
	mkdir share/{1,2,3}
	read -r _ epoch < <(ask sync src)
	tail_of lines --share src --epoch "$epoch" --after 2
	next "$out"
	next "$out"
	contains "$line" '"seq":3,'
	finish "$daemon"
}

test_a_snapshot_comes_first() {
	mkdir -p share/d
	touch share/d/f
	daemon
	ask sync src
	tail_of lines --share src --snapshot
	next "$out"
	next "$out"
	contains "$line" '"path":"d"'
	next "$out"
	contains "$line" '"path":"d/f"'
	next "$out"
	equal '{"snapshot":"end","seq":0}' "$line"
	mkdir share/e
	next "$out"
	contains "$line" '"path":"e"'
	finish "$daemon"
}

test_only_what_is_below_is_told() {
	mkdir -p share/a share/b
	daemon
	ask sync src
	tail_of lines --share src --below a
	next "$out"
	touch share/b/no
	touch share/a/yes
	next "$out"
	contains "$line" '"path":"a/yes"'
	finish "$daemon"
}

test_receivers_notice_no_switch() {
	daemon
	ask sync src
	tail_of lines
	next "$out"
	n=0
	for watcher in polling inotify fanotify polling; do
		ask switch src "$watcher" || { [ "$watcher" = fanotify ] && continue; }
		ask status | grep -q " $watcher\$" || fail "$(ask status)"
		mkdir share/$((++n))
		ask sync src >synced
		next "$out"
		equal "{\"seq\":$n,\"share\":\"src\",\"event\":\"create\",\"type\":\"dir\",\"path\":\"$n\"}" \
			"$(stripped <<<"$line")"
	done
	finish "$daemon"
}

test_switch_takes_lists_and_auto_and_says_what_it_did() {
	mkdir -p share/d
	touch share/d/{1,2,3}
	daemon
	ask switch src polling >text
	line=$(cat text)
	[[ $line =~ ^src:\ (.*)\ -\>\ polling,\ 4\ entries\ compared,\ no\ difference$ ]] || fail "$line"
	first=${BASH_REMATCH[1]}
	equal "src: polling -> inotify, 4 entries compared, no difference" "$(ask switch src "inotify, polling")"
	equal "src: inotify -> $first, 4 entries compared, no difference" "$(ask switch src auto)"
	contains "$(ask status)" "$first"
	grep -q "share src: switch requested by uid $(id -u) (pid [0-9]*), from $first to polling$" err || fail "$(cat err)"
	grep -Eq "share src: switched from $first to polling in [0-9.]+(us|ms|s), 4 entries compared, 0 events" err ||
		fail "$(cat err)"
	finish "$daemon"
}

# With so short an interval a scan of polling runs at the same time, more often than not.
test_a_switch_counts_the_entries_of_its_own_walk() {
	mkdir share
	(cd share && seq 2000 | xargs touch)
	interval=10ms
	daemon
	for _ in {1..20}; do
		ask switch src polling >text
		equal "src: polling -> inotify, 2 000 entries compared, no difference" "$(ask switch src inotify)"
	done
	finish "$daemon"
}

test_switch_says_why_it_did_nothing() {
	daemon
	status=0
	text=$(ask switch src nonesuch 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'hostwatch switch: '
	contains "$text" nonesuch
	grep -q 'error: share src: cannot switch; .* stays in use:' err || fail "$(cat err)"
	text=$(ask switch src polling,polling,polling,polling,polling,polling,polling,polling,polling 2>&1) || :
	contains "$text" 'hostwatch switch: more than 8 watchers'
	text=$(ask switch src , 2>&1) || :
	contains "$text" 'hostwatch switch: no watcher is named'
	finish "$daemon"
}

test_a_reload_keeps_the_history() {
	daemon
	ask sync src
	tail_of lines --share src
	next "$out"
	mkdir share/1
	next "$out"
	mkdir other
	printf '[share other]\npath = %s\n' "$PWD/other" >>conf
	kill -HUP "$daemon"
	# The new share can be asked for as soon as the file was read.
	end=$((SECONDS + DEADLINE))
	until ask sync other >synced 2>&1; do
		[ $SECONDS -lt $end ] || fail "no share after the reload: $(cat synced err)"
	done
	mkdir share/2
	await "$out" '"path":"2"'
	contains "$line" '"seq":2,'
	finish "$daemon"
}

test_reload_says_what_it_did() {
	daemon
	equal "share src: kept
sink lines: kept
sink messages: kept" "$(ask reload | sort)"
	mkdir other
	sed -i 's/^interval = 50ms$/interval = 60ms/; s/^\[sink messages\]/[sink news]/' conf
	printf '[share other]\npath = %s\n' "$PWD/other" >>conf
	equal "share other: started
share src: restarted
sink lines: restarted
sink messages: stopped
sink news: started" "$(ask reload | sort)"
	contains "$(cat err)" "hostwatchd: reload requested by uid $(id -u) (pid "
	finish "$daemon"
}

test_reload_prints_mistakes_as_check_does() {
	daemon
	printf 'nonsense = 1\n[share nowhere]\npath = %s\n' "$PWD/nowhere" >>conf
	status=0
	text=$(ask reload 2>&1) || status=$?
	equal 78 $status
	equal "$("$B/hostwatch" check conf 2>&1)
hostwatch reload: not reloaded: the previous configuration stays in effect" "$text"
	finish "$daemon"
}

test_a_reload_that_fails_exits_1() {
	daemon
	mkdir -p other
	printf '[share other]\npath = %s\n[sink two]\nplugin = socket\nlisten = unix:%s\n' "$PWD/other" "$PWD/conf" >>conf
	status=0
	text=$(ask reload 2>&1) || status=$?
	equal 1 $status
	contains "$text" "sink two: cannot listen on unix:$PWD/conf: the path exists and is not a socket"
	contains "$text" "hostwatch reload: not reloaded: see above"
	contains "$text" "share src: kept"
	finish "$daemon"
}

test_a_broken_file_changes_nothing() {
	daemon
	ask sync src
	tail_of lines
	next "$out"
	echo "nonsense = 1" >>conf
	kill -HUP "$daemon"
	end=$((SECONDS + DEADLINE))
	until grep -q nonsense err; do
		[ $SECONDS -lt $end ] || fail "the mistake is not told"
	done
	mkdir share/1
	next "$out"
	contains "$line" '"seq":1,'
	finish "$daemon"
}

test_what_was_told_is_drained_before_the_end() {
	daemon
	ask sync src
	tail_of lines
	next "$out"
	mkdir share/{1,2,3,4,5,6,7,8,9}
	ask sync src >synced
	finish "$daemon"
	for n in 1 2 3 4 5 6 7 8 9; do
		next "$out"
		contains "$line" "\"path\":\"$n\""
	done
}

test_status_tells_of_shares_and_receivers() {
	daemon
	ask sync src
	tail_of lines
	next "$out"
	mkdir share/d
	next "$out"
	text=$(ask status)
	contains "$text" src
	contains "$text" online
	finish "$daemon"
	[ ! -e control ]
	[ ! -e lines ]
}

test_a_guest_is_told_over_its_channel() {
	daemon "" "[sink vm]
plugin = virtiofs
channel = unix:$PWD/vm"
	ask sync src
	start "$B/hostwatch" guest-sim --listen "unix:$PWD/vm"
	await "$out" '[Hh]ello'
	mkdir share/d
	await "$out" 'create.*d'
	finish "$daemon"
}

test_sigusr1_logs_the_state() {
	daemon "" "[sink vm]
		plugin = virtiofs
		channel = unix:$PWD/vm"
	ask sync src >synced
	tail_of lines
	next "$out"
	mkdir share/d
	next "$out"
	ask sync src >synced
	kill -USR1 "$daemon"
	end=$((SECONDS + DEADLINE))
	until grep -q 'state: receiver .* of sink vm: ' err; do
		[ $SECONDS -lt $end ] || fail "no state in the log: $(cat err)"
	done
	text=$(cat err)
	contains "$text" "state: share src: online, path \"$PWD/share\", watched by "
	contains "$text" ", 2 entries, 2 directories, "
	contains "$text" "state: sink lines: plugin socket, shares src; listen unix:$PWD/lines"
	contains "$text" "state: sink messages: plugin socket, shares src; listen unix:$PWD/messages"
	contains "$text" "state: sink vm: plugin virtiofs, shares src; channel unix:$PWD/vm (no guest)"
	contains "$text" " of sink lines: share src, seq 1, lag 0, 0 rescans sent, 0 events lost"
	finish "$daemon"
}

# Runs hostwatch with these arguments, which must end with this status; its messages are in $text.
expect() {
	local status=0
	text=$("$B/hostwatch" "${@:2}" 2>&1) || status=$?
	equal "$1" $status "${*:2}: $text"
}

test_tools_say_why_they_cannot_ask() {
	expect 1 status --socket "$PWD/control"
	contains "$text" "hostwatch status: \"$PWD/control\": No such file or directory: is hostwatchd running?"
	contains "$text" "\$HOSTWATCH_CONTROL"
	touch file
	expect 1 sync --socket file src
	contains "$text" 'hostwatch sync: "file" is not a socket'
	expect 1 switch --socket "$PWD/$(printf '%0120d' 0)" src polling
	contains "$text" 'the path of a socket has at most 107 bytes'
	expect 2 sync --socket file "a b"
	contains "$text" 'hostwatch sync: "a b" is not a valid name'
	expect 2 switch src
	contains "$text" 'hostwatch switch: WATCHER is missing'
	expect 2 status --timeout soon
	contains "$text" '--timeout: "soon" is not a duration'
}

test_the_control_socket_is_named_in_the_environment() {
	daemon
	export HOSTWATCH_CONTROL=$PWD/control
	expect 0 sync src
	expect 1 sync nonesuch
	equal 'hostwatch sync: there is no share "nonesuch"' "$text"
	# Frozen, it answers nothing.
	freeze "$daemon"
	expect 1 status --timeout 50ms
	equal 'hostwatch status: hostwatchd did not answer within 50ms' "$text"
	thaw "$daemon"
	finish "$daemon"
}

test_mistakes_of_the_command_line_exit_2() {
	for arguments in "--conifg x" "-l loud" "conf" "--check=yes" "-c"; do
		status=0
		# shellcheck disable=SC2086 # several words
		text=$("$B/hostwatchd" $arguments 2>&1) || status=$?
		equal 2 $status "$arguments: $text"
		contains "$text" "Try 'hostwatchd --help'."
	done
	contains "$("$B/hostwatchd" -l loud 2>&1 || :)" 'hostwatchd: --log-level: "loud"'
	contains "$("$B/hostwatchd" --conifg x 2>&1 || :)" "did you mean --config?"
	contains "$("$B/hostwatchd" --help)" "usage: hostwatchd [OPTION]..."
}

test_check_is_that_of_hostwatch_check() {
	for line in "settle = 1s" "setle = 1s" "watcher = nonesuch"; do
		configure "$line"
		status=0 same=0
		text=$("$B/hostwatch" check conf 2>&1) || status=$?
		equal "$text" "$("$B/hostwatchd" --check -c conf 2>&1)" || same=$?
		"$B/hostwatchd" -n -c conf 2>err || same=$?
		equal $status $same "$line"
	done
	equal 78 $same
}

# Starts hostwatchd with this level, reloads it, ends it. What it logs is in err.
log_at_level() {
	start "$B/hostwatchd" -c conf -l "$1"
	end=$((SECONDS + DEADLINE))
	until "$B/hostwatch" status --socket "$PWD/control" >first_status 2>&1; do
		[ $SECONDS -lt $end ] || fail "no answer: $(cat first_status err)"
	done
	mkdir -p other
	sed -i "s|^\[watcher polling|[share other]\npath = $PWD/other\n&|" conf
	kill -HUP "$pid"
	until "$B/hostwatch" sync --socket "$PWD/control" other >synced 2>&1; do
		[ $SECONDS -lt $end ] || fail "no share after the reload: $(cat synced err)"
	done
	finish "$pid"
}

test_the_log_level_of_the_command_line_holds() {
	log_level=debug
	configure
	log_at_level error
	equal "" "$(cat err)"
	log_level=error
	configure
	log_at_level debug
	equal 2 "$(grep -c 'debug: reading the configuration' err)"
	equal 1 "$(grep -c 'hostwatchd: configuration reloaded: ' err)"
}

test_mistakes_keep_it_from_starting() {
	configure "setle = 1s" ""
	status=0
	"$B/hostwatchd" -c conf 2>err || status=$?
	equal 78 $status
	contains "$(cat err)" 'did you mean "settle"?'
}

run_tests
