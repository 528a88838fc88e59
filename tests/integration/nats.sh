#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The nats sink and hostwatch tail nats:, with a real server that is killed and restarted.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/nats_lib.bash
. "$(dirname "$0")/nats_lib.bash"

test_events_are_stored_and_read_back() {
	begin_stream
	begin_tail
	mkdir a/d
	mv a/d a/e
	next "$out"
	while [[ $line == *'"hello"'* ]]; do next "$out"; done
	equal '{"seq":0,"share":"a","event":"rescan","path":""}' "$(stripped <<<"$line")"
	next "$out"
	equal '{"snapshot":"end","seq":0,"share":"a"}' "$line"
	next "$out"
	equal '{"seq":1,"share":"a","event":"create","type":"dir","path":"d"}' "$(stripped <<<"$line")"
	next "$out"
	equal '{"seq":2,"share":"a","event":"move","type":"dir","from":"d","to":"e"}' "$(stripped <<<"$line")"
	finish "$pid"
	contains "$("$B/hostwatch" status)" connected
	finish "$daemon"
}

# More messages than the library keeps for a reader by default, if NATS_MANY is above 65536 and the reader is slower than the server.
test_a_long_stream_is_read_to_its_end() {
	local many=${NATS_MANY:-3000}
	begin_stream
	(cd a && seq "$many" | xargs mkdir)
	mkdir a/end
	stored "$many"
	begin_tail
	read_until end
	equal "$(on_disk)" "$(replay)"
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

test_a_killed_daemon_begins_with_a_rescan() {
	begin_stream
	mkdir a/d
	stored 3
	kill -KILL "$daemon"
	wait "$daemon" || :
	mkdir a/missed
	begin_daemon
	# The rescan of the second daemon, and its tree.
	stored 5
	mkdir a/end
	begin_tail
	read_until end
	grep '"event"' lines | stripped | jq -c '[.event, .path, .seq]' >events
	equal '["rescan","",0]
["create","d",1]
["rescan","",0]
["create","d",0]
["create","missed",0]
["create","end",1]' "$(cat events)"
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

test_a_tree_follows_the_rescan_after_an_overflow_of_the_journal() {
	prepare_stream
	make_many a/many 2000
	sed -i '/^\[share a\]/a journal = 1M' conf
	begin_daemon
	stored 3
	kill_server
	mv a/many a/moved
	make_many a/more 4000
	"$B/hostwatch" sync a
	restart_server
	mkdir a/end
	begin_tail
	read_until end
	equal "$(on_disk)" "$(replay)"
	equal 2 "$(grep -c '"event":"rescan"' lines)" rescans
	equal 2 "$(grep -c '"snapshot":"end"' lines)" trees
	# Entries of a tree have no number, and the events that follow it continue after its number.
	jq -c 'if .snapshot then ["end", .seq] elif .event == "create" and .path == "end" then ["create", .seq] else empty end' lines | tail -n 2 >last
	[ "$(jq .[1] last | sed -n 2p)" -gt "$(jq .[1] last | sed -n 1p)" ] || fail "$(cat last)"
	[ "$("$B/hostwatch" status --json | jq '.sinks[0].receivers[0].lost')" -gt 0 ] || fail "nothing was lost: this shows nothing"
	finish "$daemon"
}

test_a_tree_that_was_interrupted_is_published_again() {
	needs_server
	configure_server
	begin_server
	api STREAM.CREATE.hostwatch "$(stream_config ',"max_msgs":4,"discard":"new"')"
	configure
	sed -i "/^\[hostwatch\]/a state_dir = $PWD/state" conf
	make_many a/many 2000
	begin_daemon
	logged 'the stream is full'
	equal 4 "$(of_streams messages)"
	kill -KILL "$daemon"
	wait "$daemon" || :
	api STREAM.UPDATE.hostwatch "$(stream_config ',"max_msgs":-1,"discard":"new"')"
	rm a/many/*7
	begin_daemon
	mkdir a/end
	begin_tail
	read_until end
	equal 1 "$(grep -c '"snapshot":"end"' lines)" 'complete trees'
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

# Reads until this path was created and the last rescan has its tree. A receiver that begins to read passes over what comes
# before the first rescan that has one.
read_last_tree() { # PATH
	read_to "$1"
	until grep -e '"event":"rescan"' -e '"snapshot":"end"' lines | tail -n 1 | grep -q snapshot; do
		next "$out"
		printf '%s\n' "$line" >>lines
	done
	finish "$pid"
	tail -n "+$(grep -n '"event":"rescan"' lines | tail -n 1 | cut -d: -f1)" lines >later
	mv later lines
}

# The stream keeps 30 messages. The sink looks at intervals, or after a connection.
check_removed_tree() { # SETTING
	needs_server
	configure_server
	begin_server
	api STREAM.CREATE.hostwatch "$(stream_config ',"max_msgs":30,"discard":"old"')"
	configure "$1"
	mkdir a/1 a/2 a/3
	begin_daemon
	stored 2
	work 20 w
	"$B/hostwatch" sync a
}
test_a_tree_that_the_stream_has_removed_is_published_again() {
	check_removed_tree 'check_tree = 200ms'
	logged 'share a: the stream no longer has its tree; publishing it again'
	mkdir a/end
	begin_tail
	read_last_tree end
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}
test_a_tree_that_was_not_published_is_published_later() {
	prepare_stream
	sed -i "/^\[hostwatch\]/a state_dir = $PWD/state" conf
	echo 'publish_tree = no' >>conf
	mkdir a/1
	begin_daemon
	stored 1
	mkdir a/2
	stored 2
	equal 2 "$(of_streams messages)"
	finish "$daemon"
	sed -i '/publish_tree/d' conf
	begin_daemon
	stored 4
	mkdir a/end
	begin_tail
	read_last_tree end
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}
test_a_removed_tree_is_missed_after_a_connection() {
	check_removed_tree 'check_tree = 24h'
	end=$((SECONDS + DEADLINE))
	until "$B/hostwatch" status --json | jq -e '.sinks[0].receivers[0].lag == 0' >/dev/null; do
		[ $SECONDS -lt $end ] || fail "the events are not stored"
	done
	! grep 'publishing it again' log || fail 'too early'
	kill_server
	restart_server
	logged 'share a: the stream no longer has its tree; publishing it again'
	mkdir a/end
	begin_tail
	read_last_tree end
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

# With a state, a tree is printed to its end, whatever --count says. Its end is that of a history without events, which a later
# receiver cannot tell from its beginning: it gets the rescan and the tree again. After an event, it gets neither.
test_tail_with_state_resumes_at_a_tree() {
	prepare_stream
	make_many a/many 2000
	begin_daemon
	stored 3
	mkdir a/one
	tail_some() {
		"$B/hostwatch" tail --json --all --state position -n "$1" "nats://127.0.0.1:$port/hostwatch.a" >>lines
	}
	tail_some 100
	equal 1 "$(grep -c '"snapshot":"end"' lines)" trees
	tail_some 2003
	equal 2 "$(grep -c '"event":"rescan"' lines)" rescans
	equal 2 "$(grep -c '"snapshot":"end"' lines)" trees
	mkdir a/two
	tail_some 1
	equal '"two"' "$(tail -n 1 lines | jq .path)"
	equal 2 "$(grep -c '"event":"rescan"' lines)" rescans
	finish "$daemon"
}

test_a_tree_follows_when_a_share_is_back() {
	begin_stream
	mkdir a/1
	stored 3
	mv a b
	stored 4
	mkdir a a/2
	mkdir a/end
	begin_tail
	read_until end
	equal 2 "$(grep -c '"snapshot":"end"' lines)" trees
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

# Goes through directories with long names, to where no path of a system call leads; then runs a command.
deep() { # COUNT COMMAND...
	local name i
	name=$(printf '%0250d' 0)
	for ((i = 0; i < $1; i++)); do
		mkdir -p "$name"
		cd "$name"
	done
	shift
	"$@"
}

test_an_event_above_max_payload_is_a_rescan_and_the_tree_has_the_rest() {
	needs_server
	configure_server 'max_payload: 8192'
	begin_server
	configure 'create_stream = yes'
	mkdir a/short
	begin_daemon
	stored 2
	# 35 names of 250 bytes: longer than 8192.
	(cd a/short && deep 35 mkdir long)
	logged 'have paths that are longer than the server accepts'
	mkdir a/between
	begin_tail
	read_until between
	all=$(on_disk)
	fitting=$(awk 'length < 7000' <<<"$all")
	[ "$all" != "$fitting" ] || fail 'all paths fit: this shows nothing'
	equal "$fitting" "$(replay | awk 'length < 7000')"
	# Entries that did not fit come within reach.
	near=$PWD/a/near
	(cd a/short && deep 20 mv "$(printf '%0250d' 0)" "$near")
	mkdir a/end
	begin_tail
	read_until end
	equal "$(on_disk)" "$(replay)"
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
	stored 3
	begin_tail
	until [[ $line == *'"path":"1"'* ]]; do next "$out"; done
	finish "$pid"
	epoch=$("$B/hostwatch" status --json | jq -r '.shares[0].epoch')
	freeze "$daemon"
	mkdir a/2 a/3 a/4
	# Event 3 without event 2, as if both had been in flight and the server had stored only one.
	fake() {
		local head data='{"seq":3,"time":1,"share":"a","event":"create","type":"dir","path":"3"}'
		head=$(printf 'NATS/1.0\r\nHostwatch-Epoch: %s\r\nHostwatch-Seq: 3\r\nHostwatch-Acked: 1 3\r\n\r\n.' "$epoch")
		head=${head%.}
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		printf 'CONNECT {"verbose":false,"headers":true}\r\nHPUB hostwatch.a.create %d %d\r\n%s%s\r\nPING\r\n' \
			"${#head}" $((${#head} + ${#data})) "$head" "$data" >&"$fd"
		await "$fd" '^PONG'
		exec {fd}>&-
	}
	fake
	equal 4 "$(of_streams messages)"
	kill_server
	restart_server
	thaw "$daemon"
	stored 6
	begin_tail
	mkdir a/5
	read_until 5
	equal 4 "$(jq 'select(.snapshot and .seq > 0) | .seq' lines)" 'the number of the tree'
	equal "$(on_disk)" "$(replay)"
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
	# The rescan with which each begins, and its tree.
	stored 6
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
	# shellcheck disable=SC2046 # the numbers of processes
	kill $(cat "/proc/$pid/task/$pid/children") # a tail with --retry does not end by itself
}

# Kills the daemon under load: with its state, the epoch stays.
test_a_killed_daemon_with_state_continues() {
	prepare_stream
	sed -i "/^\[hostwatch\]/a state_dir = $PWD/state" conf
	begin_daemon
	stored 1
	begin_writer
	for _ in 1 2 3; do
		stored $(($(of_streams messages) + 20))
		kill -KILL "$daemon"
		wait "$daemon" || :
		begin_daemon
	done
	end_writer
	check_history
	finish "$daemon"
}

# Both sides are killed at random moments under load: NATS_ROUNDS=30 NATS_SEED=7 NATS_RESULT=/dev/stderr
# tests/integration/nats.sh
test_nothing_is_lost_or_doubled_when_either_side_is_killed() {
	local kills=('' '' '') round
	seed=${NATS_SEED:-$RANDOM}
	RANDOM=$seed
	prepare_stream
	sed -i "/^\[hostwatch\]/a state_dir = $PWD/state" conf
	begin_daemon
	stored 2
	begin_writer
	for ((round = 0; round < ${NATS_ROUNDS:-4}; round++)); do
		stored $(($(of_streams messages) + RANDOM % 100))
		victim=$((RANDOM % 3))
		kills[victim]+=x
		[ $victim = 1 ] || kill -KILL "$daemon"
		[ $victim = 0 ] || kill_server
		[ $victim = 1 ] || wait "$daemon" || :
		[ $victim = 0 ] || restart_server
		[ $victim = 1 ] || begin_daemon
	done
	end_writer
	check_history
	echo "seed $seed: daemon killed ${#kills[0]} times, server ${#kills[1]}, both ${#kills[2]}; $(wc -l <numbers) events, $(on_disk | wc -l) entries" >>"${NATS_RESULT:-/dev/null}"
	finish "$daemon"
}

# A receiver that ignores the numbers that it has seen, and an older rescan with its tree, gets each event once, whichever
# moment its tail was killed at.
test_a_killed_tail_with_state_leaves_out_nothing() {
	local i
	begin_stream
	begin_writer
	: >pieces
	for i in 1 2 3 4 5 6; do
		"$B/hostwatch" tail --json --all --retry --state position "nats://127.0.0.1:$port/hostwatch.a" >piece 2>>err &
		pid=$!
		started+=("$pid")
		want=$((1 + RANDOM % 300))
		end=$((SECONDS + DEADLINE))
		until [ "$(wc -l <piece)" -ge $want ]; do
			[ $SECONDS -lt $end ] || fail "nothing is read: $(cat err)"
			[ $((i % 3)) != 0 ] || [ -e "killed-$i" ] || {
				touch "killed-$i"
				kill_server
				restart_server
			}
		done
		kill -KILL $pid
		wait $pid || :
		# The last line may lack its end.
		head -n "$(wc -l <piece)" piece >>pieces
	done
	end_writer
	mkdir a/end
	begin_tail --state position
	read_to end
	finish "$pid"
	cat lines >>pieces
	awk -F '[:,]' '
		/"event":"rescan"/ { old = $2 < last }
		old && (/"event":"rescan"/ || /^{"seq":0,/ || /"snapshot"/) { next }
		/^{"seq":[1-9]/ && !/"rescan"/ { if ($2 <= last) next; last = $2 }
		{ print }' pieces >lines
	jq 'select(.event and .event != "rescan" and .seq > 0) | .seq' lines >numbers
	equal "$(seq "$(wc -l <numbers)")" "$(cat numbers)" numbers
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
	read_all end before
	cat before lines >all
	mv all lines
	check_numbers
	equal "$(on_disk)" "$(replay)"
	finish "$daemon"
}

# Waits until err has this text.
says() {
	local end=$((SECONDS + DEADLINE))
	until grep -qF -- "$1" err 2>/dev/null; do
		[ $SECONDS -lt $end ] || fail "it never says: $1: $(cat err)"
	done
}
# A daemon with the shares a and b, and their stream.
begin_two() {
	prepare_stream
	mkdir b
	sed -i "s|^\[sink n\]|[share b]\npath = $PWD/b\n&|" conf
	begin_daemon
	stored 4
}

test_a_share_that_the_stream_lacks_is_reported() {
	local url
	begin_two
	url=nats:nats://127.0.0.1:$port
	start "$B/hostwatch" tail "$url/hostwatch.nosuch"
	says 'no event of hostwatch.nosuch in stream hostwatch yet, waiting; shares there: hostwatch.a, hostwatch.b'
	finish "$pid"
	start "$B/hostwatch" tail --share nosuch "$url"
	says 'no event of share nosuch below hostwatch in stream hostwatch yet, waiting; shares there: hostwatch.a, hostwatch.b'
	finish "$pid"
	finish "$daemon"
}

test_the_state_of_another_share_is_refused() {
	local status=0
	begin_two
	echo 'hostwatch-tail 1 b 0000000000000001 7' >state
	timeout $DEADLINE "$B/hostwatch" tail --retry --state state "nats:nats://127.0.0.1:$port/hostwatch.a" 2>err || status=$?
	equal 1 $status
	equal 'hostwatch tail: hostwatch.a is the subject of another share than b, which --share or the file of --state names' "$(cat err)"
	finish "$daemon"
}

# The trees of both shares are in the stream.
test_only_lines_of_the_chosen_share_are_shown() {
	begin_two
	start "$B/hostwatch" tail --json --all --share b "nats:nats://127.0.0.1:$port"
	next "$out" # hello names all shares, as that of a socket
	mkdir a/d b/d
	until [[ $line == *'"create"'* ]]; do
		next "$out"
		[[ $line != *'"a"'* ]] || fail "$line"
	done
	finish "$pid"
	finish "$daemon"
}

run_tests
