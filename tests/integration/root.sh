#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A root that was replaced: what the daemon says of it, and how it is accepted.
script=$(realpath "$0")
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Starts the daemon with a share that is a link to release-1, watched by $1 or what is best.
daemon() {
	mkdir -p release-1 release-2
	ln -s release-1 current
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share src]
		path = $PWD/current
		watcher = ${1-auto}
		interval = 50ms
	EOF
	start "$B/hostwatchd" -c conf
	daemon=$pid
	log "hostwatchd: ready: "
}

# Waits for a text in the log of the daemon.
log() {
	local end=$((SECONDS + DEADLINE))
	until grep -qF "$1" err 2>/dev/null; do
		kill -0 "$daemon" 2>/dev/null || fail "hostwatchd ended: $(cat err)"
		[ $SECONDS -lt $end ] || fail "not logged: $1; but: $(cat err)"
	done
}

ask() {
	"$B/hostwatch" "$1" --socket "$PWD/control" "${@:2}"
}

test_explain_shows_where_links_lead() {
	mkdir release-1
	ln -s release-1 current
	contains "$("$B/hostwatch" explain current | xargs)" "start only: current -> $PWD/release-1"
	contains "$("$B/hostwatch" explain --json "$PWD/current")" "\"resolved\":\"$PWD/release-1\""
	[[ $("$B/hostwatch" explain release-1) != *'->'* ]] || fail "no link, but shown as one"
	printf '[share src]\npath = %s\n' "$PWD/current" >conf
	contains "$("$B/hostwatch" explain -c conf | xargs)" "start only: $PWD/current -> $PWD/release-1"
}

test_a_refused_root_is_offline_until_a_reload_accepts_it() {
	daemon
	mv release-1 old
	ln -s release-2 release-1
	log 'release-1" is now a symbolic link'
	contains "$(ask status)" "offline"
	contains "$(ask status)" "run 'hostwatch reload'"
	contains "$(ask status --json)" '"state":"offline"'
	ask reload
	ask sync src
	contains "$(ask status)" "online"
	[[ $(ask status) != *'symbolic link'* ]] || fail "still refused"
	touch release-2/file
	ask sync src
	contains "$(ask status --json)" '"entries":2'
	finish "$daemon"
}

test_a_reload_follows_a_link_that_was_changed() {
	daemon
	touch release-2/file
	ln -sfn release-2 current
	ask sync src
	contains "$(ask status --json)" '"entries":1'
	ask reload
	ask sync src
	contains "$(ask status --json)" '"entries":2'
	finish "$daemon"
}

test_a_reload_leaves_what_it_cannot_accept_offline() {
	[ "$(id -u)" = 0 ] || skip "only root can give a link to another user"
	daemon
	mv release-1 old
	ln -s release-2 release-1
	chown -h 65534 release-1
	log 'release-1" is now a symbolic link'
	ask reload
	contains "$(ask status)" "is now a symbolic link"
	rm release-1
	mv old release-1
	log "has reappeared"
	ask sync src
	contains "$(ask status)" "online"
	finish "$daemon"
}

# A user who may write to the directory can mount one there, and choose its owner and content.
fuse_over_the_root() {
	daemon
	start "$B/tests/fuse-endless" release-1 5
	await "$out" mounted
	log 'is now on a FUSE filesystem'
	contains "$(ask status)" "offline"
	umount --lazy release-1 # ends the server
	log "has reappeared"
	ask sync src
	contains "$(ask status)" "online"
	finish "$daemon"
}

# Unmounts the root, which is in use only while hostwatchd reads it.
unmount() {
	local end=$((SECONDS + DEADLINE))
	until umount release-1 2>umount.err; do
		[ $SECONDS -lt $end ] || fail "$(cat umount.err)"
	done
}

# Waits until the share is online with this many entries.
has_entries() {
	local end=$((SECONDS + DEADLINE)) status=""
	until [[ $status == *'"state":"online"'*"\"entries\":$1,"* ]]; do
		[ $SECONDS -lt $end ] || fail "not $1 entries: $status"
		ask sync src
		status=$(ask status --json)
	done
}

# A kernel without unique IDs of mounts.
is_before() {
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" != "$1" ]
}

# The root is a mount point, which is unmounted and mounted again.
root_is_a_mount() {
	mkdir release-1
	mount -t tmpfs none release-1
	daemon "$1"
	mkdir release-1/directory
	touch release-1/directory/file
	ask sync src
	contains "$(ask status --json)" '"entries":3'
	if is_before 6.8; then umount --lazy release-1; else unmount; fi
	log "was deleted, moved or unmounted" # the directory below it takes its place
	has_entries 1
	mount -t tmpfs none release-1
	touch release-1/file
	has_entries 2
	finish "$daemon"
}

# While hostwatchd does nothing, the filesystem is unmounted, and it, or another one, is mounted.
root_is_mounted_anew() {
	is_before 6.8 && return
	local end=$((SECONDS + DEADLINE))
	mkdir release-1 data data/directory
	mount --bind data release-1
	daemon "$1"
	ask sync src
	# It may be reading when it is stopped.
	until freeze "$daemon" && umount release-1 2>umount.err; do
		thaw "$daemon"
		[ $SECONDS -lt $end ] || fail "$(cat umount.err)"
	done
	touch data/directory/first
	if [ "$2" = same ]; then mount --bind data release-1; else mount -t tmpfs none release-1; fi
	thaw "$daemon"
	log "has reappeared"
	touch release-1/second
	has_entries "$3"
	finish "$daemon"
}

in_mounts() {
	local why
	[ "$(id -u)" = 0 ] || skip "only root can mount without fusermount"
	why=$(lacks_mounts)
	[ -z "$why" ] || skip "$why"
	unshare --mount "$script" --inside "$PWD" "$@" || fail "see above"
}

with_each_watcher() {
	local watcher
	for watcher in inotify fanotify polling; do
		mkdir "$watcher"
		(cd "$watcher" && in_mounts "$1" "$watcher" "${@:2}") || exit
	done
}

test_a_root_that_is_a_mount_point_is_unmounted() { with_each_watcher root_is_a_mount; }
test_the_filesystem_of_the_root_is_mounted_anew() { with_each_watcher root_is_mounted_anew same 4; }
test_another_filesystem_is_mounted_at_the_root() { with_each_watcher root_is_mounted_anew other 2; }

test_a_fuse_mount_over_the_root_is_refused() {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	in_mounts fuse_over_the_root
}

if [ "${1-}" = --inside ]; then
	cd "$2"
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	"${@:3}"
else
	run_tests
fi
