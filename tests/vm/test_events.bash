# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# An unmodified inotifywait in the guest, changes on the host.

events='-e create -e modify -e close_write -e moved_from -e moved_to -e attrib -e delete -e move_self -e delete_self'

test_new_file_is_create_modify_close_write() {
	guest_watch A "$events" -r "/mnt/$name" || return 1
	echo text >"$dir/file"
	guest_expect A \
		"$name/ CREATE file" \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file"
}

test_data_attributes_and_deletion_of_a_file() {
	: >"$dir/file"
	guest_watch A "$events" -r "/mnt/$name" || return 1
	echo more >>"$dir/file"
	guest_barrier || return 1
	chmod 600 "$dir/file"
	guest_barrier || return 1
	rm "$dir/file"
	guest_expect A \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ ATTRIB file" \
		"$name/ DELETE file"
}

test_rename_is_a_pair_with_one_cookie() {
	: >"$dir/old"
	mkdir "$dir/sub"
	guest_watch A "$events" -r "/mnt/$name" || return 1
	mv "$dir/old" "$dir/new"
	guest_barrier || return 1
	mv "$dir/new" "$dir/sub/new"
	guest_expect A \
		"$name/ MOVED_FROM old 1" \
		"$name/ MOVED_TO new 1" \
		"$name/ MOVED_FROM new 2" \
		"$name/sub/ MOVED_TO new 2"
}

# The agent is late, and the file is gone before it is told.
test_changes_of_a_file_that_is_gone_are_told() {
	: >"$dir/file"
	guest_watch A "$events" "/mnt/$name" || return 1
	vm_run 'killall -STOP hostwatch-guest' || return 1
	echo text >>"$dir/file"
	rm "$dir/file"
	vm_run 'killall -CONT hostwatch-guest' || return 1
	guest_expect A \
		"$name/ MODIFY file" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/ DELETE file"
}

test_directories_are_told_as_such() {
	guest_watch A "$events" "/mnt/$name" || return 1
	mkdir "$dir/one"
	guest_barrier || return 1
	mv "$dir/one" "$dir/two"
	guest_barrier || return 1
	chmod 700 "$dir/two"
	guest_barrier || return 1
	rmdir "$dir/two"
	guest_expect A \
		"$name/ CREATE,ISDIR one" \
		"$name/ MOVED_FROM,ISDIR one 1" \
		"$name/ MOVED_TO,ISDIR two 1" \
		"$name/ ATTRIB,ISDIR two" \
		"$name/ DELETE,ISDIR two"
}

test_watched_directory_is_told_of_its_move_and_its_end() {
	mkdir "$dir/one"
	guest_watch A "$events" "/mnt/$name/one" "/mnt/$name" || return 1
	mv "$dir/one" "$dir/two"
	guest_barrier || return 1
	: >"$dir/two/file"
	guest_barrier || return 1
	rm "$dir/two/file"
	guest_barrier || return 1
	rmdir "$dir/two"
	guest_expect A \
		"$name/ MOVED_FROM,ISDIR one 1" \
		"$name/ MOVED_TO,ISDIR two 1" \
		"$name/one/ MOVE_SELF" \
		"$name/one/ CREATE file" \
		"$name/one/ CLOSE_WRITE,CLOSE file" \
		"$name/one/ DELETE file" \
		"$name/one/ DELETE_SELF" \
		"$name/ DELETE,ISDIR two"
}

test_watched_file_is_told_of_its_data_and_its_end() {
	: >"$dir/file"
	guest_watch A "$events" "/mnt/$name/file" "/mnt/$name" || return 1
	echo text >>"$dir/file"
	guest_barrier || return 1
	rm "$dir/file"
	guest_expect A \
		"$name/ MODIFY file" \
		"$name/file MODIFY" \
		"$name/ CLOSE_WRITE,CLOSE file" \
		"$name/file CLOSE_WRITE,CLOSE" \
		"$name/file ATTRIB" \
		"$name/file DELETE_SELF" \
		"$name/ DELETE file"
}

test_atomic_replace_ends_the_watch_of_the_replaced_file() {
	echo 1 >"$dir/file"
	guest_watch A "$events" "/mnt/$name" "/mnt/$name/file" || return 1
	vm_run "cat /mnt/$name/file" || return 1
	echo 2 >"$dir/.tmp"
	guest_barrier || return 1
	mv "$dir/.tmp" "$dir/file"
	guest_expect A \
		"$name/ CREATE .tmp" \
		"$name/ MODIFY .tmp" \
		"$name/ CLOSE_WRITE,CLOSE .tmp" \
		"$name/ MOVED_FROM .tmp 1" \
		"$name/ MOVED_TO file 1" \
		"$name/file ATTRIB" \
		"$name/file DELETE_SELF" || return 1
	vm_run "cat /mnt/$name/file" && [[ $vm_output == $'2\n' ]]
}

test_moves_in_and_out_are_halves() {
	: >"$vm/outside"
	: >"$dir/file"
	guest_watch A "$events" "/mnt/$name" || return 1
	mv "$vm/outside" "$dir/inside"
	guest_barrier || return 1
	mv "$dir/file" "$vm/file"
	guest_expect A \
		"$name/ MOVED_TO inside 1" \
		"$name/ MOVED_FROM file 2"
}

test_watch_outlives_its_name_in_the_cache() {
	mkdir "$dir/sub"
	guest_watch A "$events" -r "/mnt/$name" || return 1
	vm_run 'echo 2 >/proc/sys/vm/drop_caches' || return 1
	echo text >"$dir/sub/file"
	guest_expect A \
		"$name/sub/ CREATE file" \
		"$name/sub/ MODIFY file" \
		"$name/sub/ CLOSE_WRITE,CLOSE file"
}

test_watch_without_a_name_in_the_cache_is_told_of_its_end() {
	mkdir "$dir/sub"
	: >"$dir/file"
	guest_watch A "$events" "/mnt/$name" "/mnt/$name/file" "/mnt/$name/sub" || return 1
	vm_run 'echo 2 >/proc/sys/vm/drop_caches' || return 1
	rm "$dir/file"
	guest_barrier || return 1
	rmdir "$dir/sub"
	guest_expect A \
		"$name/file ATTRIB" \
		"$name/file DELETE_SELF" \
		"$name/ DELETE file" \
		"$name/sub/ DELETE_SELF" \
		"$name/ DELETE,ISDIR sub"
}

# Nobody watches the directory that they are in.
test_file_without_a_name_in_the_cache_is_told_of_its_move_and_its_replacement() {
	mkdir "$dir/sub"
	: >"$dir/sub/moved"
	: >"$dir/sub/replaced"
	guest_watch A "$events" "/mnt/$name" "/mnt/$name/sub/moved" "/mnt/$name/sub/replaced" || return 1
	vm_run 'echo 2 >/proc/sys/vm/drop_caches' || return 1
	mv "$dir/sub/moved" "$dir/sub/other"
	guest_barrier && vm_run 'echo 2 >/proc/sys/vm/drop_caches' || return 1
	: >"$dir/sub/.tmp"
	mv "$dir/sub/.tmp" "$dir/sub/replaced"
	guest_expect A \
		"$name/sub/moved MOVE_SELF" \
		"$name/sub/replaced ATTRIB" \
		"$name/sub/replaced DELETE_SELF"
}

# When the guest is told, what was in it cannot be found any more. These are more than are looked at in a row.
# The module asks for 256 of them in one go, and then pauses 16 times as long as that took.
test_tree_without_a_name_in_the_cache_is_told_of_its_end() {
	local vm_seconds=$((vm_seconds * 4))
	mkdir "$dir/tree" "$dir/tree/"{1..600}
	: >"$dir/tree/1/file"
	guest_watch B "$events" "/mnt/$name/tree/1/file" && guest_watch A "$events" -r "/mnt/$name/tree" &&
		guest_watch BARRIER -e create "/mnt/$name" || return 1
	vm_run 'killall -STOP hostwatch-guest; echo 2 >/proc/sys/vm/drop_caches' || return 1
	rm -r "$dir/tree"
	host_sync && vm_run 'killall -CONT hostwatch-guest' && vm_until events_ends_are_told 601 || return 1
	guest_expect B "$name/tree/1/file ATTRIB" "$name/tree/1/file DELETE_SELF"
}

events_ends_are_told() { # TIMES
	guest_barrier && [ "$(guest_lines A | grep -c DELETE_SELF)" = "$1" ]
}

# What a program finds when it is told: it reads each file that is closed, and lists the directory.
test_program_that_is_told_finds_the_new_state() {
	local i
	echo 0 >"$dir/file"
	vm_run "cat /mnt/$name/file; ls /mnt/$name" || return 1
	vm_run "inotifywait -m -e close_write -e moved_to --format %f /mnt/$name 2>&1 </dev/null |
		while read -r f; do echo \"| R \$f \$(cat /mnt/$name/\$f 2>/dev/null)\"; done &"
	vm_wait '^R Watches established' || return 1
	guest_watch A "$events" "/mnt/$name" || return 1
	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo "$i$i" >"$dir/file"
		vm_wait "^R file $i$i\$" || return 1
		echo "new $i" >"$dir/.new"
		mv "$dir/.new" "$dir/file"
		vm_wait "^R file new $i\$" || return 1
	done
}

test_where_nobody_watches_nothing_is_asked() {
	local i before
	if [ "$guest_cache" = none ]; then
		guest_skip "without a cache no name of a watched directory is known, each has to be asked for"
		return
	fi
	vm_run "ls -lR /mnt/$name" || return 1
	guest_watch A "$events" "/mnt/$name" || return 1
	mkdir "$dir/unseen"
	guest_barrier || return 1
	guest_count lookups || return 1
	before=$guest_number
	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo "$i" >"$dir/unseen/$i"
		mv "$dir/unseen/$i" "$dir/unseen/moved$i"
	done
	guest_barrier || return 1
	guest_count lookups || return 1
	# the barrier's own file: create and close_write
	echo "    $((guest_number - before)) lookups for 40 events"
	((guest_number - before <= 2))
}

# Names that the guest has cached, missing ones too, are not believed after the host changed them.
test_unwatched_cache_is_not_stale() {
	echo 1 >"$dir/file"
	mkdir "$dir/sub"
	vm_run "cat /mnt/$name/file; cat /mnt/$name/sub/later 2>/dev/null; ls /mnt/$name /mnt/$name/sub" || :
	guest_watch A "$events" "/mnt" || return 1
	echo 2 >"$dir/sub/later"
	rm "$dir/file"
	dir=$share guest_barrier || return 1
	vm_run "cat /mnt/$name/sub/later; ls /mnt/$name" && [[ $vm_output == $'2\nsub\n' ]]
}
