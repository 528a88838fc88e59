# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# A guest under plain emulation with a virtiofs mount, for tests that are written in bash. One at a time.
#
#	vm_start KERNEL INITRAMFS SHARE [CACHE [MOUNT_OPTIONS]]   boots; SHARE is on /mnt. Needs $vm, an empty directory
#	vm_run COMMAND...      runs it in the guest's shell; what it prints is in $vm_output, its status is returned
#	vm_wait PATTERN        reads lines of background programs until one matches the extended regular expression
#	vm_lines               what they printed since the last vm_forget, is in $vm_lines
#	vm_stop                powers the guest off, waits for it
#
# The guest's shell and what it starts share one pipe to the host. Lines of background programs begin with "| ".

vm_seconds=${VM_SECONDS:-20} # longest wait for one line
vm_lines=
vm_output=
vm_lost= # the guest's shell does not answer any more

vm_fail() {
	echo "vm: $*" >&2
	return 1
}

# The next line of the guest, in $vm_line; those of background programs are collected.
vm_read() {
	IFS= read -r -t "$vm_seconds" -u "$vm_out" vm_line || return 1
	vm_line=${vm_line%$'\r'}
	[[ $vm_line != '| '* ]] || vm_lines+=${vm_line#'| '}$'\n'
}

vm_wait() {
	if grep -qE -e "$1" <<<"$vm_lines"; then
		return 0
	fi
	while vm_read; do
		[[ $vm_line != '| '* ]] || ! grep -qE -e "$1" <<<"${vm_line#'| '}" || return 0
	done
	vm_fail "no line like $1; there were:"$'\n'"$vm_lines"
}

vm_forget() {
	vm_lines=
}

vm_run() {
	vm_output=
	printf '%s\n' "{ $*"$'\n'"}; echo \"= \$?\"" >&"$vm_in"
	while vm_read; do
		case $vm_line in
		'= '*) return "${vm_line#= }" ;;
		'| '*) ;;
		*) vm_output+=$vm_line$'\n' ;;
		esac
	done
	vm_lost=yes
	vm_fail "no answer to: $*"
	return 125
}

vm_start() { # KERNEL INITRAMFS SHARE [CACHE [MOUNT_OPTIONS]]
	local waiter
	mkfifo "$vm/test.in" "$vm/test.out"
	exec {vm_in}<>"$vm/test.in" {vm_out}<>"$vm/test.out"

	# inotifywait is there before virtiofsd is, so its socket cannot be missed.
	coproc waiter_of_socket { exec inotifywait -q -t 20 -e create --format %f --include '^.*/fs\.sock$' "$vm" 2>&1; }
	waiter=$waiter_of_socket_PID
	vm_await_watch "$waiter"
	/usr/lib/qemu/virtiofsd --socket-path="$vm/fs.sock" -o "source=$3" -o "cache=${4:-auto}" \
		>"$vm/virtiofsd.log" 2>&1 &
	vm_virtiofsd=$!
	wait "$waiter" || vm_fail "virtiofsd does not start: $(cat "$vm/virtiofsd.log")" || return 1

	qemu-system-x86_64 -accel tcg -cpu max -m 512 -nographic -no-reboot -nodefaults -serial "file:$vm/console" \
		-object memory-backend-memfd,id=mem,size=512M,share=on -numa node,memdev=mem \
		-kernel "$1" -initrd "$2" -append "console=ttyS0 panic=-1 slub_debug=FZPU hw.mount=share0${5:+:$5}" \
		-chardev "socket,id=c0,path=$vm/fs.sock" -device vhost-user-fs-pci,chardev=c0,tag=share0 \
		-device virtio-serial-pci \
		-chardev "socket,path=$vm/events.sock,server=on,wait=off,id=ev" \
		-device virtserialport,chardev=ev,name=org.hostwatch.0 \
		-chardev "pipe,path=$vm/test,id=test" -device virtserialport,chardev=test,name=org.hostwatch.test \
		-qmp "unix:$vm/qmp.sock,server=on,wait=off" >"$vm/qemu.log" 2>&1 &
	vm_qemu=$!
	vm_seconds=$((vm_seconds * 5)) vm_run : || vm_fail "the guest does not come up:"$'\n'"$(tail -n 20 "$vm/console" "$vm/qemu.log")"
}

# Until the process has its inotify watch, as its descriptor tells.
vm_await_watch() {
	local end=$((SECONDS + 10))
	until grep -qs '^inotify wd:' "/proc/$1/fdinfo/"*; do
		((SECONDS < end)) || vm_fail "inotifywait does not start" || return 1
		read -r -t 0.01 -u "$vm_out" && break
	done
	return 0
}

vm_stop() {
	[[ ! ${vm_qemu-} ]] || {
		printf 'poweroff -f\n' >&"$vm_in"
		timeout 20 tail --pid="$vm_qemu" -f /dev/null || kill "$vm_qemu"
		wait "$vm_qemu" || :
		vm_qemu=
	}
	[[ ! ${vm_virtiofsd-} ]] || {
		kill "$vm_virtiofsd" 2>/dev/null || :
		wait "$vm_virtiofsd" 2>/dev/null || :
		vm_virtiofsd=
	}
}
