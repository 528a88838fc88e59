# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: barriers, which distinguish what a contender reports late from what it has lost.
# shellcheck shell=bash disable=SC2154,SC2034

barriers=0 # made so far: each has a name of its own

patience_s() {
	if [ "$quick" = 1 ]; then echo 20; else echo 60; fi
}

# A scan of a large tree may take long on a busy machine.
flush_s() {
	if [ "$quick" = 1 ]; then echo 60; else echo 300; fi
}

# flush CONTENDER: asks hostwatch, and waits until everything so far is in its output, or in the daemon's journal.
flush() {
	local from
	if is_daemon "$1"; then
		"$hostwatch" sync --socket "$scratch/control" --timeout "$(flush_s)" bench >/dev/null 2>&1
	elif is_hostwatch "$1"; then
		from=$(stat -c %s "$scratch/out")
		kill -USR1 "$pid" &&
			"$bin/meter" text "$pid" "$scratch/out" '"synced":"SIGUSR1"' "$from" $(($(flush_s) * 1000)) >/dev/null
	fi || note "$scenario $1: no end of the barrier in $(flush_s) s"
}

# Makes the next file that has to be reported: sets `barrier`, its name. The judge ignores it.
make_barrier() {
	barriers=$((barriers + 1))
	barrier=barrier-$barriers.
	printf 'b\t%s\n' "$barrier" >>"$scratch/barriers"
	: >"$watched/$barrier"
}

# await_reported CONTENDER: returns 1 if the file is not reported in time.
await_reported() {
	"$bin/meter" text "$pid" "$scratch/out" "$barrier" 0 $(($(patience_s) * 1000)) >/dev/null && return
	if [[ $(sed -n 's/^State:.//p' "/proc/$pid/status" 2>/dev/null) = [!ZX]* ]]; then
		note "$scenario $1: does not report a file that was made after the changes, in $(patience_s) s"
	else
		note "$scenario $1: has ended: $(tail -n 1 "$scratch/err" | tr -cd '[:print:]')"
	fi
	return 1
}

# await_barrier CONTENDER: returns when it has reported everything so far, or has not done so in time. A daemon's subscriber is served in order.
# A program that lists directories one after the other has listed all of them once it reports the third file.
await_barrier() {
	local file
	if is_daemon "$1"; then
		make_barrier
		flush "$1"
		await_reported "$1"
	elif is_hostwatch "$1"; then
		flush "$1"
	else
		for file in 1 2 3; do
			make_barrier
			await_reported "$1" || return
		done
	fi
}

# await_timed READER: the same for the output of a contender that the program `latency` reads.
await_timed() {
	make_barrier
	"$bin/meter" text "$1" "$scratch/latency" "barrier $barrier" 0 $(($(patience_s) * 1000)) >/dev/null ||
		note "$scenario $contender: does not report a file that was made after the changes, in $(patience_s) s"
}
