# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/performance, after json.awk: coefficients from the results, and what large hosts would cost. With -v data=1, lines for
# bench/scaling.sh. Everything is taken as linear; the sizes that were measured are in the first table.

function has(s, who, metric) { return (s, who, metric) in median }
# The slope of a metric between the smallest and the largest number in the labels of a contender.
function slope(s, who, metric, x,    i, n, low, high, label, part) {
	low = high = ""
	for (i = 1; i <= whos; i++) {
		label = who_of[i]
		if (split(label, part, "/") != 2 || part[1] != who || !has(s, label, metric)) continue
		n = x == "" ? part[2] + 0 : median[s, label, x]
		if (low == "" || n < low) { low = n; low_y = median[s, label, metric] }
		if (high == "" || n > high) { high = n; high_y = median[s, label, metric] }
	}
	return low == "" || high == low ? 0 : (high_y - low_y) / (high - low)
}
function at_largest(s, who, metric, by,    i, part, high, best) {
	for (i = 1; i <= whos; i++)
		if (split(who_of[i], part, "/") == 2 && part[1] == who && has(s, who_of[i], metric) && part[2] + 0 > high) {
			high = part[2] + 0
			best = median[s, who_of[i], metric] / median[s, who_of[i], by]
		}
	return best
}
function coefficients(w) {
	entry_bytes[w] = slope("sizes", w, "grown_kb", "entries") * 1024
	if (entry_bytes[w] < 1) entry_bytes[w] = 1 # a small run, lost in the noise; a logarithm has no zero
	kernel_bytes[w] = slope("sizes", w, "kernel_kb", "entries") * 1024
	if (kernel_bytes[w] < 0) kernel_bytes[w] = 0
	entry_us[w] = at_largest("sizes", w, "wall_ns", "entries") / 1000
	event_us[w] = median["drain", w, "cpu_ns"] ? median["drain", w, "cpu_ns"] / median["drain", w, "changes"] / 1000 : at_largest("sizes", w, "event_cpu_ns", "changes") / 1000
	share_kb[w] = slope("shares", w, "rss_kb", "")
	share_ms[w] = slope("shares", w, "wall_ns", "") / 1e6
	guest_kb[w] = slope("fanout", w, "rss_kb", "")
	delivery_us[w] = at_largest("fanout", w, "cpu_ns", "deliveries") / 1000
}
function mb(bytes) { return bytes >= 1e9 ? sprintf("%.1f GB", bytes / 1e9) : sprintf("%.0f MB", bytes / 1e6) }
function limit_of(name) { return name in limits ? limits[name] : 0 }
# The first number that a limit of this machine does not allow.
function first_limit(w, files, shares, guests,    dirs) {
	dirs = files / 10
	if (w ~ /inotify/) {
		if (shares > limit_of("inotify_user_instances")) return sprintf("fs.inotify.max_user_instances (%d): one for each share", limit_of("inotify_user_instances"))
		if (dirs > limit_of("inotify_user_watches")) return sprintf("fs.inotify.max_user_watches (%d): one for each directory", limit_of("inotify_user_watches"))
	} else if (shares > limit_of("fanotify_user_groups")) return sprintf("fs.fanotify.max_user_groups (%d): one for each share", limit_of("fanotify_user_groups"))
	if (guests + 8 * shares > limit_of("nofile") && limit_of("nofile")) return sprintf("RLIMIT_NOFILE (%d)", limit_of("nofile"))
	if (files * 1.1 * entry_bytes[w] > memory_mb * 1e6) return "memory of this machine"
	return "none"
}
# Each event goes to `receivers` of the guests.
function row(what, w, files, shares, guests, receivers,    bytes, watches) {
	bytes = files * 1.1 * (entry_bytes[w] + kernel_bytes[w]) + shares * share_kb[w] * 1024 + guests * guest_kb[w] * 1024
	watches = w ~ /inotify/ ? files / 10 : shares
	printf "| %s | %s | %s | %s | %.1f s | %.1f us | %s |\n", what, substr(w, 11), mb(bytes), sprintf("%d", watches),
		(files * 1.1 * entry_us[w] / 1e6) + shares * share_ms[w] / 1000, event_us[w] + receivers * delivery_us[w], first_limit(w, files, shares, guests)
}

/^"limits":/ {
	text = $0
	gsub(/["{}]/, "", text)
	sub(/^limits:/, "", text)
	sub(/,$/, "", text)
	for (i = split(text, pair, ","); i > 0; i--) { split(pair[i], part, ":"); limits[part[1]] = part[2] + 0 }
}
/^"machine":/ { memory_mb = member("memory_mb") }
/^\{"scenario":.*"median":/ {
	s = member("scenario"); w = member("contender")
	median[s, w, member("metric")] = member("median") + 0
	if (!seen[w]++) who_of[++whos] = w
}
END {
	n = split("hostwatch-inotify hostwatch-fanotify", name, " ")
	for (i = 1; i <= n; i++) coefficients(name[i])
	if (data) {
		for (i = 1; i <= n; i++)
			for (files = 1000; files <= 1e8; files *= 10)
				printf "%s %d %.3f %.4f\n", name[i], files, files * 1.1 * (entry_bytes[name[i]] + kernel_bytes[name[i]]) / 1e6,
					files * 1.1 * entry_us[name[i]] / 1e6
		exit
	}
	print "Coefficients, from sizes, shares, fanout and drain; the last file that has them counts:\n"
	print "| | inotify | fanotify |"
	print "|---|---|---|"
	printf "| memory of an entry, of the daemon | %.0f B | %.0f B |\n", entry_bytes[name[1]], entry_bytes[name[2]]
	printf "| memory of an entry, of the kernel (a tenth are directories) | %.0f B | %.0f B |\n", kernel_bytes[name[1]], kernel_bytes[name[2]]
	printf "| time to arm an entry | %.2f us | %.2f us |\n", entry_us[name[1]], entry_us[name[2]]
	printf "| CPU time of a file that is created, written and closed | %.2f us | %.2f us |\n", event_us[name[1]], event_us[name[2]]
	printf "| memory of a share | %.0f kB | %.0f kB |\n", share_kb[name[1]], share_kb[name[2]]
	printf "| time to start a share | %.2f ms | %.2f ms |\n", share_ms[name[1]], share_ms[name[2]]
	printf "| memory of a receiver | %.2f kB | %.2f kB |\n", guest_kb[name[1]], guest_kb[name[2]]
	printf "| CPU time of an event for each receiver | %.3f us | %.3f us |\n", delivery_us[name[1]], delivery_us[name[2]]
	print "\nMemory of the kernel is the growth of Slab in /proc/meminfo, which other programs also change; times are those under the load of that run."
	print "A receiver is a subscriber of a socket sink. Memory of a virtiofs sink was not measured."
	print "\nCosts of a host with these coefficients, with a directory for ten files. CPU is for each event; the limits are those of this machine:\n"
	print "| host | watcher | memory | watches or marks | start | CPU of an event | limit met first |"
	print "|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) row("10,000,000 files, 1 share", name[i], 1e7, 1, 1, 1)
	for (i = 1; i <= n; i++) row("1,000 shares of 1,000 files", name[i], 1e6, 1000, 1000, 1)
	for (i = 1; i <= n; i++) row("10,000 guests of 1 share, 1,000,000 files", name[i], 1e6, 1, 10000, 10000)
}
