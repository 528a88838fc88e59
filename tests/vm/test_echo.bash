# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Programs of the guest change files, too: told once, by their own kernel, and the host's changes all the same.

test_own_changes_are_told_once() {
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "cd /mnt/$name; echo 1 >file" && guest_barrier || return 1
	vm_run "echo 2 >>file" && guest_barrier || return 1
	vm_run "mv file moved" && guest_barrier || return 1
	vm_run "chmod 600 moved" && guest_barrier || return 1
	vm_run "rm moved; mkdir sub; rmdir sub; cd /" || return 1
	guest_expect A \
		"$name/ CREATE file" \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ MOVED_FROM file 1" \
		"$name/ MOVED_TO moved 1" \
		"$name/ ATTRIB moved" \
		"$name/ DELETE moved" \
		"$name/ CREATE,ISDIR sub" \
		"$name/ DELETE,ISDIR sub"
}

# The answer of the guest's shell is the earliest that the host can know of its change.
test_change_of_the_host_after_an_own_one_is_told() {
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "echo 1 >/mnt/$name/file" || return 1
	echo 22 >>"$dir/file"
	vm_wait "^A /mnt/$name/ CREATE file" || return 1
	guest_barrier || return 1
	# the program's own may be told again: it cannot be told from the host's when that came close behind
	(($(grep -c 'CLOSE_WRITE,CLOSE file' <<<"$vm_lines") >= 2)) || return 1
	vm_run "rm /mnt/$name/file" || return 1
	: >"$dir/file"
	guest_barrier || return 1
	[[ $(grep -c 'CREATE file' <<<"$vm_lines") == 2 ]]
}
