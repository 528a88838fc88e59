# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Whoever may write to the device can say anything: nothing of it harms the kernel, or leads out of the mount.

: "${VM_FUZZ_SECONDS:=60}" "${VM_FUZZ_SEED:=$RANDOM}"

# A mount of its own, /bound, with links out of it, and another file system in it.
hostile_prepare() {
	mkdir -p "$dir/in/a/b" "$dir/in/b" "$dir/in/sub" "$dir/in/inner/a" "$dir/out/a" "$dir/out/b" "$dir/out/sub"
	: >"$dir/in/file"
	: >"$dir/out/file"
	ln -s "/mnt/$name/out" "$dir/in/link"
	ln -s ../out "$dir/in/up"
	host_sync && vm_run "mkdir -p /bound; mount --bind /mnt/$name/in /bound; mount -t tmpfs inner /bound/inner; mkdir /bound/inner/a; : >/bound/inner/file"
}

hostile_finish() {
	vm_run 'umount /bound/inner; umount /bound'
}

test_device_refuses_what_it_must() {
	hostile_prepare || return 1
	vm_run "vm-device /bound" || {
		sed 's/^/    /' <<<"${vm_output%$'\n'}"
		return 1
	}
	vm_run '! rmmod hostwatch 2>/dev/null' && hostile_finish
}

# The host fills and empties directories of the mount meanwhile. inotifywait -r is not for this: its library does not survive
# all moves that never were.
test_hostile_frames_do_no_harm() {
	local storm
	hostile_prepare || return 1
	guest_watch OUT "$events" "/mnt/$name/out" /bound/inner || return 1
	vm_run "inotifywait -m /bound /bound/a /bound/b /bound/sub >/dev/null 2>&1 </dev/null &" || return 1
	mkdir "$dir/in/storm"
	"$vm/storm" "$dir/in/storm" 0 20000 &
	storm=$!
	vm_seconds=$((VM_FUZZ_SECONDS + 120)) vm_run "vm-fuzz /bound $VM_FUZZ_SECONDS $VM_FUZZ_SEED" || {
		echo "    seed $VM_FUZZ_SEED: $vm_output"
		return 1
	}
	sed 's/^/    /; s/$/, seed '"$VM_FUZZ_SEED/" <<<"${vm_output%$'\n'}" | grep taken
	wait "$storm" || return 1
	if grep -q '^OUT /' <<<"$vm_lines"; then
		echo "    a frame led out of the mount"
		return 1
	fi
	guest_watch A "$events" "/mnt/$name" || return 1
	guest_barrier && vm_run "ls -R /mnt/$name >/dev/null; cat /mnt/$name/in/file >/dev/null" && vm_run 'killall inotifywait' &&
		hostile_finish && ! guest_complaints
}
