#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A filesystem that stops answering: the share on it waits, and nothing else does.
script=$(realpath "$0")
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/silent_lib.bash
. "$(dirname "$0")/silent_lib.bash"

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

# The daemon serves everything but the share "far".
serves() {
	local before
	before=$(ask sync near)
	mkdir "near/$1"
	[ "$(ask sync near)" != "$before" ] || fail "the change was not reported"
	contains "$(ask status)" "does not answer since 2"
	[[ $(ask status --json) =~ '"silent_since":'[1-9] ]] || fail "no silent_since"
}

# The server continues, for the $1th time.
answers_again() {
	answer
	log "answers again" "$1"
	ask sync far >/dev/null
	[[ $(ask status) != *"does not answer"* ]] || fail "it answers"
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
		answers_again $count
	done
	ends
}

# The rest of a share goes on while the mount "far/below" is silent.
goes_on() {
	local before
	before=$(ask sync far)
	mkdir -p "far/here/$1"
	[ "$(ask sync far)" != "$before" ] || fail "the change beside the mount was not reported"
	serves "$1"
}

# Waits until the share "far" has this number of entries.
entries() {
	local end=$((SECONDS + DEADLINE))
	until [ "$(ask status --json | grep -o '"entries":[0-9]*' | head -n 1)" = "\"entries\":$1" ]; do
		[ $SECONDS -lt $end ] || fail "not $1 entries: $(ask status --json)"
	done
}

# The server of the mount "far/below" stops answering at one request after the other.
below_at_requests() {
	local request count=0
	mkdir -p far/below
	serve far/below
	daemon far
	ask sync far >/dev/null
	for request; do
		count=$((count + 1))
		echo "$request" >request
		await "$lines" silent
		log "below\" does not answer" $count
		goes_on "$request"
		entries $((8 + count)) # none of the mount is taken for deleted
		answers_again $count
	done
	ends
}

# The server does not answer when the share starts; $1: the request.
below_at_start() {
	mkdir -p far/below
	serve far/below "$1"
	daemon far
	await "$lines" silent
	log "does not answer"
	goes_on one
	ask reload
	goes_on two
	answer
	log "answers again"
	entries 10
	ends
}

# The mount "far/below" is removed while it does not answer, by umount(8) with option $1.
below_is_unmounted() {
	local end=$((SECONDS + DEADLINE))
	mkdir -p far/below
	serve far/below
	daemon far
	ask sync far >/dev/null
	echo readdir >request
	await "$lines" silent
	log "does not answer"
	goes_on one
	# By force, the request fails first; then the mount is not busy any more.
	until umount "$1" far/below; do
		[ $SECONDS -lt $end ] || fail "not unmounted"
	done
	log "answers again"
	entries 4
	touch far/below/new
	ask sync far >/dev/null
	entries 5
	# Another server takes the place of the silent one.
	rm -f request answer
	serve far/below
	entries 9
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
	if [ "$1" = "$2" ]; then
		if ask switch far inotify >said 2>&1; then fail "switched: $(cat said)"; fi
		contains "$(cat said)" "does not answer"
	else
		ask switch far inotify
		goes_on switched
	fi
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
	goes_on one
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

test_a_root_that_stops_answering() { in_mounts at_requests far far lookup getattr opendir readdir open; }
test_a_root_below_a_mount_that_stops_answering() { in_mounts at_requests far far/d lookup getattr; }
test_a_share_goes_on_beside_a_mount_that_stops_answering() { in_mounts below_at_requests lookup getattr opendir readdir open; }
test_a_share_starts_beside_a_mount_that_does_not_answer() {
	local request
	for request in init statfs lookup getattr opendir readdir; do
		mkdir "$request"
		(cd "$request" && in_mounts below_at_start "$request") || exit
	done
}
test_a_mount_that_does_not_answer_is_unmounted_by_force() { in_mounts below_is_unmounted -f; }
test_a_mount_that_does_not_answer_is_detached() { in_mounts below_is_unmounted -l; }
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

run_silent "$@"
