# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts of the nats sink: a server, a daemon, and the lines that are read from the stream.
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
	printf '%s\n' "$line" >hello
}
# Reads until this path was created, and until the end of the tree if it is an entry of one; the lines are in ./lines.
read_to() {
	local found=
	: >lines
	until [[ $found && $line != '{"seq":0,'* ]]; do
		next "$out"
		printf '%s\n' "$line" >>lines
		[[ $line != *'"create"'*"\"path\":\"$1\""* ]] || found=1
	done
}
read_until() {
	read_to "$1"
	finish "$pid"
}
# How many messages files with lines were, if each tree was one message.
count_messages() {
	cat "$@" | grep -c -e '^{"seq":[1-9]' -e '"event":"rescan"' -e '"snapshot":"end"'
}
# Continues until the stream has no more: a close_write may follow when a file has been idle. The other lines are those that
# were read before.
read_all() { # PATH [FILE]...
	local end
	read_to "$1"
	shift
	end=$((SECONDS + DEADLINE))
	until [ "$(count_messages lines "$@")" -ge "$(of_streams messages)" ]; do
		[ $SECONDS -lt $end ] || fail "the stream has $(of_streams messages) messages: $(tail -n 3 lines)"
		while IFS= read -r -t 1 -u "$out" line; do
			printf '%s\n' "$line" >>lines
			end=$((SECONDS + DEADLINE))
		done
	done
	finish "$pid"
}

# Replays ./lines and prints the paths that there should be.
replay() {
	jq -r 'select(.event) | [.event, .type, .path // .to // "", .from // ""] | join("|")' lines | awk -F '|' '
		$1 == "rescan" { delete have }
		$1 == "create" { if ($3 in have) print "created twice: " $3; have[$3] }
		$1 == "delete" { if (!($3 in have)) print "deleted, but not there: " $3; delete have[$3] }
		$1 == "move" {
			if ($4 == "") { have[$3]; next } # from outside
			if (!($4 in have)) print "moved, but not there: " $4
			for (p in have)
				if (p == $4 || index(p, $4 "/") == 1) { moved[$3 substr(p, length($4) + 1)]; delete have[p] }
			for (p in moved) if ($3 != "") have[p]
			delete moved
		}
		END { for (p in have) print p }' | LC_ALL=C sort
}
on_disk() {
	(cd a && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort)
}
# Every sequence number is there once and in its order, and the stream has no other messages: a tree that is small is one.
check_numbers() {
	local previous=0 number
	jq 'select(.event and .event != "rescan" and .seq > 0) | .seq' lines >numbers
	while read -r number; do
		[ "$number" = $((previous + 1)) ] || fail "after event $previous: $number"
		previous=$number
	done <numbers
	equal "$(count_messages lines)" "$(of_streams messages)" "messages in the stream"
}

# A server, and the configuration of a daemon that makes a stream.
prepare_stream() {
	needs_server
	configure_server
	begin_server
	configure 'create_stream = yes'
}
# The same, with the daemon: its first messages, a rescan and the tree, are stored.
begin_stream() {
	prepare_stream
	begin_daemon
	stored 2
}
# The stream is complete and says what is on disk.
check_stream() {
	mkdir a/end
	begin_tail
	read_all end
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
# Works until end_writer.
begin_writer() {
	local part=0
	touch busy
	while [ -e busy ]; do work 20 "w$((part++))"; done &
	writer=$!
	started+=("$writer")
}
end_writer() {
	rm busy
	wait "$writer"
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

# Files with long names: their tree needs several messages.
make_many() { # DIR COUNT
	local name
	name=$(printf '%0200d' 0)
	mkdir -p "$1"
	(cd "$1" && seq -f "$name%.0f" "$2" | xargs touch)
}

# The stream has one epoch, each number of it once and in order, one rescan with its tree at the beginning, and says what is
# on disk.
check_history() {
	check_stream
	equal 1 "$(grep -o '"epoch":"[0-9a-f]*"' hello lines | sort -u | wc -l)" 'epochs'
	equal 1 "$(grep -c '"event":"rescan"' lines)" rescans
	equal 1 "$(grep -c '"snapshot":"end"' lines)" trees
}
