#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Several mounts of one channel: one connection, and the events at each mount that is there.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Waits until ./err has a line with this text.
says() {
	local end=$((SECONDS + DEADLINE))
	until grep -q -- "$1" err; do
		[ $SECONDS -lt $end ] || fail "it never says: $1: $(cat err)"
	done
}

# watch DIR: starts inotifywait there; sets $out.
watch() {
	start inotifywait -m --format '%e %f' "$1"
	end=$((SECONDS + DEADLINE))
	until [ "$(grep -c 'Watches established' err)" -ge "$2" ]; do
		[ $SECONDS -lt $end ] || fail "no watch: $(cat err)"
	done
}

mounts_come_and_go() {
	mkdir share late at1 at2
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink g]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/ch" >conf
	printf '%s\n' '[guest]' "state = $PWD/state" '[mount one]' "path = $PWD/share" "channel = unix:$PWD/ch" 'inject = replay' \
		"at = $PWD/at1" '[mount two]' "path = $PWD/late/share" "channel = unix:$PWD/ch" 'inject = replay' "at = $PWD/at2" >guest.conf
	begin_daemon
	start "$B/hostwatch-guest" --config guest.conf
	agent=$pid
	logged 'guest connected'
	# The second mount is not there, and the first one does not wait for it.
	watch at1 1
	one=$out
	mkdir share/a
	await "$one" '^CREATE,ISDIR a$'
	mount --bind . late
	says '\[mount two\] the mount is there'
	watch at2 2
	two=$out
	mkdir share/b
	await "$one" '^CREATE,ISDIR b$'
	await "$two" '^CREATE,ISDIR b$'
	kill -USR1 "$agent"
	says 'one.*; two'
	umount -l late
	says '\[mount two\] the mount was unmounted'
	mkdir share/c
	await "$one" '^CREATE,ISDIR c$'
	mount --bind . late
	end=$((SECONDS + DEADLINE))
	until [ "$(grep -c '\[mount two\] the mount is there' err)" = 2 ]; do
		[ $SECONDS -lt $end ] || fail "it does not come back: $(cat err)"
	done
	watch at2 3
	mkdir share/d
	await "$out" '^CREATE,ISDIR d$'
	equal 1 "$(grep -c 'guest connected' log)" "connections"
	finish "$agent"
	equal 1 "$(grep -c '^one ' state)" "$(cat state)"
	end_daemon
}
test_mounts_come_and_go() {
	[ "$(id -u)" = 0 ] || skip "only root can mount"
	[ -x "$B/hostwatch-guest-replay" ] || skip "libfuse3-dev is not installed"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	command -v inotifywait >/dev/null || skip "inotify-tools is not installed"
	[ -z "$(lacks_mounts)" ] || skip "$(lacks_mounts)"
	unshare --mount --pid --fork --kill-child --mount-proc "$BASH" "$tree/tests/integration/one_channel.sh" --inside || exit $?
}

if [ "${1-}" = --inside ]; then
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	mounts_come_and_go
	exit 0
fi
run_tests
