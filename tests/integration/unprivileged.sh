#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same as a user with no rights: what was built is copied to where such a user can read it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
NOBODY=65534

stage() {
	[ "$(id -u)" = 0 ] || skip "is unprivileged already"
	command -v setpriv >/dev/null || skip "no setpriv"
	base=$PWD
	mkdir -p stage/build/tests stage/tests home
	(
		cd "$B"
		cp -Rp hostwatch hostwatchd hostwatch-guest hostwatch-plugin-check plugins sinks "$OLDPWD/stage/build/"
		[ ! -d tests/demo ] || cp -Rp tests/demo "$OLDPWD/stage/build/tests/"
		cp -p tests/run-conformance "$OLDPWD/stage/build/tests/"
	)
	cp -Rp "$tree/tests/integration" "$tree/tests/demo" "$tree/tests/conformance" stage/tests/
	cp -Rp "$tree/examples" stage/
	ln -s ../tests/conformance stage/build/conformance
	chmod -R a+rX stage
	chown $NOBODY home
}

as_nobody() {
	TMPDIR=$base/home B=$base/stage/build \
		setpriv --reuid $NOBODY --regid $NOBODY --clear-groups --inh-caps=-all "$@"
}

test_demo() {
	stage
	as_nobody stage/tests/demo/demo.sh
}
test_watch() {
	stage
	as_nobody stage/tests/integration/watch.sh
}
test_tail() {
	stage
	as_nobody stage/tests/integration/tail.sh
}
test_watch_command() {
	stage
	as_nobody stage/tests/integration/watch_command.sh
}
test_commands() {
	stage
	as_nobody stage/tests/integration/commands.sh
}
test_exits() {
	stage
	as_nobody stage/tests/integration/exits.sh
}
test_daemon() {
	stage
	as_nobody stage/tests/integration/daemon.sh
}
test_status() {
	stage
	as_nobody stage/tests/integration/status.sh
}
test_user() {
	stage
	as_nobody stage/tests/integration/user.sh
}

test_status_of_another_users_daemon_says_who_may_ask() {
	stage
	printf '[hostwatch]\ncontrol = %s\n[share a]\npath = %s\n' "$PWD/ctl" "$PWD/home" >conf
	start "$B/hostwatchd" -c conf
	end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err; do
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	status=0
	text=$(as_nobody stage/build/hostwatch status --socket "$PWD/ctl" 2>&1) || status=$?
	equal 1 $status
	contains "$text" "only root and the user of hostwatchd may connect"
}

# The program looks for plugins where it was built.
conformance() {
	stage
	cd stage
	as_nobody test -r "$B/plugins/$1.so" || skip "$B cannot be read without rights"
	as_nobody build/tests/run-conformance --filter "*/$1/*" >log 2>&1 || {
		grep -Ev '^\[ +(RUN|OK) +\]' log
		fail "some traces"
	}
}
test_conformance_inotify() {
	conformance inotify
}
test_conformance_fanotify_with_marks_of_directories() {
	conformance fanotify
}

run_tests
