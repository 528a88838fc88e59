#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch explain names the watcher that hostwatch watch gets, and fails where it fails.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
NOBODY=65534

# The programs where a user without rights can run them.
stage() {
	[ "$(id -u)" = 0 ] || skip "needs root, to be another user"
	command -v setpriv >/dev/null || skip "no setpriv"
	mkdir -p stage
	cp -Rp "$B/hostwatch" "$B/plugins" "$B/sinks" stage/
	chmod -R a+rX stage
	staged=$PWD/stage/hostwatch
}

as_nobody() {
	setpriv --reuid $NOBODY --regid $NOBODY --clear-groups --inh-caps=-all "$@"
}

# What watch gets: the watcher of the root, or its error without the name of the program. Its status in $status.
truth() {
	local text
	status=0
	text=$(timeout $DEADLINE "$@" --exit-after-idle 1ms 2>&1 >/dev/null) || status=$?
	sed -nE 's/^hostwatch[^:]*: ([a-z]+) watches .*/\1/p' <<<"$text" | grep . && return
	grep -v ' cannot be listed' <<<"$text" | sed -E 's/^hostwatch( watch)?: (error: )?//'
}

# The same of explain, by its first line.
answer() {
	local text
	status=0
	text=$(timeout $DEADLINE "$@" 2>&1) || status=$?
	if [ $status = 0 ]; then
		head -n 1 <<<"$text" | sed -E 's/^.*: ([a-z ]+).*$/\1/'
	else
		sed -E 's/^hostwatch( explain)?: (error: )?//' <<<"$text"
	fi
}

# Of each directory, for the user that "$1" makes of us ("" or as_nobody).
agree() {
	local as=$1 program=$2 dir
	shift 2
	for dir; do
		expected=$(truth $as "$program" watch "$dir"; echo "$status")
		equal "$expected" "$(answer $as "$program" explain "$dir"; echo "$status")" "$dir ${as:-as $(id -un)}"
	done
}

make_places() {
	mkdir -p plain/sub shut unsearchable/sub
	ln -s plain link
	ln -s nowhere dangling
	echo x >file
	chmod 700 shut
	chmod 744 unsearchable
}

test_explain_agrees_with_watch_on_every_kind_of_place() {
	make_places
	agree "" "$B/hostwatch" . plain link shut unsearchable dangling file nonesuch file/below /proc/self/fdinfo /dev/shm
}

test_explain_agrees_with_watch_for_a_user_without_rights() {
	stage
	make_places
	agree as_nobody "$staged" . plain link shut shut/below unsearchable dangling file nonesuch /dev/shm
}

run_tests
