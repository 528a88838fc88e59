# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -f bench/flame.awk [-v title=TEXT] FOLDED > graph.svg
# awk -f bench/flame.awk BEFORE AFTER > difference.svg
#
# Draws folded stacks, as bench/fold.awk prints them ("a;b;c 12"). A box is a function in a stack; its width is the part of all samples
# in it and in what it calls. With two files the widths are those of the second; a box is red if its part grew, blue if it shrank.
# The title of a box (shown when the pointer rests on it) has the numbers.

BEGIN {
	WIDTH = 1200; ROW = 17; MARGIN = 10; HEAD = 34; CHARACTER = 6.6; THINNEST = 0.2
	if (title == "")
		title = ARGC > 2 ? "Difference: " ARGV[1] " to " ARGV[2] : "CPU time by stack"
}

FNR == 1 { files++ }

/^[ \t]*(#|$)/ { next }

{
	samples = $NF
	stack = $0
	sub(/[ \t]+[0-9]+[ \t]*$/, "", stack)
	if (samples !~ /^[0-9]+$/ || stack == $0) {
		printf "%s:%d: not a folded stack\n", FILENAME, FNR > "/dev/stderr"
		failed = 1
		exit 1
	}
	add(files, stack, samples + 0)
}

# A node is the path from the root; its children are kept in the order in which they are first seen, and sorted when they are drawn.
function add(file, stack, samples,    frames, count, i, path, parent)
{
	count = split(stack, frames, ";")
	total[file] += samples
	path = ""
	for (i = 1; i <= count; i++) {
		parent = path
		path = path SUBSEP frames[i]
		if (!(path in name)) {
			name[path] = frames[i]
			child[parent, ++children[parent]] = path
			if (i > deepest)
				deepest = i
		}
		value[file, path] += samples
	}
}

function escape(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	gsub(/"/, "\\&quot;", text)
	gsub(/[\001-\037\177]/, "?", text)
	return text
}

# A colour that depends on the name only, so that a function looks the same in all graphs.
function colour_of(text,    i, sum)
{
	for (i = 1; i <= length(text); i++)
		sum = (sum * 31 + index(" !#$%&()*+,-./0123456789:<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~", substr(text, i, 1))) % 65521
	return sprintf("rgb(%d,%d,%d)", 205 + sum % 50, 90 + int(sum / 50) % 110, 40 + int(sum / 5500) % 40)
}

# Parts of all samples; the strongest colour stands for a change by 5 of 100.
function colour_of_change(before, after,    strength)
{
	strength = (after - before) * 20
	strength = strength > 1 ? 1 : strength < -1 ? -1 : strength
	if (strength >= 0)
		return sprintf("rgb(255,%d,%d)", 255 - 190 * strength, 255 - 190 * strength)
	return sprintf("rgb(%d,%d,255)", 255 + 190 * strength, 255 + 190 * strength)
}

function part(file, path)
{
	return total[file] ? value[file, path] / total[file] : 0
}

function draw(path, x, width, depth,    y, text, room, label)
{
	y = HEAD + (deepest - depth) * ROW
	text = sprintf("%s: %d samples, %.2f%%", name[path], value[files, path], 100 * part(files, path))
	if (files > 1)
		text = text sprintf(", before %.2f%%", 100 * part(1, path))
	printf "<g><title>%s</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>", escape(text), x, y, width, ROW - 1, \
		(files > 1 ? colour_of_change(part(1, path), part(2, path)) : colour_of(name[path]))
	room = int((width - 6) / CHARACTER)
	label = name[path]
	if (length(label) > room)
		label = room > 4 ? substr(label, 1, room - 2) ".." : ""
	if (room > 2 && label != "")
		printf "<text x=\"%.2f\" y=\"%d\">%s</text>", x + 3, y + 12, escape(label)
	print "</g>"
}

# Children by name, so that two graphs can be compared.
function sort_children(parent,    i, j, moved)
{
	for (i = 2; i <= children[parent]; i++) {
		moved = child[parent, i]
		for (j = i - 1; j >= 1 && name[child[parent, j]] > name[moved]; j--)
			child[parent, j + 1] = child[parent, j]
		child[parent, j + 1] = moved
	}
}

function draw_below(parent, x, depth,    i, path, width)
{
	sort_children(parent)
	for (i = 1; i <= children[parent]; i++) {
		path = child[parent, i]
		width = part(files, path) * (WIDTH - 2 * MARGIN)
		if (width < THINNEST)
			continue
		draw(path, x, width, depth)
		draw_below(path, x, depth + 1)
		x += width
	}
}

# Functions that are gone have no box in the second graph: they are listed.
function draw_gone(    path, y, count)
{
	y = HEAD + deepest * ROW + 16
	for (path in name)
		if (value[1, path] && !value[2, path] && part(1, path) >= 0.005 && count++ < 20) {
			printf "<text x=\"%d\" y=\"%d\">gone: %s, before %.2f%%</text>\n", MARGIN, y, escape(name[path]), 100 * part(1, path)
			y += ROW
		}
}

END {
	if (failed)
		exit 1
	if (!files || !total[files] || (ARGC > 1 && files != ARGC - 1)) {
		print "flame.awk: no samples" > "/dev/stderr"
		exit 1
	}
	height = HEAD + deepest * ROW + (files > 1 ? 21 * ROW : MARGIN)
	print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", WIDTH, height, WIDTH, height
	print "<style>text { font: 11px monospace; fill: #222 } rect { stroke: #fff; stroke-width: 0.3 } g:hover rect { stroke: #000; stroke-width: 1 }</style>"
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, height
	printf "<text x=\"%d\" y=\"20\" style=\"font-size: 14px\">%s (%d samples)</text>\n", MARGIN, escape(title), total[files]
	draw_below("", MARGIN, 1)
	if (files > 1)
		draw_gone()
	print "</svg>"
}
