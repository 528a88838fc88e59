#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A hostwatchd of an ordinary user: its default paths, and the messages when one of them cannot be used.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
NOBODY=65534

# The programs where such a user can run them, and the user's directories.
stage() {
	as=()
	bin=$B
	mkdir -p run config/hostwatch share
	if [ "$(id -u)" = 0 ]; then
		command -v setpriv >/dev/null || skip "setpriv is not installed"
		bin=$PWD/bin
		mkdir bin
		cp -Rp "$B"/{hostwatch,hostwatchd,plugins,sinks} bin/
		chmod -R a+rX bin
		chown -R $NOBODY run config share
		as=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --inh-caps=-all)
	fi
	chmod 700 run
	as+=(env -u HOSTWATCH_CONTROL -u RUNTIME_DIRECTORY "XDG_RUNTIME_DIR=$PWD/run" "XDG_CONFIG_HOME=$PWD/config")
	conf=config/hostwatch/hostwatch.conf
	cat >$conf <<-EOF
		[share src]
		path = $PWD/share
		watcher = polling
		[sink lines]
		plugin = socket
		listen = unix:lines
		[sink vm]
		plugin = virtiofs
		channel = unix-listen:vm
	EOF
}

daemon() {
	start "${as[@]}" "$bin/hostwatchd"
	daemon=$pid
	local end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err 2>/dev/null; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
}

# Runs a program as the user, which must end with this status; its output is in $text.
expect() {
	local status=0
	text=$(timeout 60 "${as[@]}" "$bin/$2" "${@:3}" 2>&1) || status=$?
	equal "$1" $status "${*:2}: $text"
}

test_a_user_needs_no_path() {
	stage
	daemon
	equal 700 "$(stat -c %a run/hostwatch)"
	equal 600 "$(stat -c %a run/hostwatch/control.sock)"
	expect 0 hostwatch status
	contains "$text" "listen unix:$PWD/run/hostwatch/lines"
	contains "$text" "channel unix-listen:$PWD/run/hostwatch/vm"
	expect 0 hostwatch sync src
	expect 0 hostwatch reload
	contains "$text" "sink lines: kept"
	start "${as[@]}" "$bin/hostwatch" tail --json unix:lines
	next "$out"
	contains "$line" '{"hello":'
	finish "$daemon"
	equal "" "$(ls run/hostwatch)"
}

test_the_control_path_may_be_relative() {
	stage
	sed -i '1i [hostwatch]\ncontrol = mine' $conf
	daemon
	equal 600 "$(stat -c %a run/hostwatch/mine)"
	expect 0 hostwatch status --socket "$PWD/run/hostwatch/mine"
	finish "$daemon"
}

test_without_xdg_runtime_dir_the_remedy_is_named() {
	stage
	as+=(env -u XDG_RUNTIME_DIR)
	sed -i '/unix/d' $conf
	sed -i 's/^plugin = .*/&\nlisten = tcp:127.0.0.1:0/; /sink vm/,$d' $conf
	expect 78 hostwatchd
	contains "$text" 'control socket: XDG_RUNTIME_DIR is not set: '
	contains "$text" 'control = in [hostwatch]'
	contains "$text" "\$HOSTWATCH_CONTROL"
	expect 1 hostwatch status
	contains "$text" "hostwatch status: cannot find the control socket: XDG_RUNTIME_DIR is not set; "
	contains "$text" "'control ='"
	contains "$text" "\$HOSTWATCH_CONTROL"
	# Named, it works.
	sed -i "1i [hostwatch]\ncontrol = $PWD/run/ctl" $conf
	daemon
	as+=(env "HOSTWATCH_CONTROL=$PWD/run/ctl")
	expect 0 hostwatch status
	finish "$daemon"
	# A relative address of a sink is a mistake of the configuration.
	printf '[sink more]\nplugin = socket\nlisten = unix:more\n' >>$conf
	expect 78 hostwatch check $conf
	contains "$text" 'listen = unix:more: a relative path needs XDG_RUNTIME_DIR, which is not set'
}

test_the_default_configuration_is_the_users() {
	stage
	rm $conf
	expect 78 hostwatchd
	contains "$text" "hostwatchd: \"$PWD/$conf\": there is no such file: "
	contains "$text" '-c FILE'
	as+=(env -u XDG_CONFIG_HOME "HOME=$PWD/nowhere")
	expect 78 hostwatchd
	contains "$text" "\"$PWD/nowhere/.config/hostwatch/hostwatch.conf\": there is no such file"
	as+=(env -u HOME)
	expect 78 hostwatchd
	contains "$text" "name one with -c FILE"
}

test_a_control_path_that_cannot_be_used_is_named_with_the_remedy() {
	stage
	[ "${#as[@]}" != 0 ] || skip "needs a directory of another user"
	mkdir closed
	chmod 755 closed
	[ "$(id -u)" = 0 ] || chmod 555 closed
	sed -i "1i [hostwatch]\ncontrol = $PWD/closed/ctl" $conf
	expect 78 hostwatchd
	contains "$text" "control socket \"$PWD/closed/ctl\": Permission denied: run hostwatchd as root, or name another path with control = in [hostwatch]"
	sed -i "2c control = $PWD/a/b/ctl" $conf
	expect 78 hostwatchd
	contains "$text" "\"$PWD/a/b/ctl\": its directory does not exist: create it, or "
	sed -i "2c control = $PWD/share" $conf
	expect 78 hostwatchd
	contains "$text" "\"$PWD/share\": the path is a directory: name another path with control = "
	sed -i "2c control = $PWD/$conf" $conf
	expect 78 hostwatchd
	contains "$text" "the path exists and is not a socket: remove it, or "
	sed -i "2c control = $PWD/run/$(printf '%0110d' 0)" $conf
	expect 78 hostwatchd
	contains "$text" "the path of a socket has at most 107 bytes: name a shorter one with control = "
}

test_a_second_daemon_is_told_of_the_first() {
	stage
	daemon
	cp $conf second
	sed -i '/^\[sink/,$d' second
	chmod 644 second
	expect 1 hostwatchd -c second
	contains "$text" "control socket \"$PWD/run/hostwatch/control.sock\": another hostwatchd is listening there: "
	contains "$text" "control = in [hostwatch]"
	# It has taken nothing away.
	expect 0 hostwatch status
	finish "$daemon"
}

test_the_socket_of_a_dead_daemon_is_replaced() {
	stage
	daemon
	kill -KILL "$daemon"
	wait "$daemon" || :
	[ -S run/hostwatch/control.sock ] || fail "nothing is left"
	: >err
	daemon
	contains "$(cat err)" "control socket \"$PWD/run/hostwatch/control.sock\": replacing the stale socket of a hostwatchd that no longer runs"
	finish "$daemon"
}

test_a_runtime_directory_that_others_can_change_is_refused() {
	stage
	"${as[@]}" mkdir run/hostwatch
	"${as[@]}" chmod 777 run/hostwatch
	expect 78 hostwatchd
	contains "$text" "other users can change its directory"
}

# The system's daemon has its socket in /run/hostwatch, which is a private one here.
test_a_user_without_a_daemon_hears_of_the_systems() {
	[ "$(id -u)" = 0 ] || skip "needs root for the system's daemon"
	stage
	printf '[share src]\npath = %s\nwatcher = polling\n' "$PWD/share" >system.conf
	cat >inside <<-EOF
		set -e
		mount -t tmpfs -o mode=755 none /run
		'$B/hostwatchd' -c system.conf 2>err &
		daemon=\$!
		end=\$((SECONDS + $DEADLINE))
		until grep -q 'hostwatchd: ready: ' err; do
			kill -0 \$daemon && [ \$SECONDS -lt \$end ]
		done
		env -u HOSTWATCH_CONTROL '$B/hostwatch' status >root
		mkdir -p '$PWD/run'
		"\$@" '$bin/hostwatch' status >user 2>&1 || echo "exit \$?" >>user
		kill \$daemon
		wait \$daemon
	EOF
	unshare -m true 2>/dev/null || skip "mount namespaces cannot be made here"
	unshare -m bash inside "${as[@]}" || fail "$(cat err)"
	contains "$(cat root)" "src"
	contains "$(cat user)" "hostwatch status: no hostwatchd of this user answers at \"$PWD/run/hostwatch/control.sock\"; "
	contains "$(cat user)" "the system's one listens on /run/hostwatch/control.sock: try 'sudo hostwatch status'"
	contains "$(cat user)" "exit 1"
}

# As systemd starts a service with User= and RuntimeDirectory=.
test_a_service_of_an_ordinary_user_has_its_runtime_directory() {
	stage
	"${as[@]}" mkdir run/service
	as+=(env -u XDG_RUNTIME_DIR "RUNTIME_DIRECTORY=$PWD/run/service")
	daemon
	[ -S run/service/control.sock ] || fail "$(ls -R run)"
	[ -S run/service/lines ] || fail "$(ls -R run)"
	finish "$daemon"
}

run_tests
