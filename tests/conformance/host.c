/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = { "d", "d/file", "d/empty", "d/link" };
#define NAMES (sizeof(names) / sizeof(*names))

static void fill(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, "d", 0755), 0);
	int file = openat(fd, "d/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(file, "data", 4), 4);
	assert_int_equal(close(file), 0);
	assert_int_equal(mknodat(fd, "d/empty", S_IFREG | 0600, 0), 0);
	assert_int_equal(symlinkat("file", fd, "d/link"), 0);
	(void)close(fd); /* O_PATH */
}

static void look(const char *root, struct stat *stats)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < NAMES; i++)
		assert_int_equal(fstatat(fd, names[i], &stats[i], AT_SYMLINK_NOFOLLOW), 0);
	(void)close(fd); /* O_PATH */
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Listing a directory may update its atime, like any readdir(3); nothing else changes. */
static void compare(const struct stat *before, const struct stat *after)
{
	for (size_t i = 0; i < NAMES; i++) {
		bool same = is_same_time(&before[i].st_mtim, &after[i].st_mtim) &&
			    is_same_time(&before[i].st_ctim, &after[i].st_ctim) &&
			    before[i].st_mode == after[i].st_mode &&
			    before[i].st_size == after[i].st_size;

		if (!S_ISDIR(before[i].st_mode))
			same = same && is_same_time(&before[i].st_atim, &after[i].st_atim);
		if (!same)
			fail_msg("%s was changed by being watched", names[i]);
	}
}

/* Returns NULL if this watcher cannot work here. */
static struct hw_rig *start(const char *backend, const char *root)
{
	const struct hw_rig_config config = { .backend = backend, .root = root };
	struct hw_rig *rig = NULL;
	const char *why;
	int r = hw_rig_start(&config, &rig, &why);

	if (r != -EOPNOTSUPP)
		assert_int_equal(r, 0);
	return rig;
}

void watching_leaves_no_trace_on_files(void **state)
{
	struct stat before[NAMES], after[NAMES];
	unsigned places;
	char *root = hw_scratch_create(hw_scratch_places(&places)[0].path);

	assert_non_null(root);
	fill(root);
	hw_clock_tick();
	look(root, before);
	struct hw_rig *rig = start(*state, root);
	if (rig) {
		assert_int_equal(hw_rig_flush(rig), 0);
		assert_int_equal(hw_rig_flush(rig), 0);
		look(root, after);
		compare(before, after);
	}
	hw_rig_stop(rig);
	hw_scratch_remove(root);
	if (!rig)
		skip();
}

static void expect(struct hw_rig *rig, const char *const *lines)
{
	struct hw_event event;

	assert_int_equal(hw_rig_flush(rig), 0);
	for (; *lines; lines++) {
		assert_int_equal(hw_rig_next(rig, &event), 1);
		char *text = hw_notation_text(&event);

		assert_string_equal(text, *lines);
		free(text);
	}
	assert_int_equal(hw_rig_next(rig, &event), 0);
}

void overlapping_shares_are_both_told(void **state)
{
	static const char *const outer_lines[] = { "create dir d/new", NULL };
	static const char *const inner_lines[] = { "create dir new", NULL };
	unsigned places;
	char *root = hw_scratch_create(hw_scratch_places(&places)[0].path), *inner, *made;

	assert_non_null(root);
	assert_true(asprintf(&inner, "%s/d", root) > 0);
	assert_true(asprintf(&made, "%s/d/new", root) > 0);
	fill(root);
	struct hw_rig *outer_rig = start(*state, root), *inner_rig = start(*state, inner);
	bool works = outer_rig && inner_rig;
	if (works) {
		assert_int_equal(mkdir(made, 0755), 0);
		hw_clock_tick();
		expect(outer_rig, outer_lines);
		expect(inner_rig, inner_lines);
	}
	hw_rig_stop(outer_rig);
	hw_rig_stop(inner_rig);
	free(inner);
	free(made);
	hw_scratch_remove(root);
	if (!works)
		skip();
}
