# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/performance, after json.awk: the claims of README.md (bench/claims, the first file), what was lost in the scenarios that measure
# them, and the tests that show them.

function of_scenario(scenario, list,    i, n, one) {
	n = split(list, one, ",")
	for (i = 1; i <= n; i++) if (scenario == one[i] || (one[i] == "replay" && scenario ~ /^replay-/)) return 1
	return 0
}
function result(list,    i, part, names, lost, wrong, runs, found, missing, n, one) {
	for (i = 1; i <= keys; i++) {
		split(key_of[i], part, SUBSEP)
		if (!of_scenario(part[2], list)) continue
		found[part[2]] = 1
		if (!((key_of[i], "names") in most)) continue
		runs++
		names += most[key_of[i], "names"]; lost += most[key_of[i], "lost"]; wrong += most[key_of[i], "wrong"]
	}
	n = split(list, one, ",")
	for (i = 1; i <= n; i++)
		if (one[i] != "replay" && !(one[i] in found)) missing = missing (missing == "" ? "" : ", ") one[i]
	if (!runs) return missing == "" ? "measured" : "not measured: " missing
	return sprintf("%d lost, %d wrong of %d names%s", lost, wrong, names, missing == "" ? "" : "; not measured: " missing)
}

FILENAME != last { last = FILENAME; files++; file = FILENAME }
files == 1 && !/^#/ { claims++; split($0, field, "\t"); text[claims] = field[1]; scenarios[claims] = field[2]; tests[claims] = field[3] }
files > 1 && /^\{"scenario":.*"median":/ && member("contender") ~ /^hostwatch-/ {
	key = file SUBSEP member("scenario") SUBSEP member("contender")
	if (!(key in seen)) { seen[key] = 1; key_of[++keys] = key }
	most[key, member("metric")] = member("max")
}
END {
	print "| claim of README.md | `hostwatch bench` | result | tests |"
	print "|---|---|---|---|"
	for (i = 1; i <= claims; i++) {
		shown = tests[i]
		gsub(/ /, ", ", shown)
		list = scenarios[i]
		gsub(/,/, " ", list)
		printf "| %s | %s | %s | %s |\n", text[i], list == "-" ? "" : "`" list "`", list == "-" ? "" : result(scenarios[i]), shown
	}
}
