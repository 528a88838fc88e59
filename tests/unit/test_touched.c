/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utimes(2) after a write: a modify, whether the loop examines the file before or after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/hint.h"
#include "framework/share/refresh.h"
#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/unit/support/puppet.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef void change_fn(struct hw_scene *f);

/* ---- changes ---- */

static void append(struct hw_scene *f)
{
	hw_scene_write(f->fd, "f", "more");
}

static void truncate_it(struct hw_scene *f)
{
	int fd = openat(f->fd, "f", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void set_old_time(struct hw_scene *f)
{
	const struct timespec old[2] = { { 1000000000, 1 }, { 1000000000, 2 } };

	assert_int_equal(utimensat(f->fd, "f", old, 0), 0);
}

static void set_old_time_of_link(struct hw_scene *f)
{
	const struct timespec old[2] = { { 1000000000, 1 }, { 1000000000, 2 } };

	assert_int_equal(utimensat(f->fd, "g", old, 0), 0);
}

/* The time that the file had before the write: prepare(). */
static void set_time_back(struct hw_scene *f)
{
	const struct timespec back[2] = { { 900000000, 1 }, { 900000000, 2 } };

	assert_int_equal(utimensat(f->fd, "f", back, 0), 0);
}

/* The record of this is that of a write. */
static void set_old_mtime(struct hw_scene *f)
{
	const struct timespec old[2] = { { 0, UTIME_OMIT }, { 1000000000, 2 } };

	assert_int_equal(utimensat(f->fd, "f", old, 0), 0);
}

static void set_present_time(struct hw_scene *f)
{
	assert_int_equal(utimensat(f->fd, "f", NULL, 0), 0);
}

static void change_mode(struct hw_scene *f)
{
	assert_int_equal(fchmodat(f->fd, "f", 0600, 0), 0);
}

static void change_mode_of_link(struct hw_scene *f)
{
	assert_int_equal(fchmodat(f->fd, "g", 0600, 0), 0);
}

static void set_attribute(struct hw_scene *f)
{
	char path[PATH_MAX + 2];

	(void)snprintf(path, sizeof(path), "%s/f", f->root);
	assert_int_equal(setxattr(path, "trusted.t", "x", 1, 0), 0);
}

/* ---- cases ---- */

struct touch_case {
	change_fn *write, *then, *last; /* last: may be NULL */
	const char *expected; /* events about "f", without closes and repetitions: m, a */
};

static const struct touch_case cases[] = {
	{ append, set_old_time, NULL, "m" },
	{ append, set_time_back, NULL, "m" },
	{ append, set_time_back, change_mode, "ma" },
	{ truncate_it, set_time_back, NULL, "m" },
	{ append, set_present_time, NULL, "m" },
	{ append, change_mode, NULL, "ma" },
	{ append, set_attribute, NULL, "ma" },
	{ append, set_old_mtime, NULL, "m" },
	{ append, set_old_time, change_mode, "ma" },
	{ append, set_old_mtime, change_mode, "ma" },
	{ append, change_mode, set_old_time, "mam" },
	{ append, set_old_time, append, "m" },
	{ truncate_it, set_old_time, NULL, "m" },
	{ truncate_it, change_mode, NULL, "ma" },
	{ append, set_old_time_of_link, NULL, "m" },
	{ append, change_mode_of_link, NULL, "ma" },
	{ append, set_old_time_of_link, change_mode, "ma" },
};

static void prepare(struct hw_scene *f)
{
	hw_scene_write(f->fd, "f", "text");
	set_time_back(f);
	assert_int_equal(linkat(f->fd, "f", f->fd, "g", 0), 0);
}

/* Reads all records and adds the events about "f". */
static void collect(struct hw_scene *f, char *got, size_t size)
{
	struct hw_event event;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		size_t len = strlen(got);
		char kind = event.kind == HW_MODIFY ? 'm' : event.kind == HW_ATTRIB ? 'a' : 'c';

		assert_true(len + 1 < size);
		if (event.path_len == 1 && event.path[0] == 'f' && kind != 'c' &&
		    (!len || got[len - 1] != kind))
			got[len] = kind;
	}
}

/* Each record is read before the next change. */
static void read_each(struct hw_scene *f, const struct touch_case *c, char *got, size_t size)
{
	c->write(f);
	collect(f, got, size);
	c->then(f);
	collect(f, got, size);
}

/* Both are read at once. */
static void read_both(struct hw_scene *f, const struct touch_case *c, char *got, size_t size)
{
	c->write(f);
	c->then(f);
	collect(f, got, size);
}

/* The examination that follows the record of the write shows the second change. */
static void read_first(struct hw_scene *f, const struct touch_case *c, char *got, size_t size)
{
	struct hw_share *share = hw_rig_share(f->rig);
	static const char names[] = "fg";
	int64_t read_until_ns = share->marks.read_until_ns;
	struct hw_entry before[2];
	uint32_t ids[2];

	for (unsigned i = 0; i < 2; i++) {
		ids[i] = hw_tree_find(&share->tree, HW_ROOT, &names[i], 1);
		before[i] = *hw_tree_entry(&share->tree, ids[i]);
	}
	c->write(f);
	collect(f, got, size);
	c->then(f);
	for (unsigned i = 0; i < 2; i++) {
		struct hw_entry *e = hw_tree_entry(&share->tree, ids[i]);

		e->mtime_ns = before[i].mtime_ns;
		e->ctime_ns = before[i].ctime_ns;
		e->size = before[i].size;
	}
	share->marks.read_until_ns = read_until_ns;
	hw_history_stale(share, ids[0]);
	hw_refresh(share);
	hw_share_begin_turn(share);
	collect(f, got, size);
}

typedef void read_fn(struct hw_scene *f, const struct touch_case *c, char *got, size_t size);

static void play(const struct touch_case *c, const char *backend, read_fn *read)
{
	char got[16] = "";
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	prepare(&f);
	if (hw_scene_start(&f, backend, 0)) {
		read(&f, c, got, sizeof(got));
		if (c->last) {
			c->last(&f);
			collect(&f, got, sizeof(got));
		}
		if (strcmp(got, c->expected))
			print_error("case %zu of %s\n", (size_t)(c - cases), backend);
		assert_string_equal(got, c->expected);
		/* Nothing is left that an examination would find. */
		hw_unverified_entry(hw_rig_share(f.rig),
				    hw_tree_find(&hw_rig_share(f.rig)->tree, HW_ROOT, "f", 1));
		hw_scene_expect_no_more(&f);
	}
	hw_scene_finish(&f);
}

static void play_all(read_fn *read)
{
	for (size_t i = 0; i < HW_RIG_BACKENDS * sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(hw_rig_backends[i % HW_RIG_BACKENDS], "polling") != 0)
			play(&cases[i / HW_RIG_BACKENDS], hw_rig_backends[i % HW_RIG_BACKENDS],
			     read);
}

static void changes_are_reported_that_are_read_one_by_one(void **state)
{
	(void)state;
	play_all(read_each);
}

static void changes_are_reported_alike_that_are_read_together(void **state)
{
	(void)state;
	play_all(read_both);
}

static void changes_are_reported_alike_that_are_found_before_they_are_read(void **state)
{
	(void)state;
	play_all(read_first);
}

/* The tree has the state after the write before the record of either change is read. */
static void a_write_is_reported_that_was_found_before_its_record(void **state)
{
	struct hw_scene f;
	struct hw_share *share;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "f", "text");
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	share = hw_rig_share(f.rig);
	change_mode(&f);
	append(&f);
	hw_history_stale(share, hw_tree_find(&share->tree, HW_ROOT, "f", 1));
	hw_refresh(share);
	hw_puppet_hint(&f, HW_HINT_ATTRIB, "", "f");
	hw_puppet_hint(&f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "f");
	hw_scene_expect(&f, "attrib file f");
	hw_scene_expect(&f, "modify f");
	hw_scene_expect(&f, "close_write f");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* ---- new files ---- */

static void make_and_touch(struct hw_scene *f, bool each)
{
	int fd = openat(f->fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	const struct timespec old[2] = { { 1000000000, 1 }, { 1000000000, 2 } };

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	if (each)
		hw_rig_turn(f->rig, 0);
	assert_int_equal(futimens(fd, old), 0);
	if (each)
		hw_rig_turn(f->rig, 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(f, "create file new");
	hw_scene_expect(f, "modify new");
	hw_scene_expect(f, "close_write new");
	hw_scene_expect_no_more(f);
}

/* As cp -p does: attributes that are set before the first close belong to the create. */
static void times_of_a_new_file_belong_to_its_create(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		const char *backend = hw_rig_backends[i / 2];
		struct hw_scene f;

		if (!strcmp(backend, "polling"))
			continue;
		hw_scene_prepare(&f);
		if (hw_scene_start(&f, backend, 0))
			make_and_touch(&f, i % 2);
		hw_scene_finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_reported_that_are_read_one_by_one),
		cmocka_unit_test(changes_are_reported_alike_that_are_read_together),
		cmocka_unit_test(changes_are_reported_alike_that_are_found_before_they_are_read),
		cmocka_unit_test(a_write_is_reported_that_was_found_before_its_record),
		cmocka_unit_test(times_of_a_new_file_belong_to_its_create),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("touched", tests, NULL, NULL);
}
