#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A filesystem that stops answering: the share on it waits, and nothing else does.
script=$(realpath "$0")
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Mounts the filesystem of tests/fuse on directory $1; $2: the request at which it stops answering.
serve() {
	echo "${2-}" >request
	[ -p answer ] || mkfifo answer
	start "$B/tests/fuse-endless" "$1" 3 request <>answer
	server=$pid lines=$out
	await "$lines" mounted
}

# The server continues.
answer() {
	: >request
	echo >answer
}

# Starts the daemon with the shares "far", on directory $1, and "near", which is elsewhere.
daemon() {
	mkdir -p near
	cat >conf <<-EOT
		[hostwatch]
		control = $PWD/control
		user = root
		[share far]
		path = $PWD/$1
		watcher = polling
		interval = 50ms
		[share near]
		path = $PWD/near
	EOT
	start "$B/hostwatchd" -c conf
	daemon=$pid
	log "hostwatchd: ready: "
}

# Waits until a text is in the log of the daemon, $2 times.
log() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(grep -cF "$1" err)" -ge "${2-1}" ]; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "not logged: $1; but: $(cat err)"
	done
}

ask() {
	timeout $DEADLINE "$B/hostwatch" "$1" --socket "$PWD/control" "${@:2}"
}

# The daemon serves everything but the share "far".
serves() {
	local before
	before=$(ask sync near)
	mkdir "near/$1"
	[ "$(ask sync near)" != "$before" ] || fail "the change was not reported"
	contains "$(ask status)" "does not answer since 2"
	[[ $(ask status --json) =~ '"silent_since":'[1-9] ]] || fail "no silent_since"
}

# SIGTERM ends the daemon within two seconds, of which a busy machine may take some.
ends() {
	local begun
	begun=$(date +%s%N)
	finish "$daemon"
	[ $((($(date +%s%N) - begun) / 1000000)) -lt 4000 ] || fail "the daemon ended late"
}

# The server of mount $1 stops answering at one request after the other, while the daemon watches directory $2.
at_requests() {
	local request count=0
	mkdir -p "$1"
	serve "$1"
	daemon "$2"
	ask sync far >/dev/null
	for request in "${@:3}"; do
		count=$((count + 1))
		echo "$request" >request
		await "$lines" silent
		log "does not answer" $count
		serves "$request"
		answer
		log "answers again" $count
		ask sync far >/dev/null
		[[ $(ask status) != *"does not answer"* ]] || fail "it answers"
	done
	ends
}

at_the_end() {
	local child
	mkdir -p "$1"
	serve "$1"
	daemon "$2"
	echo readdir >request
	await "$lines" silent
	log "does not answer"
	if ask switch far inotify >said 2>&1; then fail "switched: $(cat said)"; fi
	contains "$(cat said)" "does not answer"
	ask reload
	serves one
	child=$(cat "/proc/$daemon/task/"*/children)
	child=${child// /}
	ends
	# It stays until the server answers, and holds nothing.
	equal "" "$(ls "/proc/$child/fd" 2>/dev/null)"
	[ ! -d "/proc/$child" ] || equal / "$(readlink "/proc/$child/cwd")"
	kill -KILL "$server"
}

at_start() {
	local end
	mkdir far
	serve far "$1"
	daemon far
	await "$lines" silent
	log "does not answer"
	serves one
	ask reload
	answer
	log "answers again"
	end=$((SECONDS + DEADLINE))
	until [ "$(ask status --json | grep -o '"state":"online"' | wc -l)" = 2 ]; do
		[ $SECONDS -lt $end ] || fail "not online: $(ask status)"
	done
	equal "$(ask status --json | grep -o '"entries":[0-9]*' | head -n 1)" '"entries":6'
	ends
}

# The mount appears below the share and never answers.
appears() {
	mkdir -p far/below
	daemon far
	ask sync far >/dev/null
	serve far/below init
	log "does not answer"
	serves one
	kill -KILL "$server"
	log "answers again"
	umount -l far/below
	touch far/new
	ask sync far >/dev/null
	ends
}

# The server has a layer of the overlay that is the root.
has_a_layer() {
	mkdir lower upper work far
	serve lower
	mount -t overlay none -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" far
	daemon far
	ask sync far >/dev/null
	echo "$1" >request
	await "$lines" silent
	log "does not answer"
	serves one
	answer
	log "answers again"
	ask sync far >/dev/null
	ends
}

# The request of a switch is not answered.
switches() {
	mkdir far
	serve far
	daemon far
	ask sync far >/dev/null
	echo statfs >request
	ask switch far inotify >said 2>&1 &
	local switch=$!
	await "$lines" silent
	log "does not answer"
	serves one
	answer
	log "answers again"
	if wait "$switch"; then fail "FUSE is for polling"; fi
	contains "$(cat said)" "fuse"
	ask sync far >/dev/null
	ends
}

# The share is removed while its filesystem does not answer.
is_removed() {
	mkdir far
	serve far
	daemon far
	echo readdir >request
	await "$lines" silent
	log "does not answer"
	sed '/share far/,/interval/d' conf >new
	mv new conf
	ask reload
	log "its watchers stop when it does"
	[[ $(ask status) != *far* ]] || fail "still there"
	[ "$1" = answered ] && answer
	mkdir near/one
	ask sync near
	ends
}

# ---- the state of shares on a filesystem that stops answering ----

# A directory "state" that the server has a layer of: each name that is looked up for the first time is a request.
state_on_a_layer() {
	mkdir -p lower upper work state near log
	chmod 700 state upper log
	serve lower
	mount -t overlay none -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" state
}

# Starts a daemon that keeps the state of two shares there. Does not wait until it is ready.
keep() {
	mkdir -p near other
	cat >conf <<-EOT
		[hostwatch]
		control = $PWD/control
		user = root
		state_dir = $PWD/state
		state_log_dir = $PWD/log
		[share near]
		path = $PWD/near
		interval = 50ms
		[share other]
		path = $PWD/other
		interval = 50ms
	EOT
	: >err
	start "$B/hostwatchd" -c conf
	daemon=$pid
}
epoch() { ask status --json | grep -o '"epoch":"[0-9a-f]*"' | head -n 1; }
online() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(ask status --json | grep -o '"state":"online"' | wc -l)" = 2 ]; do
		[ $SECONDS -lt $end ] || fail "not online: $(ask status); $(cat err)"
	done
}
kept() {
	local end=$((SECONDS + DEADLINE))
	until [ -e upper/near.open ] && [ -e upper/other.open ]; do
		[ $SECONDS -lt $end ] || fail "no snapshot: $(ls upper); $(cat err)"
	done
}
# Changes are reported.
reports() {
	local before
	before=$(ask sync near)
	mkdir "near/$1"
	[ "$(ask sync near)" != "$before" ] || fail "the change was not reported"
}

state_at_the_end() {
	local before
	state_on_a_layer
	keep
	log "hostwatchd: ready: "
	kept
	before=$(epoch)
	reports one
	echo lookup >request
	reports two
	ends
	contains "$(cat err)" "does not answer: its state is not written"
	answer
	# Nothing is lost: the log is in memory.
	keep
	log "hostwatchd: ready: "
	equal "$before" "$(epoch)"
	contains "$(cat err)" "after a run that did not stop cleanly"
	ends
	[ -e upper/near.state ] || fail "no state: $(ls upper)"
}

state_at_the_start() {
	local before
	state_on_a_layer
	keep
	log "hostwatchd: ready: "
	kept
	before=$(epoch)
	ends
	# Names that the kernel has looked up are no requests.
	umount state
	mount -t overlay none -o "lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work" state
	echo lookup >request
	keep
	await "$lines" silent
	contains "$(ask status)" near
	if [ "$1" = answered ]; then
		answer
		online
		equal "$before" "$(epoch)"
		contains "$(cat err)" "continues from the state"
		[[ $(cat err) != *"does not answer"* ]] || fail "$(cat err)"
	elif [ "$1" = never ]; then
		online
		[ "$before" != "$(epoch)" ] || fail "it has a state"
		contains "$(cat err)" "its state is not kept: the filesystem of state_dir, $PWD/state, does not answer; a new epoch begins"
		contains "$(ask status)" "restart hostwatchd when it does"
		reports one
	fi
	ends
}

in_mounts() {
	local why
	[ "$(id -u)" = 0 ] || skip "only root can mount without fusermount"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	why=$(lacks_mounts)
	[ -z "$why" ] || skip "$why"
	timeout $((4 * DEADLINE)) unshare --mount "$script" --inside "$PWD" "$@" || fail "see above"
}

test_a_root_that_stops_answering() { in_mounts at_requests far far lookup getattr opendir readdir open; }
test_a_root_below_a_mount_that_stops_answering() { in_mounts at_requests far far/d lookup getattr; }
test_a_mount_below_the_root_that_stops_answering() { in_mounts at_requests far/below far lookup getattr opendir readdir open; }
test_a_root_that_is_silent_at_the_end() { in_mounts at_the_end far far; }
test_a_mount_below_the_root_that_is_silent_at_the_end() { in_mounts at_the_end far/below far; }
test_a_start_that_waits() { in_mounts at_start lookup; }
test_a_start_that_waits_for_statfs() { in_mounts at_start statfs; }
test_a_start_that_waits_for_the_mount() { in_mounts at_start init; }
test_a_mount_that_appears_and_never_answers() { in_mounts appears; }
test_a_layer_of_an_overlay_that_stops_answering() { in_mounts has_a_layer readdir; }
test_a_switch_that_waits() { in_mounts switches; }
test_a_share_is_removed_while_it_waits() { in_mounts is_removed answered; }
test_a_share_is_removed_and_never_answers() { in_mounts is_removed never; }
test_a_state_that_is_silent_at_the_end() { in_mounts state_at_the_end; }
test_a_state_that_is_silent_at_the_start_and_answers() { in_mounts state_at_the_start answered; }
test_a_state_that_is_silent_at_the_start_and_never_answers() { in_mounts state_at_the_start never; }
test_the_end_of_a_start_that_waits_for_the_state() { in_mounts state_at_the_start stopped; }

if [ "${1-}" = --inside ]; then
	cd "$2"
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	"${@:3}"
else
	run_tests
fi
