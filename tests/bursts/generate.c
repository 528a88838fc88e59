/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses operations at random. Each is first tried in a directory without a watcher; operations
 * that fail are not used. */
#include "burst.h"

#include "census.h"

#include "tests/common/scratch.h"
#include "tests/conformance/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAST_KINDS 6u
#define MORE_KINDS 4u /* exclusive: at most LEAST_KINDS + MORE_KINDS - 1 operations */
#define TRIES 200u
#define OLD_TIME "1000000000"
#define PATH_ROOM 200u

struct generator {
	uint64_t state; /* of the random number generator */
	struct hw_burst *burst;
	struct hw_world world; /* the operations are tried here */
	struct hw_census census; /* of that world */
	unsigned texts; /* number of texts written: all texts differ */
	bool failed; /* the last operation failed */
};

/* splitmix64 */
static unsigned pick(struct generator *g, unsigned below)
{
	uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) % below);
}

static void run_line(struct generator *g, const char *line)
{
	struct hw_burst one = { .ops = { (char *)(uintptr_t)line }, .op_count = 1 };
	struct hw_trace *trace;

	if (hw_burst_trace(&one, NULL, &trace)) {
		g->failed = true;
		return;
	}
	g->failed = hw_op_run(&g->world, &trace->steps[0].ops.items[0]) != 0;
	hw_trace_destroy(trace);
}

/* Tries a line, and adds it to the list if it succeeds. After a failure, the remaining lines of the
 * operation are skipped. */
static __attribute__((format(printf, 4, 0))) void
add(struct generator *g, char **lines, unsigned *count, const char *format, va_list ap)
{
	char *line;

	if (g->failed || *count == HW_BURST_LINES || vasprintf(&line, format, ap) < 0) {
		g->failed = true;
		return;
	}
	run_line(g, line);
	if (g->failed)
		free(line);
	else
		lines[(*count)++] = line;
}

__attribute__((format(printf, 2, 3))) static void setup(struct generator *g, const char *format,
							...)
{
	va_list ap;

	va_start(ap, format);
	add(g, g->burst->setup, &g->burst->setup_count, format, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void op(struct generator *g, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(g, g->burst->ops, &g->burst->op_count, format, ap);
	va_end(ap);
}

/* ---- names ---- */

/* Picks an entry of one of the types below `top` ("share", "outside"); "" if there is none. */
static void pick_old(struct generator *g, const char *top, mode_t type, char *path)
{
	unsigned found = 0;

	*path = '\0';
	for (size_t i = 0; i < g->census.count; i++) {
		const struct hw_census_entry *e = &g->census.entries[i];

		if (e->is_outside != (*top == 'o') || !*e->path ||
		    (type && (e->st.stx_mode & S_IFMT) != type))
			continue;
		if (!pick(g, ++found))
			(void)snprintf(path, PATH_ROOM, "%s", e->path); /* fits: short names */
	}
	if (!found)
		g->failed = true;
}

/* Picks a name in any directory; an entry of that name often exists. */
static void pick_name(struct generator *g, char *path)
{
	static const char *const names[] = { "a", "b", "c", "f", "n", "m" };
	char dir[PATH_ROOM];

	pick_old(g, "share", S_IFDIR, dir);
	g->failed = false; /* the root always exists */
	if (!pick(g, 2))
		*dir = '\0';
	(void)snprintf(path, PATH_ROOM, "%.150s%s%s", dir, *dir ? "/" : "",
		       names[pick(g, sizeof(names) / sizeof(*names))]); /* fits */
}

/* Returns the next text. All texts have the same length. */
static unsigned text(struct generator *g)
{
	return 1000 + g->texts++;
}

/* ---- operations ---- */

static void do_write(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", S_IFREG, a);
	op(g, "%s %s \"%u\"", pick(g, 2) ? "write" : "append", a, text(g));
}

static void do_create(struct generator *g)
{
	char a[PATH_ROOM];

	pick_name(g, a);
	if (pick(g, 4))
		op(g, "write %s \"%u\"", a, text(g));
	else
		op(g, "create %s", a);
}

static void do_save(struct generator *g)
{
	char a[PATH_ROOM];
	unsigned t = text(g);

	pick_old(g, "share", S_IFREG, a);
	op(g, "write .t%u \"%u\"", t, t);
	op(g, "rename .t%u %s", t, a);
}

static void do_tmpfile(struct generator *g)
{
	char a[PATH_ROOM];

	pick_name(g, a);
	op(g, "tmpfile %s \"%u\"", a, text(g));
}

static void do_link(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_old(g, "share", S_IFREG, a);
	pick_name(g, b);
	g->failed |= !*a;
	op(g, "link %s %s", a, b);
}

/* Programs save in this way if they do not want to replace a file that another program made
 * meanwhile. */
static void do_link_save(struct generator *g)
{
	char a[PATH_ROOM];
	unsigned t = text(g);

	pick_old(g, "share", S_IFREG, a);
	op(g, "write .t%u \"%u\"", t, t);
	op(g, "unlink %s", a);
	op(g, "link .t%u %s", t, a);
	op(g, "unlink .t%u", t);
}

static void do_unlink(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", pick(g, 4) ? S_IFREG : S_IFLNK, a);
	op(g, "unlink %s", a);
}

static void do_rename(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_old(g, "share", 0, a);
	pick_name(g, b);
	if (strcmp(a, b))
		op(g, "rename %s %s", a, b);
	else
		g->failed = true;
}

static void do_replace(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_old(g, "share", S_IFREG, a);
	pick_old(g, "share", S_IFREG, b);
	if (strcmp(a, b))
		op(g, "rename %s %s", a, b);
	else
		g->failed = true;
}

static void do_exchange(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_old(g, "share", 0, a);
	pick_old(g, "share", 0, b);
	if (strcmp(a, b))
		op(g, "exchange %s %s", a, b);
	else
		g->failed = true;
}

static void do_mkdir(struct generator *g)
{
	char a[PATH_ROOM];

	pick_name(g, a);
	op(g, "mkdir %s", a);
}

static void do_rmdir(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", S_IFDIR, a);
	op(g, "rmdir %s", a);
}

static void do_mkdir_move(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_name(g, a);
	op(g, "mkdir %s", a);
	pick_old(g, "share", 0, b);
	op(g, "rename %s %.150s/m", b, a);
}

static void do_move_in(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];

	pick_old(g, "outside", 0, a);
	pick_name(g, b);
	g->failed |= !*a;
	op(g, "movein %s %s", a, b);
}

static void do_move_out(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", 0, a);
	op(g, "moveout %s x%u", a, text(g));
}

static void do_out_and_in(struct generator *g)
{
	char a[PATH_ROOM], b[PATH_ROOM];
	unsigned x = text(g);

	pick_old(g, "share", 0, a);
	op(g, "moveout %s x%u", a, x);
	if (pick(g, 2))
		pick_name(g, b);
	else
		memcpy(b, a, sizeof(b));
	op(g, "movein x%u %s", x, b);
}

static void do_chmod(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", pick(g, 3) ? S_IFREG : S_IFDIR, a);
	op(g, "chmod %s %s", pick(g, 2) ? "700" : "755", a);
}

static void do_touch(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", S_IFREG, a);
	op(g, "touch %s " OLD_TIME, a);
}

/* Writes other data of the same size, and sets an old mtime, which the file may have had before. */
static void do_hidden_write(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", S_IFREG, a);
	op(g, "write %s \"%u\"", a, text(g));
	op(g, "touch %s " OLD_TIME, a);
}

static void do_setxattr(struct generator *g)
{
	char a[PATH_ROOM];

	pick_old(g, "share", pick(g, 3) ? S_IFREG : S_IFDIR, a);
	op(g, "setxattr %s user.x \"%u\"", a, text(g));
}

static void do_symlink(struct generator *g)
{
	char a[PATH_ROOM];

	pick_name(g, a);
	op(g, "symlink t%u %s", text(g), a);
}

static void do_retarget(struct generator *g)
{
	char a[PATH_ROOM];
	unsigned t = text(g);

	pick_old(g, "share", S_IFLNK, a);
	op(g, "symlink t%u .l%u", t, t);
	op(g, "rename .l%u %s", t, a);
}

/* Programs unpack in this way: into a temporary directory, and then move the result out of it. */
static void do_unpack(struct generator *g)
{
	char a[PATH_ROOM];
	unsigned t = text(g);
	bool dir = pick(g, 2);

	pick_name(g, a);
	op(g, "mkdir .d%u", t);
	if (dir)
		op(g, "mkdir .d%u/x", t);
	op(g, dir ? "write .d%u/x/f \"%u\"" : "write .d%u/x \"%u\"", t, t);
	op(g, "rename .d%u/x %s", t, a);
	op(g, "rmdir .d%u", t);
}

static const struct {
	const char *name;
	unsigned weight;
	void (*run)(struct generator *g);
} kinds[] = {
	{ "write", 4, do_write },
	{ "create", 3, do_create },
	{ "save", 3, do_save },
	{ "tmpfile", 2, do_tmpfile },
	{ "link", 3, do_link },
	{ "link-save", 1, do_link_save },
	{ "unlink", 3, do_unlink },
	{ "rename", 4, do_rename },
	{ "replace", 2, do_replace },
	{ "exchange", 2, do_exchange },
	{ "mkdir", 2, do_mkdir },
	{ "rmdir", 2, do_rmdir },
	{ "mkdir-move", 2, do_mkdir_move },
	{ "move-in", 2, do_move_in },
	{ "move-out", 2, do_move_out },
	{ "out-and-in", 1, do_out_and_in },
	{ "chmod", 2, do_chmod },
	{ "touch", 1, do_touch },
	{ "hidden-write", 1, do_hidden_write },
	{ "setxattr", 1, do_setxattr },
	{ "symlink", 1, do_symlink },
	{ "retarget", 2, do_retarget },
	{ "unpack", 2, do_unpack },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

const char *hw_burst_kind(unsigned i)
{
	return i < KINDS ? kinds[i].name : NULL;
}

int hw_burst_kinds(const char *list, uint32_t *ret)
{
	*ret = 0;
	while (*list) {
		size_t len = strcspn(list, ",");
		unsigned i = 0;

		while (i < KINDS &&
		       (strlen(kinds[i].name) != len || strncmp(kinds[i].name, list, len)))
			i++;
		if (i == KINDS)
			return -EINVAL;
		*ret |= UINT32_C(1) << i;
		list += len + (list[len] == ',');
	}
	return 0;
}

static unsigned pick_kind(struct generator *g, uint32_t chosen)
{
	unsigned total = 0, i = 0;

	for (unsigned k = 0; k < KINDS; k++)
		total += chosen >> k & 1 ? kinds[k].weight : 0;
	for (unsigned at = pick(g, total ? total : 1); i < KINDS; i++) {
		unsigned weight = chosen >> i & 1 ? kinds[i].weight : 0;

		if (at < weight)
			break;
		at -= weight;
	}
	return i;
}

/* ---- the burst ---- */

static void set_up(struct generator *g)
{
	setup(g, "write a \"%u\"", text(g));
	setup(g, "write b \"%u\"", text(g));
	setup(g, "mkdir d");
	setup(g, "write d/f \"%u\"", text(g));
	setup(g, "mkdir e");
	setup(g, "symlink t l");
	if (pick(g, 2))
		setup(g, "link a d/c");
	if (pick(g, 2))
		setup(g, "touch b " OLD_TIME);
	if (pick(g, 2)) {
		setup(g, "mkdir d/d");
		setup(g, "write d/d/a \"%u\"", text(g));
	}
	setup(g, "outside write o \"%u\"", text(g));
	setup(g, "outside mkdir p");
	setup(g, "outside write p/f \"%u\"", text(g));
}

/* If an operation fails halfway, its successful lines remain in the burst. */
static int choose(struct generator *g, uint32_t chosen)
{
	unsigned wanted = LEAST_KINDS + pick(g, MORE_KINDS), done = 0;
	int r = 0;

	for (unsigned tries = 0; !r && done < wanted && tries < TRIES; tries++) {
		unsigned before = g->burst->op_count, kind = pick_kind(g, chosen);

		if (kind == KINDS)
			return -EINVAL;
		r = hw_census_take(&g->world, &g->census);
		g->failed = false;
		if (!r)
			kinds[kind].run(g);
		hw_census_release(&g->census);
		done += g->burst->op_count > before;
	}
	return r;
}

int hw_burst_generate(uint64_t seed, uint32_t chosen, const struct hw_place *place,
		      struct hw_burst *ret)
{
	struct generator g = { .state = seed, .burst = ret };
	int r = hw_world_create(&g.world, place);

	*ret = (struct hw_burst){ 0 };
	if (!r) {
		set_up(&g);
		r = g.failed ? -EIO : choose(&g, chosen);
	}
	hw_world_remove(&g.world);
	return r;
}
