#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests themselves on machines that lack something: they find another way, or are skipped with the reason.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

place_of() { # TMPDIR
	TMPDIR=$1 "$tree/tests/run" -B "$PWD/b" -p
}

need_mounts() {
	local reason
	reason=$(lacks_mounts)
	[ ! "$reason" ] || skip "$reason"
}

# Runs a test program that must pass, and shows why tests in it were skipped.
skips_of() {
	"$@" >log 2>&1 || {
		cat log
		fail "$*"
	}
	sed -n 's/^\(# \)\?skipped: //p' log | sort -u
}

test_a_temporary_directory_that_is_not_fit_is_not_used() {
	mkdir "a blank" "$(printf 'long%.0s' {1..20})"
	for dir in "$PWD/a blank" "$PWD"/long* /nonesuch; do
		equal "$(place_of /tmp)" "$(place_of "$dir")" "$dir is used"
	done
}

test_root_uses_no_temporary_directory_that_nobody_cannot_enter() {
	[ "$(id -u)" = 0 ] || skip "an ordinary user becomes nobody else"
	setpriv --reuid 65534 --clear-groups true 2>/dev/null || skip "this process cannot become another user"
	mkdir -m 700 closed
	equal "$(place_of /tmp)" "$(place_of "$PWD/closed")"
}

test_no_temporary_directory_is_used_that_is_mounted_noexec() {
	need_mounts
	mkdir noexec
	text=$(unshare --mount sh -c "mount -t tmpfs -o noexec,mode=1777 tmpfs noexec
		TMPDIR=$PWD/noexec '$tree/tests/run' -B b -p")
	equal "$(place_of /tmp)" "$text"
}

test_a_missing_proc_is_named_with_the_remedy() {
	need_mounts
	text=$(unshare --mount sh -c "mount -t tmpfs tmpfs /proc; '$tree/tests/run' -l 2>&1") && fail "$text"
	contains "$text" "/proc is not mounted, and hostwatch reads the mounts there:  mount -t proc proc /proc"
}

test_without_dev_shm_what_runs_in_memory_is_skipped() {
	need_mounts
	[ -d /dev/shm ] || skip "there is no /dev/shm"
	unshare --mount sh -c "mount -t tmpfs -o ro tmpfs /dev/shm; '$B/tests/test_plugin_inotify_moves'" >said 2>&1 || fail "$(<said)"
	text=$(skips_of cat said)
	equal "nothing can be made in /dev/shm: Read-only file system" "$text"
}

test_a_strict_umask_changes_nothing() {
	umask 077
	equal "" "$(skips_of "$B/tests/hostile-root" 'what_is_*')"
	[ "$(id -u)" = 0 ] || return 0
	umask 022
	reason=$(skips_of "$B/tests/hostile-root" 'a_directory_without_*')
	umask 077
	equal "$reason" "$(skips_of "$B/tests/hostile-root" 'a_directory_without_*')"
}

# As under nohup(1), and in the background of a script.
test_ignored_signals_are_restored() {
	exec {ended}< <(
		trap '' HUP INT QUIT PIPE
		"$tree/tests/integration/guest_sim.sh" >log 2>&1
		echo "exit status $?"
	)
	read -r -t $DEADLINE -u "$ended" line || fail "it does not end: $(<log)"
	equal "exit status 0" "$line" || fail "$(<log)"
}

# Root of a container has some of the capabilities.
test_root_without_a_capability_skips_and_names_it() {
	[ "$(id -u)" = 0 ] || skip "an ordinary user has no capability to lose"
	few=(setpriv "--bounding-set=-sys_admin,-dac_read_search,-mknod" --inh-caps=-all)
	equal "filesystems cannot be mounted: Operation not permitted (CAP_SYS_ADMIN)" \
		"$("${few[@]}" "$B/tests/run-conformance" -t "$tree/tests/conformance" -f '109*' 2>&1 | grep CAP_ | sort -u)"
	equal "device nodes cannot be made: Operation not permitted (CAP_MKNOD)" \
		"$("${few[@]}" "$B/tests/run-conformance" -t "$tree/tests/conformance" -f '012*' 2>&1 | grep CAP_ | sort -u)"
}

run_tests
