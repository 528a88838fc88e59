#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# inject = auto and --probe; inject = replay for an ordinary user.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fuse/rig.sh
. "$tree/tests/fuse/rig.sh"
replay_enter "$0" "$@"

# start_auto [OPTION...]: an agent that chooses.
start_auto() {
	touch agent.log
	"$B/hostwatch-guest" --channel "unix:$PWD/channel" --mount "$PWD/lower" --inject auto --state "$PWD/state" "$@" \
		</dev/null 2>>agent.log &
	agent=$!
	started+=("$agent")
	replay_until agent_connected
}
need_no_module() {
	[ ! -e /dev/hostwatch ] || skip "the module is loaded"
}

test_auto_takes_replay_if_there_is_a_place_for_it() {
	need_no_module
	replay_needs
	lower_start
	daemon_start
	start_auto --at "$PWD/at"
	contains "$(cat agent.log)" 'not inject = module: cannot open /dev/hostwatch'
	contains "$(cat agent.log)" 'inject = auto takes replay'
	mountpoint -q at
	contains "$("$B/hostwatch-guest" --probe "$PWD/lower")" 'inject = auto takes replay, if at = DIRECTORY is set'
}

test_auto_takes_touch_if_there_is_none() {
	need_no_module
	replay_needs
	lower_start
	daemon_start
	start_auto
	contains "$(cat agent.log)" 'not inject = replay: at is not set'
	contains "$(cat agent.log)" 'inject = auto takes touch'
	! mountpoint -q at
}

test_auto_takes_touch_without_fuse() {
	need_no_module
	replay_needs
	lower_start
	daemon_start
	: >nofuse
	mount --bind nofuse /dev/fuse
	mount -o remount,bind,ro /dev/fuse
	start_auto --at "$PWD/at"
	probed=$("$B/hostwatch-guest" --probe "$PWD/lower")
	umount /dev/fuse
	contains "$(cat agent.log)" 'not inject = replay: '
	contains "$(cat agent.log)" 'inject = auto takes touch'
	contains "$probed" 'replay      no: cannot open /dev/fuse'
	contains "$probed" 'inject = auto takes touch.'
}

# ---- an ordinary user ----

enter_user() {
	replay_needs inotifywait fusermount3 setpriv
	[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not set-user-ID"
	"${user[@]}" test -x "$B/hostwatch-guest" || skip "$B cannot be entered by another user"
	mknod fuse c 10 229 && chmod 666 fuse && [ -w fuse ] || skip "no device node can be made here"
	mount --bind fuse /dev/fuse
	chmod 755 .
	mkdir -p host/tree plain/tree state.d
	chmod 777 host/tree plain/tree
	lower_start
	chown 65534:65534 at state.d
	daemon_start
	chmod 666 channel
	replay_state=$PWD/state.d/state
}
is_mounted() {
	grep -q " $PWD/at " /proc/self/mountinfo
}
user=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)

test_an_ordinary_user_receives_the_events() {
	enter_user
	agent_start "${user[@]}"
	replay_until is_mounted
	replay_sync
	for base in plain at; do
		mkdir -p "${base/at/host}/tree/d"
		echo old >"${base/at/host}/tree/root"
		"${user[@]}" sh -c "echo old >${base/at/host}/tree/mine"
	done
	replay_sync
	"${user[@]}" test -d at/tree || fail "the user does not see the mount"
	[ ! -e at/tree ] || fail "allow_other needs user_allow_other in fuse.conf"
	for base in plain at; do
		"${user[@]}" inotifywait -m --format '%w %e %f %c' -e create,delete,move,modify,attrib,close_write \
			"$base/tree" "$base/tree/d" >"in.$base" 2>"in.$base.err" &
		started+=($!)
		replay_until grep -q '^Watches established' "in.$base.err"
	done
	while read -r command; do
		(cd plain/tree && eval "$command")
		(cd host/tree && eval "$command")
		replay_sync
	done <<-'END'
		echo text >new
		mkdir dir
		mv new d/new
		echo more >>root
		chmod 600 mine
		rm d/new
		mv d e
		rmdir dir
		: >last
	END
	for base in plain at; do
		replay_until grep -q 'CLOSE_WRITE.* last' "in.$base"
	done

	equal "$(replay_lines in.plain | sed 's/^plain//')" "$(replay_lines in.at | sed 's/^at//')"
	"${user[@]}" sh -c 'echo mine >at/tree/written && cat at/tree/written' >/dev/null
	equal 65534 "$(stat -c %u host/tree/written)"
	chmod 600 host/tree/root
	replay_sync
	! "${user[@]}" cat at/tree/root 2>/dev/null || fail "the user reads the file of another"
	kill "$agent"
	wait "$agent"
	! is_mounted
}

run_tests
