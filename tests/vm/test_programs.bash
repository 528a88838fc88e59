# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Programs that people use react to what the host does as they do to the same on a disk of their own. What was seen goes
# into build/vm/programs.tsv: program, version, change, whether it reacts, whether it does on a tmpfs of the guest, and the injector.
#
# They are the host's own, whose /usr the guest mounts, read-only.

programs_seconds=${VM_PROGRAMS_SECONDS:-30} # longest wait for a reaction

programs_begin() {
	programs_rows=()
	vm_run 'grep -q " /usr " /proc/mounts || { mkdir -p /usr && mount -t virtiofs -o ro tools /usr; }' || return 1
	vm_run 'tool() {
			program=$1; shift
			HOME=/tmp NODE_PATH=/usr/share/nodejs:/usr/lib/node_modules:/usr/local/lib/node_modules "/usr/bin/$program" "$@"
		}
		# It has watches, and all of it has slept, some in read, poll, select or epoll_wait, for a while: entr forgets what comes
		# within 50 ms of what it was told before.
		armed() {
			rest= looks=0
			until was=$rest; rest=$(resting $(pidof "$1")); [ "$rest" ] && [ "$rest" = "$was" ] || [ $looks = 50 ]; do
				looks=$((looks + 1))
				usleep 200000
			done
		}
		resting() {
			for pid; do
				grep -qs "^inotify wd" "/proc/$pid/fdinfo/"* && grep -qsE "^(0|7|23|232|270|271|281) " "/proc/$pid/task/"*/syscall &&
					grep -hs "ctxt_switches" "/proc/$pid/task/"*/status
			done
		}
		stop() {
			killall "$1" 2>/dev/null
			looks=0
			while pidof "$1" >/dev/null; do
				looks=$((looks + 1))
				[ $looks != 50 ] || killall -KILL "$1"
				usleep 100000
			done
		}'
}

# reflex runs commands on a terminal.
programs_terminal() {
	vm_run 'mkdir -p /dev/pts; mount -t devpts -o ptmxmode=666 devpts /dev/pts; [ -e /dev/ptmx ] || ln -s pts/ptmx /dev/ptmx'
}

programs_watchdog='
import sys, time
from watchdog.observers import Observer
from watchdog.events import FileSystemEventHandler
class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        print("watchdog", event.event_type, event.src_path, getattr(event, "dest_path", ""), flush=True)
observer = Observer()
observer.schedule(Handler(), sys.argv[1], recursive=True)
observer.start()
print("watchdog ready", flush=True)
observer.join()
'

# A change, on the host for the mount and in the guest for its tmpfs.
programs_change() { # WHERE COMMAND
	case $1 in
	/mnt/*) (cd "$dir" && eval "$2") ;;
	*) vm_run "cd $1 && { $2; }; cd /" ;;
	esac
}

programs_files='for f in modified saved deleted renamed; do echo "a $f" >$f; done
	echo "console.log(\"ran\", require(\"./modified.js\"))" >script.js; echo "module.exports = 1" >modified.js'

# Runs the program on a directory, makes each change, and waits for what is printed then.
programs_try() { # WHERE START READY ARMED CHANGE COMMAND PATTERN...
	local where=$1 reacted armed=$4
	vm_forget
	programs_change "$where" "$programs_files" || return 1
	[[ $where != /mnt/* ]] || host_sync || return 1
	vm_run ": >/tmp/running; cd /; { ${2//DIR/$where}; } 2>&1 </dev/null | mark P &" || return 1
	[[ ! $3 ]] || vm_wait "^P .*$3" || return 1
	shift 4
	programs_reactions=()
	while (($# > 0)); do
		[[ ! $armed ]] || vm_run "armed $armed" || return 1
		vm_forget
		programs_change "$where" "$2" || return 1
		reacted=yes
		vm_seconds=$programs_seconds vm_wait "^P .*$3" 2>/dev/null || {
			reacted=no
			echo "    $1 in $where: no line like $3, but:"$'\n'"$vm_lines"
		}
		programs_reactions+=("$reacted")
		shift 3
	done
}

# The same on the mount and on a tmpfs.
programs_compare() { # PROGRAM VERSION KILL START READY ARMED CHANGE COMMAND PATTERN...
	local program=$1 version=$2 kill=$3 i local_reactions failed=0 rows='' others
	shift 3
	programs_begin && vm_run "mkdir -p /tmp/$name" || return 1
	programs_try "/tmp/$name" "$@" || return 1
	local_reactions=("${programs_reactions[@]}")
	vm_run "rm /tmp/running; stop $kill; rm -r /tmp/$name" && programs_try "/mnt/$name" "$@" || return 1
	vm_run "rm /tmp/running; stop $kill"
	shift 3
	for ((i = 0; $# > 0; i++)); do
		rows+="$program"$'\t'"$version"$'\t'"$1"$'\t'"${programs_reactions[i]}"$'\t'"${local_reactions[i]}"$'\t'"$guest_inject"$'\n'
		echo "    $1: ${programs_reactions[i]}, on a tmpfs ${local_reactions[i]}"
		[[ ${programs_reactions[i]} == "${local_reactions[i]}" ]] || failed=1
		shift 3
	done
	# in place of those of another run, which may be under way
	mkdir -p "$build/vm"
	{
		flock 9
		touch "$build/vm/programs.tsv"
		others=$(awk -F '\t' -v program="$program" -v inject="$guest_inject" '$1 != program || $6 != inject' "$build/vm/programs.tsv")
		printf '%s' "${others:+$others$'\n'}" "$rows" >"$build/vm/programs.tsv"
	} 9>"$build/vm/programs.lock"
	return $failed
}

programs_package() { # PACKAGE
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//'
}

# It does not report what a new directory contains when it begins to watch it.
test_inotifywait_in_a_loop_reacts() {
	programs_compare 'inotifywait in a shell loop' "$(programs_package inotify-tools)" inotifywait \
		'inotifywait -m -r -e close_write -e moved_to -e moved_from -e delete -e create --format "%e %f" DIR | while read -r what; do echo "loop $what"; done' \
		'established' inotifywait \
		create 'echo 1 >new' 'loop CLOSE_WRITE,CLOSE new' \
		modify 'echo 2 >>modified' 'loop CLOSE_WRITE,CLOSE modified' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'loop MOVED_TO saved' \
		delete 'rm deleted' 'loop DELETE deleted' \
		rename 'mv renamed other' 'loop MOVED_TO other' \
		'new subdirectory' 'mkdir sub' 'loop CREATE,ISDIR sub' \
		'create in the new subdirectory' 'echo 1 >sub/file' 'loop CREATE file'
}

# It watches the files of a list and their directories, and ends when there is a new one: so it runs in a loop.
test_entr_reacts() {
	programs_compare entr "$(programs_package entr)" entr \
		'while [ -e /tmp/running ]; do ls -d DIR/* | tool entr -dnp /usr/bin/printf "entr ran for %s\n" /_ || :; echo entr again; done' \
		'' entr \
		create 'echo 1 >new' 'entr again' \
		modify 'echo 2 >>modified' 'entr ran for .*/modified' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'entr (ran for .*/saved|again)'
}

test_tail_f_reacts() {
	programs_compare 'tail -F' "$(programs_package coreutils)" tail \
		'tool tail -F DIR/modified DIR/saved DIR/deleted DIR/renamed' 'a renamed' '' \
		modify 'echo more >>modified' 'more' \
		'atomic save' 'echo replaced >.tmp && mv .tmp saved' 'replaced' \
		delete 'rm deleted' 'deleted.*(inaccessible|No such file)' \
		create 'echo made again >deleted' 'made again' \
		rename 'mv renamed other' 'renamed.*(inaccessible|No such file)'
}

test_chokidar_reacts() {
	programs_compare chokidar "$(programs_package node-chokidar), Node.js $(node --version)" node \
		"tool node -e 'require(\"chokidar\").watch(\"DIR\").on(\"all\", (e, p) => console.log(\"chokidar\", e, p)).on(\"ready\", () => console.log(\"chokidar ready\"))'" \
		'chokidar ready' '' \
		create 'echo 1 >new' 'chokidar add .*/new$' \
		modify 'echo 2 >>modified' 'chokidar change .*/modified$' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'chokidar change .*/saved$' \
		delete 'rm deleted' 'chokidar unlink .*/deleted$' \
		rename 'mv renamed other' 'chokidar add .*/other$' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' 'chokidar add .*/sub/file$'
}

test_node_watch_reacts() {
	programs_compare 'node --watch' "$(node --version)" node \
		'tool node --watch DIR/script.js' 'ran 1' node \
		modify 'echo "module.exports = 2" >modified.js' 'ran 2' \
		'atomic save' 'echo "module.exports = 3" >.tmp && mv .tmp modified.js' 'ran 3'
}

test_systemd_path_reacts() {
	programs_compare 'like systemd.path' '' vm-path 'vm-path DIR/saved' 'path 8 bytes' vm-path \
		modify 'echo longer >>saved' 'path 15 bytes' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'path 2 bytes' \
		'modify what was saved' 'echo 33 >saved' 'path 3 bytes' \
		'atomic save again' 'echo 4444 >.tmp && mv .tmp saved' 'path 5 bytes' \
		delete 'rm saved' 'path gone' \
		create 'echo 55555 >saved' 'path 6 bytes' \
		rename 'mv saved other' 'path gone'
}
