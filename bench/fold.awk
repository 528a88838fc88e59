# SPDX-License-Identifier: LGPL-2.1-or-later
# perf script | awk -f bench/fold.awk: one line for each different stack, the caller first, and its number of samples:
# "program;main;f;g 12".

# A sample begins with a line at the margin: the name of the program, then numbers.
/^[^ \t#]/ {
	program = $0
	sub(/[ \t]+[0-9]+.*/, "", program)
	gsub(/[; ]/, "_", program)
	stack = ""
	inside = 1
	next
}

# address function+0x12 (file)
/^[ \t]+[0-9a-f]+ / && inside {
	frame = $0
	sub(/^[ \t]+[0-9a-f]+ /, "", frame)
	file = frame
	sub(/.* \(/, "", file)
	sub(/\)$/, "", file)
	sub(/ \([^(]*\)$/, "", frame)
	sub(/\+0x[0-9a-f]+$/, "", frame)
	if (frame == "[unknown]" || frame == "") {
		sub(/.*\//, "", file)
		frame = "[" file "]"
	}
	gsub(/[; ]/, "_", frame)
	stack = ";" frame stack
	next
}

/^[ \t]*$/ && inside {
	if (stack != "")
		count[program stack]++
	inside = 0
}

END {
	if (inside && stack != "")
		count[program stack]++
	for (s in count)
		print s, count[s] | "LC_ALL=C sort"
}
