# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# Whatever stops in between: afterwards the guest's view is the disk's, and each change is told, once.

# What there is below a directory: names, modes, links, sizes, times, contents. The same program on both sides.
lasting_view='cd "$1" && find . | sort | xargs stat -c "%n %f %h %u" && find . ! -type d | sort | xargs stat -c "%n %s %Y" &&
	find . -type f | sort | xargs md5sum'

# What the guest finds is compared there and told as a sum: other programs may print meanwhile, into the midst of what is long.
lasting_same_view() {
	vm_run "busybox sh -c '$lasting_view' - /mnt/$name >/tmp/view; md5sum </tmp/view" || return 1
	busybox sh -c "$lasting_view" - "$dir" >"$vm/disk"
	! grep -qF "$(md5sum <"$vm/disk")" <<<"$vm_output" || return 0
	vm_run 'cat /tmp/view'
	diff -U0 "$vm/disk" - <<<"${vm_output%$'\n'}" >"$vm/difference"
	echo "    on the disk (-), in the guest (+):"
	sed '1,3d; s/^/    /' "$vm/difference" | sed 40q
	return 1
}

# A tree that the guest has in its caches, data too, and an inotifywait that goes through all of the test. It calls what
# it watches as it did at the beginning.
lasting_begin() {
	local i
	mkdir -p "$dir/a/b" "$dir/c"
	for i in 1 2 3 4 5 6 7 8; do
		echo "$i" >"$dir/a/$i"
		echo "$i" >"$dir/a/b/$i"
	done
	guest_unwatched && guest_watch A "$events" "/mnt/$name/" "/mnt/$name/a" "/mnt/$name/a/b" "/mnt/$name/c" && lasting_same_view && guest_barrier && guest_examined 4 && vm_forget
}

# Some of everything. Each is seen before the next one, so that no watcher merges them.
lasting_steps() { # COMMAND...
	local step
	for step; do
		(cd "$dir" && eval "$step") && host_sync || return 1
	done
}

lasting_change() {
	lasting_steps 'echo new >a/new' 'echo more >>a/1' 'mv a/2 c/2' 'rm a/3' 'mv a/b c/b' 'echo 4 >.tmp' 'mv .tmp a/4' \
		'chmod 600 a/5' 'mkdir c/made' ': >c/b/later'
}

# What that is told as, once.
lasting_change_is_told() {
	guest_expect A \
		"$name/a/ CREATE new" \
		"$name/a/ MODIFY new" \
		"$name/a/ CLOSE_WRITE,CLOSE new" \
		"$name/a/ MODIFY 1" \
		"$name/a/ CLOSE_WRITE,CLOSE 1" \
		"$name/a/ MOVED_FROM 2 1" \
		"$name/c/ MOVED_TO 2 1" \
		"$name/a/ DELETE 3" \
		"$name/a/ MOVED_FROM,ISDIR b 2" \
		"$name/c/ MOVED_TO,ISDIR b 2" \
		"$name/a/b/ MOVE_SELF" \
		"$name/ CREATE .tmp" \
		"$name/ MODIFY .tmp" \
		"$name/ CLOSE_WRITE,CLOSE .tmp" \
		"$name/ MOVED_FROM .tmp 3" \
		"$name/a/ MOVED_TO 4 3" \
		"$name/a/ ATTRIB 5" \
		"$name/c/ CREATE,ISDIR made" \
		"$name/a/b/ CREATE later" \
		"$name/a/b/ CLOSE_WRITE,CLOSE later"
}

# Everything works as on the first day.
lasting_works() {
	lasting_same_view && guest_barrier || return 1
	vm_forget
	lasting_steps 'mkdir a/after' 'echo text >a/file' 'echo more >>a/file' 'mv a/file c/file' 'rm c/file' 'rmdir a/after' &&
		guest_expect A \
			"$name/a/ CREATE,ISDIR after" \
			"$name/a/ CREATE file" \
			"$name/a/ MODIFY file" \
			"$name/a/ CLOSE_WRITE,CLOSE file" \
			"$name/a/ MODIFY file" \
			"$name/a/ CLOSE_WRITE,CLOSE file" \
			"$name/a/ MOVED_FROM file 1" \
			"$name/c/ MOVED_TO file 1" \
			"$name/c/ DELETE file" \
			"$name/a/ DELETE,ISDIR after" && lasting_same_view && lasting_no_complaint
}

lasting_no_complaint() {
	! grep -E 'BUG|WARNING|Oops|Call Trace|still in use|Poison|Redzone|Busy inodes|hung' "$vm_dir/console" | sed 's/^/    /' | grep .
}

# The difference is told, in an order that depends on that of the names in the directories.
lasting_difference_is_told() { # LINE...
	local told
	vm_wait '^agent .*\] compared what programs watch' && guest_barrier || return 1
	told=$(guest_lines A | sort)
	[[ $told == "$(printf '%s\n' "$@" | sort)" ]] && return 0
	echo "    not what was expected (-) is told (+):"
	diff -U99 <(printf '%s\n' "$@" | sort) <(printf '%s\n' "$told") | sed '1,3d; s/^/    /'
	return 1
}

lasting_reconnected() {
	vm_wait '^agent .*\] connected, at event'
}

test_agent_is_killed_and_started_again() {
	lasting_begin && vm_run 'killall -9 hostwatch-guest' && lasting_change && guest_agent_start &&
		lasting_change_is_told && lasting_works
}

test_agent_is_stopped_and_started_again() {
	lasting_begin && vm_run 'killall hostwatch-guest' && lasting_change && guest_agent_start &&
		lasting_change_is_told && lasting_works
}

# The sink that is started again is another connection.
test_channel_is_cut_and_restored() {
	lasting_begin || return 1
	guest_sinks=0 guest_daemon_reload && vm_wait '^agent .*\] disconnected' && lasting_change && guest_daemon_reload &&
		lasting_reconnected && lasting_change_is_told && lasting_works
}

test_port_goes_and_comes_back() {
	lasting_begin && vm_qmp '{"execute":"device_del","arguments":{"id":"events"}}' &&
		vm_qmp_wait '"DEVICE_DELETED".*"events"' && vm_wait '^agent .*\] disconnected' && lasting_change || return 1
	vm_qmp '{"execute":"device_add","arguments":{"driver":"virtserialport","id":"events","chardev":"ev","name":"org.hostwatch.0","nr":"1"}}' &&
		lasting_reconnected && lasting_change_is_told && lasting_works
}

lasting_away_changes() {
	(cd "$dir" && echo new >a/new && echo more >>a/1 && rm a/3 && mv a/b c/b && mkdir c/made && : >c/b/later && echo four >a/.4 && mv a/.4 a/4)
}

lasting_away_is_told() {
	lasting_difference_is_told \
		"$name/a/ MOVED_FROM,ISDIR b 1" \
		"$name/c/ MOVED_TO,ISDIR b 1" \
		"$name/a/b/ MOVE_SELF" \
		"$name/a/ DELETE 3" \
		"$name/a/ CREATE new" \
		"$name/a/ MODIFY new" \
		"$name/a/ CLOSE_WRITE,CLOSE new" \
		"$name/a/ MOVED_TO 4 2" \
		"$name/a/ MODIFY 1" \
		"$name/a/ CLOSE_WRITE,CLOSE 1" \
		"$name/c/ CREATE,ISDIR made" \
		"$name/a/b/ CREATE later" \
		"$name/a/b/ CLOSE_WRITE,CLOSE later"
}

# Another run of the daemon knows nothing of the time before.
test_daemon_is_killed_and_started_again() {
	lasting_begin || return 1
	guest_daemon_stop -KILL
	vm_wait '^agent .*\] disconnected' && lasting_away_changes && guest_daemon_start && lasting_reconnected && lasting_away_is_told && lasting_works
}

# Nor does another run of the agent, except what the one before has left.
test_agent_and_daemon_are_both_started_again() {
	lasting_begin && vm_run "killall -TERM hostwatch-guest; while pidof hostwatch-guest >/dev/null; do usleep 50000; done" || return 1
	guest_daemon_stop -KILL
	lasting_away_changes && guest_daemon_start && vm_run 'hostwatch-guest 2>&1 </dev/null | mark agent &' && lasting_reconnected &&
		lasting_away_is_told && lasting_works
}

# Far behind, but the journal has it all.
test_guest_is_paused_during_ten_thousand_changes() {
	lasting_begin && lasting_paused 2500 many || return 1
	vm_seconds=$((vm_seconds * 5)) guest_barrier || return 1
	lasting_counts "$name/c/ CREATE" 2500 && lasting_counts "$name/c/ CLOSE_WRITE,CLOSE" 5000 &&
		lasting_counts "$name/c/ MOVED_FROM" 2500 && lasting_counts "$name/a/b/ MOVED_TO" 2500 && lasting_works
}

lasting_paused() { # FILES NAME
	local i
	vm_qmp '{"execute":"stop"}' || return 1
	for ((i = 0; i < $1; i++)); do
		: >"$dir/c/$2$i"
	done
	host_sync
	for i in "$dir/c/$2"*; do
		echo "$i" >>"$i"
	done
	host_sync
	busybox find "$dir/c" -name "$2*" -exec mv -t "$dir/a/b" {} +
	host_sync
	vm_qmp '{"execute":"cont"}'
}

lasting_counts() { # LINE TIMES
	local count
	count=$(guest_lines A | grep -c "^$1")
	((count == $2)) || echo "    $1: $count instead of $2"
	((count == $2))
}

# More than the journal and all buffers hold: the rest is a rescan.
test_guest_is_paused_until_the_journal_is_full() {
	guest_share_lines=('journal = 1M')
	guest_daemon_stop && vm_wait '^agent .*\] disconnected' && guest_daemon_start && lasting_reconnected && lasting_begin &&
		lasting_paused 1500 "$(printf '%0200d' 0)"
	guest_share_lines=()
	vm_wait '^agent .*\] compared what programs watch' && guest_barrier && lasting_counts "$name/a/b/ CREATE" 1500 && lasting_works
}

# Watchers of all kinds follow each other, and nobody in the guest notices.
test_watcher_is_changed_while_the_share_runs() {
	local watcher
	lasting_begin || return 1
	for watcher in polling inotify fanotify "$guest_watcher"; do
		"$build/hostwatch" switch --socket "$vm/control.sock" data "$watcher" || return 1
		lasting_works || {
			echo "    under $watcher"
			return 1
		}
	done
	vm_forget
	lasting_change && lasting_change_is_told
}

# The guest's end of the channel sees nothing of all that.
test_daemon_is_started_again_while_the_guest_is_paused() {
	lasting_begin && vm_qmp '{"execute":"stop"}' || return 1
	guest_daemon_stop -KILL
	echo new >"$dir/a/new"
	rm "$dir/a/3"
	guest_daemon_start && host_sync || return 1
	echo newer >"$dir/a/new"
	vm_qmp '{"execute":"cont"}'
	lasting_difference_is_told \
		"$name/a/ DELETE 3" \
		"$name/a/ CREATE new" \
		"$name/a/ MODIFY new" \
		"$name/a/ CLOSE_WRITE,CLOSE new" && lasting_works
}
