# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# The server of the mount stops answering: whatever waits for it, the agent and other mounts do not.

# The server of the share is the first one; another process of it serves.
stalled_server() { # SIGNAL
	local server
	read -r server _ <<<"$vm_servers"
	# shellcheck disable=SC2046
	kill "-$1" "$server" $(cat "/proc/$server/task/$server/children")
}

# Until the module has asked the server for something since.
stalled_asks() { # COUNTER NUMBER
	guest_count "$1" && ((guest_number > $2))
}

stalled_agent_has_ended() {
	vm_run '! pidof hostwatch-guest >/dev/null'
}

# What it has written to the module is told when the server answers, though the agent is dead.
test_agent_can_be_killed_while_the_server_does_not_answer() {
	local asked
	guest_watch A "$events" "/mnt/$name" && guest_examined 1 && guest_count lookups || return 1
	asked=$guest_number
	stalled_server STOP
	: >"$dir/file"
	host_sync && vm_until stalled_asks lookups "$asked" && vm_run 'killall -KILL hostwatch-guest' &&
		vm_until stalled_agent_has_ended
	set -- $?
	stalled_server CONT
	[ "$1" = 0 ] && vm_wait "^A /mnt/$name/ CREATE file 0\$" && guest_agent_start && guest_barrier
}

test_writer_does_not_wait_for_a_server_that_does_not_answer() {
	vm_run "mkdir -p /other && mount -t virtiofs tools /other && vm-stalled /mnt $name /other 2>&1 </dev/null | mark S &" &&
		vm_wait '^S ready' || return 1
	stalled_server STOP
	vm_run 'killall -USR1 vm-stalled' && vm_wait '^S written'
	set -- $?
	stalled_server CONT
	[ "$1" = 0 ] && vm_run 'killall -USR1 vm-stalled' && vm_wait '^S told' && vm_until vm_run 'umount /other' &&
		guest_watch A "$events" "/mnt/$name" && guest_barrier
}

# A server answers a program's write, and then no request for attributes: events of programs are handled without them.
test_programs_do_not_wait_for_attributes_that_the_module_asks_for() {
	vm_run 'mkdir -p /served && vm-served /served' || {
		sed 's/^/    /' <<<"${vm_output%$'\n'}"
		return 1
	}
}
