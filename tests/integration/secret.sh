#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# secret = FILE: both ends of a connection prove that they have it, before anything else is sent.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

make_secret() {
	head -c 32 /dev/urandom >"$1"
	chmod 600 "$1"
}

# configure FORMAT [SETTING]...: a daemon with a share and a socket sink on a TCP port.
configure() {
	mkdir -p a
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share a]' "path = $PWD/a" '[sink s]' 'plugin = socket' \
		"format = $1" "listen = tcp:127.0.0.1:$port" "${@:2}" >conf
}
# A port that no program uses; another program may take it meanwhile, and then there is another one.
find_port() {
	port=$((20000 + RANDOM % 10000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((20000 + RANDOM % 10000))
	done
}
tail_says() {
	"$B/hostwatch" tail "$@" "tcp:127.0.0.1:$port" 2>&1 && fail "it is not refused"
}
# Waits until the log has a line with this text.

check_format() {
	find_port
	make_secret right
	make_secret wrong
	configure "$1" "secret = $PWD/right"
	begin_daemon
	start "$B/hostwatch" tail --json --secret right "tcp:127.0.0.1:$port"
	next "$out"
	contains "$line" '"hello"'
	mkdir a/d
	next "$out"
	contains "$line" '"path":"d"'
	contains "$(tail_says)" 'the server requires a secret; give its file with --secret'
	contains "$(tail_says --secret wrong)" 'wrong proof: the secrets of the two ends differ'
	logged 'refused tcp 127.0.0.1:.*: wrong proof'
	contains "$("$B/hostwatch" status -s control)" 'secret required, refused'
}
test_tail_proves_and_gets_proof_json() {
	check_format json
}
test_tail_proves_and_gets_proof_netlink() {
	check_format netlink
}

# A secret that was changed is in effect after a reload, which refuses a wrong file and keeps the connections of a sink
# whose file is as before.
test_a_reload_reads_a_changed_secret() {
	find_port
	make_secret right
	cp -p right old
	configure json "secret = $PWD/right"
	begin_daemon
	start "$B/hostwatch" tail --json --secret old "tcp:127.0.0.1:$port"
	next "$out"
	"$B/hostwatch" reload -s control
	mkdir a/d
	await "$out" '"path":"d"'
	chmod 644 right
	contains "$("$B/hostwatch" reload -s control 2>&1)" 'chmod 600'
	mkdir a/e
	await "$out" '"path":"e"'
	make_secret new
	mv new right
	"$B/hostwatch" reload -s control
	contains "$(tail_says --secret old)" 'wrong proof'
	start "$B/hostwatch" tail --json --secret right "tcp:127.0.0.1:$port"
	next "$out"
	contains "$line" '"hello"'
}

test_a_server_without_secret_is_refused() {
	find_port
	make_secret right
	configure json
	begin_daemon
	contains "$(tail_says --secret right)" 'the host did not ask for the secret; set secret = FILE in its sink'
}

test_nothing_is_sent_before_the_proof() {
	find_port
	make_secret right
	configure json "secret = $PWD/right" 'handshake_timeout = 300ms'
	begin_daemon
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	equal '{"auth":{"protocol":1}}
{"error":"this sink requires a secret, and no proof arrived in time; give the receiver the file that secret = names"}' \
		"$(cat <&3)"
	exec 3>&-
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	echo '{"subscribe":{"snapshot":true}}' >&3
	equal '{"auth":{"protocol":1}}
{"error":"the receiver did not prove that it has the secret; set the same secret there"}' "$(cat <&3)"
	exec 3>&-
}

# A daemon with a virtiofs sink, which waits for the guest at ./ch.
configure_channel() {
	mkdir -p a
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share a]' "path = $PWD/a" '[sink guest]' 'plugin = virtiofs' \
		"channel = unix:$PWD/ch" 'listen = yes' "$@" >conf
}
# check_guest COMMAND...: a guest that is given --secret FILE, and prints events as JSON lines.
check_guest() {
	make_secret right
	make_secret wrong
	configure_channel "secret = $PWD/right"
	begin_daemon
	start "$@" --secret right
	sends_events
	finish "$pid" TERM 0
	: >log
	: >err
	start "$@"
	logged 'the guest has no secret\|guest closed the channel'
	errs 'the host requires a secret'
	kill "$pid" 2>/dev/null || : # guest-sim ends by itself
	: >log
	: >err
	start "$@" --secret wrong
	logged 'wrong proof: the secrets of the two ends differ'
	kill "$pid" 2>/dev/null || : # guest-sim ends by itself
	contains "$("$B/hostwatch" status -s control)" ', refused '
	# The right one is still welcome.
	start "$@" --secret right
	sends_events
	finish "$pid" TERM 0
	end_daemon
	configure_channel
	begin_daemon
	: >err
	start "$@" --secret right
	errs 'the host did not ask for the secret'
	kill "$pid" 2>/dev/null || : # guest-sim ends by itself
}
# Waits until ./err has a line with this text.
errs() {
	local end=$((SECONDS + DEADLINE))
	until grep -q -- "$1" err; do
		[ $SECONDS -lt $end ] || fail "it never says: $1: $(cat err)"
	done
}
sends_events() {
	logged 'guest connected'
	files=$((files + 1))
	: >"a/f$files"
	await "$out" "\"f$files\""
}
files=0
test_a_guest_proves_and_gets_proof() {
	check_guest "$B/hostwatch" guest-sim --json "unix:$PWD/ch"
}
test_the_agent_proves_and_gets_proof() {
	check_guest "$B/hostwatch-guest" --print --json --channel "unix:$PWD/ch"
}

test_remote_addresses_need_a_secret() {
	port=7000
	make_secret right
	configure json 'listen = tcp:0.0.0.0:0'
	contains "$("$B/hostwatchd" -n -c conf 2>&1)" 'set allow_remote = yes and secret = FILE'
	configure json 'listen = tcp:0.0.0.0:0' 'allow_remote = yes'
	contains "$("$B/hostwatchd" -n -c conf 2>&1)" 'allow_remote = yes also needs secret = FILE'
	configure json 'listen = tcp:0.0.0.0:0' 'allow_remote = yes' "secret = $PWD/right"
	"$B/hostwatchd" -n -c conf || fail "it is refused"
}

test_a_secret_that_others_can_read_is_refused() {
	port=7000
	make_secret right
	chmod 644 right
	configure json "secret = $PWD/right"
	contains "$("$B/hostwatchd" -n -c conf 2>&1)" 'chmod 600'
	contains "$("$B/hostwatch" tail --secret right tcp:127.0.0.1:1 2>&1)" 'chmod 600'
	configure json 'secret = right'
	contains "$("$B/hostwatchd" -n -c conf 2>&1)" 'must be an absolute path'
}

run_tests
