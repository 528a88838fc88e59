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
