#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make guest-static`: an agent that is one file, and runs where there is nothing else.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

build() { # ARCH
	command -v dpkg-architecture >/dev/null || skip "dpkg-dev is not installed"
	case $B in *[[:blank:]]*) skip "make cannot build below $B, whose path has a blank" ;; esac
	[ -z "${SANITIZE-}" ] || skip "a sanitizer needs shared libraries"
	# Nothing of the build that runs this test.
	env -u CC -u MAKEFLAGS -u MAKELEVEL -u WERROR -u OPTIMIZE "$tree/mk/guest-static" "$B" "$1" >said 2>&1 || {
		grep -q 'make guest-static: ' said || fail "$(<said)"
		skip "$(grep 'make guest-static: ' said | head -n 1)"
	}
	agent=$B/static/$1/hostwatch-guest
	[ -z "$(readelf -l "$agent" | grep INTERP)" ] || fail "it needs a dynamic linker"
	[ -z "$(readelf -d "$agent" | grep NEEDED)" ] || fail "it needs shared libraries"
}

# agent_reports COMMAND...: a program that prints the events of ./root/ch.
agent_reports() {
	mkdir -p share
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink guest]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/root/ch" >conf
	begin_daemon
	start "$@"
	logged 'guest connected'
	mkdir share/d
	mv share/d share/e
	await "$out" '"event":"create","type":"dir","path":"d"'
	next "$out"
	contains "$line" '"event":"move","type":"dir","from":"d","to":"e"'
	finish "$pid"
	end_daemon
}

test_it_runs_where_there_is_nothing_but_dev_null() {
	build "$(dpkg --print-architecture)"
	[ "$(id -u)" = 0 ] || skip "only root can use chroot(2)"
	mkdir -p root/dev
	mknod -m 666 root/dev/null c 1 3 2>/dev/null && : >root/dev/null || skip "no device can be made here"
	cp "$agent" root/
	equal "hostwatch-guest $(sed -n 's/^VERSION := //p' "$tree/Makefile")" "$(chroot root /hostwatch-guest --version)"
	printf '[mount a]\npath = /\nchannel = virtio:org.hostwatch.0\n' >root/conf
	chroot root /hostwatch-guest --check --config /conf || fail "a configuration is refused"
	agent_reports chroot root /hostwatch-guest --print --json --channel unix:/ch
}

test_that_of_arm64_runs() {
	command -v qemu-aarch64 >/dev/null || skip "qemu-user is not installed"
	command -v aarch64-linux-gnu-gcc >/dev/null || skip "gcc-aarch64-linux-gnu is not installed"
	build arm64
	contains "$(readelf -h "$agent")" AArch64
	mkdir root
	agent_reports qemu-aarch64 "$agent" --print --json --channel "unix:$PWD/root/ch"
}

# The proof of the secret is the one thing that the agent computes.
test_that_of_arm64_proves_a_secret() {
	command -v qemu-aarch64 >/dev/null || skip "qemu-user is not installed"
	command -v aarch64-linux-gnu-gcc >/dev/null || skip "gcc-aarch64-linux-gnu is not installed"
	build arm64
	mkdir root share
	head -c 32 /dev/urandom >secret
	chmod 600 secret
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink guest]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/root/ch" "secret = $PWD/secret" >conf
	begin_daemon
	start qemu-aarch64 "$agent" --print --json --channel "unix:$PWD/root/ch" --secret "$PWD/secret"
	logged 'guest connected'
	mkdir share/d
	await "$out" '"path":"d"'
	finish "$pid"
	end_daemon
}

run_tests
