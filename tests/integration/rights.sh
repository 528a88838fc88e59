#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A daemon that root starts becomes another user, and everything works as before.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

need_root() {
	[ "$(id -u)" = 0 ] || skip "only root can become another user"
	setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null || skip "root may not become another user here"
}

# What is loaded later must be readable without the rights of root.
need_readable_build() {
	setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$B/plugins/inotify.so" || skip "$B cannot be entered by nobody"
}

# configure USER [SETTINGS OF THE SHARE]: the share has a directory that only root may read.
configure() {
	mkdir -p share/private
	chmod 700 share/private
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/run/control
		${1:+user = $1}
		[sink events]
		plugin = socket
		listen = unix:$PWD/run/events
		[share src]
		path = $PWD/share
		interval = 50ms
		${2-}
	EOF
}

daemon() {
	local end=$((SECONDS + DEADLINE))
	: >err
	start "$@" "$B/hostwatchd" -c conf
	daemon=$pid
	until grep -q 'hostwatchd: ready: ' err; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
}

ask() {
	"$B/hostwatch" "$1" --socket "$PWD/run/control" "${@:2}"
}

# Its four user ids.
users() {
	sed -n 's/^Uid:[[:space:]]*//p' "/proc/$daemon/status" | xargs
}

# Fails unless its permitted capabilities are among CAP_DAC_READ_SEARCH, CAP_LEASE and CAP_SYS_ADMIN: it has no virtiofs sink.
expect_few_capabilities() {
	local permitted
	permitted=$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$daemon/status")
	[ $((16#$permitted & ~(1 << 2 | 1 << 28 | 1 << 21))) = 0 ] || fail "capabilities: $permitted"
}

# Changes in the private directory are reported to a receiver.
expect_events() {
	start "$B/hostwatch" tail --json "unix:$PWD/run/events"
	await "$out" '"hello"'
	echo x >"share/private/$1"
	await "$out" "\"create\".*\"private/$1\""
	await "$out" "\"close_write\".*\"private/$1\""
	kill "$pid"
}

test_every_watcher_works_as_another_user() {
	need_root
	for watcher in fanotify inotify polling; do
		configure nobody "watcher = $watcher"
		"$B/hostwatch" explain -w "$watcher" share >/dev/null 2>&1 || continue # not in this container
		daemon
		equal "65534 65534 65534 65534" "$(users)"
		expect_few_capabilities
		expect_events "$watcher"
		contains "$(ask status)" "$watcher"
		finish "$daemon"
		[ -z "$(ls run)" ] || fail "not removed: $(ls run)"
		equal "nobody" "$(stat -c %U run)"
	done
}

test_a_reload_works_as_another_user() {
	need_root
	need_readable_build
	configure nobody
	mkdir -m 700 other
	daemon
	printf '[share other]\npath = %s\n[sink more]\nplugin = socket\nlisten = unix:%s\n' "$PWD/other" "$PWD/run/more" >>conf
	contains "$(ask reload)" "share other: started"
	ask sync other
	contains "$(ask status)" "run/more"
	start "$B/hostwatch" tail --json "unix:$PWD/run/more"
	await "$out" '"hello"'
	finish "$daemon"
	[ -z "$(ls run)" ] || fail "not removed: $(ls run)"
}

test_a_plugin_that_this_user_cannot_reach_is_no_unknown_name() {
	need_root
	need_readable_build
	mkdir -m 700 hidden
	mkdir share
	cp "$B/plugins/inotify.so" hidden
	HOSTWATCH_PLUGIN_PATH=$PWD/hidden setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$B/hostwatch" watch --watcher inotify share >said 2>&1 && fail "it works"
	contains "$(cat said)" "hidden/inotify.so\": Permission denied; can this user enter its directories?"
}
test_root_stays_root_if_it_is_told_so() {
	need_root
	configure root
	daemon
	equal "0 0 0 0" "$(users)"
	expect_few_capabilities
	expect_events file
	finish "$daemon"
}

test_the_user_hostwatch_is_the_default() {
	local why
	need_root
	why=$(lacks_mounts)
	[ -z "$why" ] || skip "$why"
	grep -v '^hostwatch:' /etc/passwd >passwd
	cp passwd without
	echo 'hostwatch:x:64999:64999::/:/usr/sbin/nologin' >>passwd
	for users in passwd without; do
		rm -rf run
		configure ""
		# shellcheck disable=SC2016 # for the other shell
		daemon unshare --mount sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$users"
		case $users in
		passwd) equal "64999 64999 64999 64999" "$(users)" ;;
		*) equal "0 0 0 0" "$(users)" ;;
		esac
		expect_events "$users"
		finish "$daemon"
	done
}

test_an_unknown_user_is_a_mistake() {
	local status=0
	configure nonesuch
	"$B/hostwatchd" -c conf 2>err || status=$?
	equal 78 $status
	contains "$(cat err)" 'conf:3: [hostwatch] user: there is no user "nonesuch"'
	! "$B/hostwatch" check conf >out 2>&1 || fail "check accepts it"
	contains "$(cat out)" "there is no user"
}

# In the directory of sockets of the system, a private one here. It belongs to the last user, as does a socket that a
# killed daemon left.
test_the_directory_of_sockets_changes_its_owner() {
	local lacks end
	need_root
	lacks=$(lacks_mounts)
	[ ! "$lacks" ] || skip "$lacks"
	mkdir share
	cat >inside <<-EOF
		set -e
		mount -t tmpfs -o mode=755 none /run
		for user in nobody root daemon nobody; do
			printf '[hostwatch]\nuser = %s\n[share src]\npath = %s\nwatcher = polling\n' \$user '$PWD/share' >conf
			: >err
			'$B/hostwatchd' -c conf 2>err &
			daemon=\$!
			end=\$((SECONDS + $DEADLINE))
			until grep -q 'hostwatchd: ready: ' err; do
				kill -0 \$daemon || exit 1
				[ \$SECONDS -lt \$end ]
			done
			[ "\$(stat -c %U /run/hostwatch)" = \$user ]
			'$B/hostwatch' status >/dev/null
			kill -KILL \$daemon
			wait \$daemon || :
		done
	EOF
	unshare -m bash inside || fail "$(cat conf err)"
}

lacks_landlock() {
	# Only the daemon knows: it says so at level debug.
	grep -q 'not confined: the kernel has no Landlock' err
}

test_a_confined_daemon_makes_sockets_where_it_had_some() {
	configure root
	sed -i 's/^user = root$/log_level = debug/' conf
	[ "$(id -u)" != 0 ] || sed -i 's/^log_level = debug$/&\nuser = root/' conf
	mkdir elsewhere
	daemon
	! lacks_landlock || skip "the kernel has no Landlock, or one before Linux 5.19"
	cp conf first
	printf '[sink more]\nplugin = socket\nlisten = unix:%s/run/more\n' "$PWD" >>conf
	ask reload >/dev/null || fail "a socket beside the others: $(cat err)"
	[ -S run/more ] || fail "the reload made no socket"
	cp first conf
	ask reload >/dev/null || fail "$(cat err)"
	[ ! -e run/more ] || fail "the socket is left"
	printf '[sink more]\nplugin = socket\nlisten = unix:%s/elsewhere/s\n' "$PWD" >>conf
	contains "$(ask reload 2>&1)" 'Landlock lets hostwatchd create sockets in the directories of its first configuration'
	mkdir added
	printf '[share added]\npath = %s/added\n' "$PWD" | cat first - >conf
	ask reload >/dev/null || fail "a share that is added: $(cat err)"
	finish "$daemon"
	[ -z "$(ls run)" ] || fail "not removed: $(ls run)"
	{ sed 's/^log_level = debug$/&\nlandlock = no/' first; } >conf
	daemon
	printf '[sink more]\nplugin = socket\nlisten = unix:%s/elsewhere/s\n' "$PWD" >>conf
	ask reload >/dev/null || fail "landlock = no: $(cat err)"
	[ -S elsewhere/s ] || fail "landlock = no: no socket"
	finish "$daemon"
}

# As systemd starts it with User= and AmbientCapabilities=.
test_ambient_capabilities_are_enough() {
	local caps=+sys_admin,+dac_read_search,+lease
	need_root
	need_readable_build
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=$caps --ambient-caps=$caps true 2>/dev/null ||
		skip "root lacks the capabilities here"
	mkdir run
	chown 65534:65534 run
	for watcher in fanotify inotify polling; do
		configure "" "watcher = $watcher"
		sed -i "s|$PWD/run/||" conf # names below the directory of sockets
		daemon env -u XDG_RUNTIME_DIR RUNTIME_DIRECTORY="$PWD/run" \
			setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=$caps --ambient-caps=$caps
		equal "65534 65534 65534 65534" "$(users)"
		expect_few_capabilities
		expect_events "$watcher"
		finish "$daemon"
		[ -z "$(ls run)" ] || fail "not removed: $(ls run)"
	done
}

run_tests
