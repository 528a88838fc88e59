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
	grep -Eq "^  $PWD/share, epoch [0-9a-f]{16}; named by the user$" <<<"$text" || fail "$text"
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
