#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Static probes, and the table of stages: hostwatch-probes(7).
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# The probes of these files, one a line.
probes_of() {
	readelf -n "$@" 2>/dev/null | awk '/Provider:/ { ours = $2 == "hostwatch" } /Name:/ && ours { print $2 }' | sort -u
}
# Those of the man page whose table follows a line that begins with these words.
described() {
	awk -v head="$1" 'index($0, head) == 1 { on = 1; next } /^(In|Later) / { on = 0 }
		on && /^\|  / { gsub(/\\/, ""); print $2 }' "$tree/docs/man/hostwatch-probes.7.scd" | sort -u
}
need_probes() {
	command -v readelf >/dev/null || skip "no readelf"
	[ "$(probes_of "$B/hostwatchd")" ] || skip "built without sys/sdt.h"
}

test_the_manual_page_describes_each_probe_and_no_other() {
	need_probes
	equal "$(described 'In *hostwatchd*')" "$(probes_of "$B/hostwatchd")" "hostwatchd"
	equal "$(described 'In *hostwatch* (')" "$(probes_of "$B"/sinks/*.so)" "sinks"
	equal "$(described 'In the watchers')" "$(probes_of "$B"/plugins/*.so)" "watchers"
	equal "$( (described 'In *hostwatchd*'; described 'In *hostwatch* (') | sort -u)" "$(probes_of "$B/hostwatch")" "hostwatch"
}

# A tracer finds them, and the arguments are what the page says: the length of the path of each event is the last one.
test_perf_reads_the_arguments() {
	local perf=(perf --buildid-dir "$PWD/ids")
	need_probes
	[ "$(id -u)" = 0 ] || skip "needs root"
	perf --version >/dev/null 2>&1 || skip "no perf"
	[ -w /sys/kernel/tracing/uprobe_events ] || skip "the kernel has no uprobes, or tracefs is not mounted"
	"${perf[@]}" buildid-cache --add "$B/hostwatch" >/dev/null 2>&1 || skip "this perf does not know static probes"
	"${perf[@]}" probe -f sdt_hostwatch:history >made 2>&1 || skip "perf probe: $(tail -n 1 made)"
	event=$(grep -oE -m 1 'sdt_hostwatch:history(_[0-9]+)?' made)
	trap 'perf probe -q -d "$event" 2>/dev/null; kill -KILL "${started[@]}" 2>/dev/null || :' EXIT
	watch_files 1 "${perf[@]}" record -q -o data -e "$event"
	# perf prints numbers in base 16 or 10, by version.
	"${perf[@]}" script -i data 2>/dev/null | sed -nE 's/.* arg1=([0-9a-fx]+) .* arg4=([0-9a-fx]+).*/\1 \2/p' |
		while read -r kind length; do echo $((kind)) $((length)); done >seen
	equal $'1 6\n4 6\n6 6' "$(cat seen)" "kind and length of create, modify and close_write of file 0.name"
}

# watch, with this many files created, prints the table.
watch_files() {
	local i
	mkdir dir
	start env HOSTWATCH_PLUGIN_PATH="$B/plugins" "${@:2}" "$B/hostwatch" watch --watcher inotify -n $((3 * $1)) dir
	until grep -q watches err 2>/dev/null; do kill -0 "$pid" || fail "$(cat err)"; done
	for ((i = 0; i < $1; i++)); do echo x >"dir/$i.name"; done
	while IFS= read -r -t $DEADLINE -u "$out" _; do :; done
	wait "$pid" || fail "exit status $?: $(cat err)"
}
stage() { awk -v name="$1" -v field="$2" '$1 == name { print $field }' err; }

test_stages_are_counted_and_their_shares_add_up() {
	watch_files 20 HOSTWATCH_STAGES=1
	equal "stage count us ns/count ns/event share" "$(grep ^stage err | tr -s ' ')"
	equal "60 60" "$(stage journal 2) $(stage encode 2)"
	[ "$(stage look 2)" -ge 20 ] || fail "files were not examined: $(cat err)"
	[ "$(stage hint 2)" -ge 20 ] || fail "hints were not counted: $(cat err)"
	equal ok "$(awk '$6 ~ /%$/ { sum += $6 } END { print (sum > 99 && sum < 101) ? "ok" : sum }' err)" "$(cat err)"
}

test_without_the_variable_nothing_is_printed_or_timed() {
	watch_files 2 HOSTWATCH_STAGES=
	! grep -E "^(stage|journal) " err || fail "the table was printed"
}

run_tests
