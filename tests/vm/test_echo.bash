# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# Programs of the guest change files, too: told once, by their own kernel, and the host's changes all the same.

# What the same program is told on a disk of the guest's own.
echo_local() { # COMMAND
	local told
	vm_run "mkdir -p /tmp/$name/ && inotifywait -m --format '%w %e %f %c' $events /tmp/$name/ 2>&1 </dev/null | mark L &" &&
		vm_wait '^L Watches established' && vm_run "cd /tmp/$name && $1 && : >last; cd /" && vm_wait '^L .* last 0$' || return 1
	mapfile -t echo_expected < <(sed 's, /tmp/, /mnt/,' <<<"$vm_lines" | vm_lines=$(cat) guest_lines L | grep -v ' last$')
	vm_run "killall inotifywait; rm -r /tmp/$name" && vm_forget
}

# The same names again and again within milliseconds: the host's word of a change may come when the name stands for the next file, and is then told
# again. Nothing else is told again, and nothing is left out.
test_own_changes_at_full_speed_are_told() {
	local difference again
	echo_local 'vm-own . 5' && guest_watch A "$events" "/mnt/$name/" || return 1
	vm_run "vm-own /mnt/$name 5" && guest_barrier || return 1
	difference=$(diff <(printf '%s\n' "${echo_expected[@]}") <(guest_lines A))
	again=$(grep -c '^>' <<<"$difference")
	echo "    $again of ${#echo_expected[@]} told again"
	grep -q '^<' <<<"$difference" || ((again > 5)) || return 0
	printf '%s\n' "    on a tmpfs (<) and here (>):" "$difference"
	return 1
}

# The host has told of each before the next one.
test_own_changes_one_by_one_are_told_once() {
	local step steps=('echo 1 >file' 'echo 2 >>file' ': >file' 'truncate -s 9 file' 'chmod 600 file' 'touch file' 'echo 3 >.tmp'
		'mv .tmp file' 'mkdir sub' 'mv file sub/moved' 'ln sub/moved hard' 'ln -s hard soft' 'mv hard back' 'rm sub/moved'
		'mv sub dir' 'rmdir dir' 'rm back' 'rm soft')
	echo_local "$(printf '%s && ' "${steps[@]}") :" && guest_watch A "$events" "/mnt/$name/" || return 1
	for step in "${steps[@]}"; do
		vm_run "cd /mnt/$name && $step; cd /" && guest_barrier || return 1
	done
	guest_expect A "${echo_expected[@]}"
}

# After the guest's change, and so long after the host has seen it, the host changes the same: a line like this is told.
echo_host_after() { # MS GUEST_COMMAND HOST_COMMAND LINE
	local after
	"$vm/vm-after" "$dir" file "$1" sh -c "cd '$dir' && $3" &
	after=$!
	vm_until vm_has_watch "$after" && vm_run "cd /mnt/$name && $2; cd /" && wait "$after" && guest_barrier || return 1
	vm_wait "^$4\$" || {
		echo "    $1 ms after '$2' the host's '$3' is not told"
		return 1
	}
	vm_forget
}

# R reads the file when it is told. Two writers that follow each other closely may be closed as one: what counts is that
# it reads what was written last.
test_host_changes_soon_after_own_ones_are_told() {
	local ms a="A /mnt/$name/"
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "inotifywait -m -e close_write --format %f /mnt/$name 2>&1 </dev/null |
		while read -r f; do echo \"| R \$f \$(tail -n 1 /mnt/$name/\$f 2>/dev/null)\"; done &"
	vm_wait '^R Watches established' || return 1
	for ms in 5 50 500; do
		echo_host_after $ms 'echo 1 >file' "echo host $ms >>file" "R file host $ms" &&
			echo_host_after $ms 'echo 2 >>file' 'rm file' "$a DELETE file 0" &&
			echo_host_after $ms ': >file' 'mv file moved' "$a (MOVED_TO moved [0-9a-f]*|CREATE moved 0)" &&
			echo_host_after $ms 'mv moved file' 'chmod 640 file' "$a ATTRIB file 0" &&
			echo_host_after $ms 'chmod 600 file' "echo again $ms >>file" "R file again $ms" &&
			echo_host_after $ms 'mv file moved; mv moved file' 'chmod 644 file' "$a ATTRIB file 0" &&
			echo_host_after $ms 'rm file' ': >file' "$a CREATE file 0" &&
			echo_host_after $ms 'rm file' 'mkdir file' "$a CREATE,ISDIR file 0" &&
			echo_host_after $ms 'mv file moved; mv moved file' 'rmdir file' "$a DELETE,ISDIR file 0" || return 1
	done
}

# What was made and removed again within one look of polling leaves nothing that hides what the host does later.
test_own_changes_that_the_host_never_saw_hide_nothing() {
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "cd /mnt/$name; for i in 1 2 3 4 5 6 7 8 9 10; do : >file; rm file; done; cd /" && guest_barrier || return 1
	vm_forget
	: >"$dir/file"
	guest_barrier || return 1
	rm "$dir/file"
	guest_expect A \
		"$name/ CREATE file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ DELETE file"
}

# One daemon, two machines.
test_two_guests_are_told_of_each_other() {
	echo_local 'vm-own . 1' && guest_watch A "$events" "/mnt/$name/" || return 1
	guest_sinks=2
	vm_select 2
	guest_boot && guest_daemon_reload && guest_agent_start && guest_watch B "$events" "/mnt/$name/" && echo_two_guests
	set -- $?
	vm_select 2
	vm_stop
	guest_sinks=1
	vm_select 1
	guest_daemon_reload
	return "$1"
}

# A change of the first guest, a barrier in both, a change of the second.
echo_two_guests() {
	local step from
	for step in '1 echo 1 >file' '2 echo 2 >>file' '1 mv file moved' '2 chmod 600 moved' '1 mkdir sub' '2 mv moved sub/moved' '1 mv sub/moved back' \
		'2 rmdir sub' '1 rm back'; do
		from=${step%% *}
		vm_select "$from"
		vm_run "cd /mnt/$name && ${step#* }; cd /" && guest_barrier || return 1
		vm_select $((3 - from))
		guest_barrier || return 1
	done
	for from in A B; do
		[[ $from == A ]] && vm_select 1 || vm_select 2
		guest_expect $from \
			"$name/ CREATE file" \
			"$name/ MODIFY file" \
			"$name/ CLOSE_WRITE,CLOSE file" \
			"$name/ MODIFY file" \
			"$name/ CLOSE_WRITE,CLOSE file" \
			"$name/ MOVED_FROM file 1" \
			"$name/ MOVED_TO moved 1" \
			"$name/ ATTRIB moved" \
			"$name/ CREATE,ISDIR sub" \
			"$name/ MOVED_FROM moved 2" \
			"$name/ MOVED_TO back 3" \
			"$name/ DELETE,ISDIR sub" \
			"$name/ DELETE back" || {
			echo "    in guest $vm_guest"
			return 1
		}
	done
}
