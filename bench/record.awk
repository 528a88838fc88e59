# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/record: turns the output of strace -f -y into the calls of a workload that change something below `root`. bench/README has
# the format. Descriptors are followed through dup(2), fork(2) and execve(2), since a file is closed when the last one of them is.

function refuse(why) {
	print "record: " why ": " $0 >"/dev/stderr"
	failed = 1
	exit 1
}
# The path without ".", ".." and double slashes.
function normal(path,    n, i, part, out, depth) {
	n = split(path, part, "/")
	depth = 0
	for (i = 1; i <= n; i++) {
		if (part[i] == "" || part[i] == ".") continue
		if (part[i] == "..") { if (depth) depth--; continue }
		out[++depth] = part[i]
	}
	path = ""
	for (i = 1; i <= depth; i++) path = path "/" out[i]
	return path
}
# The path below the root, or "" for the root and for all paths outside of it.
function below(path) {
	path = normal(path)
	return substr(path, 1, length(root) + 1) == root "/" ? substr(path, length(root) + 2) : ""
}
# Sets arg[1..n] to the arguments; commas in strings, brackets and paths do not count.
function split_arguments(text,    i, c, depth, quoted, n, begin) {
	n = 0; begin = 1; depth = 0; quoted = 0
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (quoted) {
			if (c == "\\") i++
			else if (c == "\"") quoted = 0
		} else if (c == "\"") quoted = 1
		else if (c ~ /[[{<(]/) depth++
		else if (c ~ /[])}>]/) depth--
		else if (c == "," && depth == 0) {
			arg[++n] = substr(text, begin, i - begin)
			begin = i + 2
		}
	}
	arg[++n] = substr(text, begin)
	return n
}
function unquote(text) {
	if (text ~ /\\/) refuse("a name that needs quotes")
	gsub(/"/, "", text)
	return text
}
function angled(text) {
	if (!match(text, /<.*>/)) return ""
	text = substr(text, RSTART + 1, RLENGTH - 2)
	sub(/ \(deleted\)$|>\(deleted$/, "", text)
	return text
}
function at(dir, name) {
	name = unquote(name)
	if (name ~ /^\//) return name
	return (dir != "" ? angled(dir) : cwd[group[pid]]) "/" name
}
function emit(text) { print text }

# ---- descriptors ----
function slot_of(d,    s) {
	for (s = 0; s in used; s++);
	used[s] = d
	return s
}
function hold(g, fd, d, cloexec) {
	release(g, fd)
	table[g, fd] = d
	exec_closes[g, fd] = cloexec
	if (fd > highest) highest = fd
	refs[d]++
}
function release(g, fd,    d) {
	if (!((g, fd) in table)) return
	d = table[g, fd]
	delete table[g, fd]
	if (--refs[d]) return
	emit("close\t" slot[d])
	delete used[slot[d]]
}
function release_all(g, from, only_cloexec,    fd) {
	for (fd = from; fd <= highest; fd++)
		if ((g, fd) in table && (!only_cloexec || exec_closes[g, fd])) release(g, fd)
}
function copy_group(from, to,    fd) {
	cwd[to] = cwd[from]
	for (fd = 0; fd <= highest; fd++)
		if ((from, fd) in table) hold(to, fd, table[from, fd], exec_closes[from, fd])
}
function handle(text,    fd) {
	fd = text + 0
	return (group[pid], fd) in table ? slot[table[group[pid], fd]] : ""
}

# ---- calls ----
function opened(path, flags, mode, fd,    letters, d) {
	path = below(path)
	if (path == "" || flags ~ /O_TMPFILE|O_PATH|O_DIRECTORY/ || flags !~ /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/) return
	letters = flags ~ /O_WRONLY|O_RDWR/ ? "w" : "r"
	if (flags ~ /O_CREAT/) letters = letters "c"
	if (flags ~ /O_EXCL/) letters = letters "x"
	if (flags ~ /O_TRUNC/) letters = letters "t"
	if (flags ~ /O_APPEND/) letters = letters "a"
	d = ++descriptions
	slot[d] = slot_of(d)
	# Most modes are these, if the umask is 022.
	emit("open\t" slot[d] "\t" letters "\t" path (flags !~ /O_CREAT/ || mode ~ /^0?6[64][64]$/ ? "" : "\t" mode))
	hold(group[pid], fd, d, flags ~ /O_CLOEXEC/)
}
function written(fd, bytes, offset,    h) {
	h = handle(fd)
	if (h != "" && bytes > 0) emit("write\t" h "\t" bytes (offset != "" ? "\t" offset : ""))
}
function named(what, path) {
	path = below(path)
	if (path != "") emit(what "\t" path)
}
# A name that comes from outside is a new file, one that leaves is removed.
function renamed(from, to, flags,    inner_from, inner_to) {
	inner_from = below(from); inner_to = below(to)
	if (flags ~ /EXCHANGE/ && (inner_from != "" || inner_to != "")) refuse("an exchange")
	if (inner_from != "" && inner_to != "") emit("rename\t" inner_from "\t" inner_to)
	else if (inner_from != "") emit("unlink\t" inner_from)
	else if (inner_to != "") {
		for (s = 0; s in used; s++);
		emit("open\t" s "\twct\t" inner_to)
		emit("close\t" s)
	}
}
function linked(from, to) {
	if (below(to) == "") return
	if (below(from) == "") refuse("a link to a file outside")
	emit("link\t" below(from) "\t" below(to))
}
function timed(path, times) {
	path = below(path)
	if (path == "") return
	if (times ~ /^NULL|UTIME_NOW/) emit("time\tnow\t" path)
	else if (match(times, /}, {tv_sec=[0-9]+/)) emit("time\t" substr(times, RSTART + 11, RLENGTH - 11) "\t" path)
}
# The name of a file of which only a descriptor is given.
function path_of(fd) { return angled(fd) }

function child(parent, self, flags) {
	group[self] = flags ~ /CLONE_FILES/ ? group[parent] : ++groups
	members[group[self]]++
	if (group[self] != group[parent]) copy_group(group[parent], group[self])
}
function ended(self) {
	if (--members[group[self]] == 0) release_all(group[self], 0, 0)
}

function call(name, text, result,    n, ok) {
	ok = result !~ /^-1/ && result !~ /^\?/
	if (!ok) return
	n = split_arguments(text)
	if (name == "open") opened(at("", arg[1]), arg[2], arg[3], result + 0)
	else if (name == "creat") opened(at("", arg[1]), "O_WRONLY|O_CREAT|O_TRUNC", arg[2], result + 0)
	else if (name ~ /^openat2?$/) opened(at(arg[1], arg[2]), arg[3], arg[4], result + 0)
	else if (name == "close") release(group[pid], arg[1] + 0)
	else if (name == "close_range" && arg[3] !~ /CLOEXEC/) release_all(group[pid], arg[1] + 0, 0)
	else if (name ~ /^dup[23]?$/ || (name == "fcntl" && arg[2] ~ /^F_DUPFD/)) {
		if ((group[pid], arg[1] + 0) in table && arg[1] + 0 != result + 0)
			hold(group[pid], result + 0, table[group[pid], arg[1] + 0], text ~ /CLOEXEC/)
		else if (arg[1] + 0 != result + 0) release(group[pid], result + 0)
	} else if (name == "fcntl" && arg[2] == "F_SETFD") exec_closes[group[pid], arg[1] + 0] = arg[3] ~ /FD_CLOEXEC/
	else if (name ~ /^p?writev?$/) written(arg[1], result + 0, "")
	else if (name == "pwrite64" || name ~ /^pwritev/) written(arg[1], result + 0, arg[4])
	else if (name == "sendfile") written(arg[1], result + 0, "")
	else if (name == "copy_file_range" || name == "splice") written(arg[3], result + 0, "")
	else if (name == "ftruncate" && handle(arg[1]) != "") emit("truncate\t" handle(arg[1]) "\t" arg[2])
	else if (name == "fallocate" && handle(arg[1]) != "" && arg[2] == "0") emit("truncate\t" handle(arg[1]) "\t" arg[3] + arg[4])
	else if (name ~ /^f(data)?sync$/ && handle(arg[1]) != "") emit("sync\t" handle(arg[1]))
	else if (name == "truncate" && below(at("", arg[1])) != "") refuse("truncate(2)")
	else if (name == "mkdir") named("mkdir", at("", arg[1]))
	else if (name == "mkdirat") named("mkdir", at(arg[1], arg[2]))
	else if (name == "rmdir") named("rmdir", at("", arg[1]))
	else if (name == "unlink") named("unlink", at("", arg[1]))
	else if (name == "unlinkat") named(arg[3] ~ /REMOVEDIR/ ? "rmdir" : "unlink", at(arg[1], arg[2]))
	else if (name == "rename") renamed(at("", arg[1]), at("", arg[2]), "")
	else if (name ~ /^renameat/) renamed(at(arg[1], arg[2]), at(arg[3], arg[4]), arg[5])
	else if (name == "link") linked(at("", arg[1]), at("", arg[2]))
	else if (name == "linkat") linked(at(arg[1], arg[2]), at(arg[3], arg[4]))
	else if (name == "symlink") named("symlink\t" unquote(arg[1]), at("", arg[2]))
	else if (name == "symlinkat") named("symlink\t" unquote(arg[1]), at(arg[2], arg[3]))
	else if (name == "chmod") named("mode\t" arg[2], at("", arg[1]))
	else if (name ~ /^fchmodat/) named("mode\t" arg[3], at(arg[1], arg[2]))
	else if (name == "fchmod") named("mode\t" arg[2], path_of(arg[1]))
	else if (name ~ /^l?chown$/) named("owner", at("", arg[1]))
	else if (name == "fchownat") named("owner", at(arg[1], arg[2]))
	else if (name == "fchown") named("owner", path_of(arg[1]))
	else if (name == "utimensat") timed(arg[2] == "NULL" ? path_of(arg[1]) : at(arg[1], arg[2]), arg[3])
	else if (name ~ /^(utimes?|futimesat)$/) refuse("an old call")
	else if (name == "chdir") cwd[group[pid]] = at("", arg[1])
	else if (name == "fchdir") cwd[group[pid]] = angled(arg[1])
	else if (name ~ /^execve/) release_all(group[pid], 0, 1)
	else if (name ~ /^(clone3?|v?fork)$/) adopt(pid, result + 0, text)
}
# Lines of a new process may come before the call that made it has returned.
function adopt(parent, self, flags,    i, n, line, before) {
	child(parent, self, flags)
	n = waiting[self]
	before = pid
	for (i = 1; i <= n; i++) {
		line = queue[self, i]
		delete queue[self, i]
		take(self, line)
	}
	delete waiting[self]
	pid = before
}
function take(self, line,    name, at_paren, end) {
	pid = self
	if (line ~ /^\+\+\+ /) { ended(self); return }
	if (line ~ /^---/) return
	if (match(line, / <unfinished \.\.\.>$/)) { begun[self] = substr(line, 1, RSTART - 1); return }
	if (match(line, /^<\.\.\. [a-z0-9_]+ resumed>/)) {
		line = begun[self] substr(line, RLENGTH + 1)
		delete begun[self]
	}
	at_paren = index(line, "(")
	name = substr(line, 1, at_paren - 1)
	if (!match(line, /\) += [^=]*$/)) return
	end = RSTART
	call(name, substr(line, at_paren + 1, end - at_paren - 1), substr(line, end + index(substr(line, end), "= ") + 1))
}

{
	self = $1
	line = $0
	gsub(/ \/\* [^*]* \*\//, "", line) # strace explains times
	sub(/^[0-9]+ +/, "", line)
	if (NR == 1) {
		group[self] = ++groups
		members[groups] = 1
		cwd[groups] = root
	}
	if (!(self in group)) { queue[self, ++waiting[self]] = line; next }
	take(self, line)
}
END {
	if (failed) exit 1
	for (self in waiting) { print "record: a process without a parent: " self >"/dev/stderr"; exit 1 }
	for (s in used) print "close\t" s
}
