/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bursts of random changes of few names, so that names are replaced, get other files and share
 * inodes all the time. After each burst, every create, delete and move that was reported is
 * explained by a change of that burst, and every change is reported, both once.
 *
 * stress-explained --rounds 20000 --seed 7 [--outside] [--types]: outside moves files out of the
 * share and into it; types makes also symbolic links and FIFOs, whose type is a guess if they are
 * gone too early (LIMITS)
 */
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CHANGES_MAX 8u
#define TEXT_BYTES 8192u
#define REPORT_MAX 4u

static unsigned rounds = 1500;
static uint64_t seeds[] = { 12, 18, 28 };
static size_t seed_count = sizeof(seeds) / sizeof(*seeds);
static bool with_types, with_outside; /* not in `make test` */

enum what { CREATE, WRITE, APPEND, SYMLINK, FIFO, UNLINK, LINK, RENAME, EXCHANGE, CHMOD, OUT, IN };

/* Frequent ones are repeated. */
static const enum what draws[] = { CREATE,  CREATE, WRITE,  APPEND, UNLINK,   LINK,
				   LINK,    RENAME, RENAME, RENAME, EXCHANGE, CHMOD,
				   SYMLINK, FIFO,   OUT,    OUT,    IN };
#define FILE_DRAWS 12u /* those before SYMLINK */
#define TYPE_DRAWS 14u /* those before OUT */
#define DRAWS (sizeof(draws) / sizeof(*draws))
static const char *const words[] = { "create", "write",  "append",   "symlink", "fifo", "unlink",
				     "link",   "rename", "exchange", "chmod",   "out",  "in" };
static const char *const outside[] = { "outside/1", "outside/2", "outside/3" };
static const char *const names[] = { "a",   "b",   "c",   "d",   "x/a", "x/b",
				     "x/c", "x/d", "y/a", "y/b", "y/c", "y/d" };

struct change {
	enum what what;
	const char *path, *to;
	uint8_t kind; /* of the event that reports it; 0: no create, delete or move */
	bool replaces; /* a rename onto another file */
	bool seen;
};

struct burst {
	struct change changes[CHANGES_MAX];
	unsigned count;
	char events[TEXT_BYTES];
	size_t len;
	unsigned wrong;
};

static struct {
	struct hw_scene scene;
	struct burst burst, before;
	uint64_t random;
	unsigned failed;
} t;

static unsigned draw(unsigned below)
{
	t.random = t.random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((t.random >> 33) % below);
}

/* ---- changes; one that is not possible does nothing ---- */

static bool exists(const char *path, struct stat *ret)
{
	return fstatat(t.scene.fd, path, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_regular(const char *path)
{
	struct stat stat;

	return exists(path, &stat) && S_ISREG(stat.st_mode);
}

static bool put(const char *path, int flags, unsigned bytes)
{
	int fd = openat(t.scene.fd, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		return false;
	assert_int_equal(write(fd, "text", bytes), bytes);
	assert_int_equal(close(fd), 0);
	return true;
}

static bool put_new_or_old(struct change *c)
{
	struct stat stat;
	bool old = exists(c->path, &stat);

	c->kind = old ? 0 : HW_CREATE;
	return (!old || S_ISREG(stat.st_mode)) && put(c->path, O_CREAT | O_TRUNC, draw(4));
}

/* A rename onto another name of the same file does nothing. */
static bool rename_it(int from_dir, const char *path, int to_dir, struct change *c, unsigned flags)
{
	struct stat from, to;

	if (fstatat(from_dir, path, &from, AT_SYMLINK_NOFOLLOW))
		return false;
	c->replaces = fstatat(to_dir, c->to, &to, AT_SYMLINK_NOFOLLOW) == 0;
	return !(c->replaces && from.st_ino == to.st_ino) &&
	       renameat2(from_dir, path, to_dir, c->to, flags) == 0;
}

static bool cross(struct change *c)
{
	const char *other = outside[draw(sizeof(outside) / sizeof(*outside))];
	struct change out = *c;

	if (c->what == IN)
		return rename_it(t.scene.top, other, t.scene.fd, c, 0);
	out.to = other;
	return rename_it(t.scene.fd, c->path, t.scene.top, &out, 0);
}

/* inotify merges the record of an arrival with that of a rename to the same name just before
 * (LIMITS). */
static bool is_merged(const struct burst *b, const struct change *c)
{
	const struct change *last = b->count ? &b->changes[b->count - 1] : NULL;

	if (c->what != IN || !last)
		return false;
	return last->what == EXCHANGE
		       ? last->path == c->to
		       : (last->what == IN || last->what == RENAME) && last->to == c->to;
}

/* Returns whether the change was made. */
static bool make(struct change *c)
{
	static const uint8_t kinds[] = {
		[CREATE] = HW_CREATE, [SYMLINK] = HW_CREATE, [FIFO] = HW_CREATE,
		[LINK] = HW_CREATE,   [UNLINK] = HW_DELETE,  [RENAME] = HW_MOVE,
		[EXCHANGE] = HW_MOVE, [CHMOD] = 0,           [OUT] = HW_MOVE,
		[IN] = HW_MOVE
	};
	int dir = t.scene.fd;

	c->kind = kinds[c->what];
	switch (c->what) {
	case CREATE:
		return put(c->path, O_CREAT | O_EXCL, 0);
	case WRITE:
		return put_new_or_old(c);
	case APPEND:
		return is_regular(c->path) && put(c->path, O_APPEND, 1);
	case SYMLINK:
		return symlinkat("q", dir, c->path) == 0;
	case FIFO:
		return mkfifoat(dir, c->path, 0600) == 0;
	case UNLINK:
		return unlinkat(dir, c->path, 0) == 0;
	case LINK:
		return linkat(dir, c->path, dir, c->to, 0) == 0;
	case RENAME:
		return rename_it(dir, c->path, dir, c, 0);
	case EXCHANGE:
		return rename_it(dir, c->path, dir, c, RENAME_EXCHANGE);
	case OUT:
	case IN:
		return cross(c);
	default:
		return is_regular(c->path) && fchmodat(dir, c->path, draw(2) ? 0600 : 0644, 0) == 0;
	}
}

static enum what draw_what(void)
{
	unsigned n = draw(with_outside ? DRAWS : with_types ? TYPE_DRAWS : FILE_DRAWS);

	return n >= FILE_DRAWS && n < TYPE_DRAWS && !with_types ? OUT : draws[n];
}

static void change(struct burst *b)
{
	const unsigned count = sizeof(names) / sizeof(*names);
	struct change c = { .what = draw_what(),
			    .path = names[draw(count)],
			    .to = names[draw(count)] };

	if (!is_merged(b, &c) && make(&c))
		b->changes[b->count++] = c;
}

/* ---- events ---- */

static bool is(const char *path, uint32_t len, const char *name)
{
	if (!path || !name)
		return !path && !name;
	return strlen(name) == len && memcmp(path, name, len) == 0;
}

static bool is_move_of(const struct hw_event *e, const char *path, const char *to)
{
	return is(e->from, e->from_len, path) && is(e->path, e->path_len, to);
}

/* The two names of an exchange may be reported in either order. */
static bool explains(const struct change *c, const struct hw_event *e)
{
	if (c->seen || c->kind != e->kind)
		return false;
	if (c->what == EXCHANGE)
		return e->flags == HW_FLAG_EXCHANGE &&
		       (is_move_of(e, c->path, c->to) || is_move_of(e, c->to, c->path));
	if (c->what == OUT)
		return is_move_of(e, c->path, NULL);
	if (c->what == RENAME || c->what == IN)
		return e->flags == (c->replaces ? HW_FLAG_REPLACED : 0) &&
		       is_move_of(e, c->what == IN ? NULL : c->path, c->to);
	return is(e->path, e->path_len, c->what == LINK ? c->to : c->path);
}

static bool is_explained(struct burst *b, const struct hw_event *e)
{
	if (e->kind == HW_MODIFY || e->kind == HW_ATTRIB || e->kind == HW_CLOSE_WRITE)
		return true;
	for (unsigned i = 0; i < b->count; i++)
		if (explains(&b->changes[i], e)) {
			b->changes[i].seen = true;
			return true;
		}
	return false;
}

static void note(struct burst *b, const struct hw_event *e, bool explained)
{
	char *text = hw_notation_text(e);
	int n = snprintf(b->events + b->len, sizeof(b->events) - b->len, "    %s%s\n", text,
			 explained ? "" : " <- no change explains this");

	assert_true(n > 0 && (size_t)n < sizeof(b->events) - b->len);
	b->len += (size_t)n;
	free(text);
}

static void collect(struct burst *b)
{
	struct hw_event event;
	int r;

	while ((r = hw_rig_next(t.scene.rig, &event)) == 1) {
		bool explained = is_explained(b, &event);

		b->wrong += !explained;
		note(b, &event, explained);
	}
	assert_int_equal(r, 0);
}

/* ---- a round ---- */

static void print_burst(const char *title, const struct burst *b)
{
	print_error("  %s:\n", title);
	for (unsigned i = 0; i < b->count; i++) {
		const struct change *c = &b->changes[i];
		bool two = c->what >= LINK && c->what <= EXCHANGE;
		const char *path = c->what == IN ? c->to : c->path;

		print_error("    %s %s%s%s%s\n", words[c->what], path, two ? " " : "",
			    two ? c->to : "",
			    c->kind && !c->seen ? " <- no event reports this" : "");
	}
	print_error("  events:\n%s", b->events);
}

static void judge(const char *backend, uint64_t seed, unsigned round)
{
	struct burst *b = &t.burst;

	for (unsigned i = 0; i < b->count; i++)
		b->wrong += b->changes[i].kind && !b->changes[i].seen;
	if (!b->wrong || t.failed++ >= REPORT_MAX)
		return;
	print_error("%s, seed %llu, round %u:\n", backend, (unsigned long long)seed, round);
	print_burst("changes before", &t.before);
	print_burst("changes", b);
}

/* In half of the rounds the share reads records while the burst goes on. */
static void play(const char *backend, uint64_t seed, unsigned round)
{
	bool turning = draw(2);

	t.before = t.burst;
	memset(&t.burst, 0, sizeof(t.burst));
	for (unsigned i = 2 + draw(CHANGES_MAX - 1); i; i--) {
		change(&t.burst);
		if (turning && draw(2)) {
			hw_rig_turn(t.scene.rig, 0);
			collect(&t.burst);
		}
	}
	assert_int_equal(hw_rig_flush(t.scene.rig), 0);
	collect(&t.burst);
	judge(backend, seed, round);
}

static void run(const char *backend, uint64_t seed)
{
	memset(&t, 0, sizeof(t));
	t.random = seed;
	hw_scene_prepare(&t.scene);
	hw_scene_make_dir(t.scene.fd, "x");
	hw_scene_make_dir(t.scene.fd, "y");
	bool works = hw_scene_start(&t.scene, backend, 0);

	for (unsigned i = 0; works && i < rounds; i++)
		play(backend, seed, i);
	hw_scene_finish(&t.scene);
	if (!works)
		skip();
	if (t.failed)
		fail_msg("seed %llu: %u of %u rounds are wrong", (unsigned long long)seed, t.failed,
			 rounds);
}

static void each_event_is_explained(void **state)
{
	for (size_t i = 0; i < seed_count; i++)
		run(*state, seeds[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "outside", no_argument, NULL, 'o' },
		{ "types", no_argument, NULL, 't' },
		{ "filter", required_argument, NULL, 'F' },
		{ NULL, 0, NULL, 0 },
	};
	const struct CMUnitTest tests[] = {
		{ "explained/inotify", each_event_is_explained, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "explained/fanotify", each_event_is_explained, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "explained/fanotify-inode", each_event_is_explained, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			seeds[0] = strtoull(optarg, NULL, 10), seed_count = 1;
		else if (option == 'o')
			with_outside = true;
		else if (option == 't')
			with_types = true;
		else if (option == 'F')
			cmocka_set_test_filter(optarg);
		else
			return 2;
	}
	return cmocka_run_group_tests_name("explained", tests, NULL, NULL);
}
