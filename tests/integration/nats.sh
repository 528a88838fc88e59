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

# A server, and the configuration of a daemon that makes a stream.
prepare_stream() {
	needs_server
	configure_server
	begin_server
	configure 'create_stream = yes'
}
# The same, with the daemon: its first message is stored.
begin_stream() {
	prepare_stream
	begin_daemon
	stored 1
}
# The stream is complete and says what is on disk.
check_stream() {
	mkdir a/end
	begin_tail
	read_until end
	check_numbers
	equal "$(on_disk)" "$(replay)"
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
	begin_stream
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
	begin_stream
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
	check_stream
	finish "$daemon"
}

# api NAME JSON: one request to JetStream; its answer is in $answer.
api() {
	local fd reply
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	printf 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nSUB reply 1\r\nPUB $JS.API.%s reply %d\r\n%s\r\n' \
		"$1" "${#2}" "$2" >&"$fd"
	await "$fd" '^MSG reply '
	next "$fd"
	reply=$line
	exec {fd}>&-
	answer=$reply
	[[ $answer != *'"error"'* ]] || fail "$1: $answer"
}
stream_config() { # KEY-VALUES
	printf '{"name":"hostwatch","subjects":["hostwatch.>"],"retention":"limits","storage":"file","num_replicas":1%s}' "$1"
}

test_a_killed_daemon_begins_with_a_rescan() {
	begin_stream
	mkdir a/d
	stored 2
	kill -KILL "$daemon"
	wait "$daemon" || :
	mkdir a/missed
	begin_daemon
	logged 'ready: '
	begin_tail
	: >lines
	# The rescan of the second daemon.
	until [ "$(grep -c '"rescan"' lines)" = 2 ]; do
		next "$out"
		stripped <<<"$line" >>lines
	done
	mkdir a/end
	read_rest() {
		until [[ $line == *'"path":"end"'* ]]; do
			next "$out"
			stripped <<<"$line" >>lines
		done
	}
	read_rest
	finish "$pid"
	grep '"event"' lines >events
	equal 4 "$(wc -l <events)" "$(cat events)"
	finish "$daemon"
}

test_a_full_stream_delays_events_and_loses_none() {
	needs_server
	configure_server
	begin_server
	api STREAM.CREATE.hostwatch "$(stream_config ',"max_msgs":5,"discard":"new"')"
	configure
	begin_daemon
	stored 1
	work 4 w
	logged 'the stream hostwatch refused a message: maximum messages exceeded; the stream is full'
	equal 5 "$(of_streams messages)"
	contains "$("$B/hostwatch" status)" 'maximum messages exceeded'
	api STREAM.UPDATE.hostwatch "$(stream_config ',"max_msgs":-1,"discard":"new"')"
	check_stream
	logged 'events are stored by .* again'
	finish "$daemon"
}

test_an_event_missing_in_the_stream_is_answered_by_a_rescan() {
	begin_stream
	mkdir a/1
	stored 2
	begin_tail
	until [[ $line == *'"path":"1"'* ]]; do next "$out"; done
	finish "$pid"
	epoch=$("$B/hostwatch" status --json | jq -r '.shares[0].epoch')
	freeze "$daemon"
	mkdir a/2 a/3 a/4
	# Event 3 without event 2, as if both had been in flight and the server had stored only one.
	fake() {
		local head data='{"seq":3,"time":1,"share":"a","event":"create","type":"dir","path":"3"}'
		head=$(printf 'NATS/1.0\r\nHostwatch-Epoch: %s\r\nHostwatch-Seq: 3\r\nHostwatch-Acked: 1 2\r\n\r\n.' "$epoch")
		head=${head%.}
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		printf 'CONNECT {"verbose":false,"headers":true}\r\nHPUB hostwatch.a.create %d %d\r\n%s%s\r\nPING\r\n' \
			"${#head}" $((${#head} + ${#data})) "$head" "$data" >&"$fd"
		await "$fd" '^PONG'
		exec {fd}>&-
	}
	fake
	equal 3 "$(of_streams messages)"
	kill_server
	restart_server
	thaw "$daemon"
	stored 4
	begin_tail
	until [[ $line == *'"rescan"'*'"seq":4'* || $line == *'"seq":4'*'"rescan"'* ]]; do next "$out"; done
	mkdir a/5
	until [[ $line == *'"path":"5"'* ]]; do next "$out"; done
	finish "$pid"
	finish "$daemon"
}

test_a_missing_stream_is_an_error_that_names_the_command() {
	needs_server
	configure_server
	begin_server
	configure
	begin_daemon
	logged "the server has no stream hostwatch; set create_stream = yes, or run: nats stream add hostwatch --subjects 'hostwatch.>'"
	finish "$daemon"
}

test_a_refused_login_is_explained() {
	needs_server
	configure_server 'authorization { user: watcher, password: "right" }'
	begin_server
	configure 'create_stream = yes'
	begin_daemon
	logged 'the server requires a login: set user and password_file, or credentials'
	finish "$daemon"
	echo wrong >password
	chmod 600 password
	configure 'create_stream = yes' 'user = watcher' "password_file = $PWD/password"
	begin_daemon
	logged 'the server refused the login: check user and password_file'
	finish "$daemon"
	echo right >password
	begin_daemon
	stored 1
	mkdir a/end
	printf '%s\n' 'user = watcher' "password_file = $PWD/password" >options
	begin_tail --nats options
	read_until end
	finish "$daemon"
	chmod 644 password
	! "$B/hostwatchd" -c conf 2>log || fail "a password that anybody may read is accepted"
	contains "$(cat log)" 'other users or a group may use the file; run chmod 600 on it'
}

test_the_example_of_a_fleet_works() {
	needs_server
	fleet=$tree/examples/fleet
	configure_server
	begin_server
	kill_server
	sed "s|0.0.0.0:4222|127.0.0.1:$port|; s|/var/lib/nats|$PWD/js|" "$fleet/nats-server.conf" >server.conf
	echo "http: 127.0.0.1:$http" >>server.conf
	restart_server
	echo publisher-password >nats-password
	echo reader-password >reader-password
	chmod 600 ./*-password
	sed "s|/etc/hostwatch|$PWD|" "$fleet/reader.conf" >reader.conf
	for host in web1 web2 db1; do
		mkdir -p $host/srv
		sed "s|nats.example.org|127.0.0.1:$port|; s|/etc/hostwatch|$PWD|; s|/srv/.*|$PWD/$host/srv|; s|/var/lib/hostwatch|$PWD/$host/state|
			/^\[hostwatch\]/a control = $PWD/$host/control" "$fleet/$host.conf" >conf
		begin_daemon
	done
	# The rescan with which each begins.
	stored 3
	mkdir web1/srv/new web2/srv/new db1/srv/new
	start env PATH="$B:$PATH" "$fleet/consumer" "nats:nats://127.0.0.1:$port" reader.conf
	: >lines
	until [ "$(grep -c 'create.new' lines)" = 3 ]; do
		next "$out"
		printf '%s\n' "$line" >>lines
	done
	for share in web1-www web2-www db1-dumps; do
		grep -qxF "$share	create	new" lines || fail "$(cat lines)"
	done
}

# Kills the daemon under load: with its state, the epoch stays.
test_a_killed_daemon_with_state_continues() {
	prepare_stream
	sed -i "/^\[hostwatch\]/a state_dir = $PWD/state" conf
	begin_daemon
	stored 1
	work 100 w &
	writer=$!
	for _ in 1 2 3; do
		stored $(($(of_streams messages) + 20))
		kill -KILL "$daemon"
		wait "$daemon" || :
		begin_daemon
	done
	wait $writer
	mkdir a/end
	begin_tail
	epochs=$line
	: >lines
	until [[ $line == *'"create"'*'"path":"end"'* ]]; do
		next "$out"
		[[ $line != *'"hello"'* ]] || epochs+=$'\n'$line
		printf '%s\n' "$line" >>lines
	done
	finish "$pid"
	equal 1 "$(grep -o '"epoch":"[0-9a-f]*"' <<<"$epochs" | sort -u | wc -l)" 'epochs'
	jq 'select(.event) | .seq // 0' lines >numbers
	sort -nuc numbers || fail 'a sequence number is there twice'
	equal "$(wc -l <numbers)" "$(of_streams messages)" 'messages in the stream'
	grep '"rescan"' lines || :
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

# Reads in pieces: each piece continues after the last one, whichever moment it was killed at.
test_tail_continues_with_state() {
	begin_stream
	work 20 w
	mkdir a/end
	: >lines
	for _ in 1 2 3 4 5; do
		"$B/hostwatch" tail --json --all --state position -n 7 "nats://127.0.0.1:$port/hostwatch.a" >>lines
	done
	mv lines before
	begin_tail --state position
	read_until end
	cat before lines >all
	mv all lines
	check_numbers
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

make_authority() { # NAME
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
make_certificate() { # AUTHORITY NAME ADDRESS
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr" 2>/dev/null
	openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 -out "$2.pem" \
		-extfile <(echo "subjectAltName=$3") 2>/dev/null
}

test_tls_needs_a_certificate_of_the_authority_for_the_host() {
	needs_server
	command -v openssl >/dev/null || skip "openssl is not installed"
	make_authority right
	make_authority wrong
	make_certificate right server DNS:localhost
	configure_server "tls { cert_file: $PWD/server.pem, key_file: $PWD/server.key }"
	begin_server
	scheme=tls
	configure 'create_stream = yes' "tls_ca = $PWD/wrong.pem"
	sed -i s/127.0.0.1/localhost/ conf
	begin_daemon
	logged 'cannot connect to tls://localhost:.*check tls_ca, tls_cert and tls_key'
	finish "$daemon"
	sed -i s/wrong.pem/right.pem/ conf
	sed -i 's|^url = .*|url = tls://127.0.0.1:'"$port|" conf
	begin_daemon
	logged 'cannot connect to tls://127.0.0.1:.*the certificate of the server names the host of the URL'
	finish "$daemon"
	sed -i 's|^url = .*|url = tls://localhost:'"$port|" conf
	begin_daemon
	stored 1
	mkdir a/end
	echo "tls_ca = $PWD/right.pem" >options
	start "$B/hostwatch" tail --json --all --nats options "nats:tls://localhost:$port/hostwatch.a"
	next "$out"
	read_until end
	finish "$daemon"
}

run_tests
