#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/fuse-server: what a program reads after an event is new, though the kernel may keep each answer for an hour.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
server=$B/examples/fuse-server/fuse-server

# Runs the function with the server mounted at ./at, in a mount namespace that ends with it.
mounted() {
	[ -x "$server" ] || skip "libfuse3-dev is not installed"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	[ "$(id -u)" = 0 ] || skip "only root can mount"
	[ -z "$(lacks_mounts)" ] || skip "$(lacks_mounts)"
	unshare --mount "$BASH" "$tree/tests/integration/fuse_server.sh" --inside "$1" || exit $?
}

# The daemon and the server. What is below ./share then exists before the server, and is not known to the kernel.
serve() {
	mkdir -p share at
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink guest]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/ch" >conf
	begin_daemon
	start "$server" -v share at "unix:$PWD/ch"
	await "$out" '^connected$'
}
leave() {
	umount at
	wait "$pid" || fail "$(cat err)"
	end_daemon
}

# Waits until the server has notified the kernel of this event.
told() {
	await "$out" "^$1\$"
}
# What the kernel shows and what it keeps, read twice: the second time from its caches.
reads() { # PATH TEXT
	equal "$2" "$(cat "at/$1")" "at/$1"
	equal "$2" "$(cat "at/$1")" "at/$1, again"
}
absent() {
	[ ! -e "at/$1" ] || fail "at/$1 is there"
}
names() { # DIRECTORY NAME...
	equal "$(printf '%s\n' "${@:2}")" "$(ls "at/$1")" "names of $1"
}

contents_and_attributes() {
	mkdir -p share/d
	echo one >share/d/f
	serve
	reads d/f one
	equal 644 "$(stat -c %a at/d/f)"
	exec 5<at/d/f # stays open
	echo two >share/d/f # of the same length
	told 'close_write d/f'
	reads d/f two
	equal two "$(cat <&5)"
	echo more >>share/d/f
	told 'close_write d/f'
	reads d/f $'two\nmore'
	equal 9 "$(stat -c %s at/d/f)"
	chmod 600 share/d/f
	told 'attrib d/f'
	equal 600 "$(stat -c %a at/d/f)"
	chmod 750 share/d
	told 'attrib d'
	equal 750 "$(stat -c %a at/d)"
	exec 5<&-
	leave
}
test_contents_and_attributes_are_new() { mounted contents_and_attributes; }

names_and_their_absence() {
	mkdir -p share/d/e
	echo one >share/d/f
	serve
	names d e f
	absent d/new
	absent d/new
	echo new >share/d/new
	told 'close_write d/new'
	reads d/new new
	names d e f new
	reads d/f one
	rm share/d/f
	told 'delete d/f'
	absent d/f
	names d e new
	equal 1 "$(stat -c %h at/d/new)"
	ln share/d/new share/d/link
	told 'create d/link'
	equal 2 "$(stat -c %h at/d/new)"
	reads d/link new
	rm share/d/new
	told 'delete d/new'
	equal 1 "$(stat -c %h at/d/link)"
	equal 3 "$(stat -c %h at/d)"
	rmdir share/d/e
	told 'delete d/e'
	equal 2 "$(stat -c %h at/d)"
	names d link
	absent top
	echo top >share/top
	told 'close_write top'
	reads top top
	ln -s top share/d/symlink
	told 'create d/symlink'
	equal top "$(readlink at/d/symlink)"
	ln -sfn other share/d/symlink # a rename over it
	told 'move d/symlink'
	equal other "$(readlink at/d/symlink)"
	leave
}
test_names_and_their_absence_are_new() { mounted names_and_their_absence; }

# renameat2(2) with RENAME_EXCHANGE, for which mv(1) has an option since coreutils 9.5.
exchange() {
	local number=316
	[ "$(uname -m)" = x86_64 ] || number=276
	perl -e 'syscall(0 + shift, -100, shift, -100, shift, 2) == 0 or die "$!\n"' "$number" "$1" "$2"
}

replaced_files() {
	mkdir share
	echo one >share/f
	echo other >share/g
	serve
	reads f one
	reads g other
	echo two >share/.f
	mv share/.f share/f
	told 'move f'
	reads f two
	absent .f
	exchange share/f share/g
	told 'move g'
	reads f other
	reads g two
	leave
}
test_replaced_files_are_new() { mounted replaced_files; }

# A directory that a program has as its own stays known under the new name.
renamed_directories() {
	mkdir -p share/a/deep share/c
	echo one >share/a/deep/f
	serve
	reads a/deep/f one
	absent a/deep/none
	absent b
	cd at/a/deep
	exec 5<f # without its path
	equal one "$(cat f)"
	mv ../../../share/a ../../../share/b
	told 'move b'
	equal one "$(cat f)"
	echo two >../../../share/b/deep/f
	told 'close_write b/deep/f'
	equal two "$(cat /proc/self/fd/5)"
	equal two "$(cat f)"
	echo new >../../../share/b/deep/none
	told 'close_write b/deep/none'
	equal new "$(cat none)"
	cd ../../..
	absent a
	reads b/deep/f two
	equal "$PWD/at/b/deep" "$(cd at/b/deep && pwd -P)"
	mv share/b share/c/b # into a directory that the kernel does not know
	told 'move c/b'
	echo three >share/c/b/deep/f
	told 'close_write c/b/deep/f'
	equal three "$(cat /proc/self/fd/5)"
	exec 5<&-
	reads c/b/deep/f three
	absent b
	mv share/c/b .
	told 'move -'
	absent c/b
	names c
	mkdir share/a
	told 'create a'
	names . a c
	leave
}
test_renamed_directories_are_new() { mounted renamed_directories; }

# A program may have a directory open that no path leads to any more: nothing of it is kept.
directories_that_left() {
	mkdir -p share/d
	echo one >share/d/f
	serve
	reads d/f one
	cd at/d
	equal one "$(cat f)"
	mv ../../share/d ../../left
	told 'move -'
	equal one "$(cat f)"
	echo two >../../left/f
	equal two "$(cat f)"
	[ ! -e new ] || fail "new is there"
	echo new >../../left/new
	equal new "$(cat new)"
	cd ../..
	leave
}
test_directories_that_left_are_not_kept() { mounted directories_that_left; }

# The disk is ahead of the events: what the kernel asks for meanwhile has another name than the events say.
lookups_ahead_of_events() {
	mkdir -p share/d share/e
	echo one >share/d/f
	serve
	reads d/f one
	names e
	freeze "$daemon"
	echo two >share/d/f
	mv share/d share/e/d
	mkdir share/d
	echo other >share/d/f
	cat at/e/d/f >/dev/null # a name that the kernel did not know, of a directory that it knows
	thaw "$daemon"
	touch share/end
	told 'create end'
	reads d/f other
	reads e/d/f two
	echo three >share/e/d/f
	told 'close_write e/d/f'
	reads e/d/f three
	leave
}
test_lookups_ahead_of_events_are_not_kept() { mounted lookups_ahead_of_events; }

# The same for a name that the kernel knew: the events that use it for the directory that left are not those of the new one.
names_ahead_of_events() {
	mkdir -p share/d at
	echo one >share/d/f
	printf '%s\n' '[hostwatch]' "control = $PWD/control" '[share s]' "path = $PWD/share" '[sink guest]' 'plugin = virtiofs' \
		"channel = unix-listen:$PWD/ch" >conf
	start "$server" -v share at "unix:$PWD/ch"
	end=$((SECONDS + DEADLINE))
	until exec 5<at/d/f; do
		[ $SECONDS -lt $end ] || fail "it is not mounted: $(cat err)"
	done 2>/dev/null
	begin_daemon 5<&-
	told connected
	equal one "$(cat /proc/self/fd/5)"
	freeze "$daemon"
	echo two >share/d/f
	mv share/d share/e
	mkdir share/d
	echo other >share/d/f
	reads d/f other
	thaw "$daemon"
	touch share/end
	told 'create end'
	equal two "$(cat /proc/self/fd/5)"
	echo three >share/e/f
	told 'close_write e/f'
	equal three "$(cat /proc/self/fd/5)"
	exec 5<&-
	reads e/f three
	leave
}
test_names_ahead_of_events_are_not_mistaken() { mounted names_ahead_of_events; }

# Nothing is reported while no host is connected, and nothing is kept.
without_host() {
	mkdir -p share/d
	echo one >share/d/f
	serve
	reads d/f one
	absent d/new
	end_daemon
	told disconnected
	echo two >share/d/f
	echo new >share/d/new
	reads d/f two
	reads d/new new
	echo more >share/d/f
	rm share/d/new
	reads d/f more
	absent d/new
	begin_daemon
	told connected
	reads d/f more
	echo three >share/d/f
	told 'close_write d/f'
	reads d/f three
	leave
}
test_without_a_host_nothing_is_kept() { mounted without_host; }

# What the tests above would not notice if the kernel kept nothing: without notifications it shows what is old.
kept() {
	mkdir -p share/d
	echo one >share/d/f
	serve
	reads d/f one
	absent d/new
	names d f
	freeze "$daemon"
	echo two >share/d/f
	echo new >share/d/new
	equal one "$(cat at/d/f)"
	absent d/new
	names d f
	thaw "$daemon"
	told 'close_write d/new'
	end=$((SECONDS + DEADLINE))
	until [ "$(cat at/d/f)" = two ]; do
		[ $SECONDS -lt $end ] || fail "it stays old"
	done
	reads d/new new
	leave
}
test_the_kernel_keeps_what_it_has_read() { mounted kept; }

if [ "${1-}" = --inside ]; then
	started=()
	trap 'cd / && umount -l "$dir/at" 2>/dev/null || :; for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	dir=$PWD
	set -e
	"$2"
	exit 0
fi
run_tests
