# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes the tables of docs/fidelity.md. Input files: tests/vm/differences, the text of each reason, the kinds of events in each trace, results.

# A guest is a kernel and what injects events into it. Each has a table, with a column for each program and watcher, with cache=auto.
function column(guest, program, watcher,    key) {
	key = guest SUBSEP program SUBSEP watcher
	if (key in columns) return columns[key]
	if (!(guest in column_count)) guests[++guest_count] = guest
	columns[key] = guest SUBSEP (++column_count[guest])
	heading[columns[key]] = program ", " watcher
	return columns[key]
}

FNR == 1 { file++ }

# "= REASON: KIND, KIND"; a KIND is the name of a table row or the first word of one
file == 1 && /^= / {
	reason = substr($0, 3, index($0, ":") - 3)
	concerns[reason] = "," substr($0, index($0, ":") + 2) ","
	gsub(/, /, ",", concerns[reason])
	number[reason] = ++reasons
	reason_at[reasons] = reason
}
file == 2 { text[$1] = $2 }
file == 3 {
	if (!($2 in row)) {
		row[$2] = ++rows
		row_name[rows] = $2
	}
	kinds[$1] = kinds[$1] SUBSEP row[$2]
}
# Field 5 is the name of a trace, or the numbers of several. What a run saw replaces what was recorded.
file > 3 {
	run = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4
	if (!(run in run_index)) {
		run_index[run] = ++run_count
		runs[run_count] = run
		if ($2 == "auto") run_column[run_count] = column($1, $4, $3)
	}
	n = split($5, names, " ")
	for (i = 1; i <= n; i++) outcome[run_index[run] SUBSEP substr(names[i], 1, 3)] = $6
}

# What a run saw in a trace: the reasons of differences are noted for each kind of event that they concern.
function count(run, trace, seen,    c, i, k, n, m, mine, why) {
	total[run]++
	if (seen == "") same[run]++
	if (!(run in run_column)) return
	c = run_column[run]
	n = split(substr(kinds[trace], 2), mine, SUBSEP)
	m = split(seen, why, " ")
	for (i = 1; i <= n; i++) {
		told[mine[i], c]++
		for (k = 1; k <= m; k++)
			if (concerned(why[k], row_name[mine[i]])) noted[mine[i], c, number[why[k]]] = 1
	}
}

# "modify" stands for the row of that name, "move" for each row whose name begins with that word.
function concerned(reason, name,    first) {
	first = name
	sub(/ .*/, "", first)
	return index(concerns[reason], "," name ",") || index(concerns[reason], "," first ",")
}

function cell(r, c,    i, out) {
	if (!((r, c) in told)) return "-"
	out = "same"
	for (i = 1; i <= reasons; i++)
		if ((r, c, i) in noted) out = out " " i
	return out
}

function by_name(    i, j, swap) {
	for (i = 1; i <= rows; i++) order[i] = i
	for (i = 1; i <= rows; i++)
		for (j = i + 1; j <= rows; j++)
			if (row_name[order[j]] < row_name[order[i]]) { swap = order[i]; order[i] = order[j]; order[j] = swap }
}

function print_events(guest,    c, i, kernel) {
	kernel = guest
	sub(/ .*/, "", kernel)
	printf "### %s, %s\n\n| event |", kernel == "host" ? "A FUSE mount on the host" : "Linux " kernel, guest == kernel ? "the module" : "inject = replay"
	for (c = 1; c <= column_count[guest]; c++) printf " %s |", heading[guest, c]
	printf "\n|---|"
	for (c = 1; c <= column_count[guest]; c++) printf "---|"
	print ""
	for (i = 1; i <= rows; i++) {
		printf "| %s |", row_name[order[i]]
		for (c = 1; c <= column_count[guest]; c++) printf " %s |", cell(order[i], guest SUBSEP c)
		print ""
	}
	print ""
}

END {
	by_name()
	for (key in outcome) {
		split(key, part, SUBSEP)
		count(part[1], part[2], outcome[key])
	}
	print "## Events\n"
	print "*same*: the events are the same as on the tmpfs. A number is that of a difference listed below, which occurs in some traces. -: no trace that was run has the event."
	print "Columns: program, watcher of the host. Linux 6.1 has no column of fanwatch, because it does not support fanotify marks that report names on a FUSE filesystem"
	print "(fanotify_test_fsid() in fs/notify/fanotify/fanotify_user.c requires an fsid). Linux 6.12 supports marks on its directories, but not on the whole filesystem.\n"
	for (i = 1; i <= guest_count; i++) print_events(guests[i])
	print "## Differences\n"
	for (i = 1; i <= reasons; i++) printf "%d. **%s**: %s\n", i, reason_at[i], text[reason_at[i]]
	print "\nhostwatch-events(7) explains the rules that cause them. tests/vm/differences lists each difference line by line.\n"
	print "## Traces\n"
	print "| kernel | cache | watcher | program | traces | same events | with differences listed above |\n|---|---|---|---|---|---|---|"
	for (i = 1; i <= run_count; i++) {
		split(runs[i], part, SUBSEP)
		printf "| %s | %s | %s | %s | %d | %d | %d |\n", part[1], part[2], part[3], part[4], total[i], same[i], total[i] - same[i]
	}
}
