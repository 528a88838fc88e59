# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/performance, after json.awk: what was aimed at and what was measured, as a table.

function has(who, metric) { return (file, scenario, who, metric) in median }
function get(who, metric) { return median[file, scenario, who, metric] }
# The contender with which a cost is compared: the raw reader of the same kernel interface, unless it is a name by itself.
function base(who, against) {
	if (against == "send") { sub(/^hostwatch-/, "send-", who); return who }
	if (against !~ /^raw/) return against
	return (who ~ /fanotify/ ? "raw-fanotify" : "raw-inotify") substr(against, 4)
}
# target SCENARIO METRIC BY SCALE LIMIT TEXT: BY is a metric of the same contender, or @CONTENDER for a ratio; 1 for neither.
function target(s, metric, by, scale, limit, text) {
	t_scenario[++targets] = s; t_metric[targets] = metric; t_by[targets] = by
	t_scale[targets] = scale; t_limit[targets] = limit; t_text[targets] = text
}
function measure(t, who,    by, other) {
	by = t_by[t]
	if (by == 1) return get(who, t_metric[t]) / t_scale[t]
	if (by ~ /^@/) {
		other = base(who, substr(by, 2))
		return has(other, t_metric[t]) && get(other, t_metric[t]) ? get(who, t_metric[t]) / get(other, t_metric[t]) : ""
	}
	return get(who, by) ? get(who, t_metric[t]) / get(who, by) / t_scale[t] : ""
}
function print_target(t,    f, w, shown, amount, all, met) {
	all = ""
	met = 1
	for (f = 1; f <= files; f++) {
		file = file_of[f]
		if (file == "losses" && t_metric[t] != "lost") continue # one round
		for (w = 1; w <= whos; w++) {
			scenario = t_scenario[t]
			if (who_of[w] !~ /^hostwatch-(inotify|fanotify|polling)(\/1000)?$/ || !has(who_of[w], t_metric[t])) continue
			if (scenario == "fanout" && who_of[w] !~ /\/1000$/) continue
			if (who_of[w] ~ /polling/ && scenario !~ /^(poll|arm|replay-.*|overflow)$/) continue
			if (who_of[w] ~ /polling/ && t_metric[t] == "wall_ns" && scenario == "arm") continue
			amount = measure(t, who_of[w])
			if (amount == "") continue
			shown = who_of[w]; sub(/^hostwatch-/, "", shown)
			all = all (all == "" ? "" : ", ") sprintf("%s %.3g (%s)", shown, amount, file)
			if (amount > t_limit[t]) met = 0
		}
	}
	if (all != "" && plain)
		printf "    %-68s %5s  %-3s  %s\n", t_text[t], t_limit[t], met ? "yes" : "no", all
	else if (all != "")
		printf "| %s | %s | %s | %s | `hostwatch bench %s` |\n", t_text[t], t_limit[t], all, met ? "yes" : "**no**", t_scenario[t]
}

BEGIN {
	target("arm", "wall_ns", "@walk", 1, 1.2, "time until a tree is armed, times a walk with getdents and fstatat")
	target("arm", "grown_kb", "entries", 1 / 1024, 80, "memory, bytes for each entry")
	target("poll", "wall_ns", "@walk", 1, 0.8, "time of a scan, times a walk")
	target("poll", "cpu_ns", "@walk", 1, 1.2, "CPU time of a scan, times a walk")
	target("drain", "cpu_ns", "@raw-stat", 1, 1.5, "CPU time for a full queue, times raw-stat")
	target("storm", "cpu_ns", "@raw-print", 1, 1, "CPU time for changes at full speed, times raw-print")
	target("storm", "switches", "changes", 1, 0.1, "sleeps for each file")
	target("storm", "writer_ns", "@raw", 1, 1, "time of the writer, times that with a raw reader")
	target("latency", "line_p50_ns", "@raw-print", 1, 1.25, "latency p50, times raw-print")
	target("latency", "line_p99_ns", "@raw-print", 1, 1.5, "latency p99, times raw-print")
	target("leave", "line_p50_ns", "@raw-print", 1, 1.25, "latency p50 of moves out, times raw-print")
	target("idle", "switches", 1, 1, 0, "wake-ups in 60 s without a change")
	target("fanout", "cpu_ns", "@send", 1, 1.5, "CPU time for each delivery to 1,000 subscribers, times one send of the bytes")
	target("fanout", "cpu_ns", "deliveries", 1000, 0.2, "us CPU for each delivery to 1,000 subscribers")
	target("recovery", "wall_ns", "@poll", 1, 1.3, "time to recover from an overflow, times a poll")
	target("recovery", "cpu_ns", "@poll", 1, 1.3, "CPU time to recover from an overflow, times a poll")
	target("recovery", "lost", 1, 1, 0, "names lost after an overflow of the large tree")
	target("overflow", "lost", 1, 1, 0, "names lost after an overflow")
	target("restart", "wall_ns", "@poll", 1, 1.3, "time of a start from a state, times a poll")
	target("restart", "cpu_ns", "@poll", 1, 1.3, "CPU time of a start from a state, times a poll")
	for (i = split("git make npm rsync sqlite", name, " "); i > 0; i--)
		target("replay-" name[i], "lost", 1, 1, 0, "names lost while " name[i] " is replayed")
}
FNR == 1 { file = FILENAME; sub(/.*\//, "", file); sub(/\.json$/, "", file); file_of[++files] = file }
/^\{"scenario":.*"median":/ {
	scenario = member("scenario"); w = member("contender")
	median[file, scenario, w, member("metric")] = member(member("metric") == "lost" ? "max" : "median") + 0
	if (!seen[w]++) who_of[++whos] = w
}
END {
	if (plain) printf "    %-68s %5s  %-3s  %s\n", "target", "limit", "met", "measured (row)"
	else {
		print "| target | limit | measured | met | command |"
		print "|---|---|---|---|---|"
	}
	for (t = 1; t <= targets; t++) print_target(t)
}
