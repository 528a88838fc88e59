# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2120,SC2054
# What a test has around it: a host daemon that serves $share, a guest that has it on /mnt with the module and the agent.
#
#	guest_watch NAME ARGS...	an inotifywait in the guest; its lines begin with NAME
#	guest_expect NAME LINE...	after a barrier: exactly these lines of it, equal ones in a row once, as the kernel merges them. MOVED lines end in a cookie, which is told
#					as 1 for the first one, 2 for the second, and so on
#	guest_count COUNTER		a counter of the module, in $guest_number
#	guest_skip REASON		what a test returns that cannot be here

guest_kernel= # directory of it
guest_release=
guest_cache=auto
guest_watcher=inotify
guest_mount_options=
guest_inject=module # or replay: the share is on /lower, and programs use /mnt as well
guest_channel=virtio:org.hostwatch.0
guest_sinks=1 # one for each guest
guest_interval=200ms
guest_share_lines=() # more of the share's section
guest_daemon_lines=() # more of the daemon's section
guest_programs=() # more of the initramfs: programs, and FILE=PATH
guest_files=()

# Its directory, its release, and the arguments of tests/vm/initramfs for it.
guest_kernel_build() { # KERNEL
	local module
	module=$vm/usr/src/hostwatch-$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' guest/kmod/dkms.conf)
	guest_kernel=${VM_KERNEL_DIR:-$build/vm/kernels}/$1
	make -s -C guest/kmod dkms "DESTDIR=$vm"
	guest_release=$(tests/vm/kernel "${guest_kernel%/*}" "$1" "$module") || return 1
	guest_modules=("$guest_kernel/lib/modules/$guest_release" -m "$module/hostwatch.ko")
}

guest_build() { # BUILD KERNEL
	build=$1
	share=$vm/share
	mkdir -p "$share"
	guest_kernel_build "$2" || return 1
	make -s STATIC=1 B="$build/static" "$build/static/hostwatch-guest" || return 1
	guest_compile vm-fuzz tests/vm/fuzz.c && guest_compile vm-device tests/vm/device.c wire/frame.c && guest_compile vm-reader tests/vm/reader.c &&
		guest_compile exchange tests/vm/exchange.c && guest_compile storm tests/vm/storm.c && guest_compile vm-own tests/vm/own.c &&
		guest_compile vm-async tests/vm/async.c && guest_compile vm-after tests/vm/after.c && guest_compile vm-path tests/vm/path.c &&
		guest_compile vm-many tests/vm/many.c && guest_compile vm-stalled tests/vm/stalled.c wire/frame.c && guest_compile vm-served tests/vm/served.c &&
		guest_compile vm-relay tests/vm/relay.c wire/address.c wire/text.c || return 1
	cat >"$vm/guest.conf" <<-END
		[mount data]
		path = $([ $guest_inject = module ] && echo /mnt || echo /lower)
		channel = $guest_channel
		inject = $guest_inject
	END
	[ "$guest_inject" = module ] || {
		echo 'at = /mnt' >>"$vm/guest.conf"
		guest_programs+=("$build/hostwatch-guest-replay")
	}
	tests/vm/initramfs "$vm/initrd" "${guest_modules[@]}" -f "$vm/guest.conf=/etc/hostwatch/guest.conf" "${guest_files[@]/#/-f}" \
		/usr/bin/inotifywait "$build/static/hostwatch-guest" "$vm/vm-fuzz" "$vm/vm-device" "$vm/vm-reader" "$vm/vm-own" "$vm/vm-async" "$vm/vm-path" "$vm/vm-relay" "$vm/vm-many" "$vm/vm-stalled" "$vm/vm-served" \
		"${guest_programs[@]}"
}

# What the guest's kernel has to complain about, if anything.
guest_complaints() {
	grep -aE 'BUG|WARNING|Oops|Call Trace|still in use|Poison|Redzone|Busy inodes|hung|detected stall' "$vm_dir/console" | sed 's/^/    /;q1'
	[ "${PIPESTATUS[1]}" != 0 ]
}

guest_compile() { # PROGRAM SOURCE...
	"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -static -I{framework,wire,guest}/include -o "$vm/$1" "${@:2}"
}

guest_skip() { # REASON
	echo "    skipped: $*"
	return 77
}

# ---- the host

guest_host_config() {
	local i
	cat <<-END
		[hostwatch]
		control = $vm/control.sock
		plugin_path = $build/plugins:$build/sinks
	END
	printf '%s\n' "${guest_daemon_lines[@]}"
	cat <<-END

		[share data]
		path = $share
		watcher = $guest_watcher
		interval = $guest_interval
	END
	printf '%s\n' "${guest_share_lines[@]}"
	for ((i = 1; i <= guest_sinks; i++)); do
		cat <<-END

			[sink guest$i]
			plugin = virtiofs
			channel = unix:$vm/$i/events.sock
		END
	done
}

guest_daemon_start() {
	guest_host_config >"$vm/host.conf"
	"$build/hostwatchd" --check -c "$vm/host.conf" || return 1
	"$build/hostwatchd" -c "$vm/host.conf" >>"$vm/hostwatchd.log" 2>&1 &
	guest_daemon=$!
	vm_until "$build/hostwatch" status --socket "$vm/control.sock"
}

# The daemon will read its configuration again.
guest_daemon_reload() {
	guest_host_config >"$vm/host.conf"
	kill -HUP "$guest_daemon"
}

guest_daemon_stop() { # [SIGNAL]
	[[ ${guest_daemon-} ]] || return 0
	kill "${1:--TERM}" "$guest_daemon" 2>/dev/null
	wait "$guest_daemon" 2>/dev/null
	guest_daemon=
}

# Until the daemon has told all that was done before: a new directory is watched then.
host_sync() {
	"$build/hostwatch" sync --socket "$vm/control.sock" --timeout "$vm_seconds" data >/dev/null
}

# ---- the guest

guest_boot() {
	vm_start "$guest_kernel/vmlinuz" "$vm/initrd" "$share" "$guest_cache" "$guest_mount_options" || return 1
	# shellcheck disable=SC2016
	vm_run 'mark() { while read -r line; do echo "| $1${1:+ }$line"; done; }' || return 1
	[ "$guest_inject" = module ] || vm_run 'mkdir /lower && mount -o move /mnt /lower'
}

guest_start() {
	mkdir -p "$share"
	guest_boot && guest_daemon_start || return 1
	guest_agent_start || {
		cat "$vm/hostwatchd.log"
		return 1
	}
}

# With the configuration of the initramfs, or other arguments.
guest_agent_start() {
	vm_forget
	vm_run "hostwatch-guest $* 2>&1 </dev/null | mark agent &" && vm_wait '^agent .*\] connected, at event'
}

guest_stop() {
	guest_daemon_stop
	vm_stop
}

# Each test has a directory of its own, on both sides in $dir.
guest_prepare() {
	vm_run 'killall inotifywait vm-reader 2>/dev/null; :' || return 1
	dir=$share/$1
	mkdir -p "$dir"
	host_sync || return 1
	vm_forget
}

# Until the agent compares at least MIN objects, at most MAX, and all that are watched.
guest_compares() { # MIN MAX
	local tries counts
	for ((tries = 0; tries < 300; tries++)); do
		vm_lines=$(grep -v '^agent .*compares' <<<"$vm_lines")$'\n'
		vm_run 'killall -USR1 hostwatch-guest' && vm_wait '^agent .*compares' || return 1
		read -r -a counts < <(sed -n 's/^agent .*compares \([0-9]*\) of \([0-9]*\) watched.*/\1 \2/p' <<<"$vm_lines")
		((counts[0] < counts[1] || counts[0] < $1 || counts[1] > $2)) || return 0
		read -r -t 0.1 -u "$vm_never"
	done
	vm_fail "the agent compares ${counts[0]} of ${counts[1]} objects"
}

# Until the agent can compare all watched objects, and there are so many.
guest_examined() { # MIN
	guest_compares "$1" 1000000
}

# Until the agent has noticed that what was watched before is not watched any more.
guest_unwatched() {
	guest_compares 0 0
}

guest_watch() { # NAME ARGS...
	local name=$1
	shift
	host_sync || return 1
	vm_run "inotifywait -m --format '%w %e %f %c' $* 2>&1 </dev/null | mark $name &" &&
		vm_wait "^$name Watches established"
}

# A line: directory below /mnt, events, name, cookie. Cookies are numbered as they come.
guest_lines() { # NAME
	sed -n "s,^$1 /mnt/,,p" <<<"$vm_lines" | awk '
		{ cookie = $NF; $NF = "" }
		cookie != "0" { if (!(cookie in number)) number[cookie] = ++count; $0 = $0 number[cookie] }
		{ gsub(/ +/, " "); sub(/ $/, ""); print }' | grep -v ' barrier' | uniq
}

# All that was done on the host before has been told.
guest_barrier() {
	host_sync || return 1
	guest_barriers=$((${guest_barriers-0} + 1))
	: >"$dir/barrier$guest_barriers"
	vm_wait "barrier$guest_barriers\$|barrier$guest_barriers 0\$"
}

# What the agent logs of the module when it is asked to.
guest_count() { # COUNTER
	vm_forget
	vm_run 'killall -USR1 hostwatch-guest' && vm_wait "^agent .*module:.* $1 [0-9]" || return 1
	guest_number=$(sed -n "s/^agent .*module:.* $1 \([0-9]*\).*/\1/p" <<<"$vm_lines")
}

guest_expect() { # NAME LINE...
	local name=$1 told
	shift
	guest_barrier || return 1
	told=$(guest_lines "$name")
	[[ $told == "$(printf '%s\n' "$@")" ]] && return 0
	echo "    not what was expected (-) is told (+):"
	diff -U99 <(printf '%s\n' "$@") <(printf '%s\n' "$told") | sed '1,3d; s/^/    /'
	return 1
}
