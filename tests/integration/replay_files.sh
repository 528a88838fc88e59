#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# inject = replay: files on the mount behave as those of the mount below.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fuse/rig.sh
. "$tree/tests/fuse/rig.sh"
replay_enter "$0" "$@"

test_system_calls_do_the_same_as_below() {
	replay_start
	chmod 755 .
	mkdir lower/below at/above
	"$B/tests/fuse-posix" lower/below >below 2>&1
	"$B/tests/fuse-posix" at/above >above 2>&1
	[ "$(wc -l <below)" -gt 400 ] || fail "$(tail -n 3 below)"
	equal "$(cat below)" "$(cat above)"
}

test_random_reads_and_writes_find_what_was_written() {
	replay_start
	for seed in 1 2 3; do
		"$B/tests/fuse-random-io" "at/file$seed" "$PWD/host/file$seed" $seed 4000
	done
}

# Names, types, modes, sizes, links and contents; of the mount and of the directory below.
list_tree() {
	(cd "$1" && find . -not -name .git -printf '%P %y %m %s %n %l\n' | sed -E 's/( d [0-7]+) .*/\1/' | LC_ALL=C sort &&
		find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}

test_a_clone_and_a_build_are_the_same_below() {
	replay_start git gcc
	mkdir source
	(
		cd source
		git init -q .
		mkdir -p a/b c
		for ((i = 0; i < 300; i++)); do
			echo "int f$i(void);int f$i(void){return $i;}" >"a/b/f$i.c"
		done
		printf 'all: prog.a\nprog.a: $(patsubst %%.c,%%.o,$(wildcard a/b/f*.c))\n\tar rcs $@ $^\n' >Makefile
		ln -s a/b/f1.c link
		echo '#!/bin/sh' >c/run
		chmod 755 c/run
		git add -A
		git -c user.name=a -c user.email=a@localhost commit -qm one
	)
	git clone -q source at/clone
	equal '' "$(git -C at/clone status --porcelain)"
	command make -s -C at/clone -j2
	git -C at/clone fsck --strict 2>&1
	rm -r at/clone/a/b/f1?.c
	git -C at/clone checkout -q .
	git -C at/clone gc -q
	equal "$(list_tree host/clone)" "$(list_tree at/clone)"
	git -C host/clone -c safe.directory='*' fsck --strict 2>&1
	equal "$(git -C source ls-tree -r HEAD)" "$(git -C host/clone ls-tree -r HEAD)"
}

run_tests
