#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/container: unmodified programs get events where there is no privilege but /dev/fuse.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# As this user: no capability in any set, no_new_privs, nothing but the device.
confined=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs)

prepare() {
	[ "$(id -u)" = 0 ] || skip "only root can drop all privileges"
	[ -x "$B/hostwatch-guest-replay" ] || skip "libfuse3-dev is not installed"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	command -v inotifywait >/dev/null || skip "inotify-tools is not installed"
	[ -z "$(lacks_mounts)" ] || skip "$(lacks_mounts)"
	"${confined[@]}" unshare --user --map-root-user --mount true 2>/dev/null || skip "users cannot make namespaces here"
	"${confined[@]}" test -x "$B/hostwatch-guest" || skip "the directory of the build is closed for others"
}

programs_get_events() {
	mount -t tmpfs tmpfs device
	mknod -m 666 device/fuse c 10 229
	mount --bind device/fuse /dev/fuse
	mkdir share at
	echo one >share/f
	chown -R 65534:65534 share at
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink c]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/ch" 'mode = 0666' >conf
	begin_daemon
	start "${confined[@]}" env HOSTWATCH_GUEST="$B/hostwatch-guest" "$tree/examples/container/with-events" "$PWD/share" "$PWD/at" "unix:$PWD/ch" \
		sh -c "exec inotifywait -m --format '%e %f' $PWD/at 2>&1"
	await "$out" 'Watches established'
	# No program has asked for f yet.
	"${confined[@]}" sh -c 'echo two >share/f'
	await "$out" '^MODIFY f$'
	await "$out" '^CLOSE_WRITE,CLOSE f$'
	"${confined[@]}" sh -c 'mv share/f share/g; mkdir share/d'
	await "$out" '^MOVED_FROM f$'
	next "$out"
	equal 'MOVED_TO g' "$line"
	await "$out" '^CREATE,ISDIR d$'
	"${confined[@]}" sh -c 'rm share/g'
	await "$out" '^DELETE g$'
	kill "$(pgrep -P "$pid" inotifywait)"
	wait "$pid" || :
	grep -q " $PWD/at " /proc/mounts && fail "the mount is seen outside"
	end_daemon
}
test_programs_get_events() {
	prepare
	mkdir device
	unshare --mount --pid --fork --kill-child --mount-proc "$BASH" "$tree/tests/integration/container.sh" --inside || exit $?
}

test_a_command_line_without_a_command_is_refused() {
	status=0
	"$tree/examples/container/with-events" a b 2>said || status=$?
	equal 2 $status
	contains "$(<said)" 'usage: with-events'
}

if [ "${1-}" = --inside ]; then
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	programs_get_events
	exit 0
fi
run_tests
