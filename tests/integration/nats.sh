#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The nats sink and hostwatch tail nats:, with a real server that is killed and restarted.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

needs_server() {
	[ -e "$B/sinks/nats.so" ] || skip "built without libnats"
	command -v nats-server >/dev/null || skip "nats-server is not installed"
	command -v jq >/dev/null || skip "jq is not installed"
}

is_taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
# configure_server [LINE]...: two ports that no program uses now.
configure_server() {
	server_lines=("$@")
	port=$((20000 + 2 * (RANDOM % 5000)))
	http=$((port + 1))
	while is_taken $port || is_taken $http; do
		port=$((20000 + 2 * (RANDOM % 5000)))
		http=$((port + 1))
	done
	printf '%s\n' "listen: 127.0.0.1:$port" "http: 127.0.0.1:$http" "jetstream { store_dir: \"$PWD/js\" }" "$@" >server.conf
}
start_server() {
	local end=$((SECONDS + DEADLINE))
	: >server.log
	nats-server -c server.conf 2>server.log &
	server=$!
	started+=("$server")
	until grep -q 'Server is ready' server.log; do
		kill -0 "$server" 2>/dev/null || return 1
		[ $SECONDS -lt $end ] || fail "the server is never ready"
	done
}
# Another program may take a port meanwhile: then there are others.
begin_server() {
	until start_server; do
		grep -q 'address already in use' server.log || fail "$(cat server.log)"
		configure_server "${server_lines[@]}"
	done
}
restart_server() {
	start_server || fail "$(cat server.log)"
}
kill_server() {
	kill -KILL "$server"
	wait "$server" || :
}

# configure [SETTING]...: a daemon with the share a and a nats sink.
configure() {
	mkdir -p a
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share a]' "path = $PWD/a" '[sink n]' 'plugin = nats' \
		"url = ${scheme:-nats}://127.0.0.1:$port" "$@" >conf
	export HOSTWATCH_CONTROL=$PWD/control
}
begin_daemon() {
	local end=$((SECONDS + DEADLINE))
	: >log
	"$B/hostwatchd" -c conf 2>log &
	daemon=$!
	started+=("$daemon")
	until grep -q 'ready: ' log; do
		kill -0 "$daemon" || fail "$(cat log)"
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
}
logged() {
	local end=$((SECONDS + DEADLINE))
	until grep -q -- "$1" log; do
		[ $SECONDS -lt $end ] || fail "never logged: $1: $(cat log)"
	done
}

# Prints a number of the server's statistics of all streams.
of_streams() {
	local http_answer
	exec {http_fd}<>"/dev/tcp/127.0.0.1/$http"
	printf 'GET /jsz HTTP/1.0\r\n\r\n' >&"$http_fd"
	http_answer=$(sed '1,/^\r$/d' <&"$http_fd")
	exec {http_fd}>&-
	jq ".$1" <<<"$http_answer"
}

# Waits until there are this many messages.
stored() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(of_streams messages)" -ge "$1" ]; do
		[ $SECONDS -lt $end ] || fail "not stored: $(cat log)"
	done
}

# Begins to read the stream from its beginning.
begin_tail() {
	start "$B/hostwatch" tail --json --all "$@" "nats:${scheme:-nats}://127.0.0.1:$port/hostwatch.a"
	next "$out"
	contains "$line" '"hello"'
}
# Reads until this path was created; the lines are in ./lines.
read_until() {
	: >lines
	until [[ $line == *"\"create\""*"\"path\":\"$1\""* ]]; do
		next "$out"
		printf '%s\n' "$line" >>lines
	done
	finish "$pid"
}

# Replays ./lines and prints the paths that there should be.
replay() {
	jq -r 'select(.event) | [.event, .type, .path // .to // "", .from // ""] | join("|")' lines | awk -F '|' '
		$1 == "create" { if ($3 in have) print "created twice: " $3; have[$3] }
		$1 == "delete" { if (!($3 in have)) print "deleted, but not there: " $3; delete have[$3] }
		$1 == "move" {
			if (!($4 in have)) print "moved, but not there: " $4
			for (p in have)
				if (p == $4 || index(p, $4 "/") == 1) { moved[$3 substr(p, length($4) + 1)]; delete have[p] }
			for (p in moved) have[p]
			delete moved
		}
		END { for (p in have) print p }' | LC_ALL=C sort
}
on_disk() {
	(cd a && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort)
}
# Every sequence number is there once and in its order, and so are the messages in the stream.
check_numbers() {
	local previous=-1 number
	jq 'select(.event) | .seq // 0' lines >numbers
	while read -r number; do
		[ $previous = -1 ] || [ "$number" = $((previous + 1)) ] || fail "after event $previous: $number"
		previous=$number
	done <numbers
	equal "$(wc -l <numbers)" "$(of_streams messages)" "messages in the stream"
}

# Changes of several kinds, without a pause: $1 rounds, names with $2.
work() {
	local i
	for ((i = 0; i < $1; i++)); do
		mkdir "a/$2-$i" "a/$2-$i/d"
		echo "$i" >"a/$2-$i/f"
		mv "a/$2-$i/f" "a/$2-$i/d/g"
		case $((i % 5)) in
		0 | 3) mv "a/$2-$i" "a/$2-moved-$i" ;;
		1) rm -r "a/$2-$i" ;;
		esac
	done
}

test_events_are_stored_and_read_back() {
	needs_server
	configure_server
	begin_server
	configure 'create_stream = yes'
	begin_daemon
	stored 1
	begin_tail
	mkdir a/d
	mv a/d a/e
	next "$out"
	while [[ $line == *'"hello"'* ]]; do next "$out"; done
	equal '{"seq":0,"share":"a","event":"rescan","path":""}' "$(stripped <<<"$line")"
	next "$out"
	equal '{"seq":1,"share":"a","event":"create","type":"dir","path":"d"}' "$(stripped <<<"$line")"
	next "$out"
	equal '{"seq":2,"share":"a","event":"move","type":"dir","from":"d","to":"e"}' "$(stripped <<<"$line")"
	finish "$pid"
	contains "$("$B/hostwatch" status)" connected
	finish "$daemon"
}

test_nothing_is_lost_or_doubled_when_the_server_is_killed() {
	needs_server
	configure_server
	begin_server
	configure 'create_stream = yes'
	begin_daemon
	stored 1
	work 300 w &
	writer=$!
	for _ in 1 2 3 4; do
		before=$(of_streams messages)
		# As soon as it stores more.
		end=$((SECONDS + DEADLINE))
		until [ "$(of_streams messages)" -gt "$((before + 20))" ] || ! kill -0 $writer 2>/dev/null; do
			[ $SECONDS -lt $end ] || fail "nothing is stored: $(cat log)"
		done
		kill_server
		restart_server
	done
	wait $writer
	mkdir a/end
	begin_tail
	read_until end
	check_numbers
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

run_tests
