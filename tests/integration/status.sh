#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch status: tables for people, JSON for programs, again and again.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

long=a-share-with-a-name-that-is-longer-than-any-column-of-a-table

# A daemon with two shares, a socket sink with two addresses, and a guest that is not there.
daemon() {
	mkdir -p share other
	touch share/{1,2,3}
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share src]
		path = $PWD/share
		interval = 50ms
		watcher = ${1:-polling}
		journal = ${2:-1M}
		[share $long]
		path = $PWD/other
		watcher = polling
		[sink lines]
		plugin = socket
		listen = unix:$PWD/lines
		connect = unix:$PWD/nobody
		[sink vm]
		plugin = virtiofs
		shares = src
		channel = unix:$PWD/vm
	EOF
	export HOSTWATCH_CONTROL=$PWD/control
	start "$B/hostwatchd" -c conf
	daemon=$pid
	local end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err 2>/dev/null; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
}

# Runs status in a terminal of so many columns. Its output is in $text.
on_terminal() {
	command -v script >/dev/null || skip "script is not installed"
	text=$(script -qec "stty cols $1; exec '$B/hostwatch' status" /dev/null </dev/null | tr -d '\r')
}

widest() {
	awk '{ if (length($0) > most) most = length($0) } END { print most }' <<<"$1"
}

test_it_shows_sinks_without_receivers() {
	daemon
	text=$("$B/hostwatch" status)
	grep -Eq "^src +online +0 +4 +1 +0 +[0-9.]+[BKM] +0B +polling$" <<<"$text" || fail "$text"
	grep -Eq "^  $PWD/share, epoch [0-9a-f]{16}; as requested$" <<<"$text" || fail "$text"
	grep -Eq "^polling +src +1 +0 +0 +0$" <<<"$text" || fail "$text"
	grep -Eq "^lines +socket +src,$long +listen unix:$PWD/lines$" <<<"$text" || fail "$text"
	grep -Eq "^ +connect unix:$PWD/nobody +(No such file or directory|not connected)$" <<<"$text" || fail "$text"
	grep -Eq "^vm +virtiofs +src +channel unix:$PWD/vm +no guest$" <<<"$text" || fail "$text"
	finish "$daemon"
}

test_columns_are_as_wide_as_their_contents() {
	daemon
	text=$("$B/hostwatch" status)
	for title in STATE WATCHER; do
		place=$(awk -v t=$title '/^SHARE/ { print index($0, t) }' <<<"$text")
		[ "$place" -gt ${#long} ] || fail "$text"
	done
	for name in src "$long"; do
		equal online "$(awk -v n="$name" -v p="$(awk '/^SHARE/ { print index($0, "STATE") }' <<<"$text")" \
			'$1 == n && $2 == "online" { print substr($0, p, 6); exit }' <<<"$text")" "$text"
	done
	finish "$daemon"
}

test_it_fits_the_terminal() {
	daemon
	for columns in 100 80 60 40; do
		on_terminal $columns
		contains "$text" online
		[ "$(widest "$text")" -le $columns ] || fail "in $columns columns:
$text"
	done
	finish "$daemon"
}

test_a_pipe_gets_all_of_it() {
	daemon
	contains "$(COLUMNS=20 "$B/hostwatch" status)" "src,$long"
	finish "$daemon"
}

test_json_is_one_object_on_a_line() {
	command -v jq >/dev/null || skip "jq is not installed"
	daemon
	text=$("$B/hostwatch" status --json)
	equal 1 "$(wc -l <<<"$text")"
	equal "src $PWD/share online polling 4 1" \
		"$(jq -r '.shares[] | select(.name == "src") | "\(.name) \(.path) \(.state) \(.watcher) \(.entries) \(.directories)"' <<<"$text")"
	equal polling "$(jq -r '.shares[0].watchers[].plugin' <<<"$text")"
	equal "listen unix:$PWD/lines" "$(jq -r '.sinks[] | select(.name == "lines").addresses[0] | "\(.option) \(.address)"' <<<"$text")"
	equal "no guest" "$(jq -r '.sinks[] | select(.name == "vm").addresses[].state' <<<"$text")"
	equal "$daemon" "$(jq .pid <<<"$text")"
	equal 0 "$(jq '[.shares[].watchers[].overflows] | add' <<<"$text")"
	finish "$daemon"
}

test_a_share_with_two_filesystems_shows_both_watchers() {
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	unshare -m true 2>/dev/null || skip "mount namespaces cannot be made here"
	mkdir -p share/mount
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share src]
		path = $PWD/share
		watcher = inotify, polling
		pseudo = yes
	EOF
	# inotify hears nothing of what the kernel itself changes in proc.
	export HOSTWATCH_CONTROL=$PWD/control
	start unshare -m sh -c 'mount -t proc -o hidepid=0 proc share/mount && exec "$0" "$@"' "$B/hostwatchd" -c conf
	daemon=$pid
	local end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "it is never ready: $(cat err)"
	done
	text=$("$B/hostwatch" status)
	grep -Eq '^src +online .* inotify\+polling$' <<<"$text" || fail "$text"
	grep -Eq '^polling +src +[0-9]+ ' <<<"$text" || fail "$text"
	finish "$daemon"
}

# It counts as lost at once, not when the receiver reads on.
test_a_receiver_that_does_not_read_shows_its_loss() {
	command -v jq >/dev/null || skip "jq is not installed"
	daemon polling 1M
	start "$B/hostwatch" tail --share src "unix:$PWD/lines"
	reader=$pid
	# The reader is stopped once it subscribed; a megabyte of events is more than journal and socket hold.
	local end=$((SECONDS + DEADLINE))
	until [ "$("$B/hostwatch" status --json | jq '[.sinks[0].receivers[]] | length')" = 1 ]; do
		[ $SECONDS -lt $end ] || fail "nobody subscribes"
	done
	freeze "$reader"
	name=$(printf '%0200d' 0)
	lost=0
	for round in {1..20}; do
		(cd share && for n in {1..1000}; do : >"$name$n"; done)
		"$B/hostwatch" sync src >synced
		lost=$("$B/hostwatch" status --json | jq '.sinks[0].receivers[0].lost')
		[ "$lost" = 0 ] || break
		rm -f share/"$name"*
		"$B/hostwatch" sync src >synced
	done
	[ "$lost" -gt 0 ] || fail "after $round rounds: $("$B/hostwatch" status)"
	thaw "$reader"
	finish "$daemon"
}

# The rules of the text format of OpenMetrics 1.0 that concern such a text: each family once, with its type before
# its samples; samples of a counter end in _total; a unit is the last word of its family; no sample twice; EOF last.
check_openmetrics() {
	awk '
		function bad(why) { print "line " NR ": " why ": " $0; failed = 1; exit }
		ended { bad("after the end") }
		/^# EOF$/ { ended = 1; next }
		/^# (TYPE|UNIT|HELP) / {
			if ($3 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/) bad("no name")
			if ($3 != family) {
				if ($3 in seen) bad("family in two places")
				family = $3
				seen[family] = 1
				type = "unknown"
				sampled = 0
			}
			if (sampled) bad("after a sample")
			if ($2 == "TYPE") { if ($4 !~ /^(counter|gauge|info)$/) bad("no type"); type = $4 }
			if ($2 == "UNIT" && substr(family, length(family) - length($4)) != "_" $4) bad("not its last word")
			if ($2 == "HELP" && $0 ~ /["\\]/) bad("needs escapes")
			next
		}
		/^#/ { bad("no such comment") }
		!/^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\[n"\\])*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\[n"\\])*")*\})? [0-9]+$/ {
			bad("not a sample")
		}
		{
			name = $0
			sub(/[{ ].*/, "", name)
			suffix = type == "counter" ? "_total" : type == "info" ? "_info" : ""
			if (name != family suffix) bad("not of family " family)
			series = $0
			sub(/ [0-9]+$/, "", series)
			if (series in sample) bad("twice")
			sample[series] = 1
			sampled = 1
		}
		END { if (!failed && !ended) { print "no end"; failed = 1 } exit failed }
	' "$1" || fail "$(cat "$1")"
}

test_the_check_of_openmetrics_finds_mistakes() {
	good='# TYPE a counter\n# HELP a Text.\na_total{l="x\\\\\\"\\n"} 1\n# EOF\n'
	# shellcheck disable=SC2059 # they are formats
	printf "$good" >text
	check_openmetrics text
	for edit in '$d' 's/a_total/a/' 's/counter/countr/' 's/ 1$/ one/' '1{p;d};2h;3{p;x;p;x}' '3p' '$a more 1' 's/x/x"/' \
		'2a # UNIT a seconds'; do
		sed -e "$edit" text >wrong
		! cmp -s text wrong || fail "$edit changes nothing"
		! (check_openmetrics wrong) >/dev/null || fail "$edit is not found"
	done
}

test_metrics_are_openmetrics() {
	daemon
	start "$B/hostwatch" tail "unix:$PWD/lines"
	start "$B/hostwatch" tail "unix:$PWD/lines"
	touch share/4
	"$B/hostwatch" sync src >synced
	"$B/hostwatch" metrics >text
	check_openmetrics text
	contains "$(cat text)" 'hostwatch_share_online{share="src"} 1'
	contains "$(cat text)" 'hostwatch_share_entries{share="src"} 5'
	grep -Eq '^hostwatch_share_events_total\{share="src"\} [1-9]' text || fail "$(cat text)"
	contains "$(cat text)" 'hostwatch_watcher_watches{share="src",watcher="polling",plugin="polling"} 0'
	contains "$(cat text)" 'hostwatch_sink_receivers{sink="vm",plugin="virtiofs"} 1'
	equal "# EOF" "$(tail -n 1 text)"
	finish "$daemon"
}

# One program that is connected twice is two receivers of one name; a name may have any byte.
test_metrics_of_receivers_with_one_name_differ() {
	command -v perl >/dev/null || skip "perl is not installed"
	daemon
	start perl -MIO::Socket::UNIX -e '$| = 1; @s = map { IO::Socket::UNIX->new($ARGV[0]) or die } 1, 2;
		for (@s) { $line = <$_>; } print "connected\n"; sleep' "$PWD/lines"
	await "$out" connected
	end=$((SECONDS + DEADLINE))
	until "$B/hostwatch" metrics >text && [ "$(grep -c '^hostwatch_receiver_lag_events{sink="lines",share="src"' text)" = 2 ]; do
		[ $SECONDS -lt $end ] || fail "$(cat text)"
	done
	check_openmetrics text
	contains "$(cat text)" ' #2"} '
	finish "$daemon"
}

test_watch_prints_blocks_and_ends_with_0_on_a_signal() {
	daemon
	for signal in INT TERM; do
		start "$B/hostwatch" status --watch 50ms --timeout 60
		await "$out" '^SHARE '
		await "$out" '^SHARE '
		finish "$pid" $signal
	done
	finish "$daemon"
}

# Also while the daemon does not answer.
test_watch_ends_with_0_on_a_signal_while_it_waits_for_the_answer() {
	daemon
	start "$B/hostwatch" status --watch 50ms
	watcher=$pid
	await "$out" '^SHARE '
	freeze "$daemon"
	finish "$watcher" INT
	equal "" "$(grep 'hostwatch status' err || :)"
	thaw "$daemon"
	finish "$daemon"
}

test_watch_prints_json_lines() {
	daemon
	start "$B/hostwatch" status --json --watch 50ms
	for _ in 1 2 3; do
		next "$out"
		contains "$line" '{"version":'
	done
	finish "$pid"
	finish "$daemon"
}

test_watch_ends_with_0_when_the_reader_leaves() {
	daemon
	"$B/hostwatch" status --watch 50ms | head -n 1
	equal "0 0" "${PIPESTATUS[*]}"
	# Also while it waits for a long time.
	"$B/hostwatch" status --json --watch 1h | head -n 1
	equal "0 0" "${PIPESTATUS[*]}"
	finish "$daemon"
}

test_watch_redraws_on_a_terminal() {
	command -v script >/dev/null || skip "script is not installed"
	daemon
	start script -qfec "stty cols 80 rows 10; exec '$B/hostwatch' status --watch 50ms" /dev/null
	home=$'\e\\[H'
	await "$out" "$home"
	await "$out" "$home"
	finish "$daemon"
	wait "$pid" || :
}

test_watch_ends_with_1_when_the_daemon_ends() {
	daemon
	start "$B/hostwatch" status --watch 50ms
	watcher=$pid
	await "$out" '^SHARE '
	finish "$daemon"
	status=0
	wait "$watcher" || status=$?
	equal 1 $status
}

run_tests
