#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What was built for a released ABI works with today's host.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

command -v "${CC:=cc}" >/dev/null || CC=gcc

# What a program with these headers thinks of the ABI.
layout() {
	"$CC" -std=c11 -I "$1" -o "$2" "$tree/tests/abi/layout.c"
	"./$2"
}

# Today's members may be more than those kept, but none of those may be gone or elsewhere. Each line is told with
# the struct that it stands in.
with_struct() {
	awk '/^\t/ { print struct, $0; next } { struct = $1; print }' "$1"
}

released() {
	find "$tree/tests/abi" -mindepth 1 -maxdepth 1 -type d -printf '%f\n'
}

test_kept_layouts_are_those_of_the_kept_headers() {
	for version in $(released); do
		release=$tree/tests/abi/$version
		layout "$release" kept >text
		diff "$release/layout.txt" text
	done
}

test_todays_layout_has_every_released_member() {
	layout "$tree/framework/include" today >text
	with_struct text | sort >today.txt
	for version in $(released); do
		release=$tree/tests/abi/$version
		with_struct "$release/layout.txt" | sort >kept.txt
		equal "" "$(comm -23 kept.txt today.txt)" "changed since $(basename "$release")"
	done
}

# The first release is what the headers say until there is another one.
test_the_newest_release_is_this_abi() {
	version=$(awk '/define HW_ABI_MAJOR/ { major = $3 } /define HW_ABI_MINOR/ { print major "." $3 }' \
		"$tree/framework/include/hostwatch/plugin.h")
	[ -d "$tree/tests/abi/$version" ] || fail "tests/abi/$version is not kept: make abi-keep"
	layout "$tree/framework/include" today >text
	diff "$tree/tests/abi/$version/layout.txt" text
}

test_plugins_of_released_headers_pass_the_kit() {
	for version in $(released); do
		release=$tree/tests/abi/$version
		for name in watcher-minimal sink-minimal; do
			mkdir -p "$name"
			cp "$tree/examples/$name"/{Makefile,"$name.c"} "$name"
			make -s -B -C "$name" CC="$CC" CFLAGS=-O1 HW_CFLAGS="-I '$release'"
		done
		"$B/hostwatch-plugin-check" --rounds 10 --match '00*' watcher-minimal/watcher-minimal.so
		"$B/hostwatch-plugin-check" --rounds 10 sink-minimal/sink-minimal.so path=events.txt
	done
}

# The plugins end the process when the host reads or writes one byte beyond the structures that it is given.
# kit PROGRAM DIR: runs the kit on the plugins of that directory.
kit() {
	cp "$2"/edge-*.so .
	"$1" --rounds 2 --match '001*' ./edge-watcher.so
	"$1" --rounds 2 ./edge-sink.so
}

test_kept_binaries_run_under_todays_host() {
	for version in $(released); do
		binaries=$tree/tests/abi/$version/$(uname -m)
		[ -d "$binaries" ] || skip "no plugin was kept for $(uname -m)"
		kit "$B/hostwatch-plugin-check" "$binaries"
	done
}

test_kept_binaries_run_under_a_host_with_larger_structures() {
	for version in $(released); do
		binaries=$tree/tests/abi/$version/$(uname -m)
		[ -d "$binaries" ] || skip "no plugin was kept for $(uname -m)"
		kit "$B/abi/grown/build/hostwatch-plugin-check" "$binaries"
	done
}

test_todays_plugins_run_under_a_host_with_larger_structures() {
	grown=$B/abi/grown/build/hostwatch-plugin-check
	kit "$grown" "$B/abi/today"
	for watcher in inotify fanotify polling; do
		"$grown" --rounds 2 --match '00[1-3]*' "$B/plugins/$watcher.so"
	done
	for sink in socket virtiofs; do
		"$grown" --rounds 2 "$B/sinks/$sink.so"
	done
}

test_plugins_with_larger_structures_run_under_todays_host() {
	kit "$B/hostwatch-plugin-check" "$B/abi/grown"
}

run_tests
