# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# For tests with servers that stop answering (tests/fuse/silent.h): each runs in a mount namespace of its own. The script
# sets $script, and calls run_silent with its arguments at the end.

# Starts a server of tests/fuse, whose arguments end with the file "request"; $1: the request at which it stops answering.
begin_server() { # REQUEST PROGRAM ARGS...
	echo "$1" >request
	[ -p answer ] || mkfifo answer
	start "$B/tests/$2" "${@:3}" "$PWD/request" <>answer
	server=$pid lines=$out
	await "$lines" mounted
}

# Mounts the filesystem of fuse-endless on directory $1; $2: the request at which it stops answering.
serve() {
	begin_server "${2-}" fuse-endless "$1" 3
}

# The server continues.
answer() {
	: >request
	echo >answer
}

# Waits until a text is in the log of the daemon, $2 times.
log() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(grep -cF "$1" err)" -ge "${2-1}" ]; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "not logged: $1; but: $(cat err)"
	done
}

ask() {
	timeout $DEADLINE "$B/hostwatch" "$1" --socket "$PWD/control" "${@:2}"
}

# SIGTERM ends the daemon within two seconds, of which a busy machine may take some.
ends() {
	local begun
	begun=$(date +%s%N)
	finish "$daemon"
	[ $((($(date +%s%N) - begun) / 1000000)) -lt 4000 ] || fail "the daemon ended late"
}

in_mounts() {
	local why
	[ "$(id -u)" = 0 ] || skip "only root can mount without fusermount"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	why=$(lacks_mounts)
	[ -z "$why" ] || skip "$why"
	timeout $((4 * DEADLINE)) unshare --mount "$script" --inside "$PWD" "$@" || fail "see above"
}

run_silent() {
	if [ "${1-}" = --inside ]; then
		cd "$2"
		started=()
		trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
		set -e
		"${@:3}"
	else
		run_tests
	fi
}
