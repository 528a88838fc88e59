# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2120,SC2054
# Guests under plain emulation with a virtiofs mount, for tests that are written in bash.
#
#	vm_start KERNEL INITRAMFS SHARE [CACHE [MOUNT_OPTIONS]]   boots; SHARE is on /mnt. Needs $vm, an empty directory
#	vm_run COMMAND...      runs it in the guest's shell; what it prints is in $vm_output, its status is returned
#	vm_wait PATTERN        reads lines of background programs until one matches the extended regular expression
#	vm_forget              forgets what they printed, which is in $vm_lines
#	vm_qmp JSON            a command for the machine: QEMU's own protocol
#	vm_qmp_wait PATTERN    what the machine says by itself
#	vm_select GUEST        all of these are about that guest from now on; the first one is called 1
#	vm_stop                powers the guest off, waits for it
#
# The guest's shell and what it starts share one pipe to the host. Lines of background programs begin with "| ".

vm_seconds=${VM_SECONDS:-60} # longest wait for one line
vm_memory=512 # MiB
vm_processor=(-accel tcg -cpu max)
vm_boot_options=slub_debug=FZPU
vm_server_options=() # of virtiofsd
vm_tools= # a directory of the host that the guest can mount with the tag "tools"

vm_guest=1
vm_dir=$vm/1 # of the guest's sockets and logs
vm_state=(vm_in vm_out vm_qmp_in vm_qmp_out vm_qmp_lines vm_lines vm_lost vm_qemu vm_servers)
exec {vm_never}<> <(:) # nothing comes from there
vm_lines=
vm_output=
vm_lost= # the guest's shell does not answer any more
vm_servers= # process ids of its virtiofsd

vm_fail() {
	echo "vm: $*" >&2
	return 1
}

vm_select() { # GUEST
	local variable kept
	for variable in "${vm_state[@]}"; do
		printf -v "kept_${vm_guest}_$variable" %s "${!variable-}"
		kept=kept_$1_$variable
		printf -v "$variable" %s "${!kept-}"
	done
	vm_guest=$1
	vm_dir=$vm/$1
}

# The next line of the guest, in $vm_line; those of background programs are collected.
vm_read() {
	local end=$((SECONDS + vm_seconds)) part=
	until IFS= read -r -t 2 -u "$vm_out" vm_line; do
		part+=$vm_line
		((SECONDS < end)) && kill -0 "$vm_qemu" 2>/dev/null || return 1
	done
	vm_line=$part$vm_line
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

vm_qmp() { # JSON
	local line
	printf '%s\n' "$1" >&"$vm_qmp_in"
	while IFS= read -r -t "$vm_seconds" -u "$vm_qmp_out" line; do
		vm_qmp_lines+=$line$'\n'
		case $line in
		'{"return"'*) return 0 ;;
		'{"error"'*) break ;;
		esac
	done
	vm_fail "$1 is answered by ${line:-nothing}"
}

vm_qmp_wait() { # PATTERN
	local line
	grep -qE -e "$1" <<<"$vm_qmp_lines" && return 0
	while IFS= read -r -t "$vm_seconds" -u "$vm_qmp_out" line; do
		vm_qmp_lines+=$line$'\n'
		! grep -qE -e "$1" <<<"$line" || return 0
	done
	vm_fail "the machine does not say $1"
}

# Until the command succeeds.
vm_until() { # COMMAND...
	local end=$((SECONDS + vm_seconds))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || vm_fail "in vain: $*" || return 1
		read -r -t 0.05 -u "$vm_never"
	done
	return 0
}

# inotifywait is there before virtiofsd is, so its socket cannot be missed.
vm_serve() { # SOCKET DIRECTORY CACHE
	local waiter
	coproc waiter_of_socket { exec inotifywait -q -t "$vm_seconds" -e create --format %f --include "/$1\$" "$vm_dir" 2>&1; }
	waiter=$waiter_of_socket_PID
	vm_until vm_has_watch "$waiter" || return 1
	/usr/lib/qemu/virtiofsd --socket-path="$vm_dir/$1" -o "source=$2" -o "cache=$3" "${vm_server_options[@]}" >"$vm_dir/$1.log" 2>&1 &
	vm_servers+=" $!"
	wait "$waiter" || vm_fail "virtiofsd does not start: $(cat "$vm_dir/$1.log")"
}

# Whether the process has an inotify watch, as its descriptors tell.
vm_has_watch() { # PID
	grep -qs '^inotify wd:' "/proc/$1/fdinfo/"*
}

vm_pipe() { # NAME: opens both ends, in ${NAME}_in and ${NAME}_out
	local in=vm_$2in out=vm_$2out
	[ -p "$vm_dir/$1.in" ] || mkfifo "$vm_dir/$1.in" "$vm_dir/$1.out"
	exec {fifo}<>"$vm_dir/$1.in"
	printf -v "$in" %s "$fifo"
	exec {fifo}<>"$vm_dir/$1.out"
	printf -v "$out" %s "$fifo"
}

vm_start() { # KERNEL INITRAMFS SHARE [CACHE [MOUNT_OPTIONS]]
	local tools=()
	vm_lost='' vm_qmp_lines=''
	mkdir -p "$vm_dir"
	vm_pipe test ''
	vm_pipe qmp qmp_
	vm_serve fs.sock "$3" "${4:-auto}" || return 1
	if [[ $vm_tools ]]; then
		vm_serve tools.sock "$vm_tools" always || return 1
		tools=(-chardev "socket,id=c1,path=$vm_dir/tools.sock" -device vhost-user-fs-pci,chardev=c1,tag=tools)
	fi
	# on a machine that is busy the kernel finds its timer broken otherwise, or itself stalled
	qemu-system-x86_64 "${vm_processor[@]}" -m "$vm_memory" -nographic -no-reboot -nodefaults -serial "file:$vm_dir/console" \
		-object "memory-backend-memfd,id=mem,size=${vm_memory}M,share=on" -numa node,memdev=mem \
		-kernel "$1" -initrd "$2" -append "console=ttyS0 panic=-1 no_timer_check nosoftlockup rcupdate.rcu_cpu_stall_suppress=1 $vm_boot_options hw.mount=share0${5:+:$5}" \
		-chardev "socket,id=c0,path=$vm_dir/fs.sock" -device vhost-user-fs-pci,chardev=c0,tag=share0 "${tools[@]}" \
		-device virtio-serial-pci \
		-chardev "socket,path=$vm_dir/events.sock,server=on,wait=off,id=ev" \
		-device virtserialport,chardev=ev,name=org.hostwatch.0,id=events,nr=1 \
		-chardev "pipe,path=$vm_dir/test,id=test" -device virtserialport,chardev=test,name=org.hostwatch.test,nr=2 \
		-chardev "pipe,path=$vm_dir/qmp,id=qmp" -mon chardev=qmp,mode=control >"$vm_dir/qemu.log" 2>&1 &
	vm_qemu=$!
	vm_seconds=$((vm_seconds * 4)) vm_run : && vm_qmp '{"execute":"qmp_capabilities"}' && return 0
	vm_fail "the guest does not come up:"$'\n'"$(tail -n 20 "$vm_dir/console" "$vm_dir/qemu.log")"
}

vm_stop() {
	local server
	[[ ! ${vm_qemu-} ]] || {
		printf 'poweroff -f\n' >&"$vm_in"
		timeout 30 tail --pid="$vm_qemu" -f /dev/null || kill "$vm_qemu"
		wait "$vm_qemu" || :
		vm_qemu=
	}
	for server in ${vm_servers-}; do
		kill "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
	done
	vm_servers=
}
