#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The systemd units, without systemd: what they must not contain, and the programs under the filters of system calls that they describe.
# tests/systemd runs them under a real one.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

host=$tree/packaging/hostwatchd.service.in
guest=$tree/packaging/guest/hostwatch-guest.service.in

# has UNIT SETTING: it is set, and not to no.
has() {
	grep -E "^$2=" "$1" | grep -qvE '=(no|false|off|0)?$'
}

lacks() { # UNIT REASON SETTING...
	local setting
	for setting in "${@:3}"; do
		! has "$1" "$setting" || fail "$(basename "$1"): $setting= is set: $2"
	done
}

test_no_setting_is_one_that_breaks_the_program() {
	lacks "$host" "openat2(2) then fails with ENOSYS" RestrictSUIDSGID
	lacks "$guest" "openat2(2) then fails with ENOSYS" RestrictSUIDSGID
	lacks "$host" "shares cannot be read" InaccessiblePaths TemporaryFileSystem RootDirectory RootImage PrivateTmp PrivateUsers
	lacks "$guest" "the agent needs the mounts that programs see" PrivateMounts PrivateTmp PrivateDevices PrivateUsers ProtectSystem \
		ProtectHome ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectHostname ProtectProc \
		ReadOnlyPaths InaccessiblePaths TemporaryFileSystem BindPaths BindReadOnlyPaths RootDirectory RootImage MountFlags
	lacks "$guest" "channels need the network" PrivateNetwork
}

# ---- filters ----

# members SET: those of a set that begins with @, or the call itself.
members() {
	local found
	if [[ $1 != @* ]]; then
		echo "$1"
		return
	fi
	found=$(sed -n "s/^$1 //p" "$tree/tests/confined/system-calls")
	[ -n "$found" ] || fail "$1 is not in tests/confined/system-calls"
	echo "$found"
}

# values UNIT SETTING
values() {
	sed -n "s/^$2=//p" "$1"
}

# permitted UNIT: the calls that SystemCallFilter= permits; "~" takes them away.
permitted() {
	local line word call
	local -A calls=()
	while read -r line; do
		for word in ${line#\~}; do
			for call in $(members "$word"); do
				if [[ $line = \~* ]]; then unset "calls[$call]"; else calls[$call]=1; fi
			done
		done
	done < <(values "$1" SystemCallFilter)
	printf '%s\n' "${!calls[@]}"
}

# rules UNIT: what the settings refuse and permit, for tests/confined/filtered.c, as src/shared/seccomp-util.c of systemd does.
rules() {
	local family number call
	local -A families=([AF_UNIX]=1 [AF_INET]=2 [AF_INET6]=10 [AF_NETLINK]=16 [AF_VSOCK]=40)
	if has "$1" RestrictSUIDSGID; then printf '%s 0 0 0 38\n' openat2 fchmodat2; fi # ENOSYS
	if has "$1" RestrictNamespaces; then
		echo clone3 0 0 0 38
		for number in 0x80 0x20000 0x2000000 0x4000000 0x8000000 0x10000000 0x20000000 0x40000000; do
			printf "%s 0 $number $number 1\n" clone unshare
		done
		echo setns 0 0 0 1
	fi
	if has "$1" MemoryDenyWriteExecute; then
		printf '%s\n' "mmap 2 6 6 1" "mprotect 2 4 4 1" "pkey_mprotect 2 4 4 1" "shmat 2 0x8000 0x8000 1"
	fi
	if has "$1" RestrictRealtime; then printf 'sched_setscheduler 1 0xff %d 1\n' 1 2 6; fi
	if has "$1" LockPersonality; then echo personality 0 0 0 1; fi
	for family in $(values "$1" RestrictAddressFamilies); do
		echo "socket 0 0xffffffff ${families[$family]?} 0"
	done
	echo socket 0 0 0 97 # EAFNOSUPPORT
	for call in $(permitted "$1"); do echo "$call 0 0 0 0"; done
}

# under RULES PROGRAM [ARG]...: starts it, its log is in ./log; sets $pid. LeakSanitizer needs ptrace(2), which the units forbid.
under() {
	: >>log
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	"$B/tests/filtered" "$@" 2>>log &
	pid=$!
	started+=("$pid")
}

need_filters() { # RULES
	local status=0
	"$B/tests/filtered" "$1" /bin/true >why 2>&1 || status=$?
	[ $status != 77 ] || skip "$(<why)"
	equal 0 $status "$(<why)"
}

share() {
	mkdir -p share
	cat >conf <<-END
		[hostwatch]
		control = $PWD/control
		state_dir = $PWD/state
		[share data]
		path = $PWD/share
		watcher = $1
		interval = 50ms
		[sink events]
		plugin = socket
		listen = unix:$PWD/events
		[sink guest]
		plugin = virtiofs
		channel = unix-listen:$PWD/guest
	END
}

without_warnings() {
	! grep -iE 'warn|error|cannot|not permitted|not implemented|refused' log || fail "see above"
}

test_hostwatchd_runs_under_the_filters_of_its_unit() {
	local watcher
	rules "$host" >rules
	need_filters rules
	mkdir -m 700 state
	for watcher in inotify fanotify polling; do
		share $watcher
		under rules "$B/hostwatchd" -c conf
		daemon=$pid
		logged 'ready: 1 of 1 share online, 2 sinks'
		start "$B/hostwatch" tail --json "unix:$PWD/events"
		await "$out" '"hello"'
		mkdir -p share/$watcher
		echo text >share/$watcher/file
		await "$out" "\"close_write\".*\"$watcher/file\""
		contains "$("$B/hostwatch" status --socket control)" $watcher
		"$B/hostwatch" reload --socket control >/dev/null
		end_daemon
		without_warnings
		rm log
	done
}

# The mount is a directory with a file of the same name, which the agent touches when the host's changes.
test_the_agent_runs_under_the_filters_of_its_unit() {
	rules "$guest" >rules
	need_filters rules
	mkdir -m 700 state
	mkdir mount agent
	touch -d '1 hour ago' mount/file
	share inotify
	begin_daemon
	start "$B/hostwatch" watch --json --watcher inotify mount
	await "$out" '"hello"'
	cd agent
	under ../rules "$B/hostwatch-guest" --channel "unix:$OLDPWD/guest" --mount "$OLDPWD/mount" --inject touch --state "$PWD/state"
	logged 'connected, at event'
	echo text >../share/file
	await "$out" '"modify".*"file"'
	finish "$pid"
	without_warnings
	cd ..
	end_daemon
}

# Each share says which call is missing.
test_a_setting_that_breaks_them_is_noticed() {
	sed 's/^NoNewPrivileges=.*/RestrictSUIDSGID=yes/' "$host" >unit
	! (lacks unit why RestrictSUIDSGID) 2>/dev/null || fail "it is not found in the unit"
	rules unit >rules
	need_filters rules
	mkdir -m 700 state
	share inotify
	under rules "$B/hostwatchd" -c conf
	logged 'openat2(2) is refused: Function not implemented'
}

run_tests
