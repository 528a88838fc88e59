# SPDX-License-Identifier: LGPL-2.1-or-later
# The tables of the bench, from results.tsv: filesystem, test, contender, metric, value. Several rounds: the median.
# With -v json=FILE the medians and all single values also go there.

function median(key, n, i, j, t, list) {
	n = split(values[key], list, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j - 1] + 0 > list[j] + 0; j--) {
			t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
		}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
function has(test, who, metric) {
	return (fs SUBSEP test SUBSEP who SUBSEP metric) in values
}
function get(test, who, metric) {
	return has(test, who, metric) ? median(fs SUBSEP test SUBSEP who SUBSEP metric) : 0
}
# value / unit with so many decimals, or a dash.
function cell(there, amount, format) {
	return there ? sprintf(format, amount) : "-"
}
# What a contender is compared with: the raw reader of its own kernel interface.
function base(test, who) {
	return who ~ /fanotify/ && has(test, "raw-fanotify", "cpu_ns") ? "raw-fanotify" : "raw-inotify"
}
# The raw reader of the same kernel interface that also prints, or prints and examines (kind: print, stat).
function raw(who, kind) {
	return (who ~ /fanotify/ ? "raw-fanotify-" : "raw-inotify-") kind
}
function ratio(test, who, metric, against, b) {
	b = get(test, against, metric)
	return cell(b > 0 && has(test, who, metric), b > 0 ? get(test, who, metric) / b : 0, "%.2f")
}
function reported(test, who) {
	return cell(has(test, who, "reported"), 100 * get(test, who, "reported") / (get(test, who, "changes") + 1e-9), "%.2f")
}
function us_each(test, who, metric, n) {
	return cell(n > 0 && has(test, who, metric), n > 0 ? get(test, who, metric) / n / 1000 : 0, "%.2f")
}
function kernel_events(test, who) {
	return has(test, who, "events") ? get(test, who, "events") : get(test, base(test, who), "events")
}

function drain(who) {
	if (!has("drain", who, "cpu_ns")) return
	printf "  %-20s %10d %10s %10s %8s %8s %9.1f %10s\n", who, kernel_events("drain", who),
		us_each("drain", who, "cpu_ns", who ~ /polling/ ? 0 : kernel_events("drain", who)),
		us_each("drain", who, "cpu_ns", get("drain", who, "changes")),
		ratio("drain", who, "cpu_ns", base("drain", who)),
		ratio("drain", who, "cpu_ns", raw(who, "stat")), get("drain", who, "wall_ns") / 1e6,
		reported("drain", who)
}
function storm(who) {
	if (!has("storm", who, "writer_ns")) return
	printf "  %-20s %10s %8s %8s %8s %9s %10s %10s %9s\n", who,
		us_each("storm", who, "cpu_ns", get("storm", who, "changes")),
		ratio("storm", who, "cpu_ns", base("storm", who)),
		ratio("storm", who, "cpu_ns", raw(who, "print")),
		cell(has("storm", who, "switches"), get("storm", who, "switches") / get("storm", who, "changes"), "%.3f"),
		us_each("storm", who, "writer_ns", get("storm", who, "changes")),
		ratio("storm", who, "writer_ns", "unwatched"), reported("storm", who),
		cell(has("storm", who, "overflows"), get("storm", who, "overflows"), "%d")
}
function fill(who) {
	if (!has("fill", who, "reported")) return
	printf "  %-20s %10d %10s\n", who, get("fill", who, "changes"), reported("fill", who)
}
# latency, leave
function delays(test, who) {
	if (!has(test, who, "reported")) return
	printf "  %-20s %10s %8s %10s %8s %10s %12s %10s\n", who, us_each(test, who, "line_p50_ns", 1),
		ratio(test, who, "line_p50_ns", raw(who, "print")), us_each(test, who, "line_p99_ns", 1),
		ratio(test, who, "line_p99_ns", raw(who, "print")), us_each(test, who, "line_max_ns", 1),
		us_each(test, who, "observed_p50_ns", 1), reported(test, who)
}
function arm(who) {
	if (!has("arm", who, "wall_ns")) return
	printf "  %-20s %8.3f %8.3f %8s %9s %9s %9s %9s\n", who, get("arm", who, "wall_ns") / 1e9,
		get("arm", who, "cpu_ns") / 1e9, ratio("arm", who, "cpu_ns", base("arm", who)),
		cell(has("arm", who, "rss_kb"), get("arm", who, "rss_kb") / 1024, "%.1f"),
		cell(has("arm", who, "peak_kb"), get("arm", who, "peak_kb") / 1024, "%.1f"),
		cell(has("arm", who, "grown_kb"), 1024 * get("arm", who, "grown_kb") / (get("arm", who, "entries") + 1e-9), "%.1f"),
		cell(has("arm", who, "kernel_kb"), get("arm", who, "kernel_kb") / 1024, "%.1f")
}
function poll(who) {
	if (!has("poll", who, "wall_ns")) return
	printf "  %-20s %10d %8.3f %8.3f %8s\n", who, get("poll", who, "entries"), get("poll", who, "wall_ns") / 1e9,
		get("poll", who, "cpu_ns") / 1e9, ratio("poll", who, "cpu_ns", "walk")
}
function counters(who, i) {
	if (!has("counters", who, "changes")) return
	printf "  %-20s", who
	for (i = 1; i <= event_count; i++)
		printf " %22s", cell(has("counters", who, event_of[i]), get("counters", who, event_of[i]), "%d")
	printf "\n"
}

function title(test, i, line) {
	if (test == "drain") {
		print "Drain: files created and written while the reader was stopped; CPU until all events are reported"
		return sprintf("  %-20s %10s %10s %10s %8s %8s %9s %10s", "", "k.events", "us/event", "us/file", "x raw", "x stat",
			"wall ms", "reported %")
	}
	if (test == "storm") {
		print "Storm: create, write, close, delete at full speed; CPU of the reader, how often it slept for each file, time of the writer"
		return sprintf("  %-20s %10s %8s %8s %8s %9s %10s %10s %9s", "", "us/file", "x raw", "x print", "sleeps", "writer us",
			"x unwatch", "reported %", "overflow")
	}
	if (test == "fill") {
		print "Fill: five nested directories with a file in each, at full speed"
		return sprintf("  %-20s %10s %10s", "", "files", "reported %")
	}
	if (test == "latency" || test == "leave") {
		if (test == "latency") print "Latency: system call to readable line, one new file in 2 ms, us"
		else print "Leave: the same of moves out of the watched directory, us"
		return sprintf("  %-20s %10s %8s %10s %8s %10s %12s %10s", "", "p50", "x print", "p99", "x print", "max",
			"p50 observed", "reported %")
	}
	if (test == "arm") {
		print "Arm: a large tree, warm, until ready; memory in MB, B/entry over the same program on an empty directory"
		return sprintf("  %-20s %8s %8s %8s %9s %9s %9s %9s", "", "seconds", "CPU s", "x raw", "RSS", "peak", "B/entry", "kernel")
	}
	if (test == "poll") {
		print "Poll: one pass over the same tree; walk is getdents and fstatat on one thread"
		return sprintf("  %-20s %10s %8s %8s %8s", "", "entries", "seconds", "CPU s", "x walk")
	}
	print "Counters: a storm under perf stat (task-clock in ms)"
	line = sprintf("  %-20s", "")
	for (i = 1; i <= event_count; i++)
		line = line sprintf(" %22s", event_of[i])
	return line
}
function row(test, who) {
	if (test == "drain") drain(who)
	else if (test == "storm") storm(who)
	else if (test == "fill") fill(who)
	else if (test == "latency" || test == "leave") delays(test, who)
	else if (test == "arm") arm(who)
	else if (test == "poll") poll(who)
	else counters(who)
}

function put_metrics(test, who, i, key, list) {
	for (i = 1; i <= metric_count; i++) {
		key = fs SUBSEP test SUBSEP who SUBSEP metric_of[i]
		if (!(key in values)) continue
		list = values[key]
		gsub(/ /, ",", list)
		printf "%s{\"filesystem\":\"%s\",\"test\":\"%s\",\"contender\":\"%s\",\"metric\":\"%s\",\"median\":%.15g,\"values\":[%s]}",
			put++ ? ",\n" : "", fs, test, who, metric_of[i], median(key), list >json
	}
}
function put_json(f, t, w) {
	print "[" >json
	for (f = 1; f <= fs_count; f++) {
		fs = fs_of[f]
		for (t = 1; t <= test_count; t++)
			for (w = 1; w <= who_count; w++)
				put_metrics(test_of[t], who_of[w])
	}
	print "\n]" >json
}

BEGIN { FS = "\t" }
{
	key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4
	if (key in values) values[key] = values[key] " " $5
	else values[key] = $5
	if (!seen_fs[$1]++) fs_of[++fs_count] = $1
	if (!seen_test[$2]++) test_of[++test_count] = $2
	if (!seen_who[$3]++) who_of[++who_count] = $3
	if (!seen_metric[$4]++) metric_of[++metric_count] = $4
	if ($2 == "counters" && $4 != "changes" && !seen_event[$4]++) event_of[++event_count] = $4
}
END {
	for (f = 1; f <= fs_count; f++) {
		fs = fs_of[f]
		printf "\n== %s ==\n", fs
		for (t = 1; t <= test_count; t++) {
			print ""
			print title(test_of[t])
			for (w = 1; w <= who_count; w++)
				row(test_of[t], who_of[w])
		}
	}
	print ""
	if (json) put_json()
}
