/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An entry leaves its name and then the share, and another one takes the name, before any record is
 * read. The entry that left is reported as moved out, and not as replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/next.h"
#include "tests/unit/support/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- filesystems without birth times ---- */

static bool without_birth_times;

#pragma GCC visibility push(default)
int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict ret)
{
	int r = NEXT(statx, dir, path, flags, mask, ret);

	if (r == 0 && without_birth_times)
		ret->stx_mask &= ~STATX_BTIME;
	return r;
}
#pragma GCC visibility pop

/* ---- scenes: x/a, y/b, x/dir, y/dir2, x/fifo and outside/old exist ---- */

static void prepare(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "x");
	hw_scene_make_dir(f->fd, "y");
	hw_scene_write(f->fd, "x/a", "old");
	hw_scene_write(f->fd, "y/b", "other");
	hw_scene_make_dir(f->fd, "x/dir");
	hw_scene_make_dir(f->fd, "y/dir2");
	assert_int_equal(mknodat(f->fd, "x/fifo", S_IFIFO | 0600, 0), 0);
	hw_scene_write(f->top, "outside/old", "third");
}

static void leave(const struct hw_scene *f, const char *name)
{
	hw_scene_move(f->fd, name, f->top, "outside/gone");
}

static void make_fifo(const struct hw_scene *f, const char *name)
{
	assert_int_equal(mknodat(f->fd, name, S_IFIFO | 0600, 0), 0);
}

static void link_it(const struct hw_scene *f, const char *from, const char *to)
{
	assert_int_equal(linkat(f->fd, from, f->fd, to, 0), 0);
}

static void make_empty(const struct hw_scene *f, const char *name)
{
	assert_int_equal(mknodat(f->fd, name, S_IFREG | 0600, 0), 0);
}

static void by_a_new_file(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/a");
	leave(f, "y/a");
	hw_scene_write(f->fd, "y/a", "new");
}

static void after_a_replacement(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/b");
	leave(f, "y/b");
	hw_scene_write(f->fd, "y/b", "new");
}

static void by_a_new_dir(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/dir", f->fd, "y/dir");
	leave(f, "y/dir");
	hw_scene_make_dir(f->fd, "y/dir");
}

static void by_a_new_fifo(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/fifo", f->fd, "y/fifo");
	leave(f, "y/fifo");
	make_fifo(f, "y/fifo");
}

static void by_another_type(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/a");
	leave(f, "y/a");
	make_fifo(f, "y/a");
}

static void by_a_file_from_outside(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/a");
	leave(f, "y/a");
	hw_scene_move(f->top, "outside/old", f->fd, "y/a");
}

static void by_a_renamed_file(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/a");
	leave(f, "y/a");
	hw_scene_move(f->fd, "y/b", f->fd, "y/a");
}

static void beside_a_new_dir(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "z");
	leave(f, "y/b");
	hw_scene_write(f->fd, "y/b", "new");
}

static void by_a_renamed_link(const struct hw_scene *f)
{
	link_it(f, "x/a", "y/t");
	leave(f, "y/b");
	hw_scene_move(f->fd, "y/t", f->fd, "y/b");
}

static void by_a_renamed_new_file(const struct hw_scene *f)
{
	hw_scene_write(f->fd, "y/t", "new");
	leave(f, "y/b");
	hw_scene_move(f->fd, "y/t", f->fd, "y/b");
}

static void by_a_renamed_new_dir(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "y/t");
	leave(f, "y/dir2");
	hw_scene_move(f->fd, "y/t", f->fd, "y/dir2");
}

static void by_a_renamed_file_beside_a_new_dir(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "z");
	leave(f, "y/b");
	hw_scene_move(f->fd, "x/a", f->fd, "y/b");
}

/* The kernel merges the records of equal renames, also if the name was made anew between them. */
static void by_a_second_rename(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
	hw_scene_move(f->fd, "y/d", f->fd, "y/c");
	link_it(f, "y/c", "x/a");
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
}

static void by_a_second_rename_after_it_left(const struct hw_scene *f)
{
	link_it(f, "x/a", "y/e");
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
	leave(f, "y/d");
	link_it(f, "y/e", "x/a");
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
}

static void by_a_second_rename_after_a_replacement(const struct hw_scene *f)
{
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
	hw_scene_move(f->fd, "y/d", f->fd, "y/b");
	link_it(f, "y/b", "x/a");
	hw_scene_move(f->fd, "x/a", f->fd, "y/d");
}

/* The clock may not have ticked since the file outside was created. */
static void new_by_a_young_file_from_outside(const struct hw_scene *f)
{
	hw_scene_write(f->top, "outside/young", "young");
	make_empty(f, "y/t");
	hw_scene_move(f->top, "outside/young", f->fd, "y/t");
}

static void new_by_a_young_link_from_outside(const struct hw_scene *f)
{
	hw_scene_write(f->top, "outside/young", "young");
	assert_int_equal(linkat(f->top, "outside/young", f->top, "outside/link", 0), 0);
	make_empty(f, "y/t");
	hw_scene_move(f->top, "outside/young", f->fd, "y/t");
}

static void new_by_a_young_file_that_leaves(const struct hw_scene *f)
{
	new_by_a_young_file_from_outside(f);
	leave(f, "y/t");
}

static const struct scene {
	const char *name;
	void (*run)(const struct hw_scene *f);
	const char *expected;
} scenes[] = {
	{ "by a new file", by_a_new_file,
	  "move file x/a -> y/a\n"
	  "move file y/a ->\n"
	  "create file y/a\n"
	  "modify y/a\n"
	  "close_write y/a\n" },
	{ "after a replacement", after_a_replacement,
	  "move file x/a -> y/b (replaced)\n"
	  "move file y/b ->\n"
	  "create file y/b\n"
	  "modify y/b\n"
	  "close_write y/b\n" },
	{ "by a new directory", by_a_new_dir,
	  "move dir x/dir -> y/dir\n"
	  "move dir y/dir ->\n"
	  "create dir y/dir\n" },
	{ "by a new FIFO", by_a_new_fifo,
	  "move other x/fifo -> y/fifo\n"
	  "move other y/fifo ->\n"
	  "create other y/fifo\n" },
	{ "by another type", by_another_type,
	  "move file x/a -> y/a\n"
	  "move file y/a ->\n"
	  "create other y/a\n" },
	{ "by a file from outside", by_a_file_from_outside,
	  "move file x/a -> y/a\n"
	  "move file y/a ->\n"
	  "move file -> y/a\n" },
	{ "by a renamed file", by_a_renamed_file,
	  "move file x/a -> y/a\n"
	  "move file y/a ->\n"
	  "move file y/b -> y/a\n" },
	{ "beside a new directory", beside_a_new_dir,
	  "create dir z\n"
	  "move file y/b ->\n"
	  "create file y/b\n"
	  "modify y/b\n"
	  "close_write y/b\n" },
	{ "by a renamed link", by_a_renamed_link,
	  "create file y/t\n"
	  "move file y/b ->\n"
	  "move file y/t -> y/b\n" },
	{ "by a renamed new file", by_a_renamed_new_file,
	  "create file y/t\n"
	  "modify y/t\n"
	  "close_write y/t\n"
	  "move file y/b ->\n"
	  "move file y/t -> y/b\n" },
	{ "by a renamed new directory", by_a_renamed_new_dir,
	  "create dir y/t\n"
	  "move dir y/dir2 ->\n"
	  "move dir y/t -> y/dir2\n" },
	{ "by a renamed file, beside a new directory", by_a_renamed_file_beside_a_new_dir,
	  "create dir z\n"
	  "move file y/b ->\n"
	  "move file x/a -> y/b\n" },
	{ "by a second rename", by_a_second_rename,
	  "move file x/a -> y/d\n"
	  "move file y/d -> y/c\n"
	  "create file x/a\n"
	  "move file x/a -> y/d\n" },
	{ "by a second rename, after it left", by_a_second_rename_after_it_left,
	  "create file y/e\n"
	  "move file x/a -> y/d\n"
	  "move file y/d ->\n"
	  "create file x/a\n"
	  "move file x/a -> y/d\n" },
	{ "by a second rename, after a replacement", by_a_second_rename_after_a_replacement,
	  "move file x/a -> y/d\n"
	  "move file y/d -> y/b (replaced)\n"
	  "create file x/a\n"
	  "move file x/a -> y/d\n" },
};

/* Records of the start are read before. */
static const struct scene later_scenes[] = {
	{ "new, by a young file from outside", new_by_a_young_file_from_outside,
	  "create file y/t\n"
	  "move file -> y/t (replaced)\n" },
	{ "new, by a young link from outside", new_by_a_young_link_from_outside,
	  "create file y/t\n"
	  "move file -> y/t (replaced)\n" },
	{ "new, by a young file that leaves", new_by_a_young_file_that_leaves,
	  "create file y/t\n"
	  "move file -> y/t (replaced)\n"
	  "move file y/t ->\n" },
};

/* ---- running them ---- */

static char *text_of_events(struct hw_scene *f)
{
	struct hw_event event;
	char *text = NULL, why[200];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		char *line = hw_notation_text(&event);

		(void)fprintf(out, "%s\n", line);
		free(line);
		assert_int_equal(hw_model_apply(f->model, &event, why, sizeof(why)), 0);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static void reach_mark(struct hw_scene *f)
{
	const struct hw_marks *marks = &hw_rig_share(f->rig)->marks;

	while (!marks->read_count)
		hw_rig_turn(f->rig, 0);
}

/* Returns whether the events are those that are expected. */
static bool run_one(const struct scene *scene, const char *backend,
		    void (*prepare_at)(struct hw_scene *f), bool later)
{
	struct hw_scene f;
	bool right = true;

	prepare_at(&f);
	prepare(&f);
	hw_clock_tick();
	if (hw_scene_start(&f, backend, 0)) {
		if (later)
			reach_mark(&f);
		scene->run(&f);
		char *text = text_of_events(&f);

		right = strcmp(text, scene->expected) == 0;
		if (!right)
			print_error("%s, %s:\n%s", backend, scene->name, text);
		free(text);
		hw_scene_check(&f);
	}
	hw_scene_finish(&f);
	return right;
}

static void run_list(const struct scene *list, size_t count, const char *backend, bool later)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < count; i++) {
		wrong += !run_one(&list[i], backend, hw_scene_prepare, later);
		wrong += !run_one(&list[i], backend, hw_scene_prepare_on_disk, later);
	}
	assert_int_equal(wrong, 0);
}

static void run_all(const char *backend)
{
	run_list(scenes, sizeof(scenes) / sizeof(scenes[0]), backend, false);
	run_list(later_scenes, sizeof(later_scenes) / sizeof(later_scenes[0]), backend, true);
}

static void what_left_before_its_name_was_taken_is_moved_out(void **state)
{
	run_all(*state);
}

static void it_is_so_without_birth_times(void **state)
{
	without_birth_times = true;
	run_all(*state);
}

/* ---- just after the start ---- */

/* Starts a share that has the directory x and the links a and b, and reads all records. */
static struct hw_share *start_with_links(struct hw_scene *f, const char *backend)
{
	hw_scene_prepare(f);
	hw_scene_make_dir(f->fd, "x");
	hw_scene_write(f->fd, "a", "some");
	link_it(f, "a", "b");
	if (!hw_scene_start(f, backend, 0)) {
		hw_scene_finish(f);
		skip();
	}
	hw_scene_expect_no_more(f);
	hw_rig_turn(f->rig, 0);
	return hw_rig_share(f->rig);
}

/* A mark was reached before the clock had its first tick after the start. The kernel merges the
 * records of one link. */
static void a_link_that_was_remade_is_created_twice(void **state)
{
	struct hw_scene f;
	struct hw_share *share = start_with_links(&f, *state);

	share->marks.read_until_ns = share->begun_ns;
	link_it(&f, "a", "x/c");
	assert_int_equal(unlinkat(f.fd, "x/c", 0), 0);
	link_it(&f, "a", "x/c");
	hw_scene_expect(&f, "create file x/c");
	hw_scene_expect(&f, "delete file x/c");
	hw_scene_expect(&f, "create file x/c");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* No mark was reached: the name may be one that a listing found ahead of the records. */
static void a_link_that_was_removed_is_not_replaced_by_another(void **state)
{
	struct hw_scene f;
	struct hw_share *share = start_with_links(&f, *state);

	share->marks.read_until_ns = share->begun_ns;
	share->marks.read_count = 0;
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "move file a -> b");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static int restore(void **state)
{
	(void)state;
	without_birth_times = false;
	return 0;
}

#define UNDER(test, backend)                                                                       \
	{                                                                                          \
#test "/" backend, test, NULL, restore, (void *)(uintptr_t)backend                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNDER(what_left_before_its_name_was_taken_is_moved_out, "inotify"),
		UNDER(what_left_before_its_name_was_taken_is_moved_out, "fanotify"),
		UNDER(what_left_before_its_name_was_taken_is_moved_out, "fanotify-inode"),
		UNDER(it_is_so_without_birth_times, "inotify"),
		UNDER(it_is_so_without_birth_times, "fanotify"),
		UNDER(it_is_so_without_birth_times, "fanotify-inode"),
		UNDER(a_link_that_was_remade_is_created_twice, "inotify"),
		UNDER(a_link_that_was_remade_is_created_twice, "fanotify"),
		UNDER(a_link_that_was_remade_is_created_twice, "fanotify-inode"),
		UNDER(a_link_that_was_removed_is_not_replaced_by_another, "inotify"),
		UNDER(a_link_that_was_removed_is_not_replaced_by_another, "fanotify"),
		UNDER(a_link_that_was_removed_is_not_replaced_by_another, "fanotify-inode"),
	};

	return cmocka_run_group_tests_name("taken again", tests, NULL, NULL);
}
