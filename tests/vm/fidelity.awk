# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes the tables of docs/fidelity.md. Input files: tests/vm/differences, the text of each reason, the kinds of events in each trace, results.

# Each column shows the events that a program received, for one watcher and one kernel, with cache=auto.
function column(kernel, program, watcher,    key) {
	key = kernel SUBSEP program SUBSEP watcher
	if (!(key in columns)) {
		columns[key] = ++column_count
		heading[column_count] = kernel
		program_of[column_count] = program
		watcher_of[column_count] = watcher
	}
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
file > 3 {
	run = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4
	if (!(run in total)) runs[++run_count] = run
	total[run]++
	if ($6 == "") same[run]++
	if ($2 != "auto") next
	c = column($1, $4, $3)
	n = split(substr(kinds[$5], 2), mine, SUBSEP)
	for (i = 1; i <= n; i++) {
		told[mine[i], c]++
		m = split($6, why, " ")
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

END {
	by_name()
	print "## Events\n"
	print "*same*: the events are the same as on the tmpfs. A number is that of a difference listed below, which occurs in some traces. -: the kernel does not support such marks on the mount, or no trace that was run has the event.\n"
	printf "| event |"
	for (c = 1; c <= column_count; c++) printf " %s, %s, %s |", program_of[c], watcher_of[c], heading[c]
	printf "\n|---|"
	for (c = 1; c <= column_count; c++) printf "---|"
	print ""
	for (i = 1; i <= rows; i++) {
		printf "| %s |", row_name[order[i]]
		for (c = 1; c <= column_count; c++) printf " %s |", cell(order[i], c)
		print ""
	}
	print "\nColumns: program, watcher of the host, kernel of the guest; *replay*: with inject = replay, for fewer traces, else with the module. Linux 6.1 does not support fanotify marks that report names on a FUSE filesystem"
	print "(fanotify_test_fsid() in fs/notify/fanotify/fanotify_user.c requires an fsid). Linux 6.12 supports marks on its directories, but not on the whole filesystem."
	print "\n## Differences\n"
	for (i = 1; i <= reasons; i++) printf "%d. **%s**: %s\n", i, reason_at[i], text[reason_at[i]]
	print "\nhostwatch-events(7) explains the rules that cause them. tests/vm/differences lists each difference line by line.\n"
	print "## Traces\n"
	print "| kernel | cache | watcher | program | traces | same events | with differences listed above |\n|---|---|---|---|---|---|---|"
	for (i = 1; i <= run_count; i++) {
		split(runs[i], part, SUBSEP)
		printf "| %s | %s | %s | %s | %d | %d | %d |\n", part[1], part[2], part[3], part[4], total[runs[i]], same[runs[i]], total[runs[i]] - same[runs[i]]
	}
}
