# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -v events=N -f bench/instructions.awk callgrind.out: instructions for each event by function of hostwatch itself, "figure name", and
# their sum as "total". Functions of libraries are one line, "libraries", which is not part of the total: they depend on the processor.

# Names are written once, "(12) name", then only "(12)".
function named(text, table,    number)
{
	number = text
	sub(/\).*/, ")", number)
	if (text ~ /\) /) {
		sub(/^[^)]*\) /, "", text)
		table[number] = text
	}
	return table[number]
}

/^ob=/ { object = named(substr($0, 4), objects) }
/^cob=/ { named(substr($0, 5), objects) }
/^fn=/ { function_name = named(substr($0, 4), functions); sub(/'[0-9]+$/, "", function_name) }
/^cfn=/ { named(substr($0, 5), functions) }
/^calls=/ { inclusive = 1; next }
/^[-+*0-9]/ {
	if (!inclusive) {
		if (object ~ /\/(drain|[a-z]+\.so)$/ && object !~ /\/lib/)
			own[function_name] += $2
		else
			libraries += $2
	}
	inclusive = 0
}

END {
	for (f in own) {
		total += own[f]
		if (own[f] / events >= 0.05)
			printf "%.2f %s\n", own[f] / events, f | "LC_ALL=C sort -k1,1nr -k2"
	}
	close("LC_ALL=C sort -k1,1nr -k2")
	printf "%.2f libraries\n%.2f total\n", libraries / events, total / events
}
