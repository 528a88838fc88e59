#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a plugin's author does: begin one, build it against an installed hostwatch, check it, use it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

command -v "${CC:=cc}" >/dev/null || CC=gcc

# Installs below ./root; tells make and pkg-config about it. Nothing is built anew: prefix stays what it is.
install_tree() {
	command -v pkg-config >/dev/null || skip "no pkg-config"
	make -s -C "$tree" DESTDIR="$PWD/root" install-sdk install-packaging
	bin=$(find root -name hostwatch-plugin-check)
	prefix=${bin%/lib/*}
	install -D "$B/hostwatch" "$prefix/bin/hostwatch"
	hostwatch=$PWD/$prefix/bin/hostwatch
	export PKG_CONFIG_SYSROOT_DIR=$PWD/root
	PKG_CONFIG_PATH=$(dirname "$(find "$PWD/root" -name hostwatch.pc)")
	export PKG_CONFIG_PATH
	export CC MAKEFLAGS=
}

test_a_new_watcher_builds_and_passes_the_kit() {
	install_tree
	"$hostwatch" new-plugin watcher clock
	equal $'.gitignore\nMakefile\nREADME.md\nclock.c' "$(LC_ALL=C ls -A clock)"
	[ -z "$(grep -r minimal clock)" ] || fail "the example's name is left"
	make -s -C clock check HOSTWATCH="$hostwatch" >report || {
		cat report
		fail "the kit"
	}
	grep -q '^ok .* trace 122-package-install' report
}

test_a_new_sink_builds_and_passes_the_kit() {
	install_tree
	"$hostwatch" new-plugin sink lines
	make -s -C lines check HOSTWATCH="$hostwatch" >report || {
		cat report
		fail "the kit"
	}
	make -s -C lines install DESTDIR="$PWD/root"
	[ -n "$(find root -path '*/sinks/lines.so')" ] || fail "not installed"
}

# Without pkg-config's path, with the narrowest umask: the Makefile finds the prefix by the program.
test_an_ordinary_user_builds_and_passes_the_kit() {
	install_tree
	unset PKG_CONFIG_PATH TMPDIR
	chmod -R a+rX root
	mkdir home
	chmod 777 home
	cd home
	for kind in watcher sink; do
		as_user sh -c 'umask 077 && PATH=$1:$PATH && hostwatch new-plugin "$2" "my-$2" && cd "my-$2" &&
			make -s && make -s check KIT_OPTIONS="--rounds 20"' - "${hostwatch%/*}" $kind >report 2>&1 || {
			cat report
			fail "the kit"
		}
		! grep -v '^ok\|^#\|^1\.\.\|^TAP\|^hostwatch plugin-check\|^my-' report || fail "more than the report"
	done
}

test_the_plugins_that_come_with_it_pass_for_an_ordinary_user() {
	install_tree
	chmod -R a+rX root
	mkdir home
	chmod 777 home
	for plugin in plugins/inotify plugins/fanotify plugins/polling sinks/socket sinks/virtiofs; do
		install -Dm644 "$B/$plugin.so" "root/$plugin.so"
		TMPDIR=$PWD/home as_user "$hostwatch" plugin-check --rounds 20 "root/$plugin.so" >report 2>&1 || {
			cat report
			fail "$plugin"
		}
		# Whatever is skipped is so for want of rights.
		! grep '# SKIP' report | grep -vE 'CAP_|the sanitizer has its own malloc|elsewhere the names of a file remain|the old times hide the write' || fail "$plugin"
		equal "" "$(ls -A home)"
	done
}

test_a_failure_leaves_no_directory() {
	mkdir shut
	chmod 755 shut
	cd shut
	if [ "$(id -u)" = 0 ]; then
		cp "$B/hostwatch" ..
		status=0
		text=$(as_user ../hostwatch new-plugin watcher clock 2>&1) || status=$?
		equal 1 $status
		contains "$text" 'hostwatch new-plugin: cannot create the directory clock: Permission denied'
	fi
	# Files of 512 bytes are the limit.
	status=0
	text=$(trap '' XFSZ && ulimit -f 1 && "$B/hostwatch" new-plugin watcher clock 2>&1) || status=$?
	equal 1 $status "$text"
	contains "$text" 'File too large'
	equal "" "$(ls -A)"
}

test_names_with_a_meaning_are_refused() {
	for name in auto polling inotify fanotify socket virtiofs; do
		status=0
		text=$("$B/hostwatch" new-plugin watcher $name 2>&1) || status=$?
		equal 2 $status
		contains "$text" "$name is reserved by hostwatch"
	done
}

# Every warning that this tree is built with.
test_a_new_plugin_compiles_without_warnings() {
	for kind in watcher sink; do
		"$B/hostwatch" new-plugin $kind "my-$kind"
		make -s -C "my-$kind" CC="$CC" HW_CFLAGS="-I '$tree/framework/include'" CFLAGS="-O2 -Wall -Wextra -Wshadow \
			-Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Werror"
	done
}

test_names_that_are_keywords_compile() {
	for name in int sink watcher 9p a-b; do
		"$B/hostwatch" new-plugin sink $name
		make -s -C $name CC="$CC" HW_CFLAGS="-I '$tree/framework/include'"
	done
}

test_what_is_there_is_left_alone() {
	mkdir here
	touch here/mine
	ln -s nowhere link
	for name in here link; do
		status=0
		text=$("$B/hostwatch" new-plugin watcher $name 2>&1) || status=$?
		equal 1 $status
		contains "$text" 'File exists'
	done
	equal mine "$(ls here)"
}

test_bad_names_and_kinds_are_refused() {
	long=$(printf 'x%.0s' {1..32})
	for name in '' . .. ../x a/b A 'a b' -a "$long" $'a\nb'; do
		status=0
		"$B/hostwatch" new-plugin watcher -- "$name" >text 2>&1 || status=$?
		equal 2 $status "$name"
	done
	status=0
	"$B/hostwatch" new-plugin sonk x >text 2>&1 || status=$?
	equal 2 $status
	equal text "$(ls)"
	"$B/hostwatch" new-plugin watcher "${long:1}" >text # the longest
}

test_the_minimal_sink_writes_what_happens() {
	mkdir share dir
	cp "$B/examples/sink-minimal.so" dir
	cat >conf <<-EOF
		[hostwatch]
		plugin_path = $PWD/dir
		control = $PWD/control
		[share home]
		path = $PWD/share
		watcher = polling
		interval = 20ms
		[sink sink-minimal]
		path = $PWD/events
	EOF
	"$B/hostwatch" check conf
	start "$B/hostwatchd" -c conf
	end=$((SECONDS + DEADLINE))
	until [ "$(stat -c %a control 2>&1)" = 600 ]; do # set when it listens
		[ $SECONDS -lt $end ] || fail "no control socket: $(cat err)"
	done
	"$B/hostwatch" sync --socket "$PWD/control" home >seq # waits until it is online
	mkdir share/$'a dir\n'
	"$B/hostwatch" sync --socket "$PWD/control" home >seq
	finish "$pid"
	started=() # it is gone
	contains "$(cat events)" 'home create a\x20dir\x0a'
}

run_tests
