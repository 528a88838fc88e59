# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What happens seldom: whole trees that move, exchanges, lost events, other programs' faults.

: "${VM_FUZZ_SECONDS:=8}" "${VM_FUZZ_SEED:=$RANDOM}"

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

test_read_only_mount_is_told_as_well() {
	vm_run "mkdir -p /ro; mount -t virtiofs -o ro share0 /ro" || return 1
	guest_watch A "$events" "/ro/$name" || return 1
	echo text >"$dir/file"
	vm_wait "^A /ro/$name/ CLOSE_WRITE,CLOSE file 0\$" || return 1
	vm_run "killall inotifywait; umount /ro"
}

test_hostile_frames_do_no_harm() {
	mkdir -p "$dir/a/b" "$dir/b" "$dir/sub"
	: >"$dir/file"
	ln -s / "$dir/link"
	vm_run "mkdir -p /bound; mount --bind /mnt/$name /bound" || return 1
	vm_run "inotifywait -m -r /mnt/$name >/dev/null 2>&1 </dev/null &" || return 1
	vm_seconds=$((VM_FUZZ_SECONDS + 60)) vm_run "vm-fuzz /bound $VM_FUZZ_SECONDS $VM_FUZZ_SEED; r=\$?; umount /bound; [ \$r = 0 ]" || {
		echo "    seed $VM_FUZZ_SEED: $vm_output"
		return 1
	}
	echo "    ${vm_output%$'\n'}"
	guest_watch A "$events" "/mnt/$name" || return 1
	guest_barrier && vm_run "ls -R /mnt/$name >/dev/null; cat /mnt/$name/file"
}

# The mount goes while it is bound: the agent waits for it, and tells then what happened meanwhile.
test_mount_can_go_while_it_is_bound() {
	vm_run "killall inotifywait; cd /; umount /mnt" || {
		echo "    $vm_output"
		return 1
	}
	vm_wait 'agent .*the mount is gone; waiting for it' || return 1
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

test_kernel_has_nothing_to_complain_about() {
	local complaints
	complaints=$(grep -E 'BUG|WARNING|Oops|Call Trace|still in use|Poison|Redzone|Busy inodes|hung' "$vm_dir/console") || return 0
	printf '    %s\n' "$complaints"
	return 1
}
