# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: the machine's limits, the filesystems to measure on, the results file.
# shellcheck shell=bash disable=SC2154,SC2034

saved_limits=()
work='' scratch='' mounted='' loop_image=''

# Progress goes to a terminal only, on one line.
progress() {
	if [ -t 2 ]; then printf '\r\033[K%s' "$1" >&2; fi
}

fail() {
	echo "FAIL  $*"
	failures=$((failures + 1))
}

# record TEST CONTENDER METRIC VALUE...: one line each of the results.
record() {
	local test=$1 contender=$2
	shift 2
	while [ $# -ge 2 ]; do
		printf '%s\t%s\t%s\t%s\t%s\n' "$filesystem" "$test" "$contender" "$1" "$2" >>"$results"
		shift 2
	done
}

# value KEY TEXT...: the word after KEY in "key value key value".
value() {
	local key=$1 words
	shift
	read -r -d '' -a words <<<"$*"
	while [ ${#words[@]} -ge 2 ]; do
		if [ "${words[0]}" = "$key" ]; then
			echo "${words[1]}"
			return
		fi
		words=("${words[@]:1}")
	done
	echo 0
}

# Raises a limit for this run; cleanup() puts it back.
raise() {
	local file=$1 least=$2 now
	[ -e "$file" ] || return 0
	now=$(<"$file")
	[ "$now" -ge "$least" ] && return 0
	if [ -w "$file" ] && echo "$least" >"$file" 2>/dev/null; then
		saved_limits+=("$file $now")
	else
		echo "note  $file stays at $now (wanted $least): some figures will show loss"
	fi
}

cleanup() {
	local entry
	stop_contender
	for entry in "${saved_limits[@]}"; do
		echo "${entry#* }" >"${entry% *}"
	done
	remove_filesystem
	if [ -n "$scratch" ]; then rm -rf -- "$scratch"; fi
}

setup_all() {
	local program place=/dev/shm queue
	for program in load tree raw_inotify raw_fanotify latency meter; do
		[ -x "$bin/$program" ] || { echo "bench: $bin/$program is missing: run make bench" >&2; exit 2; }
	done
	[ -w $place ] || place=$build/bench
	scratch=$(mktemp -d "$place/hostwatch-bench.XXXXXX") || exit 2
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	# Four events a file, and some room.
	queue=$((4 * (drained > stormed ? drained : stormed) + 384))
	raise /proc/sys/fs/inotify/max_queued_events $queue
	raise /proc/sys/fs/fanotify/max_queued_events $queue
	raise /proc/sys/fs/inotify/max_user_watches $((directories + 50000))
	raise /proc/sys/fs/fanotify/max_user_marks $((directories + 50000))
	: >"$results"
}

describe_machine() {
	echo "# $(uname -sr), $(nproc) CPUs, $(awk '/MemTotal/ {print int($2/1024) " MB"}' /proc/meminfo), load $(cut -d' ' -f1 /proc/loadavg)"
	echo "# tree $files files in $directories directories; drain $drained, storm $stormed, latency $timed changes; $rounds rounds, median shown"
	echo "# compare inside this run only"
}

make_private() {
	mkdir -p "$scratch/mount"
	case $1 in
	tmpfs)
		mount -t tmpfs -o nr_inodes=0,size=50% hostwatch-bench "$scratch/mount"
		;;
	ext4)
		# One inode an entry and 5 KB a directory, with room for the storms.
		local inodes=$((files + directories + 6 * (drained + stormed) + 10000))
		loop_image=$build/bench/ext4.image
		rm -f -- "$loop_image"
		truncate -s $((256 + inodes * 3 / 4096 + directories / 200))M "$loop_image" &&
			mkfs.ext4 -q -F -N $inodes -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$loop_image" &&
			mount -o loop,noinit_itable "$loop_image" "$scratch/mount"
		;;
	esac 2>"$scratch/mount.err" && mounted=$scratch/mount
}

# A plain directory on a filesystem of the kind, shared with everybody else.
find_shared() {
	local place kind=$1
	[ "$kind" = ext4 ] && kind=ext2/ext3
	for place in "$build/bench" /dev/shm /var/tmp /tmp; do
		if [ -w "$place" ] && [ "$(stat -f -c %T "$place")" = "$kind" ]; then
			work=$(mktemp -d "$place/hostwatch-bench.XXXXXX") && return 0
		fi
	done
	return 1
}

setup_filesystem() {
	work='' mounted=''
	if [ -n "${HW_BENCH_INNER:-}" ] && make_private "$1"; then
		work=$mounted/work
		mkdir "$work"
	elif find_shared "$1"; then
		echo "note  $1: measured on a filesystem that others write to as well"
	else
		echo "skip  $1: no place to measure"
		return 1
	fi
}

remove_filesystem() {
	if [ -n "$mounted" ]; then
		umount "$mounted" || umount -l "$mounted"
	elif [ -n "$work" ]; then
		rm -rf -- "$work"
	fi
	if [ -n "$loop_image" ]; then rm -f -- "$loop_image"; fi
	work='' mounted='' loop_image=''
}
