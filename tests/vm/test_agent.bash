# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# The agent in a guest: its other channels, what it says of a mount, and what it does without the module.

# What comes through the port is carried over another channel of the guest.
agent_over() { # CHANNEL RELAY...
	local channel=$1 file=file-${1%%:*}
	shift
	vm_run 'killall hostwatch-guest inotifywait 2>/dev/null; wait' || return 1
	vm_forget
	vm_run "vm-relay $* 2>&1 </dev/null | mark relay &" && vm_wait '^relay ready' &&
		vm_run "hostwatch-guest --mount /mnt --state '' --channel $channel 2>&1 </dev/null | mark agent &" &&
		vm_wait '^agent .*\] connected, at event' && guest_watch A "$events" "/mnt/$name/" || return 1
	echo text >"$dir/$file"
	guest_expect A \
		"$name/ CREATE $file" \
		"$name/ MODIFY $file" \
		"$name/ CLOSE_WRITE,CLOSE $file" || return 1
	vm_run 'killall hostwatch-guest vm-relay inotifywait; wait'
}

test_channels_of_all_kinds_carry_events() {
	agent_over unix:/tmp/relay listen unix:/tmp/relay && agent_over unix-listen:/tmp/other connect unix:/tmp/other &&
		vm_run 'ifconfig lo up' && agent_over tcp:127.0.0.1:4040 listen tcp:127.0.0.1:4040 || return 1
	vm_run 'for m in vsock vmw_vsock_virtio_transport_common vsock_loopback; do
		[ ! -e /modules/extra/$m.ko ] || insmod /modules/extra/$m.ko || exit 1; done' || return 1
	agent_over vsock:1:4041 listen vsock:any:4041 && guest_agent_start
}

agent_probe() { # MOUNT LINE...
	local line
	vm_run "hostwatch-guest --probe $1" || return 1
	shift
	for line; do
		grep -qE "^ *$line\$" <<<"$vm_output" && continue
		echo "    no line like '$line' in:"
		sed 's/^/    /' <<<"$vm_output"
		return 1
	done
}

test_probe_tells_what_programs_get() {
	vm_run 'mkdir -p /probed && mount -t virtiofs -o ro share0 /probed' || return 1
	agent_probe /mnt 'mount +"/mnt"' 'filesystem +"virtiofs" from "share0", writable' 'module +yes' 'touch +yes, .*' 'create +IN_CREATE.*' &&
		agent_probe /probed 'filesystem +"virtiofs" from "share0", read-only' 'module +yes' 'touch +no: the mount is read-only' \
			'delete +IN_DELETE.*' &&
		agent_probe /tmp 'filesystem +"tmpfs" from "tmp", writable; not a filesystem that another machine can change' \
			'module +no: cannot bind the mount: the filesystem is not one that another machine can change' &&
		agent_probe "/mnt/$name" 'mount +.*not a mount point.*' 'module +no: cannot bind the mount: the path is not the root of a mount' &&
		vm_run 'umount /probed'
}

# Without the module: data of files, on mounts that can be written, and a clear word otherwise.
test_without_the_module_files_are_touched() {
	echo text >"$dir/file"
	vm_run 'killall hostwatch-guest; wait; rmmod hostwatch' || return 1
	vm_forget
	agent_probe /mnt 'module +no: .*the kernel module is not loaded.*' 'modify +IN_MODIFY, FAN_MODIFY' 'create +nothing' || return 1
	vm_run "hostwatch-guest 2>&1 </dev/null | mark agent" && vm_wait '^agent .*error: .*the kernel module is not loaded' || return 1
	vm_run "hostwatch-guest --inject touch --mount /mnt --state '' --channel virtio:org.hostwatch.0 2>&1 </dev/null | mark agent &" &&
		vm_wait '^agent .*\] connected, at event' && guest_watch A "$events" "/mnt/$name/" || return 1
	echo more >>"$dir/file"
	vm_wait "^A /mnt/$name/ MODIFY file" && vm_run 'killall hostwatch-guest inotifywait; wait; insmod /modules/hostwatch.ko' && guest_agent_start
}
