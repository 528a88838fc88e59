# SPDX-License-Identifier: LGPL-2.1-or-later
# Lists the fenced blocks of a page, Markdown or scdoc, and the comments that say how docs/commands runs them. A record a line:
#	mark LINE TEXT		<!-- check: TEXT -->, or "; check: TEXT"
#	open LINE INFO		```INFO
#	text LINE TEXT		a line of the block
#	close LINE
# with tabs between the words. -v scdoc=1 for scdoc, where two backslashes are one and a block may be indented.

function record(kind, text)
{
	printf "%s\t%d\t%s\n", kind, FNR, text
}

function fail(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text > "/dev/stderr"
	failed = 1
}

{
	line = $0
	if (scdoc && !inside) {
		match(line, /^\t*/)
		indent = RLENGTH
	}
	if (scdoc && substr(line, 1, indent) ~ /^\t*$/)
		line = substr(line, indent + 1)
}

line ~ /^```/ {
	inside = !inside
	opened = FNR
	record(inside ? "open" : "close", substr(line, 4))
	next
}

inside {
	if (scdoc)
		gsub(/\\\\/, "\\", line)
	record("text", line)
	next
}

scdoc && line ~ /^; check:/ {
	sub(/^; check: */, "", line)
	record("mark", line)
	next
}

!scdoc && line ~ /^<!-- check:/ {
	if (line !~ / -->$/)
		fail("a comment for docs/commands that does not end with -->")
	sub(/^<!-- check: */, "", line)
	sub(/ *-->$/, "", line)
	record("mark", line)
	next
}

END {
	if (inside) {
		FNR = opened
		fail("a block that does not end")
	}
	exit failed
}
