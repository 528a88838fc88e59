# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Where no program watches, events cost the guest next to nothing, and the host is asked for nothing.

: "${VM_CHANGES:=100000}"

# Hundredths of a second that the guest's processor was busy since it was booted, in $guest_number.
idle_busy() {
	vm_run "sed -n 's/^cpu  *//p' /proc/stat" || return 1
	guest_number=$(awk 'NF { print $1 + $2 + $3 + $6 + $7 }' <<<"$vm_output")
}

# A kernel has work left when it is up: 7.2 reckons with its public keys for most of a second.
idle_rests() {
	local before
	idle_busy || return 1
	before=$guest_number
	vm_run 'sleep 1' && idle_busy && ((guest_number - before <= 2))
}

idle_told() {
	"$build/hostwatch" status --socket "$vm/control.sock" | awk '$1 == "data" { print $6 }'
}

idle_has_taken() { # EVENTS
	guest_count taken && ((guest_number >= $1))
}

idle_asked() {
	grep -c 'opcode: LOOKUP' "$vm_dir/fs.sock.log"
}

test_changes_cost_next_to_nothing_when_nobody_watches() {
	local i step=2000 asked told busy
	if [[ $vm_boot_options ]]; then
		guest_skip "checks of the kernel's memory would be measured: tests/vm/run -e"
		return
	fi
	vm_run "ls -R /mnt >/dev/null; cat /mnt/none 2>/dev/null; :" && guest_count taken || return 1
	told=$guest_number asked=$(idle_asked)
	((asked > 0)) || vm_fail "virtiofsd logs no LOOKUP" || return 1
	vm_until idle_rests && idle_busy || return 1
	busy=$guest_number
	for ((i = 0; i < VM_CHANGES; i += step)); do
		"$vm/storm" "$dir" $((i / 4)) $step && host_sync || return 1
	done
	vm_until idle_has_taken $((told + VM_CHANGES)) && vm_until idle_has_taken "$(idle_told)" && told=$((guest_number - told)) || return 1
	idle_busy || return 1
	busy=$((guest_number - busy)) asked=$(($(idle_asked) - asked))
	echo "    $VM_CHANGES changes, $told events: $asked lookups, $((busy * 10)) ms of the guest's processor"
	((asked <= 3 && busy < 100))
}

# Requests that virtiofsd had, without those by which the guest only forgets inodes.
idle_requests() {
	grep 'opcode: ' "$vm_dir/fs.sock.log" | grep -vc FORGET
}

# COUNT files are made, written and closed. What it takes the guest is in idle_cost, in hundredths of a second of its processor, and
# idle_requested.
idle_burst() { # DIRECTORY COUNT
	local i
	vm_until idle_rests && idle_busy || return 1
	idle_cost=$guest_number idle_requested=$(idle_requests)
	for ((i = 0; i < $2; i++)); do
		echo text >"$dir/$1/f$i" || return 1
	done
	host_sync && vm_until idle_has_taken "$(idle_told)" && vm_until idle_rests && idle_busy || return 1
	idle_cost=$((guest_number - idle_cost)) idle_requested=$(($(idle_requests) - idle_requested))
}

# The events of one file that come together need one lookup. The watcher does not run: what it takes is not the module's.
test_changes_that_are_watched_cost_little() {
	local count=3000 free
	if [[ $vm_boot_options ]]; then
		guest_skip "checks of the kernel's memory would be measured: tests/vm/run -e"
		return
	fi
	mkdir "$dir/free" "$dir/watched"
	host_sync && vm_run "ls -R /mnt/$name >/dev/null" && idle_burst free $count || return 1
	free=$idle_cost
	guest_watch A -e create -e modify -e close_write "/mnt/$name/watched" && vm_run 'killall -STOP inotifywait' && idle_burst watched $count || return 1
	vm_run 'killall -CONT inotifywait'
	echo "    $count files, $((count * 3)) events: $((free * 10)) ms of the guest's processor; watched: $((idle_cost * 10)) ms, $idle_requested requests"
	((idle_requested * 2 <= count * 3 && idle_cost <= free * 5 + 5))
}
