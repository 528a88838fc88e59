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

# As the kernel merges them: it does not look at cookies.
echo_merged() {
	sed -E 's/( MOVED_[A-Z,]+ [^ ]+) [0-9]+$/\1/' | uniq
}

# The guest's command is told as on a disk of its own.
echo_told_once() { # COMMAND [COMMAND_OF_GUEST]
	local difference
	echo_local "$1" && guest_watch A "$events" "/mnt/$name/" || return 1
	vm_run "cd /mnt/$name && ${2-$1}; cd /" && guest_barrier || return 1
	difference=$(diff <(printf '%s\n' "${echo_expected[@]}" | echo_merged) <(guest_lines A | echo_merged)) && return 0
	printf '%s\n' "    '$1' on a tmpfs (<) and here (>), of ${#echo_expected[@]} lines:" "$difference"
	return 1
}

# The same names again and again within milliseconds: the host's word of a change comes when the name stands for the next file.
test_own_changes_at_full_speed_are_told_once() {
	echo_told_once 'vm-own . 10'
}

test_own_changes_at_random_are_told_once() {
	local seed directory=$dir test=$name name dir
	for seed in {1..8}; do
		name=$test/$seed dir=$directory/$seed
		mkdir "$dir" && host_sync && echo_told_once "vm-own . 100 $seed" || return 1
		vm_run 'killall inotifywait' && vm_forget
	done
}

# The host speaks when everything is over.
test_own_changes_told_late_are_told_once() {
	local late='killall -STOP hostwatch-guest; %s; killall -CONT hostwatch-guest'
	# shellcheck disable=SC2059
	echo_told_once 'vm-own . 3' "$(printf "$late" 'vm-own . 3')"
}

# Writes that go on while the program does something else: the kernel reports them when they are complete.
test_own_writes_by_io_uring_are_told_once() {
	local how direct
	for how in uring worker poll; do
		for direct in '' direct; do
			# a tmpfs has no O_DIRECT before Linux 6.6
			echo_told_once "vm-async $how $how$direct 20" "vm-async $how $how$direct 20 $direct" || return 1
			vm_run 'killall inotifywait' && vm_forget
		done
	done
}

# The kernel does not report writes by io_submit(2). Those that the host reports before the program's next change are told.
test_own_writes_by_aio_are_told_once_at_most() {
	local direct told difference
	for direct in '' direct; do
		echo_local "vm-async aio aio$direct 20" && guest_watch A "$events" "/mnt/$name/" || return 1
		vm_run "cd /mnt/$name && vm-async aio aio$direct 20 $direct; cd /" && guest_barrier || return 1
		told=$(guest_lines A)
		echo "    ${direct:-cached}: $(grep -c ' MODIFY ' <<<"$told") of 20 series of writes are told"
		difference=$(diff <(printf '%s\n' "${echo_expected[@]}" | echo_merged) <(grep -v ' MODIFY ' <<<"$told" | echo_merged)) &&
			(($(grep -c ' MODIFY ' <<<"$told") <= 20)) || {
			printf '%s\n' "    on a tmpfs (<) and here (>), of ${#echo_expected[@]} lines:" "$difference"
			return 1
		}
		vm_run 'killall inotifywait' && vm_forget
	done
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
# it reads what was written last. A file that is removed and made again between two looks of polling is one that was replaced.
test_host_changes_soon_after_own_ones_are_told() {
	local ms a="A /mnt/$name/" made="CREATE file 0"
	[ "$guest_watcher" != polling ] || made="(CREATE file 0|MOVED_TO file [0-9a-f]*)"
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
			echo_host_after $ms 'rm file' ': >file' "$a $made" &&
			echo_host_after $ms 'rm file' 'mkdir file' "$a CREATE,ISDIR file 0" &&
			echo_host_after $ms 'mv file moved; mv moved file' 'rmdir file' "$a DELETE,ISDIR file 0" || return 1
	done
}

# What the last look of R at each name found is what there is. It lists the directory last.
echo_is_seen() { # DIRECTORY
	local file size listed seen
	for file in a b c new; do
		size=$(stat -c %s "$1/$file" 2>/dev/null) && listed=yes || size=- listed=no
		seen=$(sed -n "s/^R .* $file \([-0-9]*\) [^ ]* \(yes\|no\)$/\1 \2/p" <<<"$vm_lines" | tail -n 1)
		[[ $seen != *' no' ]] || seen='- no'
		[ "$seen" = "$size $listed" ] || [ "$seen$listed" = no ] || {
			echo "    of $file '$seen' was seen last, and there is '$size $listed'"
			return 1
		}
	done
}

# Both at once, the same names. R looks at names three times for each event, so it is long behind the other watcher.
test_host_changes_among_own_ones_are_told() {
	local seed host
	[ "$guest_watcher" != polling ] || guest_skip "polling does not see what is made and removed between two looks" || return
	guest_watch A -e create --include barrier "/mnt/$name" && vm_run "vm-reader /mnt/$name 2>&1 </dev/null | mark R &" &&
		vm_wait "^R Watches established" || return 1
	for seed in {1..6}; do
		while :; do "$vm/vm-own" "$dir" 2 $RANDOM; done &
		host=$!
		vm_run "vm-own /mnt/$name 100 $seed"
		kill $host
		wait $host 2>/dev/null
		guest_barrier && vm_wait "^R CREATE barrier$guest_barriers " && echo_is_seen "$dir" || {
			echo "    seed $seed"
			return 1
		}
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

# Nor does what polling saw of it at last.
test_own_changes_that_the_host_saw_as_one_hide_nothing() {
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "cd /mnt/$name; for i in 1 2 3; do : >file; rm file; done; : >file; cd /" && guest_barrier || return 1
	vm_forget
	rm "$dir/file"
	guest_expect A "$name/ DELETE file"
}

# The file that a program here has changed before is gone when the host's words of its own change come.
test_host_changes_of_what_is_gone_are_told() {
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run "cd /mnt/$name; echo 1 >file; cd /" && guest_barrier && vm_run 'killall -STOP hostwatch-guest' || return 1
	vm_forget
	echo 2 >>"$dir/file"
	host_sync && rm "$dir/file" && host_sync && vm_run 'killall -CONT hostwatch-guest' || return 1
	guest_expect A \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ DELETE file"
}

# What is held open for writing is not waited for.
test_host_changes_of_open_files_are_told_at_once() {
	local i took since
	for ((i = 0; i < 100; i++)); do
		: >"$dir/free$i"
		: >"$dir/open$i"
	done
	guest_watch A -e modify "/mnt/$name" || return 1
	vm_run "(for i in \$(seq 0 99); do eval \"exec \$((i + 10))>>/mnt/$name/open\$i\"; done; echo '| holds'; exec sleep 1000) &" &&
		vm_wait 'holds' || return 1
	for i in free open; do
		since=${EPOCHREALTIME/./}
		echo_append $i && vm_wait "^A .* MODIFY ${i}99 0\$" || return 1
		took+=($(((${EPOCHREALTIME/./} - since) / 1000)))
	done
	vm_run 'killall sleep'
	echo "    100 files changed: told in ${took[0]} ms; held open by a program: in ${took[1]} ms"
	((took[1] < took[0] * 3 + 1000))
}

echo_append() { # NAME
	local i
	for ((i = 0; i < 100; i++)); do
		echo more >>"$dir/$1$i" || return 1
	done
}

# Beyond the limit they are told twice, and counted.
test_own_changes_beyond_the_limit_are_counted() {
	local count
	vm_run 'killall inotifywait hostwatch-guest 2>/dev/null; wait; echo 20 >/sys/module/hostwatch/parameters/own_changes_max' && guest_agent_start || return 1
	for count in 10 11; do
		vm_run "cd /mnt/$name; killall -STOP hostwatch-guest; for i in \$(seq $count); do mkdir d$count-\$i; done; cd /; killall -CONT hostwatch-guest" &&
			host_sync && guest_watch A -e create "/mnt/$name" && guest_barrier && guest_count forgotten || return 1
		((count == 10 ? guest_number == 0 : guest_number > 0)) || {
			echo "    $count directories made, $guest_number records forgotten"
			return 1
		}
		vm_run 'killall inotifywait hostwatch-guest; wait' && guest_agent_start || return 1
	done
	vm_run 'killall hostwatch-guest; wait; echo 262144 >/sys/module/hostwatch/parameters/own_changes_max' && guest_agent_start
}

# A share with two file systems of the host in it, which have the same inode numbers.
test_file_systems_of_the_host_are_told_apart() {
	local sub told
	for sub in one two; do
		mkdir "$dir/$sub" && mount -t tmpfs "$sub" "$dir/$sub" || return 1
	done
	guest_sinks=2
	vm_select 2
	guest_boot && guest_daemon_reload && guest_agent_start && guest_watch B -e create "/mnt/$name" "/mnt/$name/one" "/mnt/$name/two" &&
		vm_run "cd /mnt/$name/one; for i in 1 2 3 4 5 6 7 8 9; do : >f\$i; done; cd /" && guest_barrier && vm_forget &&
		echo_files two && guest_barrier && told=$(grep -c "^B .*/two/ CREATE f[1-9] 0\$" <<<"$vm_lines")
	set -- $?
	vm_stop
	guest_sinks=1
	vm_select 1
	guest_daemon_reload
	umount "$dir/one" "$dir/two"
	[ "$1" = 0 ] && [ "$told" = 9 ] && return 0
	echo "    of 9 files that the host made in the other file system, ${told-none} are told"
	return 1
}

echo_files() { # DIRECTORY
	local i
	for i in 1 2 3 4 5 6 7 8 9; do
		: >"$dir/$1/f$i" || return 1
	done
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
