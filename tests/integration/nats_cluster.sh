#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The nats sink and a cluster of three servers, of which one at a time is killed under load.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/nats_lib.bash
. "$(dirname "$0")/nats_lib.bash"
DEADLINE=150 # servers that elect a leader on a busy machine

pick_ports() { # COUNT
	local candidate
	ports=()
	while [ ${#ports[@]} -lt "$1" ]; do
		candidate=$((20000 + RANDOM % 10000))
		[[ " ${ports[*]} " != *" $candidate "* ]] && ! is_taken $candidate && ports+=("$candidate")
	done
}
# Servers that wait for a busy disk elect no leader: their files are in memory, if possible.
configure_cluster() {
	local i
	pick_ports 6
	store=$PWD
	if [ -w /dev/shm ]; then
		store=$(mktemp -d /dev/shm/hwtest-nats.XXXXXX)
		trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done; rm -rf "$store"' EXIT
	fi
	for i in 0 1 2; do
		printf '%s\n' "server_name: n$i" "listen: 127.0.0.1:${ports[i]}" "jetstream { store_dir: \"$store/js$i\" }" \
			"cluster { name: c, listen: 127.0.0.1:${ports[i + 3]}, routes: [ $(printf '"nats://127.0.0.1:%s", ' "${ports[@]:3}") ] }" >n$i.conf
	done
}
start_node() {
	nats-server -c "n$1.conf" 2>>"n$1.log" &
	nodes[$1]=$!
	started+=($!)
}
begin_cluster() {
	local i end=$((SECONDS + DEADLINE))
	configure_cluster
	for i in 0 1 2; do start_node $i; done
	port=${ports[0]}
	until (DEADLINE=5 api STREAM.CREATE.hostwatch "$(stream_config '' | sed 's/"num_replicas":1/"num_replicas":3/')") >/dev/null 2>&1; do
		! grep -q 'address already in use' n?.log || skip "a port was taken meanwhile"
		[ $SECONDS -lt $end ] || fail "no stream: $(tail -n 5 n?.log)"
	done
}
# Asks the leader of the stream, through any server that answers.
of_streams() {
	local end=$((SECONDS + DEADLINE)) text
	until text=$(DEADLINE=5 api STREAM.INFO.hostwatch '' >/dev/null 2>&1 && jq -e ".state.$1" <<<"$answer"); do
		[ $SECONDS -lt $end ] || fail "the cluster does not answer: $(tail -n 5 n?.log)"
	done
	echo "$text"
}
# Waits until there are this many messages. Servers that do not even say how many they have cannot store more.
stored() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(of_streams messages 2>/dev/null || echo 0)" -ge "$1" ] 2>/dev/null; do
		[ $SECONDS -ge $end ] || continue
		(DEADLINE=5 api STREAM.INFO.hostwatch '') >/dev/null 2>&1 || skip "the servers elect no leader: $(tail -n 1 n?.log)"
		fail "not stored: $(cat log)"
	done
}
# The number of the server to which the daemon is connected.
server_of_daemon() {
	local url i end=$((SECONDS + DEADLINE))
	while :; do
		url=$("$B/hostwatch" status --json | jq -r '.sinks[0].addresses[0] | select(.state == "connected").address')
		for i in 0 1 2; do [[ $url != *":${ports[i]}" ]] || return $i; done
		[ $SECONDS -lt $end ] || fail "not connected: $(cat log)"
	done
}

test_no_event_is_lost_when_servers_of_a_cluster_are_killed() {
	local round victim
	needs_server
	begin_cluster
	configure "url = nats://127.0.0.1:${ports[1]}" "url = nats://127.0.0.1:${ports[2]}"
	begin_daemon
	stored 2
	begin_writer
	for ((round = 0; round < ${NATS_ROUNDS:-3}; round++)); do
		victim=0
		server_of_daemon || victim=$?
		kill -KILL "${nodes[victim]}"
		wait "${nodes[victim]}" || :
		# The others go on.
		port=${ports[(victim + 1) % 3]}
		stored $(($(of_streams messages) + 20))
		start_node $victim
		stored $(($(of_streams messages) + 20))
	done
	end_writer
	mkdir a/end
	begin_tail
	read_until end
	equal "$(on_disk)" "$(replay)"
	jq 'select(.event and .event != "rescan" and .seq > 0) | .seq' lines >numbers
	sort -nuc numbers || fail 'a sequence number is there twice'
	echo "$round servers killed; $(wc -l <numbers) events, $(grep -c '"event":"rescan"' lines) rescans, $(on_disk | wc -l) entries" \
		>>"${NATS_RESULT:-/dev/null}"
	finish "$daemon"
}

run_tests
