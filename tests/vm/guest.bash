# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# What a test has around it: a host daemon that serves $share, a guest that has it on /mnt with the module and a feeder.
#
#	guest_watch NAME ARGS...	an inotifywait in the guest; its lines begin with NAME
#	guest_expect NAME LINE...	after a barrier: exactly these lines of it, equal ones in a row once, as the kernel merges them. MOVED lines end in a cookie, which is told
#					as 1 for the first one, 2 for the second, and so on

guest_release=
guest_cache=auto

guest_build() { # BUILD RELEASE
	local module
	module=$vm/usr/src/hostwatch-$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' guest/kmod/dkms.conf)
	build=$1
	guest_release=$2
	share=$vm/share
	mkdir -p "$share"
	make -s -C guest/kmod dkms "DESTDIR=$vm"
	make -s -C "$module" KERNEL="$2" >"$vm/kmod.log" 2>&1 || {
		cat "$vm/kmod.log"
		return 1
	}
	guest_compile vm-feed tests/vm/feed.c wire/frame.c && guest_compile vm-fuzz tests/vm/fuzz.c &&
		guest_compile exchange tests/vm/exchange.c || return 1
	tests/vm/initramfs "$vm/initrd" "$2" -m "$module/hostwatch.ko" /usr/bin/inotifywait "$vm/vm-feed" "$vm/vm-fuzz"
}

guest_compile() { # PROGRAM SOURCE...
	"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -static -Iframework/include -o "$vm/$1" "${@:2}"
}

guest_start() {
	mkdir -p "$share"
	vm_start "/boot/vmlinuz-$guest_release" "$vm/initrd" "$share" "$guest_cache" || return 1
	cat >"$vm/host.conf" <<-END
		[hostwatch]
		control = $vm/control.sock
		plugin_path = $build/plugins:$build/sinks

		[share data]
		path = $share
		watcher = ${HW_WATCHER:-inotify}
		interval = 200ms

		[sink guest]
		plugin = virtiofs
		channel = unix:$vm/events.sock
	END
	"$build/hostwatchd" --check -c "$vm/host.conf" || return 1
	"$build/hostwatchd" -c "$vm/host.conf" >"$vm/hostwatchd.log" 2>&1 &
	guest_daemon=$!
	# shellcheck disable=SC2016
	vm_run 'mkfifo /tmp/ask; mark() { while read -r line; do echo "| $1${1:+ }$line"; done; }'
	guest_feed || {
		cat "$vm/hostwatchd.log"
		return 1
	}
}

guest_feed() {
	vm_forget
	vm_run 'vm-feed /dev/virtio-ports/org.hostwatch.0 /mnt 2>&1 <>/tmp/ask | mark &' && vm_wait '^fed$'
}

guest_stop() {
	[[ ! ${guest_daemon-} ]] || kill "$guest_daemon" 2>/dev/null
	vm_stop
}

# Each test has a directory of its own, on both sides in $dir.
guest_prepare() {
	vm_run 'killall inotifywait 2>/dev/null; :' || return 1
	dir=$share/$1
	mkdir -p "$dir"
	host_sync || return 1
	vm_forget
}

# Until the daemon has told all that was done before: a new directory is watched then.
host_sync() {
	"$build/hostwatch" sync --socket "$vm/control.sock" --timeout "$vm_seconds" data >/dev/null
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

guest_barrier() {
	guest_barriers=$((${guest_barriers-0} + 1))
	: >"$dir/barrier$guest_barriers"
	vm_wait "barrier$guest_barriers\$|barrier$guest_barriers 0\$"
}

# A counter of the feeder's device, in $guest_number: the feeder prints them when its input says so.
guest_count() { # COUNTER
	vm_forget
	vm_run 'echo >/tmp/ask' && vm_wait "^fed\\.$1 " || return 1
	guest_number=$(sed -n "s/^fed\\.$1 //p" <<<"$vm_lines")
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
