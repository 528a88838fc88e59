# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# Instead of a guest, this machine (-k host), for inject = replay: a shell with a root, mounts and process IDs of its own. A FUSE mount of the
# share is in the place of virtiofs, and the agent listens on a unix socket. To be read after guest.bash.

guest_channel=unix-listen:/run/events.sock

host_lacks() {
	[ -w /dev/fuse ] || echo "/dev/fuse cannot be opened"
	unshare -m -p -f --propagation private true 2>/dev/null || echo "no namespaces of mounts and processes can be made here"
	[ -x "$build/hostwatch-guest-replay" ] || echo "built without libfuse3"
}

guest_kernel_build() { # KERNEL
	local lacks
	lacks=$(host_lacks)
	[ ! "$lacks" ] || vm_fail "$lacks" || return 1
	guest_release=$(uname -r)
	mkdir -p "$vm/modules/kernel"
	guest_modules=("$vm/modules")
}

vm_start() { # KERNEL INITRAMFS SHARE
	local root=$vm_dir/root
	vm_lost=''
	mkdir -p "$root"
	vm_pipe test ''
	(cd "$root" && gzip -dc "$2" | cpio -id --quiet && mkdir -p proc dev tmp run mnt usr) || return 1
	ln -sf root/run/events.sock "$vm_dir/events.sock"
	unshare -m -p -f --kill-child --propagation private tests/vm/host-init "$build/tests/fuse-passthrough" "$3" "$root" "$vm_tools" \
		<"$vm_dir/test.in" >"$vm_dir/test.out" 2>"$vm_dir/console" &
	vm_qemu=$!
	vm_run : || vm_fail "the shell does not answer:"$'\n'"$(cat "$vm_dir/console")"
}

vm_stop() {
	[[ ${vm_qemu-} ]] || return 0
	kill -KILL "$vm_qemu" 2>/dev/null
	wait "$vm_qemu" 2>/dev/null
	vm_qemu=
}
