#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What make install puts where, and whether it works there.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# In a copy of the build: another prefix is built into a program.
build() {
	[ -d build ] || cp -Rp "$B" build
	rm -rf build/test-logs build/ci-logs
	make -s -C "$tree" B="$PWD/build" "$@" >made 2>&1 || {
		cat made
		fail "make $*"
	}
}

test_destdir_gets_everything() {
	build DESTDIR="$PWD/root" prefix=/usr install
	for file in bin/hostwatch sbin/hostwatchd lib/libhostwatch-wire.a include/hostwatch/plugin.h \
		lib/pkgconfig/hostwatch.pc lib/systemd/system/hostwatchd.service \
		share/doc/hostwatch/examples/hostwatch.conf; do
		[ -f "root/usr/$file" ] || fail "no $file"
	done
	equal "$(cd "$tree/plugins" && ls)" "$(cd root/usr/lib/hostwatch/plugins && ls | sed 's/\.so$//')"
	equal "$(cd "$tree/sinks" && ls)" "$(cd root/usr/lib/hostwatch/sinks && ls | sed 's/\.so$//')"
	[ -z "$(find root -type f -perm /022)" ] || fail "others may write"
	if command -v scdoc >/dev/null; then
		for page in "$tree"/docs/man/*.scd; do
			page=$(basename "$page" .scd)
			[ -s "root/usr/share/man/man${page##*.}/$page" ] || fail "no page $page"
		done
	fi
	! grep -rl "$PWD" root/usr/lib/pkgconfig root/usr/lib/systemd || fail "DESTDIR is told"
	if command -v pkg-config >/dev/null; then
		equal /usr/lib/hostwatch/plugins \
			"$(PKG_CONFIG_PATH=root/usr/lib/pkgconfig pkg-config --variable=plugindir hostwatch)"
	fi
	# Run from where it will not stay.
	mkdir tmp
	HOSTWATCH_PLUGIN_PATH=$PWD/root/usr/lib/hostwatch/plugins TMPDIR=$PWD/tmp \
		root/usr/bin/hostwatch demo >text || fail "$(<text)"

	build DESTDIR="$PWD/root" prefix=/usr uninstall
	equal "" "$(find root ! -type d)"
	equal "" "$(find root -name '*hostwatch*')"
}

test_plugins_are_found_where_they_were_installed() {
	build prefix="$PWD/here" install
	mkdir tmp
	TMPDIR=$PWD/tmp here/bin/hostwatch demo >text || fail "$(<text)"
	contains "$(here/bin/hostwatch plugins)" virtiofs
	printf '[hostwatch]\ncontrol = %s/control\n[share a]\npath = %s/tmp\n' "$PWD" "$PWD" >conf
	equal "" "$(here/sbin/hostwatchd --check -c conf 2>&1)"
}

test_directories_of_plugins_can_be_chosen() {
	build prefix="$PWD/here" plugindir="$PWD/there/w" sinkdir="$PWD/there/s" install
	[ -e there/w/polling.so ]
	[ -e there/s/socket.so ]
	contains "$(here/bin/hostwatch plugins)" polling
}

run_tests
