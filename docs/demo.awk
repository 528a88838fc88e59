# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -v steps="1 5 10" -f demo.awk < OUTPUT: draws the output of `hostwatch demo` as an SVG picture: its beginning, these
# steps, its verdict. The same output gives the same picture. Every piece of text has its own place and length, so that
# columns are aligned in any font.

BEGIN {
	char = 8.4 # width of a character
	line = 19 # height of a line
	margin = 16
	baseline = 14
	most = 0
	rows = 0
	wanted = " " steps " "
	kinds = "^(create|delete|move|modify|attrib|close_write|rescan)$"
	put(0, "plain", "$ ")
	put(2, "bold", "hostwatch demo")
	rows++
	blank = 1
}

function escaped(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

# Text without blanks at its ends, in a column of the present row.
function put(column, class, text) {
	sub(/ +$/, "", text)
	if (text == "")
		return
	body = body sprintf("<text class=\"%s\" x=\"%.1f\" y=\"%d\" textLength=\"%.1f\">%s</text>\n", class,
		margin + column * char, margin + baseline + rows * line, length(text) * char, escaped(text))
	if (column + length(text) > most)
		most = column + length(text)
}

# Pieces that two blanks or more separate; a kind of event at the beginning of a piece has its own colour.
function put_pieces(text, class, column, piece, word) {
	column = 0
	while (text != "") {
		match(text, /^ */)
		column += RLENGTH
		text = substr(text, RLENGTH + 1)
		piece = match(text, /  +/) ? substr(text, 1, RSTART - 1) : text
		text = substr(text, length(piece) + 1)
		word = piece
		sub(/ .*/, "", word)
		if (word ~ kinds) {
			put(column, word, word)
			put(column + length(word) + 1, class, substr(piece, length(word) + 2))
		} else {
			put(column, class, piece)
		}
		column += length(piece)
	}
}

function put_heading(text, note) {
	note = match(text, /  # /) ? substr(text, RSTART + 2) : ""
	if (note != "")
		put(RSTART + 1, "faint", note)
	put_pieces(note == "" ? text : substr(text, 1, RSTART - 1), "bold")
}

# The name of the directory differs from run to run.
{ gsub(/hostwatch-demo-[A-Za-z0-9]*/, "hostwatch-demo") }

/^ *[0-9]+  \$ / { step = $1; shown = index(wanted, " " step " ") > 0; begun = 1 }
/reported the same/ { verdict = 1; shown = 1 }
begun && !shown { next }
/^$/ { blank = 1; next }

{
	if (blank)
		rows++
	blank = 0
	if (/^ *[0-9]+  \$ /)
		put_heading($0)
	else if (verdict)
		put_pieces($0, "good")
	else if (begun)
		put_pieces($0, "plain")
	else
		put_pieces($0, /^    /? "bold" : "plain")
	rows++
}

END {
	if (!verdict) {
		print "demo.awk: the watchers did not report the same" > "/dev/stderr"
		exit 1
	}
	width = 2 * margin + most * char
	height = 2 * margin + rows * line
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
		width, height, width, height
	print "<title>hostwatch demo: three watchers report the same events</title>"
	print "<!-- made by make docs/demo.svg from a run of the program -->"
	print "<style>"
	print "rect { fill: #ffffff; stroke: #d0d7de }"
	print "text { fill: #1f2328; font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; white-space: pre }"
	print ".bold, .good { font-weight: bold }"
	print ".faint { fill: #59636e }"
	print ".create, .good { fill: #116329 } .delete, .rescan { fill: #a40e26 } .move { fill: #0b6b75 }"
	print ".modify { fill: #7d4e00 } .attrib { fill: #8250df } .close_write { fill: #0550ae }"
	print "@media (prefers-color-scheme: dark) {"
	print "rect { fill: #0d1117; stroke: #3d444d }"
	print "text { fill: #e6edf3 } .faint { fill: #9198a1 }"
	print ".create, .good { fill: #56d364 } .delete, .rescan { fill: #ff7b72 } .move { fill: #56d4dd }"
	print ".modify { fill: #e3b341 } .attrib { fill: #d2a8ff } .close_write { fill: #79c0ff }"
	print "}"
	print "</style>"
	printf "<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", width - 1, height - 1
	printf "%s</svg>\n", body
}
