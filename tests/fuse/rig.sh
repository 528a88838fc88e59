# shellcheck shell=bash disable=SC2154,SC2034,SC2120
# SPDX-License-Identifier: LGPL-2.1-or-later
# What inject = replay needs, on one machine. The directory ./host is shared; ./lower is a FUSE mount of it, as a guest has
# it; ./at is what the agent mounts above that, for programs. The scripts that read this move to a mount namespace of their
# own.

replay_enter() { # SCRIPT ARGS...
	[ ! "${HW_REPLAY_NAMESPACE-}" ] && [ ! "$(replay_lacks)" ] || return 0
	HW_REPLAY_NAMESPACE=yes exec unshare --mount --propagation private "$@"
}

# Prints why it cannot run here; nothing if it can.
replay_lacks() {
	lacks_mounts
	[ -w /dev/fuse ] || echo "/dev/fuse cannot be opened"
	[ -x "$B/hostwatch-guest-replay" ] || echo "built without libfuse3"
}

replay_needs() { # PROGRAM...
	local program
	program=$(replay_lacks | head -n 1)
	[ ! "$program" ] || skip "$program"
	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

# Nothing may stay mounted where the test was.
replay_end() {
	umount -l at lower 2>/dev/null || : # it may not be mounted
	for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done
}

# Mounts ./host at ./lower. With $hold, a FIFO, it makes a directory "held" when somebody opens that for writing.
lower_start() {
	mkdir -p host/.barrier lower at plain/.barrier
	[ "${work-}" ] || trap replay_end EXIT
	start "$B/tests/fuse-passthrough" "$PWD/host" "$PWD/lower" ${hold:+"$hold"}
	lower=$pid lower_out=$out
	await "$out" '^mounted$'
	replay_until mountpoint -q lower
}

daemon_start() { # [LINE...] of the share
	printf '%s\n' '[hostwatch]' "control = $PWD/control" "plugin_path = $B/plugins:$B/sinks" '[share data]' \
		"path = $PWD/host" "$@" '[sink guest]' 'plugin = virtiofs' "channel = unix-listen:$PWD/channel" >conf
	begin_daemon
}

# What the agent has logged until now does not count.
agent_forget() {
	: >agent.log
}
agent_connected() {
	grep -q '\] connected, at event' agent.log
}
agent_start() { # [PREFIX...]
	touch agent.log
	"$@" "$B/hostwatch-guest" --channel "unix:$PWD/channel" --mount "$PWD/lower" --inject replay --at "$PWD/at" \
		--state "${replay_state:-$PWD/state}" </dev/null 2>>agent.log &
	agent=$!
	started+=("$agent")
	replay_until agent_connected
}
replay_start() {
	replay_needs "$@"
	lower_start
	daemon_start
	agent_start
}

# Repeats a command until it succeeds.
replay_until() { # COMMAND...
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		[ $SECONDS -lt $end ] || {
			tail -n 20 agent.log log err 2>/dev/null || : # those that exist
			fail "never: $*"
		}
		read -r -t 0.02 <> <(:) || :
	done
}

# Watches the tree at $1 (plain or at) with unmodified programs; what they print goes to in.$1 and fan.$1.
replay_watch() { # BASE NAME...
	local base=$1 name directories=()
	shift
	: >"in.$base"
	: >"fan.$base"
	(cd "$base/tree" && exec inotifywait -m --format '%w %e %f %c' -e create,delete,move,modify,attrib,close_write,move_self,delete_self \
		../.barrier "$@") >"in.$base" 2>"in.$base.err" &
	started+=($!)
	for name; do
		[ ! -d "$base/tree/$name" ] || directories+=("$name")
	done
	(cd "$base/tree" && exec "$B/tests/fanwatch" -d ../.barrier "${directories[@]}") >"fan.$base" 2>&1 &
	started+=($!)
	replay_until grep -q '^Watches established' "in.$base.err"
	replay_until grep -q '^Watches established' "fan.$base"
}

# Until the programs at the bases have received all that was done in ./host before; ./plain needs no host.
barriers=0
replay_barrier() { # BASE...
	local base
	barriers=$((barriers + 1))
	replay_sync
	for base; do
		: >"${base/at/host}/.barrier/b$barriers"
	done
	for base; do
		replay_until grep -q "CREATE b$barriers " "in.$base"
		replay_until grep -q "CLOSE_WRITE .*/b$barriers\$" "fan.$base"
	done
}

# What a program has printed, without barriers. Cookies are numbered as they come.
replay_lines() { # FILE
	awk '
		/\.barrier/ || /^Watches/ { next }
		/ [0-9a-f]+$/ { cookie = $NF; $NF = ""
			if (cookie != "0") { if (!(cookie in number)) number[cookie] = ++count; $0 = $0 number[cookie] } }
		{ gsub(/ +/, " "); sub(/ $/, ""); print }' "$1" | uniq
}

# What a fanotify program has printed, with all merged between two barriers that the kernel may merge: an event joins an older
# one of the same object, if the program has not read that yet. An object is what follows the kind.
replay_merged() { # FILE
	awk '
		function flush(i) {
			for (i = 1; i <= objects; i++) printf "%s", lines[order[i]]
			split("", lines); split("", seen); objects = 0
		}
		/\.barrier/ { flush() }
		/\.barrier/ || /^Watches/ || seen[$0]++ { next }
		{ object = substr($0, index($0, " ") + 1)
			if (!(object in lines)) order[++objects] = object
			lines[object] = lines[object] $0 "\n" }
		END { flush() }' "$1"
}

# Until the daemon has reported what was done before.
replay_sync() {
	"$B/hostwatch" sync --socket control --timeout $DEADLINE data >/dev/null
}

