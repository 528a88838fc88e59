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

# Makes directories of 1,000 files until the daemon has logged that there is no memory, and then
# half as many, so that it is not enough for an attempt a moment later. Sets $entries.
fill() {
	local dir
	for ((dir = 1, entries = 1; dir <= last; dir++, entries += 1001)); do
		mkdir "a/$dir"
		(cd "a/$dir" && seq -f "$(printf 'x%.0s' {1..200})-%g" 1000 | xargs touch)
		if [ "$last" -eq 100 ] && logged 'out of memory'; then
			last=$((dir + dir / 2 + 3))
		fi
	done
}

# It says so, answers, does not claim that a sync has ended, and reports the difference when there
# is memory again.
test_a_tree_that_grows_beyond_the_limit() {
	local size last=100 entries
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
	# The arenas of malloc(3) reserve address space for each thread, which could be used up later.
	start env MALLOC_ARENA_MAX=1 "$B/hostwatchd" -c conf
	daemon=$pid
	wait_for logged 'hostwatchd: ready: '
	ask sync a >said
	size=$(awk '$1 == "VmSize:" { print $2 }' "/proc/$daemon/status")
	[ "$size" -lt 1000000 ] || skip "a sanitizer reserves address space"
	prlimit --pid "$daemon" --as=$((size * 1024)):
	fill
	wait_for logged 'out of memory'
	if ask sync a >said 2>&1; then fail "sync: $(cat said)"; fi
	contains "$(cat said)" "out of memory"
	contains "$(ask status)" "out of memory since 2"
	[[ $(ask status --json) =~ '"short_since":'[1-9] ]] || fail "no short_since"
	prlimit --pid "$daemon" --as=unlimited:
	wait_for has_entries "$entries"
	# At most 20 lines at once, and two a second, for each of the two kinds.
	[ "$(wc -l <err)" -lt $((60 + 5 * SECONDS)) ] || fail "the log is flooded: $(wc -l <err) lines"
	ask sync a
	wait_for logged 'there is enough memory again'
	contains "$(ask status --json)" '"short_since":0'
	finish "$daemon"
}

run_tests
