#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A daemon whose memory is limited (RLIMIT_AS) while the tree grows.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

ask() {
	timeout $DEADLINE "$B/hostwatch" "$1" --socket "$PWD/control" "${@:2}"
}

# Waits until a command succeeds.
wait_for() {
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(tail err)"
		[ $SECONDS -lt $end ] || fail "never: $*: $(tail err)"
	done
}
logged() { grep -q "$1" err; }
has_entries() { [[ $(ask status --json) == *"\"entries\":$1,"* ]]; }

# It says so, answers, does not claim that a sync has ended, and reports the difference when there is memory again.
test_a_tree_that_grows_beyond_the_limit() {
	local size dir
	command -v prlimit >/dev/null || skip "no prlimit"
	mkdir a
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share a]
		path = $PWD/a
		watcher = inotify
		interval = 50ms
		journal = 1M
	EOF
	start "$B/hostwatchd" -c conf
	daemon=$pid
	wait_for logged 'hostwatchd: ready: '
	size=$(awk '$1 == "VmSize:" { print $2 }' "/proc/$daemon/status")
	[ "$size" -lt 1000000 ] || skip "a sanitizer reserves address space"
	prlimit --pid "$daemon" --as=$((size * 1024)):
	for dir in {1..30}; do
		mkdir "a/$dir"
		(cd "a/$dir" && seq -f 'a-file-with-a-rather-long-name-%g' 1000 | xargs touch)
	done
	wait_for logged 'out of memory'
	if ask sync a >said 2>&1; then fail "sync: $(cat said)"; fi
	contains "$(cat said)" "out of memory"
	contains "$(ask status)" "out of memory since 2"
	[[ $(ask status --json) =~ '"short_since":'[1-9] ]] || fail "no short_since"
	prlimit --pid "$daemon" --as=unlimited:
	wait_for has_entries 30031
	# At most 20 lines at once, and two a second, for each of the two kinds.
	[ "$(wc -l <err)" -lt $((60 + 5 * SECONDS)) ] || fail "the log is flooded: $(wc -l <err) lines"
	ask sync a
	wait_for logged 'there is enough memory again'
	contains "$(ask status --json)" '"short_since":0'
	finish "$daemon"
}

run_tests
