#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A daemon that is not permitted the threads or the memory that it needs ends with a message when it starts, or runs.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

configure() {
	mkdir -p a/b control
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control/socket
		user = root
		[share a]
		path = $PWD/a
		watcher = inotify
		journal = 1M
	EOF
}

# Runs the daemon in this environment until it is ready, and then lists the share; sets $ready. Fails if it aborts.
try() {
	local status=0 end=$((SECONDS + DEADLINE))
	ready=no
	: >err
	start "$@" "$B/hostwatchd" -c conf
	until grep -q 'hostwatchd: ready: ' err || ! kill -0 "$pid" 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "it neither starts nor ends: $(cat err)"
	done
	if grep -q 'hostwatchd: ready: ' err; then
		ready=yes
		# The listing runs on the threads.
		timeout $DEADLINE "$B/hostwatch" switch a polling --socket "$PWD/control/socket" >said 2>&1 || :
		kill -TERM "$pid" 2>/dev/null || :
	fi
	wait "$pid" || status=$?
	case $status in
	0 | 1 | 127) ;; # 127: of the dynamic linker, which has no memory for the libraries
	*) fail "$*: exit status $status: $(cat err)" ;;
	esac
	[ $status = 0 ] || grep -q . err || fail "$*: no message"
}

# Every amount of address space, from one that is too small for the libraries to one that suffices.
test_address_space_that_does_not_suffice_at_start() {
	local kib refused=0
	command -v prlimit >/dev/null || skip "no prlimit"
	[ -z "${SANITIZE-}" ] || skip "a sanitizer reserves address space"
	configure
	for ((kib = 8000; kib < 400000; kib += 3000)); do
		try prlimit --as=$((kib * 1024)): env MALLOC_ARENA_MAX=1
		[ $ready = no ] || break
		if grep -q 'cannot create the 4 threads that read directories: .*LimitAS=' err; then refused=$((refused + 1)); fi
	done
	[ $ready = yes ] || fail "400 MB do not suffice: $(cat err)"
	[ $refused -gt 0 ] || fail "no message about threads: $(cat err)"
}

test_a_limit_of_threads_at_start() {
	[ "$(id -u)" = 0 ] || skip "needs another user"
	command -v prlimit >/dev/null || skip "no prlimit"
	command -v setpriv >/dev/null || skip "no setpriv"
	setpriv --reuid=64321 --regid=64321 --clear-groups test -x "$B/hostwatchd" || skip "$B cannot be entered by another user"
	configure
	sed -i '/^user/d' conf
	chmod 755 a a/b
	chown 64321 control
	try setpriv --reuid=64321 --regid=64321 --clear-groups prlimit --nproc=3
	[ $ready = no ] || fail "it has its threads: $(cat err)"
	contains "$(cat err)" "cannot create the 4 threads that read directories: Resource temporarily unavailable"
	try setpriv --reuid=64321 --regid=64321 --clear-groups prlimit --nproc=3 env UV_THREADPOOL_SIZE=1
	[ $ready = yes ] || fail "$(cat err)"
	contains "$(cat said)" polling
}

run_tests
