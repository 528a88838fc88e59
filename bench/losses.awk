# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/performance, after json.awk: who lost what, as a table.
FNR == 1 { file = FILENAME; sub(/.*\//, "", file); sub(/\.json$/, "", file) }
/^\{"scenario":.*"metric":"(lost|wrong|names|late)"/ {
	key = file "\t" member("contender") "\t" member("scenario")
	if (!seen[key]++) keys[++n] = key
	most[key, member("metric")] = member("max") + 0
}
END {
	print "| file | contender | scenario | names | late | lost | wrong |"
	print "|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		key = keys[i]
		if (!most[key, "late"] && !most[key, "lost"] && !most[key, "wrong"]) continue
		split(key, part, "\t")
		printf "| %s | %s | %s | %d | %s | %d | %d |\n", part[1], part[2], part[3], most[key, "names"], (key, "late") in most ? most[key, "late"] : "-", most[key, "lost"], most[key, "wrong"]
	}
}
