# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# A program that watches a whole project, while memory is short: none of what it watches keeps its name in the cache.

: "${VM_WATCHES:=2000}"

many_files=9 # of each directory

# Seconds since the epoch, in thousandths.
many_now() {
	many_ms=$((${EPOCHREALTIME/./} / 1000))
}

# What the guest's kernel has allocated, in $many_kib, without what it can do without.
many_memory() {
	vm_run 'echo 3 >/proc/sys/vm/drop_caches; sed -n "s/^Slab: *\([0-9]*\) kB/\1/p" /proc/meminfo' && many_kib=${vm_output//[!0-9]/}
}

# The kernel says so when a processor is not to be had for 20 s.
many_detectors() { # ON
	vm_run "echo $1 >/proc/sys/kernel/soft_watchdog; echo $((1 - $1)) >/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress"
}

# What has been told until now, as vm-many counts it, without numbers that are only measured.
many_told() {
	vm_forget
	guest_barrier && many_late=$(sed -n 's/^M late \([0-9]*\) .*/\1/p' <<<"$vm_lines") &&
		many_lines=$(sed -n '/ late /!s/^M //p' <<<"$vm_lines" | sort)
}

many_expect() { # LINE...
	[[ $many_lines == "$(printf '%s\n' "$@" | sort)" ]] && return 0
	echo "    not what was expected (-) is told (+):"
	diff -U99 <(printf '%s\n' "$@" | sort) <(printf '%s\n' "$many_lines") | sed '1,3d; s/^/    /' | head -n 40
	return 1
}

# Ends of what has no name in the cache may be told late. What is told too often stays so.
many_expect_late() { # LINE...
	local end=$((SECONDS + many_seconds))
	until many_told && many_expect "$@" >/dev/null; do
		[[ $vm_lost ]] || ((SECONDS >= end)) && break
	done
	many_expect "$@"
}

many_begin() {
	local kib since
	"$vm/vm-many" make "$dir" "$directories" && host_sync && many_memory || return 1
	kib=$many_kib
	many_now
	since=$many_ms
	vm_run "echo $((VM_WATCHES * 2)) >/proc/sys/fs/inotify/max_user_watches; echo 1000000 >/proc/sys/fs/inotify/max_queued_events" &&
		many_detectors 1 && vm_run "vm-many watch /mnt/$name $directories 2>&1 </dev/null | mark M &" && vm_wait '^M established' || return 1
	many_now
	since=$((many_ms - since))
	many_memory && echo "    $((directories * (many_files + 1))) watches: added in $since ms, $((many_kib - kib)) KiB without names in the cache"
}

# A directory in $step of them is changed, while the guest forgets names again and again.
many_change() {
	local since told drops
	vm_run 'while [ ! -e /tmp/enough ]; do echo 2 >/proc/sys/vm/drop_caches; echo; usleep 100000; done >/tmp/drops &' || return 1
	many_now
	since=$many_ms
	"$vm/vm-many" change "$dir" "$directories" "$step" && many_told || return 1
	many_now
	told=$((many_ms - since))
	vm_run ': >/tmp/enough; wc -l </tmp/drops' && drops=${vm_output//[!0-9]/}
	changed=$(((directories + step - 1) / step))
	echo "    $((changed * 5)) files changed, names dropped $drops times: told in $told ms, processor away for $many_late ms at most"
	many_changed=(
		"$changed dir CREATE=1 MODIFY=2 CLOSE_WRITE=2 ATTRIB=1 MOVED_FROM=1 MOVED_TO=1 DELETE=1"
		"$changed file MODIFY=1 CLOSE_WRITE=1"
		"$changed file ATTRIB=1"
		"$changed file MOVE_SELF=1"
		"$changed file ATTRIB=1 DELETE_SELF=1 IGNORED=1"
	)
	many_expect_late "${many_changed[@]}" || return 1
	many_now
	echo "    all ends of files told in $((many_ms - since)) ms"
}

# Directories are removed with what is in them before the guest is told, and none of it has a name in the cache.
many_remove() {
	local since removed=0 i
	vm_run 'killall -STOP hostwatch-guest; echo 2 >/proc/sys/vm/drop_caches' || return 1
	for ((i = 1; i < directories; i += step)); do
		rm -r "$dir/d$i"
		removed=$((removed + 1))
	done
	host_sync || return 1
	many_now
	since=$many_ms
	vm_run 'killall -CONT hostwatch-guest' || return 1
	many_changed[4]="$((changed + removed * many_files)) file ATTRIB=1 DELETE_SELF=1 IGNORED=1"
	many_expect_late "${many_changed[@]}" "$removed dir DELETE_SELF=1 IGNORED=1" || return 1
	many_now
	echo "    $((removed * (many_files + 1))) files and directories removed: told in $((many_ms - since)) ms"
}

# What the guest has still to be told would come in the next test.
many_rest() {
	guest_watch R -e create "/mnt/$name" && guest_barrier
}

test_many_watches_outlive_their_names() {
	local directories=$((VM_WATCHES / (many_files + 1))) step=10 changed many_changed many_late many_lines many_ms many_kib
	local many_seconds=$((vm_seconds * 4 + VM_WATCHES / 50))
	# virtiofsd has one open for each inode that the guest knows
	(ulimit -n $((VM_WATCHES * 2))) 2>/dev/null || guest_skip "virtiofsd may not have $((VM_WATCHES * 2)) files open here" || return
	((directories / step <= 200)) || step=$((directories / 200))
	many_begin && many_change && many_remove
	set -- $?
	vm_run ': >/tmp/enough; killall vm-many' && many_detectors 0 && rm -r "$dir"/* && many_rest && ! guest_complaints && [ "$1" = 0 ]
}
