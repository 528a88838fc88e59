# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# Conformance traces as unmodified programs see them: on the guest's mount, while the host does them and one of its watchers
# watches, and on a tmpfs of the guest, where the guest does them itself.
#
#	traces_run TRACE WHERE [WATCHER]	WHERE is mount or local; what the programs were told is in $traces/NAME/TRACE.PROGRAM then, where
#						NAME is the watcher or local and PROGRAM is inotifywait or fanwatch
#
# In a transcript steps end in lines "-- N". Equal lines in a row are one, as the kernel merges them while nobody reads. Cookies are
# numbered as they come. fanotify's lines of a step are sorted: the kernel merges its events.

traces_events='-e create -e modify -e close_write -e moved_from -e moved_to -e attrib -e delete -e move_self -e delete_self'
traces_barrier=0
traces_fanotify=no # whether the guest's kernel takes marks on such a mount

# ---- who does the operations: vm-trace, on the host or in the guest ----

traces_ask() { # WHERE LINE ANSWER...: one of the answers is in $traces_answer then
	local where=$1 line=$2 answers
	shift 2
	answers=$(IFS='|' && echo "$*")
	case $where in
	mount)
		printf '%s\n' "$line" >&"${traces_tool[1]}"
		IFS= read -r -t "$vm_seconds" -u "${traces_tool[0]}" traces_answer
		;;
	local)
		vm_run "echo '$line' >&9" && vm_wait "^T ($answers|failed)"
		traces_answer=$(sed -n 's/^T //p' <<<"$vm_lines" | tail -n 1)
		;;
	esac
	[[ $traces_answer =~ ^($answers)$ ]] || vm_fail "vm-trace: $line: $traces_answer"
}

traces_restart() {
	guest_daemon_stop
	vm_forget
	guest_daemon_start && vm_wait '^agent .*\] connected, at event'
}

# A file that the setup leaves open is an old one for who begins to watch then, and not one that is still being made.
traces_opens() { # TRACE
	sed '/^>/,$d' "tests/conformance/$1.trace" | grep -q '^open '
}

traces_begin() { # TRACE WHERE
	vm_forget
	if [ "$2" = mount ]; then
		coproc traces_tool { exec "$vm/vm-trace" "$vm" "tests/conformance/$1.trace" 2>&1; }
		IFS= read -r -t "$vm_seconds" -u "${traces_tool[0]}" traces_answer
		[ "$traces_answer" = ready ] || vm_fail "$1: $traces_answer" || return 1
		! traces_opens "$1" || traces_restart || return 1
		traces_drain
	else
		vm_run "mkdir -p /tmp/local; rm -f /tmp/steps; mkfifo /tmp/steps; exec 9<>/tmp/steps
			vm-trace /tmp/local '/traces/$1.trace' </tmp/steps 2>&1 | mark T &" && vm_wait '^T (ready|failed.*)$' &&
			[[ $vm_lines == *'T ready'* ]] || vm_fail "$1: $vm_lines"
	fi
}

traces_end() { # WHERE
	traces_ask "$1" finish finished
	[ "$1" != mount ] || wait "$traces_tool_PID" 2>/dev/null || : # it may have ended before it was asked for
	vm_run 'killall inotifywait vm-fanwatch 2>/dev/null; :'
}

# ---- who watches ----

# Until the guest has told what the host did up to now: then a program that begins is not told of it. What watches the barriers stays.
# Where the agent has just met another daemon, a rescan may stand for the first barrier.
traces_drain() {
	local try
	for try in 1 2 3 4; do
		traces_barrier=$((traces_barrier + 1))
		host_sync && traces_ask mount "barrier $traces_barrier" "barrier $traces_barrier" && host_sync || return 1
		vm_seconds=$((vm_seconds / 2)) vm_wait "^B .* CREATE $traces_barrier\$" 2>/dev/null && return 0
	done
	vm_fail "no barrier is told after $try"
}

traces_watch() { # WHERE
	local root=/mnt
	[ "$1" = mount ] || root=/tmp/local/share
	vm_run "cd $root; find . -maxdepth 6 -type d -print0 >/tmp/dirs; cd /
		{ cd $root; xargs -0 inotifywait -m --format '%w %e %f %c' $traces_events </tmp/dirs 2>&1; } | mark I &" &&
		vm_wait '^I Watches established' || return 1
	[ $traces_fanotify = no ] || {
		vm_run "{ cd $root; xargs -0 vm-fanwatch -d </tmp/dirs 2>&1; } | mark F &" && vm_wait '^F Watches established'
	}
}

# All that was done is told to all who watch.
traces_settle() { # WHERE
	traces_barrier=$((traces_barrier + 1))
	[ "$1" != mount ] || host_sync || return 1
	traces_ask "$1" "barrier $traces_barrier" "barrier $traces_barrier" || return 1
	[ "$1" != mount ] || host_sync || return 1
	vm_wait "^I \./\.barrier/ CREATE $traces_barrier 0\$" || return 1
	[ $traces_fanotify = no ] || vm_wait "^F CREATE \./\.barrier/$traces_barrier\$"
}

# ---- what they were told ----

traces_inotify_transcript() {
	sed -n 's/^I //p' <<<"$vm_lines" | awk '
		/^Setting up watches|^Watches established|^xargs: / { next }
		/^\.\/\.barrier\/ CREATE/ { print "-- " ++step; next }
		{ cookie = $NF; sub(/ [0-9a-f]+$/, "") }
		/MOVED_/ && cookie != "0" { if (!(cookie in number)) number[cookie] = ++count; $0 = $0 " " number[cookie] }
		{ sub(/ +$/, ""); print }' | uniq
}

traces_fanotify_transcript() {
	sed -n 's/^F //p' <<<"$vm_lines" | awk -v OFS='\t' '
		BEGIN { step = 1 }
		/^Watches established|^xargs: / { next }
		/^CREATE \.\/\.barrier\// { print step, 1, "-- " step; step++; next }
		/^[A-Z_]+ \.\/\.barrier\// { next }
		{ print step, 0, $0 }' | sort -t $'\t' -u -k1,1n -k2,2n -k3 | cut -f 3
}

# Up to the end of the last step: what is told when all is cleared away is of no step.
traces_steps() {
	awk '{ lines = lines $0 "\n" } /^-- / { printf "%s", lines; lines = "" }'
}

traces_keep() { # TRACE NAME
	mkdir -p "$traces/$2"
	traces_inotify_transcript | traces_steps >"$traces/$2/$1.inotifywait"
	[ $traces_fanotify = no ] || traces_fanotify_transcript | traces_steps >"$traces/$2/$1.fanwatch"
}

traces_run() { # TRACE WHERE [WATCHER]
	local step=0 ok=yes pid=0
	traces_begin "$1" "$2" || return 1
	traces_watch "$2" || ok=no
	[ "$2" != mount ] || pid=$guest_daemon
	while [ $ok = yes ]; do
		step=$((step + 1))
		traces_ask "$2" "step $pid" "step $step" end || ok=no
		[ "$traces_answer" = "step $step" ] || break
		traces_settle "$2" || ok=no
	done
	traces_end "$2" || ok=no
	[ $ok = yes ] && traces_keep "$1" "${3:-$2}"
}

# Once, in a guest that runs.
traces_prepare() {
	vm_run "vm-barrier -m --format '%w %e %f' -e create /mnt/.barrier 2>&1 </dev/null | mark B &" &&
		vm_wait '^B Watches established' || return 1
	vm_run "vm-fanwatch -d /mnt 2>&1 </dev/null | mark P &" && vm_wait '^P (Watches established|vm-fanwatch: )' || return 1
	[[ $vm_lines != *'P Watches established'* ]] || traces_fanotify=yes
	vm_run 'killall vm-fanwatch 2>/dev/null; :'
}
