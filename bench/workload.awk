# SPDX-License-Identifier: LGPL-2.1-or-later
# The list of changes (bench/README) that a workload makes. Names of one file share a node, since a change through one of them may be reported of
# the others.

function appear(path, n) {
	print "c\t" path
	node[path] = n
	names[n] = names[n] path "\n"
}
function leave(path,    n, list, i, count) {
	n = node[path]
	delete node[path]
	count = split(names[n], list, "\n")
	names[n] = ""
	for (i = 1; i < count; i++)
		if (list[i] != path) names[n] = names[n] list[i] "\n"
}
# One name has changed. The others of its file may be reported.
function change(n, kind,    list, i, count) {
	count = split(names[n], list, "\n")
	for (i = 1; i < count; i++) print (count == 2 ? kind : "?") "\t" list[i]
}
function named(path) {
	if (!(path in node)) { # a symbolic link, or a name that was given by its directory's rename
		node[path] = ++nodes
		names[nodes] = path "\n"
	}
	return node[path]
}
function remove(path,    n) {
	print "u\t" path
	if (path in node) {
		n = node[path]
		leave(path)
		change(n, "?")
	}
}
# The names below a directory go with it.
function carry(from, to,    path, moved, n) {
	for (path in node) if (index(path, from "/") == 1) moved[path] = 1
	for (path in moved) {
		n = node[path]
		leave(path)
		path = to substr(path, length(from) + 1)
		node[path] = n
		names[n] = names[n] path "\n"
	}
}
function move(from, to,    n, old, kept) {
	if (from in node && to in node) {
		if (node[from] == node[to]) return # rename(2) does nothing
		old = node[to]
		leave(to)
	}
	print "r\t" from "\t" to
	if (from in is_dir) {
		is_dir[to] = 1
		delete is_dir[from]
		carry(from, to)
		return
	}
	n = named(from)
	leave(from)
	node[to] = n
	names[n] = names[n] to "\n"
	if (old) change(old, "?")
}

BEGIN { FS = "\t" }
$1 == "dir" { print "D\t" $2; is_dir[$2] = 1 }
$1 == "file" { print "F\t" $3; named($3) }
$1 == "link-to" { print "F\t" $3; named($3) }
$1 == "mkdir" { print "d\t" $2; is_dir[$2] = 1 }
$1 == "rmdir" { print "u\t" $2; delete is_dir[$2] }
$1 == "symlink" { appear($3, ++nodes) }
$1 == "open" {
	if (!($4 in node)) {
		appear($4, ++nodes)
		if ($5 != "") mode[nodes] = $5
	}
	else change(node[$4], $3 ~ /t/ ? "m" : "?")
	open_node[$2] = node[$4]
}
$1 == "write" || $1 == "truncate" { change(open_node[$2], "m") }
$1 == "close" { delete open_node[$2] }
$1 == "unlink" { remove($2) }
$1 == "rename" { move($2, $3) }
$1 == "link" { n = named($2); change(n, "?"); appear($3, n) }
# Files are made with mode 0644 unless another one follows (bench/replay.c).
$1 == "mode" {
	if (!($3 in node)) print "?\t" $3
	else {
		n = node[$3]
		old = n in mode ? mode[n] : "0644"
		change(n, old == $2 ? "?" : "m")
		mode[n] = $2
	}
}
$1 == "time" { if ($3 in node) change(node[$3], "m"); else print "?\t" $3 }
$1 == "owner" { if ($2 in node) change(node[$2], "?"); else print "?\t" $2 }
