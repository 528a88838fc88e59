#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# inject = replay: inotifywait and a fanotify program receive what they receive of the same changes on a local directory.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fuse/rig.sh
. "$tree/tests/fuse/rig.sh"
replay_enter "$0" "$@"

# What is there, and watched, at the start of each history.
make_trees() {
	local base
	for base in host plain; do
		mkdir -p $base/tree/{d/n,e,empty} $base.outside/full
		touch $base/tree/{f,g,d/x,d/n/y,e/z} $base.outside/{in,full/file}
		ln $base/tree/g $base/tree/e/hard
	done
}
watched=(. d d/n e empty f g d/x d/n/y e/z)

# compare BASE: each line of the standard input is a command of a history, which runs in ./plain/tree and in BASE/tree. The
# programs must have received the same before the next one.
compare() {
	local base=$1 command
	make_trees
	replay_start inotifywait
	replay_watch plain "${watched[@]}"
	replay_watch at "${watched[@]}"
	while read -r command; do
		(cd plain/tree && outside=$PWD/../../plain.outside eval "$command")
		# shellcheck disable=SC2034 # of the command
		(cd "$base/tree" && outside=$OLDPWD/host.outside eval "$command")
		replay_barrier plain at
		equal "$(replay_lines in.plain)" "$(replay_lines in.at)" "inotify: $command"
		equal "$(replay_merged fan.plain)" "$(replay_merged fan.at)" "fanotify: $command"
	done
	[ -s in.at ] && [ -s fan.at ] || fail "nothing was received"
	equal "$(list plain/tree)" "$(list at/tree)" "what is there"
}
list() {
	(cd "$1" && find . -printf '%P %y %m %s %n\n' | LC_ALL=C sort)
}

test_files_that_no_program_has_looked_at() {
	watched=(. d)
	compare host <<-'END'
		echo text >>f
		chmod 600 d/x
		echo text >>d/n/y
		echo text >>d/x
		mv g d/g
		rm d/x
		chmod 700 e
		mv d/n n
		rmdir empty
	END
}

test_new_entries() {
	compare host <<-'END'
		echo text >new
		: >empty_file
		mkdir newdir
		ln -s nowhere link
		mkfifo d/fifo
		mkdir -p e/a
		echo text >>e/z
		echo more >>d/n/y
	END
}

test_entries_that_go() {
	compare host <<-'END'
		rm f
		rm d/n/y
		rmdir d/n
		rmdir empty
		rm d/x
		rmdir d
		rm e/z
	END
}

test_renames() {
	compare host <<-'END'
		mv f f2
		mv d/x e/x
		mv f2 e/f3
		mv d/n e/n
		echo text >>e/n/y
		mv d d2
		echo text >d2/new
		mv e empty/e
		mv empty/e/n/y y
	END
}

test_renames_over_something() {
	compare host <<-'END'
		mv f d/x
		mv d/x d/n/y
		mv -T d/n empty
		mv empty/y e/z
	END
}

test_exchanges() {
	[ -x "$B/tests/exchange" ] || skip "built without libfuse3"
	compare host <<-'END'
		"$B/tests/exchange" e/z f
		"$B/tests/exchange" d e
		"$B/tests/exchange" d/z g
		"$B/tests/exchange" d/z e/n
	END
}

test_moves_over_the_border() {
	compare host <<-'END'
		mv f "$outside/f"
		mv "$outside/in" in
		mv "$outside/in2" in || mv "$outside/f" f
		mv d/n "$outside/n"
		mv -T "$outside/full" full
	END
}

test_data_and_attributes() {
	compare host <<-'END'
		echo text >>f
		echo more >>f
		chmod 600 f
		chmod 700 d
		chown 1:1 e/z
		setfattr -n user.a -v b d/x
		setfattr -x user.a d/x
		echo saved >.f
		mv .f f
	END
}

# Changes that a program makes at the mount are reported once, by its own kernel.
test_changes_of_the_guest_are_reported_once() {
	compare at <<-'END'
		echo text >new
		mkdir newdir
		mkdir -p newdir/a/b
		ln -s nowhere link
		echo text >>f
		echo more >>f
		chmod 600 f
		chmod 700 d
		mv f f2
		mv f2 d/x
		mv d/n e/n
		rm e/n/y
		rmdir e/n
		rm d/x
		ln g h
		echo saved >.f
		mv .f g
		rm -r newdir
	END
}

test_attributes_of_the_root() {
	watched=(.. .)
	compare host <<-'END'
		chmod 700 ..
		chmod 755 ..
	END
}

test_attributes_of_the_root_that_the_guest_changes() {
	watched=(.. .)
	compare at <<-'END'
		chmod 700 ..
		chmod 755 ..
	END
}

# No system call accepts its path.
test_a_directory_that_is_too_deep_for_a_path() {
	local name
	name=$(printf 'd%.0s' {1..200})
	# shellcheck disable=SC2034 # of the commands
	deep=$name$(printf "/$name%.0s" {2..12})
	watched=(. e)
	compare host <<-'END'
		mkdir -p "$deep" "p/$deep/last"
		mv p "$deep/p"
		top=$PWD; cd "$deep" && mv "p/$deep/last" "$top/up"
		echo text >up/new
		top=$PWD; cd "$deep" && mv "$top/e" "p/$deep/e"
	END
}

# The lower directory takes its time for the change of one program. Others change what they want, and receive the host's events.
test_a_request_that_waits_delays_nothing_else() {
	mkfifo hold
	hold=$PWD/hold
	mkdir -p host/tree/slow host/tree/d plain/tree/d plain/tree/slow
	touch host/tree/d/f plain/tree/d/f
	replay_start inotifywait
	for base in plain at; do
		(cd $base/tree && exec inotifywait -m --format '%w %e %f %c' -e create,delete,move,attrib,close_write d slow) \
			>"in.$base" 2>"in.$base.err" &
		started+=($!)
		replay_until grep -q '^Watches established' "in.$base.err"
	done
	mkdir at/tree/slow/held &
	waits=$!
	await "$lower_out" '^waits$'
	for base in plain host; do
		chmod 600 $base/tree/d/f
		: >$base/tree/d/new
	done
	mv plain/tree/d/f plain/tree/d/moved
	replay_until grep -q 'CLOSE_WRITE.* new' in.at
	timeout -s KILL $DEADLINE mv at/tree/d/f at/tree/d/moved || fail "a change of another program waits"
	kill -0 $waits || fail "the change does not wait"
	: >hold
	wait $waits
	mkdir plain/tree/slow/held
	for base in plain host; do
		mkdir $base/tree/slow/last
	done
	replay_until grep -q 'ISDIR last' in.plain
	replay_until grep -q 'ISDIR last' in.at
	equal "$(replay_lines in.plain)" "$(replay_lines in.at)"
}

run_tests
