# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Programs in the guest learn which files were created, changed, deleted and renamed on the host while something was away. The
# programs are those of the host's /usr: see test_programs.bash. They watch one directory, and run until the end.

missed_journal='journal = 1M'

# The changes of one round have names of their own.
missed_before() { # ROUND...
	local round
	for round; do
		echo old >"$dir/modified$round"
		echo old >"$dir/deleted$round"
		echo old >"$dir/renamed$round"
	done
}

missed_changes() { # ROUND
	echo new >"$dir/created$1"
	echo more >>"$dir/modified$1"
	rm "$dir/deleted$1"
	mv "$dir/renamed$1" "$dir/other$1"
}

# Python watchdog and reflex are started first: they take the longest.
missed_start() {
	printf '%s' "$programs_watchdog" >"$share/missed.py"
	programs_begin && programs_terminal && host_sync || return 1
	vm_run "tool python3 /mnt/missed.py /mnt/$name 2>&1 </dev/null | mark P &
		{ cd /mnt/$name && HOME=/tmp SHELL=/bin/sh /usr/bin/reflex -d none -- echo reflex {}; } 2>&1 </dev/null | mark R &
		{ tool node -e 'require(\"chokidar\").watch(\"/mnt/$name\", {ignoreInitial: true}).on(\"all\", (e, p) => console.log(\"chokidar\", e, p)).on(\"ready\", () => console.log(\"chokidar ready\"))'; } 2>&1 </dev/null | mark C &" || return 1
	guest_watch A "$events" "/mnt/$name/" && vm_wait '^P watchdog ready' && vm_wait '^C chokidar ready' && missed_reflex
}

# reflex does not say when it has begun.
missed_reflex() {
	local i
	for ((i = 0; i < 30; i++)); do
		: >"$dir/early$i"
		! vm_seconds=5 vm_wait '^R reflex early' 2>/dev/null || return 0
	done
	vm_fail 'reflex does not begin'
}

# chokidar does not read a directory again for events that arrive while reading it takes more than a second, as in a guest
# without a processor of its own; the next event makes it do so. inotifywait shows that each event was reported.
missed_chokidar() { # PATTERN
	local i
	for ((i = 0; i < 4; i++)); do
		! vm_seconds=20 vm_wait "$1" 2>/dev/null || return 0
		: >"$dir/again$SECONDS"
	done
	vm_wait "$1"
}

# Until all programs have reacted to a change that is not missed.
missed_ready() { # NAME
	host_sync || return 1
	echo ready >"$dir/$1"
	vm_wait "^A .* CREATE $1 " && vm_wait "^P watchdog created .*/$1( |\$)" && missed_chokidar "^C chokidar add .*/$1\$" && vm_wait "^R reflex $1\$" && guest_examined 1 && vm_forget
}

# reflex says nothing of names that are gone.
missed_is_learnt() { # ROUND
	vm_wait "^A .* CREATE created$1( |\$)" && vm_wait "^A .* MODIFY modified$1( |\$)" && vm_wait "^A .* DELETE deleted$1( |\$)" &&
		vm_wait "^A .* MOVED_FROM renamed$1 " && vm_wait "^A .* MOVED_TO other$1 " &&
		missed_chokidar "^C chokidar add .*/created$1\$" && missed_chokidar "^C chokidar change .*/modified$1\$" &&
		missed_chokidar "^C chokidar unlink .*/deleted$1\$" && missed_chokidar "^C chokidar add .*/other$1\$" &&
		vm_wait "^P watchdog created .*/created$1( |\$)" && vm_wait "^P watchdog modified .*/modified$1( |\$)" &&
		vm_wait "^P watchdog deleted .*/deleted$1( |\$)" && vm_wait "^P watchdog moved .*/renamed$1 .*/other$1\$" &&
		vm_wait "^R reflex created$1\$" && vm_wait "^R reflex modified$1\$" && vm_wait "^R reflex other$1\$" && ! grep -qE "^A .* (CREATE|DELETE|MOVED_[A-Z]*) modified$1 " <<<"$vm_lines"
}

# Names that a comparison reported change twice, and the agent reads all of that at once.
missed_burst() { # ROUND
	vm_forget
	vm_qmp '{"execute":"stop"}' || return 1
	rm "$dir/created$1" && echo deleted >"$dir/deleted$1" && host_sync || return 1
	echo created >"$dir/created$1" && rm "$dir/deleted$1" && host_sync || return 1
	vm_qmp '{"execute":"cont"}' && vm_wait "^A .* DELETE created$1( |\$)" && vm_wait "^A .* CREATE created$1( |\$)" &&
		vm_wait "^A .* CREATE deleted$1( |\$)" && vm_wait "^A .* DELETE deleted$1( |\$)"
}

missed_daemon() { # ROUND SIGNAL
	guest_daemon_stop "$2"
	vm_wait '^agent .*\] disconnected' || return 1
	missed_changes "$1"
	guest_daemon_start && vm_wait '^agent .*\] compared what programs watch' && missed_is_learnt "$1" && missed_ready "ready$1"
}

# It goes on with the state that it kept, and sends what was missed.
missed_daemon_with_state() { # ROUND SIGNAL
	guest_daemon_stop "$2"
	vm_wait '^agent .*\] disconnected' || return 1
	missed_changes "$1"
	guest_daemon_start && missed_is_learnt "$1" && missed_ready "ready$1"
}

# A daemon that begins to keep a state begins another history.
missed_keep_state() { # ROUND SIGNAL
	guest_daemon_lines=("state_dir = $vm/state" "state_log_dir = $vm/log")
	missed_daemon "$@"
}

# The host stops with the guest saved, without a clean end; the logs are in its memory. It starts again, and the guest goes on.
missed_reboot() { # ROUND
	vm_qmp '{"execute":"stop"}' || return 1
	guest_daemon_stop -KILL
	rm "$vm"/log/*.log || return 1
	missed_changes "$1"
	guest_daemon_start && vm_qmp '{"execute":"cont"}' && missed_is_learnt "$1" && missed_ready "ready$1"
}

missed_agent() { # ROUND SIGNAL
	vm_run "killall $2 hostwatch-guest; while pidof hostwatch-guest >/dev/null; do usleep 50000; done" || return 1
	missed_changes "$1"
	host_sync && vm_run "hostwatch-guest 2>&1 </dev/null | mark agent &" && vm_wait '^agent .*\] connected' && missed_is_learnt "$1" &&
		missed_ready "ready$1"
}

# More events than the journal holds. The names are outside of what is watched.
missed_pause() { # ROUND
	local i long
	long=$(printf '%0200d' 0)
	vm_qmp '{"execute":"stop"}' || return 1
	missed_changes "$1"
	host_sync || return 1
	mkdir "$share/flood"
	host_sync || return 1
	for ((i = 0; i < 4000; i++)); do
		echo "$i" >"$share/flood/$long$i"
	done
	host_sync || return 1
	rm -r "$share/flood"
	host_sync && vm_qmp '{"execute":"cont"}' && vm_wait '^agent .*\] compared what programs watch' && missed_is_learnt "$1" &&
		missed_ready "ready$1"
}

test_programs_learn_what_they_missed() {
	local status=0
	guest_share_lines=("$missed_journal")
	guest_daemon_stop && vm_wait '^agent .*\] disconnected' && guest_daemon_start && vm_wait '^agent .*\] connected' || return 1
	missed_before 1 2 3 4 5 6 7 8
	missed_start && missed_ready ready0 && missed_daemon 1 -KILL && missed_burst 1 && missed_agent 2 -TERM && missed_agent 3 -KILL &&
		missed_pause 4 && missed_keep_state 5 -TERM && missed_daemon_with_state 6 -TERM && missed_daemon_with_state 7 -KILL && missed_reboot 8 ||
		status=1
	guest_share_lines=() guest_daemon_lines=()
	vm_run 'killall inotifywait node python3 reflex 2>/dev/null; :'
	[ $status = 0 ] || return $status
	# The next test begins with the configuration of the others, and not with the difference between the two histories.
	guest_daemon_stop && vm_forget && guest_daemon_start && vm_wait '^agent .*\] compared what programs watch'
}
