#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A directory that cannot be read or watched is one line in the log: its path, the cause, the remedy.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
NOBODY=65534

# Root may read everything: what is to fail runs as nobody, from a copy that nobody can reach.
stage() {
	user=$(id -u)
	programs=$B
	[ "$user" = 0 ] || return 0
	command -v setpriv >/dev/null || skip "no setpriv"
	user=$NOBODY
	programs=$PWD/stage
	mkdir stage
	cp -Rp "$B/hostwatch" "$B/hostwatchd" "$B/plugins" "$B/sinks" stage/
	chmod -R a+rX stage
	chown $NOBODY .
}

as_user() {
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid $NOBODY --regid $NOBODY --clear-groups --inh-caps=-all "$@"
	fi
	exec "$@"
}

# Changes of the shared directory, by the user that watches it.
act() (as_user "$@")

# Sets $out, $pid; events are JSON on $out, the log is in ./err.
watch() {
	exec {out}< <(as_user "$programs/hostwatch" watch --json --interval 50ms "$@" 2>>err)
	pid=$!
	started+=("$pid")
	next "$out"
}

await_log() {
	local end=$((SECONDS + DEADLINE))
	until grep -qE "$1" err; do
		[ $SECONDS -lt $end ] || {
			cat err
			fail "not logged: $1"
		}
	done
}

# Every event up to now was printed, so everything before it was logged.
barrier() {
	act touch "share/$1"
	await "$out" "\"path\":\"$1\""
}

problems() {
	grep -E ' (warning|error): ' err || :
}

unreadable() {
	echo "hostwatch: warning: share watch: cannot read directory \"$PWD/share/$1\": Permission denied;" \
		"changes below it may be missed; give uid $user read and search permission, or exclude it"
}

# Each with every watcher, and with those that auto tries.
each_watcher() {
	local base=$PWD watcher
	stage
	for watcher in auto inotify fanotify polling; do
		echo "watcher $watcher"
		mkdir "$base/$watcher"
		chmod 777 "$base/$watcher"
		cd "$base/$watcher"
		act mkdir -p share
		"$1" "$watcher"
	done
}

locked_from_the_start() {
	act mkdir -p share/locked/in share/open
	act chmod 000 share/locked
	watch --watcher "$1" "$PWD/share"
	barrier end
	equal "$(unreadable locked)" "$(problems)"
	# It is watched as soon as it can be read.
	act chmod 700 share/locked
	await "$out" '"locked/in"'
	act touch share/locked/in/new
	await "$out" '"path":"locked/in/new"'
	equal "$(unreadable locked)" "$(problems)"
	finish "$pid"
}
test_an_unreadable_directory_is_one_warning() {
	each_watcher locked_from_the_start
}

locked_when_it_appears() {
	watch --watcher "$1" "$PWD/share"
	act mkdir -m 000 share/late
	await "$out" '"event":"create","type":"dir","path":"late"'
	await_log 'cannot read'
	barrier one
	barrier two
	equal "$(unreadable late)" "$(problems)"
	finish "$pid"
}
test_a_directory_that_appears_unreadable_is_one_warning() {
	each_watcher locked_when_it_appears
}

locked_at_run_time() {
	local end=$((SECONDS + 2 * DEADLINE))
	act mkdir -p share/dir/sub/deep
	watch --watcher "$1" "$PWD/share"
	act chmod 000 share/dir
	await_log 'cannot read'
	# By somebody who may: its parent cannot be searched by the watcher.
	if [ "$(id -u)" = 0 ]; then
		mkdir share/dir/new
		chown $NOBODY share/dir/new
	fi
	barrier one
	barrier two
	equal "$(unreadable dir)" "$(problems)"
	act chmod 700 share/dir
	act touch share/dir/sub/deep/file
	await "$out" '"path":"dir/sub/deep/file"'
	if [ "$(id -u)" = 0 ]; then
		act touch share/dir/new/file
		await "$out" '"path":"dir/new/file"'
	fi
	equal "$(unreadable dir)" "$(problems)"
	# Another loss of access is logged again, if the directory could be read in between.
	until [ "$(problems | wc -l)" = 2 ]; do
		[ $SECONDS -lt $end ] || fail "a second loss of access is not logged: $(problems)"
		act chmod 000 share/dir
		barrier "again$((again++))"
		act chmod 700 share/dir
		barrier "again$((again++))"
	done
	finish "$pid"
}
test_a_directory_that_becomes_unreadable_is_one_warning() {
	again=0
	each_watcher locked_at_run_time
}

unreadable_root() {
	local status mode
	for mode in 000 300 600; do
		act chmod $mode share
		status=0
		act "$programs/hostwatch" watch --watcher "$1" "$PWD/share" >text 2>&1 || status=$?
		equal 1 $status
		equal "hostwatch watch: cannot read directory \"$PWD/share\": Permission denied; give uid $user read and search permission" \
			"$(cat text)" "mode $mode"
	done
	act chmod 700 share
}
test_an_unreadable_root_is_one_error() {
	each_watcher unreadable_root
}

test_an_unreadable_root_is_one_error_of_the_daemon() {
	local status=0
	stage
	act mkdir -m 300 share
	printf '[hostwatch]\ncontrol =\n[share a]\npath = %s\n' "$PWD/share" >conf
	chmod a+r conf
	act "$programs/hostwatchd" -c conf >text 2>&1 || status=$?
	[ $status != 0 ] || fail "it starts"
	equal "hostwatchd: error: share a: cannot read directory \"$PWD/share\": Permission denied; give uid $user read and search permission" \
		"$(cat text)"
}

# The number of unreadable directories and names that status shows.
shows() {
	local end=$((SECONDS + DEADLINE)) text
	until text=$(act "$programs/hostwatch" status -j -s "$PWD/control") &&
		[[ $text =~ \"retrying\":"$1", ]]; do
		[ $SECONDS -lt $end ] || fail "not $1: $text"
	done
}
test_status_counts_what_is_unreadable() {
	stage
	act mkdir -p share/locked/in
	act chmod 000 share/locked
	printf '[hostwatch]\ncontrol = %s\n[share a]\npath = %s\n' "$PWD/control" "$PWD/share" >conf
	chmod a+r conf
	exec {out}< <(as_user "$programs/hostwatchd" -c conf 2>>err)
	pid=$!
	started+=("$pid")
	await_log 'ready: '
	shows 1
	contains "$(act "$programs/hostwatch" status -s "$PWD/control")" ', 1 unreadable, epoch '
	# A barrier does not wait for it.
	act "$programs/hostwatch" sync -s "$PWD/control" a
	act chmod 700 share/locked
	shows 0
	finish "$pid"
}

vanished() {
	act mkdir -p share/a share/b
	watch --watcher "$1" "$PWD/share"
	# shellcheck disable=SC2016 # the inner shell counts
	act bash -c 'for ((i = 0; i < 50; i++)); do mkdir -p share/x/y/z && touch share/x/y/z/f && rm -r share/x; done'
	barrier end
	equal "" "$(problems)"
	# Of the root it is one line, however long it is away.
	act mv share away
	await_log 'moved'
	act mkdir share
	await_log 'reappeared'
	barrier back
	equal "hostwatch: warning: share watch: \"$PWD/share\" was deleted, moved or unmounted; waiting for it to reappear" \
		"$(problems)"
	finish "$pid"
}
test_a_directory_that_vanishes_is_no_warning_and_a_root_is_one() {
	each_watcher vanished
}

limited() {
	unshare -Ur bash -c 'echo "$1" >"/proc/sys/user/$0" && shift && exec "$@"' "$@"
}
test_a_subtree_beyond_the_limit_of_watches_is_one_warning() {
	limited max_inotify_watches 3 true 2>/dev/null || skip "no user namespace with a limit of its own"
	mkdir -p share/{a,b,c}/{1,2,3}/{x,y,z}
	exec {out}< <(limited max_inotify_watches 3 "$B/hostwatch" watch --json --interval 50ms --watcher inotify \
		"$PWD/share" 2>>err)
	pid=$!
	started+=("$pid")
	next "$out"
	mkdir -p share/d/{1,2,3}
	touch share/d/3/file
	await "$out" '"path":"d/3/file"'
	[ "$(problems | wc -l)" = 1 ] || {
		cat err
		fail "not one line"
	}
	for text in "inotify cannot watch \"$PWD/share/" user.max_inotify_watches "now 3" "sysctl user.max_inotify_watches=" \
		"polling takes over"; do
		contains "$(problems)" "$text"
	done
}

run_tests
