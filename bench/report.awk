# SPDX-License-Identifier: LGPL-2.1-or-later
# The tables of `hostwatch bench`, from its JSON, which has one result on each line.

function has(who, metric) { return (scenario, who, metric) in median }
function get(who, metric) { return has(who, metric) ? median[scenario, who, metric] : 0 }
# The raw reader of the same kernel interface (kind: "", "-print", "-stat").
function raw(who, kind) { return (who ~ /fanotify/ ? "raw-fanotify" : "raw-inotify") kind }
function base(who, against) {
	if (against ~ /^(unwatched|walk|poll)$/) return against (who ~ /\/cold$/ ? "/cold" : "")
	if (against == "send") { sub(/^hostwatch-/, "send-", who); return who }
	return raw(who, against == "raw" ? "" : "-" against)
}
# Columns: title|metric|divisor metric, or @base for a ratio|scale|format
function cell(who, column,    part, by, amount) {
	split(column, part, "|")
	if (!has(who, part[2])) return "-"
	amount = get(who, part[2])
	if (part[3] ~ /^@/) {
		by = get(base(who, substr(part[3], 2)), part[2])
		if (by <= 0) return "-"
	} else if (part[3] != "") {
		by = get(who, part[3])
		if (!by && part[3] == "events") by = get(raw(who, ""), "events")
		if (!by && part[3] == "events") by = get(raw(who, "-print"), "events")
		if (by <= 0 ) return "-"
	} else by = 1
	return sprintf(part[5], amount / by / part[4])
}
function columns(s) {
	if (s == "drain") return "us/event|cpu_ns|events|1000|%.2f;us/file|cpu_ns|changes|1000|%.2f;x raw|cpu_ns|@raw|1|%.2f;x stat|cpu_ns|@stat|1|%.2f;wall ms|wall_ns||1e6|%.1f"
	if (s ~ /^(storm|append|rename|race|replay-.*)$/) return "us/change|cpu_ns|changes|1000|%.2f;x raw|cpu_ns|@raw|1|%.2f;x print|cpu_ns|@print|1|%.2f;sleeps|switches|changes|1|%.3f;writer us|writer_ns|changes|1000|%.2f;x unwatch|writer_ns|@unwatched|1|%.2f"
	if (s ~ /^(latency|leave)$/) return "p50 us|line_p50_ns||1000|%.1f;x print|line_p50_ns|@print|1|%.2f;p99 us|line_p99_ns||1000|%.1f;x print|line_p99_ns|@print|1|%.2f;p99.9 us|line_p999_ns||1000|%.1f;max us|line_max_ns||1000|%.1f"
	if (s == "overflow") return "recovery s|wall_ns||1e9|%.3f;CPU s|cpu_ns||1e9|%.3f;overflows|overflows||1|%d"
	if (s == "idle") return "wake-ups|switches||1|%d;CPU us|cpu_ns||1000|%.0f;in ms|idle_ms||1|%d"
	if (s == "arm") return "seconds|wall_ns||1e9|%.3f;CPU s|cpu_ns||1e9|%.3f;x walk|wall_ns|@walk|1|%.2f;RSS MB|rss_kb||1024|%.1f;B/entry|grown_kb|entries|0.0009765625|%.0f;kernel MB|kernel_kb||1024|%.1f"
	if (s == "sizes") return "entries|entries||1|%d;ms|wall_ns||1e6|%.1f;us/entry|wall_ns|entries|1000|%.2f;B/entry|grown_kb|entries|0.0009765625|%.0f;kernel B|kernel_kb|entries|0.0009765625|%.0f;us/change|event_cpu_ns|changes|1000|%.2f"
	if (s == "depths") return "changes|changes||1|%d;us/file|cpu_ns|changes|1000|%.2f;wall ms|wall_ns||1e6|%.2f"
	if (s == "poll") return "seconds|wall_ns||1e9|%.3f;x walk|wall_ns|@walk|1|%.2f;CPU s|cpu_ns||1e9|%.3f;x walk|cpu_ns|@walk|1|%.2f"
	if (s == "fanout") return "us/event|cpu_ns|events|1000|%.2f;us/delivery|cpu_ns|deliveries|1000|%.3f;x send|cpu_ns|@send|1|%.2f;RSS MB|rss_kb||1024|%.2f"
	if (s == "snapshot") return "seconds|wall_ns||1e9|%.3f;us/entry|cpu_ns|entries|1000|%.3f"
	if (s == "restart") return "ms|wall_ns||1e6|%.1f;from nothing|cold_ns||1e6|%.1f;x poll|wall_ns|@poll|1|%.2f;CPU ms|cpu_ns||1e6|%.1f;x poll|cpu_ns|@poll|1|%.2f;us/entry|wall_ns|entries|1000|%.3f"
	if (s == "recovery") return "seconds|wall_ns||1e9|%.3f;x poll|wall_ns|@poll|1|%.2f;CPU s|cpu_ns||1e9|%.3f;x poll|cpu_ns|@poll|1|%.2f;changes|changes||1|%d"
	if (s == "shares") return "ms|wall_ns||1e6|%.1f;CPU ms|cpu_ns||1e6|%.1f;RSS MB|rss_kb||1024|%.2f"
	if (s == "resume") return "ms|wall_ns||1e6|%.2f;us/event|cpu_ns|events|1000|%.3f"
	return "changes|changes||1|%d"
}
function worst(s, who, metric) { return (s, who, metric) in most ? most[s, who, metric] : "-" }
function print_table(s,    n, i, w, list, any, part) {
	scenario = s
	n = split(columns(s), list, ";")
	printf "\n%-31s", s
	for (i = 1; i <= n; i++) { split(list[i], part, "|"); printf " %11s", part[1] }
	printf " %8s %8s %8s\n", "late", "lost", "wrong"
	for (w = 1; w <= whos; w++) {
		any = 0
		for (i = 1; i <= n; i++) if (cell(who_of[w], list[i]) != "-") any = 1
		if (!any) continue
		printf "  %-29s", who_of[w]
		for (i = 1; i <= n; i++) printf " %11s", cell(who_of[w], list[i])
		printf " %8s %8s %8s\n", worst(s, who_of[w], "late"), worst(s, who_of[w], "lost"), worst(s, who_of[w], "wrong")
	}
	print_verdicts(s)
	print_perf(s)
}
function print_verdicts(s,    i, main, open) {
	main = s ~ /^(latency|leave)$/ ? "line_p50_ns" : "cpu_ns"
	for (i = 1; i <= verdicts; i++)
		if (verdict_of[i] == s && verdict_metric[i] == main) {
			if (verdict_kind[i] == "none") open++
			else print "    " verdict_text[i]
		}
	if (open) printf "    no verdict on %d other pairs: too few rounds, or the spread is larger than the difference\n", open
}
function print_perf(s,    w, i, line) {
	for (w = 1; w <= whos; w++) {
		line = ""
		for (i = 1; i <= metrics; i++)
			if (metric_of[i] ~ /^perf_/ && has(who_of[w], metric_of[i]))
				line = line sprintf("  %s %.3f", substr(metric_of[i], 6), get(who_of[w], metric_of[i]) / (get(who_of[w], "changes") + 1e-9))
		if (has(who_of[w], "perf_instructions") && get(who_of[w], "perf_cycles"))
			line = line sprintf("  IPC %.2f", get(who_of[w], "perf_instructions") / get(who_of[w], "perf_cycles"))
		if (line != "") printf "    per change, %s:%s\n", who_of[w], line
	}
}

/^\{"scenario":.*"median":/ {
	s = member("scenario"); w = member("contender"); m = member("metric")
	median[s, w, m] = member("median")
	most[s, w, m] = member("max")
	if (!seen_scenario[s]++) scenario_of[++scenarios] = s
	if (!seen_who[w]++) who_of[++whos] = w
	if (!seen_metric[m]++) metric_of[++metrics] = m
}
/^\{"scenario":.*"verdict":/ {
	verdict_of[++verdicts] = member("scenario")
	verdict_metric[verdicts] = member("metric")
	verdict_kind[verdicts] = member("verdict")
	verdict_text[verdicts] = sprintf("%s: %.2f times %s (%s, p = %s)", member("contender"), member("ratio"), member("base"),
		member("verdict"), member("p"))
}
END {
	for (i = 1; i <= scenarios; i++) print_table(scenario_of[i])
	print ""
}
