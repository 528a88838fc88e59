# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts beside it: functions named test_* are run each in a directory of its own, and told in TAP.
# What a test prints is shown when it fails. A test that cannot run here calls skip.
set -uo pipefail
# Absolute: tests change the directory.
B=$(realpath "${B:-build}")
tree=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# The path of the tree may contain blanks, which make cannot handle in the names of targets.
make() {
	B=${B#"$tree/"} command make "$@"
}
export B tree
export SHELL=/bin/sh # script(1) runs commands in the user's shell, and that of nobody refuses
unset HOSTWATCH_PLUGIN_PATH NOTIFY_SOCKET CDPATH
umask 022 # whatever the caller has: some tests make files for other users

DEADLINE=60 # seconds for whatever should happen soon; the machine may stall

skip() {
	echo "$*"
	exit 77
}

# To standard error: the caller may be one whose output is read.
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# Prints why a test cannot mount anything in a namespace of its own; nothing if it can.
lacks_mounts() {
	local said
	said=$(unshare --mount true 2>&1) && return
	if mountpoint -q /; then echo "$said"; else echo "the mounts of a chroot cannot be made private"; fi
}

equal() {
	[ "$1" = "$2" ] && return
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") | sed 's/^</expected:/; s/^>/got:     /' || : # it differs
	fail "${3:-not as expected}"
}

contains() {
	case $1 in
	*"$2"*) return 0 ;;
	esac
	printf '%s\n' "$1"
	fail "no such text: $2"
}

# Runs a command as a user without rights, if it is not one already.
as_user() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
	elif command -v setpriv >/dev/null; then
		setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
	else
		skip "no setpriv"
	fi
}

# Starts a program whose output can be read with next and await. Sets $out and $pid; err goes to ./err.
start() {
	# nohup(1) and some shells leave signals ignored, and so would the program.
	exec {out}< <(exec env --default-signal=HUP,INT,QUIT,TERM,PIPE "$@" 2>>err)
	pid=$!
	started+=("$pid")
}

# Reads a line from descriptor $1 into $line.
next() {
	IFS= read -r -t $DEADLINE -u "$1" line || {
		cat err 2>/dev/null
		fail "no line within $DEADLINE s"
	}
}

# Reads lines from descriptor $1 until one matches; it is in $line.
await() {
	while :; do
		next "$1"
		[[ $line =~ $2 ]] && return
	done
}

# Ends a program with a signal and checks its exit status.
finish() {
	local status=0
	kill "-${2:-TERM}" "$1"
	wait "$1" || status=$?
	[ $status = "${3:-0}" ] || {
		cat err 2>/dev/null
		fail "exit status $status"
	}
}

# Stops a program until thaw: what is done meanwhile it finds all at once, however slowly it is done here.
freeze() {
	local end=$((SECONDS + DEADLINE))
	kill -STOP "$1"
	until grep -q '^State:.T' "/proc/$1/status"; do
		[ $SECONDS -lt $end ] || fail "it does not stop"
	done
}
thaw() {
	kill -CONT "$1"
}

# run_daemon CONFIGURATION LOG: starts hostwatchd; sets $daemon. Returns when it is ready.
run_daemon() {
	local end=$((SECONDS + DEADLINE))
	: >"$2"
	"$B/hostwatchd" -c "$1" 2>"$2" &
	daemon=$!
	started+=("$daemon")
	until grep -q 'ready: ' "$2"; do
		kill -0 "$daemon" || fail "$(cat "$2")"
		[ $SECONDS -lt $end ] || fail "it is never ready: $(cat "$2")"
	done
}
# The same with the files conf and log of a directory (the current one).
begin_daemon() { # [DIR]
	run_daemon "${1:-.}/conf" "${1:-.}/log"
}
end_daemon() {
	kill "$daemon"
	wait "$daemon" || fail "$(cat log)"
}
# Waits until the log of the daemon has this.
logged() {
	local end=$((SECONDS + DEADLINE))
	until grep -q -- "$1" log; do
		[ $SECONDS -lt $end ] || fail "never logged: $1: $(cat log)"
	done
}

# An event's line without what differs from run to run.
stripped() {
	sed -E 's/"time":[0-9]+,//; s/"epoch":"[0-9a-f]+"/"epoch":"E"/g; s/"version":"[^"]*"/"version":"V"/'
}

run_one() {
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	cd "$1"
	"$2"
}

run_tests() {
	local base number=0 status=0 worst=0 test text
	base=$(mktemp -d) || exit 1
	chmod 755 "$base"
	# An ordinary user may have none, or a hostwatchd of his own there.
	mkdir -m 700 "$base/runtime"
	export XDG_RUNTIME_DIR=$base/runtime
	unset RUNTIME_DIRECTORY HOSTWATCH_CONTROL
	for test in $(declare -F | sed -n 's/^declare -f \(test_\)/\1/p'); do
		number=$((number + 1))
		mkdir "$base/$number"
		(run_one "$base/$number" "$test") >"$base/log" 2>&1
		status=$?
		text=${test#test_}
		case $status in
		0) echo "ok $number - ${text//_/ }" ;;
		77) echo "ok $number - ${text//_/ } # SKIP $(tail -n 1 "$base/log")" ;;
		*)
			echo "not ok $number - ${text//_/ }"
			sed 's/^/# /' "$base/log"
			worst=1
			;;
		esac
	done
	echo "1..$number"
	rm -rf --one-file-system "$base" # never into what a test has mounted
	exit $worst
}
