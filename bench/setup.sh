# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/run: the directories, the results, the machine.
# shellcheck shell=bash disable=SC2154,SC2034

work='' scratch='' failures=0 pid='' helper_pid='' load_pid=''

# Progress goes to a terminal only, on one line.
progress() {
	if [ -t 2 ]; then printf '\r\033[K%s' "$1" >&2; fi
}

fail() {
	progress ''
	echo "FAIL  $*"
	failures=$((failures + 1))
}

note() {
	progress ''
	echo "note  $*"
}

# record SCENARIO CONTENDER METRIC VALUE...: one line each of the results.
record() {
	local scenario=$1 contender=$2
	shift 2
	while [ $# -ge 2 ]; do
		printf '%s\t%s\t%s\t%s\t%s\n' "$scenario" "$contender" "$1" "$round" "$2" >>"$scratch/results.tsv"
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

# Ends programs that still run, in whichever state they are, and removes the directories.
cleanup() {
	local one
	progress ''
	for one in $load_pid $helper_pid $pid; do
		kill -CONT "$one" 2>/dev/null
		kill -TERM "$one" 2>/dev/null
	done
	for one in $load_pid $helper_pid $pid; do wait "$one" 2>/dev/null; done
	if [ -n "$work" ]; then rm -rf -- "$work"; fi
	if [ -n "$scratch" ]; then rm -rf -- "$scratch"; fi
}

# The least of the kernel's limits for queued events.
queue_limit() {
	local file least=16384 one
	for file in /proc/sys/fs/{inotify,fanotify}/max_queued_events; do
		if [ -r "$file" ]; then
			one=$(<"$file")
			[ "$one" -ge "$least" ] && [ "$least" != 16384 ] || least=$one
		fi
	done
	echo "$least"
}

setup_all() {
	local limit place=${TMPDIR:-/tmp}
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	# Output should be in memory, and not on the filesystem that is watched, where it would also be seen by a mark on all of it.
	[ ! -w /dev/shm ] || [ "$(stat -c %d /dev/shm)" = "$(stat -c %d -- "$dir")" ] || place=/dev/shm
	scratch=$(mktemp -d "$place/hostwatch-bench.$$.XXXXXX") || exit 1
	# A user who may create sockets elsewhere may have set a long TMPDIR.
	[ ${#scratch} -le 90 ] || note "$scratch: the path is too long for a socket; set TMPDIR"
	place=$(cd -- "$dir" && pwd -P) || exit 1
	work=$(mktemp -d "$place/hostwatch-bench.$$.XXXXXX") || exit 1
	mkdir "$work/outside"
	: >"$scratch/results.tsv"
	: >"$scratch/skipped.tsv"
	# Four events for each file, and some room.
	limit=$((($(queue_limit) - 384) / 4))
	drained=$changes
	if [ "$drained" -gt $limit ]; then
		drained=$limit
		[[ ! " ${scenarios[*]} " =~ \ (drain|depths)\  ]] || note "drain makes $drained changes: the kernel's queues hold $(queue_limit) events (fs.inotify.max_queued_events)"
	fi
}

version_of() {
	case $1 in
	hostwatch*) "$hostwatch" --version ;;
	raw-*) ;;
	inotifywait | fsnotifywait) "$1" --help 2>&1 | head -n 1 ;;
	fswatch) fswatch --version | head -n 1 ;;
	watchman) watchman --version ;;
	chokidar | parcel-watcher) node "$here/peer.js" "$1" --version ;;
	esac
}

quoted() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "$text" | tr -d '\000-\037'
}

describe_machine() {
	kind=$(stat -f -c %T "$work")
	fs_type=$(findmnt -n -o FSTYPE -T "$work" 2>/dev/null | tail -n 1) # the last one covers the others
	: "${fs_type:=$kind}"
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	memory_mb=$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
	virtual=$(systemd-detect-virt 2>/dev/null) || :
	loadavg=$(cut -d' ' -f1 /proc/loadavg)
	echo "# $(uname -sr), $(nproc) CPUs ($cpu), $memory_mb MB, load $loadavg; $fs_type at ${work%/*}"
	echo "# $rounds rounds, median; compare only figures of this run"
}

limits() {
	local file
	for file in /proc/sys/fs/{inotify/max_user_{watches,instances},fanotify/max_user_{marks,groups},inotify/max_queued_events}; do
		[ ! -r "$file" ] || echo "\"$(basename "$(dirname "$file")")_${file##*/max_}\":$(<"$file")"
	done
	echo "\"nofile\":$(ulimit -Hn | sed 's/unlimited/0/')"
}

# The JSON has one object on each line, so that awk can read it again.
write_results() {
	local name reason first=1
	{
		echo '{'
		echo "\"hostwatch\":$(quoted "$("$hostwatch" --version)"),\"date\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\","
		echo "\"machine\":{\"cpus\":$(nproc),\"cpu\":$(quoted "$cpu"),\"memory_mb\":$memory_mb,\"virtual\":$(quoted "${virtual:-unknown}"),\"load\":$loadavg},"
		echo "\"kernel\":$(quoted "$(uname -sr)"),\"user\":$(id -u),"
		echo "\"filesystem\":{\"type\":$(quoted "$fs_type"),\"dir\":$(quoted "${work%/*}")},"
		echo "\"settings\":{\"rounds\":$rounds,\"files\":$files,\"changes\":$changes,\"drained\":$drained,\"timed\":$timed},"
		echo "\"limits\":{$(limits | paste -sd ,)},"
		echo '"contenders":['
		for name in "${contenders[@]}"; do
			[ $first = 1 ] || echo ','
			printf '{"name":%s,"version":%s}' "$(quoted "$name")" "$(quoted "$(version_of "$name" 2>/dev/null)")"
			first=0
		done
		echo '],'
		echo '"skipped":['
		first=1
		while IFS=$'\t' read -r name reason; do
			[ $first = 1 ] || echo ','
			printf '{"name":%s,"reason":%s}' "$(quoted "$name")" "$(quoted "$reason")"
			first=0
		done <"$scratch/skipped.tsv"
		echo '],'
		awk -f "$here/results.awk" "$scratch/results.tsv"
		echo '}'
	} >"$1"
}
