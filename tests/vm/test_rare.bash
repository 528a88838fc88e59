# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What happens seldom: whole trees that move, exchanges, lost events, other programs' faults.

# inotifywait learns the new name of what it watches from the two halves.
test_tree_keeps_its_watches_when_it_moves() {
	mkdir -p "$dir/a/b" "$dir/to"
	guest_watch A "$events" -r "/mnt/$name" || return 1
	mv "$dir/a" "$dir/to/a"
	guest_barrier || return 1
	: >"$dir/to/a/b/file"
	guest_expect A \
		"$name/ MOVED_FROM,ISDIR a 1" \
		"$name/to/ MOVED_TO,ISDIR a 1" \
		"$name/to/a/ MOVE_SELF" \
		"$name/to/a/b/ CREATE file" \
		"$name/to/a/b/ CLOSE_WRITE,CLOSE file"
}

test_exchange_is_two_pairs() {
	mkdir "$dir/one"
	: >"$dir/two"
	: >"$dir/one/inner"
	guest_watch A "$events" "/mnt/$name" || return 1
	"$vm/exchange" "$dir/one" "$dir/two" || return 1
	guest_expect A \
		"$name/ MOVED_FROM,ISDIR one 1" \
		"$name/ MOVED_TO,ISDIR two 1" \
		"$name/ MOVED_FROM two 2" \
		"$name/ MOVED_TO one 2" || return 1
	vm_run "ls /mnt/$name/two; cat /mnt/$name/one" && [[ $vm_output == $'inner\n' ]]
}

test_symbolic_links_and_hard_links_are_entries() {
	: >"$dir/file"
	guest_watch A "$events" "/mnt/$name" || return 1
	ln -s /etc/passwd "$dir/soft"
	guest_barrier || return 1
	ln "$dir/file" "$dir/hard"
	guest_barrier || return 1
	rm "$dir/file" "$dir/soft"
	guest_expect A \
		"$name/ CREATE soft" \
		"$name/ CREATE hard" \
		"$name/ DELETE file" \
		"$name/ DELETE soft"
}

# Traces 116 to 118 are not run in guests: this is what of them a guest can see. While the root is away nothing is known of it but that.
test_root_that_goes_away_and_comes_back_is_told() {
	guest_watch A "$events" "/mnt/$name" || return 1
	mv "$share" "$vm/away" || return 1
	vm_wait "^A /mnt/$name/ ATTRIB,ISDIR"
	set -- $?
	: >"$vm/away/$name/while-away"
	mv "$vm/away" "$share"
	[ "$1" = 0 ] && vm_wait "^A /mnt/$name/ CREATE while-away 0\$" || return 1
	: >"$dir/file"
	vm_wait "^A /mnt/$name/ CREATE file 0\$"
}

# A mount of the guest below a directory that the host takes away is detached: it would be in the way of every umount. It is in
# a directory that is watched, and in one that is not.
rare_mount_goes() { # HOST_COMMAND
	local sub
	for sub in a b; do
		mkdir -p "$dir/$sub/mid/point" || return 1
	done
	guest_watch A "$events" "/mnt/$name" "/mnt/$name/a" "/mnt/$name/a/mid" &&
		vm_run "for sub in a b; do mount -t tmpfs inner /mnt/$name/\$sub/mid/point || exit 1; done" || return 1
	(cd "$dir" && eval "$1") && guest_barrier && vm_run "ls -R /mnt/$name >/dev/null; killall inotifywait; cat /proc/mounts" || return 1
	! grep "^inner /mnt/$name" <<<"$vm_output" || return 1
	# the file system is not in use any more
	vm_run "killall hostwatch-guest; wait; umount /mnt && mount -t virtiofs share0 /mnt" || {
		echo "    $vm_output"
		return 1
	}
	guest_agent_start
}

test_mount_below_a_directory_that_leaves_can_go() {
	rare_mount_goes "mv a '$vm/left-a'; mv b '$vm/left-b'"
	set -- $?
	rm -rf "$vm/left-a" "$vm/left-b"
	return "$1"
}

test_mount_below_a_directory_that_is_deleted_can_go() {
	rare_mount_goes 'rm -r a b'
}

test_read_only_mount_is_told_as_well() {
	vm_run "mkdir -p /ro; mount -t virtiofs -o ro share0 /ro" || return 1
	guest_watch A "$events" "/ro/$name" || return 1
	echo text >"$dir/file"
	vm_wait "^A /ro/$name/ CLOSE_WRITE,CLOSE file 0\$" || return 1
	vm_run "killall inotifywait; umount /ro"
}

# The mount goes while it is bound, by several: the agent waits for it, and tells then what happened meanwhile.
test_mount_can_go_while_it_is_bound() {
	vm_run "killall inotifywait; cd /; vm-device /mnt umount" || {
		echo "    $vm_output"
		return 1
	}
	vm_wait 'agent .*the mount was unmounted; waiting for it' || return 1
	: >"$dir/while-away"
	vm_run "mount -t virtiofs share0 /mnt" || return 1
	vm_wait '^agent .*\] connected, at event' || return 1
	guest_watch B "$events" "/mnt/$name" || return 1
	: >"$dir/file"
	vm_wait "^B /mnt/$name/ CREATE file 0\$"
}

test_module_can_be_unloaded_when_nobody_has_it_open() {
	vm_run 'killall inotifywait hostwatch-guest; wait; rmmod hostwatch' || return 1
	vm_run '[ ! -e /dev/hostwatch ] && umount /mnt'
}

# A kernel with lockdep must still have it on: it switches itself off at the first fault, and when it has no more memory.
test_kernel_has_nothing_to_complain_about() {
	! guest_complaints && vm_run '[ ! -e /proc/lockdep_stats ] || grep -q "debug_locks: *1" /proc/lockdep_stats'
}
