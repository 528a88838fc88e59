/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several files have one name, one after the other, before the records of any of them are read.
 * Each record is about the file that had the name then, although only the last one is found. Most
 * tests use inotify(7), whose records do not identify the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 300u /* files */

static void start_under(struct hw_scene *f, const char *backend)
{
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
	};

	if (!hw_scene_start_with(f, &config)) {
		hw_scene_finish(f);
		skip();
	}
}

static void start(struct hw_scene *f)
{
	start_under(f, "inotify");
}

static void finish(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	hw_scene_finish(f);
}

/* Makes a file in the directory `outside` which is older than the share. */
static void make_outside(struct hw_scene *f, const char *name)
{
	hw_scene_write(f->top, name, "old");
	hw_clock_tick();
}

/* Reads events until this one. */
static void expect_later(struct hw_scene *f, const char *text)
{
	int64_t deadline = hw_clock_monotonic_ns() + 10 * (int64_t)HW_SEC;
	struct hw_event event;
	bool found = false;

	while (!found) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		if (!hw_rig_next(f->rig, &event)) {
			hw_rig_turn(f->rig, 10);
			continue;
		}
		char *got = hw_notation_text(&event);
		char why[200];

		if (getenv("SHOW"))
			print_message("got %s\n", got);
		found = !strcmp(got, text);
		free(got);
		assert_int_equal(hw_model_apply(f->model, &event, why, sizeof(why)), 0);
	}
}

static void what_was_written_to_the_first_is_not_a_change_of_the_second(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	make_outside(&f, "outside/b");
	start(&f);
	hw_scene_move(f.top, "outside/a", f.fd, "l");
	hw_scene_write(f.fd, "l", "more");
	hw_scene_move(f.top, "outside/b", f.fd, "l");
	hw_scene_expect(&f, "move file -> l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_expect(&f, "move file -> l (replaced)");
	finish(&f);
}

static void a_third_one_is_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	make_outside(&f, "outside/b");
	make_outside(&f, "outside/c");
	start(&f);
	hw_scene_move(f.top, "outside/a", f.fd, "l");
	hw_scene_write(f.fd, "l", "more");
	hw_scene_move(f.top, "outside/b", f.fd, "l");
	hw_scene_write(f.fd, "l", "more");
	hw_scene_move(f.top, "outside/c", f.fd, "l");
	hw_scene_write(f.fd, "l", "more");
	hw_scene_expect(&f, "move file -> l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_expect(&f, "move file -> l (replaced)");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_expect(&f, "move file -> l (replaced)");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	finish(&f);
}

static void one_that_was_renamed_is_not_the_one_that_came_later(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	make_outside(&f, "outside/b");
	start(&f);
	hw_scene_move(f.top, "outside/a", f.fd, "k");
	hw_scene_write(f.fd, "k", "more");
	hw_scene_move(f.fd, "k", f.fd, "l");
	hw_scene_write(f.fd, "l", "more");
	hw_scene_move(f.top, "outside/b", f.fd, "l");
	hw_scene_expect(&f, "move file -> k");
	hw_scene_expect(&f, "modify k");
	hw_scene_expect(&f, "close_write k");
	hw_scene_expect(&f, "move file k -> l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_expect(&f, "move file -> l (replaced)");
	finish(&f);
}

static void one_that_left_for_a_new_directory_is_not_the_one_created_later(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	start(&f);
	hw_scene_write(f.fd, "k", "some");
	hw_scene_move(f.fd, "k", f.fd, "l");
	hw_scene_make_dir(f.fd, "d");
	hw_scene_move(f.fd, "l", f.fd, "d/l");
	hw_scene_write(f.fd, "l", "other");
	hw_scene_expect(&f, "create file k");
	hw_scene_expect(&f, "modify k");
	hw_scene_expect(&f, "close_write k");
	hw_scene_expect(&f, "move file k -> l");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/l");
	hw_scene_expect(&f, "delete file l");
	hw_scene_expect(&f, "create file l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_replay(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static void an_exchanged_one_that_was_found_late_is_not_the_other(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	start(&f);
	hw_scene_move(f.top, "outside/a", f.fd, "k");
	hw_scene_write(f.fd, "l", "some");
	assert_int_equal(renameat2(f.fd, "l", f.fd, "k", RENAME_EXCHANGE), 0);
	hw_scene_make_dir(f.fd, "d");
	hw_scene_move(f.fd, "l", f.fd, "d/l");
	hw_scene_expect(&f, "move file -> k");
	hw_scene_expect(&f, "create file l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	hw_scene_expect(&f, "move file k <-> l (exchange)");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "move file -> d/l");
	hw_scene_expect(&f, "delete file l");
	hw_scene_write(f.fd, "k", "more");
	hw_scene_expect(&f, "modify k");
	hw_scene_expect(&f, "close_write k");
	finish(&f);
}

static void one_that_is_still_open_is_not_the_one_that_replaced_it(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	make_outside(&f, "outside/a");
	hw_scene_write(f.fd, "l", "some");
	start_under(&f, *state);
	int fd = openat(f.fd, "l", O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	hw_scene_move(f.top, "outside/a", f.fd, "k");
	hw_scene_move(f.fd, "k", f.fd, "l");
	assert_int_equal(write(fd, "more", 4), 4);
	hw_scene_move(f.fd, "l", f.fd, "m");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "move file -> k");
	hw_scene_expect(&f, "move file k -> l (replaced)");
	hw_scene_expect(&f, "move file l -> m");
	finish(&f);
}

/* The record of its close is merged into that of the write, which precedes that of its name. */
static void what_was_written_before_it_had_a_name_is_reported(void **state)
{
	struct hw_scene f;
	char link[40];
	int fd;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	fd = openat(f.fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_int_equal(linkat(AT_FDCWD, link, f.fd, "l", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "create file l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	finish(&f);
}

/* The file is older than the records that were read before it got its name. */
static void what_was_made_long_before_its_name_is_reported(void **state)
{
	struct hw_scene f;
	char link[40];
	int fd;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	fd = openat(f.fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	hw_clock_tick();
	hw_scene_expect_no_more(&f);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_int_equal(linkat(AT_FDCWD, link, f.fd, "l", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "create file l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	finish(&f);
}

/* Also if the writer has closed it before. Under inotify(7) this takes an interval: see LIMITS. */
static void what_was_closed_before_it_had_a_name_is_reported(void **state)
{
	struct hw_scene f;
	char link[40];
	int fd, kept;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	fd = openat(f.fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	kept = open(link, O_RDONLY | O_CLOEXEC);
	assert_true(kept >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(close(fd), 0);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", kept);
	assert_int_equal(linkat(AT_FDCWD, link, f.fd, "l", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(close(kept), 0);
	hw_scene_expect(&f, "create file l");
	hw_scene_expect(&f, "modify l");
	hw_scene_expect(&f, "close_write l");
	finish(&f);
}

/* The kernel merges the record of each close into that of the write, which is queued before those
 * of the names of all files. */
static void many_that_were_written_before_they_had_names_are_closed(void **state)
{
	int fds[MANY];
	char link[40], name[16], text[40];
	struct hw_scene f;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	for (unsigned i = 0; i < MANY; i++) {
		fds[i] = openat(f.fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
		assert_true(fds[i] >= 0);
		assert_int_equal(write(fds[i], "hello", 5), 5);
	}
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[i]);
		(void)snprintf(name, sizeof(name), "f%03u", i);
		assert_int_equal(linkat(AT_FDCWD, link, f.fd, name, AT_SYMLINK_FOLLOW), 0);
		assert_int_equal(close(fds[i]), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof(text), "close_write f%03u", i);
		expect_later(&f, text);
	}
	finish(&f);
}

/* The writer has opened a name that is removed, and the file has another one. */
static void what_is_written_after_its_first_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	fd = openat(f.fd, "k", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(linkat(f.fd, "k", f.fd, "l", 0), 0);
	assert_int_equal(unlinkat(f.fd, "k", 0), 0);
	assert_int_equal(write(fd, "again", 5), 5);
	assert_int_equal(close(fd), 0);
	expect_later(&f, "modify l");
	expect_later(&f, "close_write l");
	finish(&f);
}

/* The first name was known, and is gone when the second one is examined. */
static int open_and_link(struct hw_scene *f, const char *backend)
{
	int fd;

	hw_scene_prepare(f);
	start_under(f, backend);
	fd = openat(f->fd, "k", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	hw_scene_expect(f, "create file k");
	hw_scene_expect(f, "modify k");
	assert_int_equal(linkat(f->fd, "k", f->fd, "l", 0), 0);
	assert_int_equal(unlinkat(f->fd, "k", 0), 0);
	return fd;
}

static void what_is_closed_after_its_known_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd = open_and_link(&f, *state);

	assert_int_equal(write(fd, "again", 5), 5);
	assert_int_equal(close(fd), 0);
	hw_clock_tick(); /* its data is older than the next examination */
	expect_later(&f, "close_write l");
	finish(&f);
}

static void what_is_written_after_its_known_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd = open_and_link(&f, *state);

	assert_int_equal(write(fd, "again", 5), 5);
	expect_later(&f, "modify l");
	assert_int_equal(close(fd), 0);
	expect_later(&f, "close_write l");
	finish(&f);
}

/* Makes a file that is older than the share, and opens it. */
static int open_old_and_link(struct hw_scene *f, const char *backend)
{
	int fd;

	hw_scene_prepare(f);
	hw_scene_write(f->fd, "k", "hello");
	start_under(f, backend);
	hw_clock_tick();
	hw_scene_expect_no_more(f);
	fd = openat(f->fd, "k", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(linkat(f->fd, "k", f->fd, "l", 0), 0);
	assert_int_equal(unlinkat(f->fd, "k", 0), 0);
	return fd;
}

static void an_old_one_that_is_written_after_its_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd = open_old_and_link(&f, *state);

	assert_int_equal(write(fd, "again", 5), 5);
	expect_later(&f, "modify l");
	assert_int_equal(close(fd), 0);
	expect_later(&f, "close_write l");
	finish(&f);
}

static void an_old_one_that_is_closed_after_its_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd = open_old_and_link(&f, *state);

	assert_int_equal(write(fd, "again", 5), 5);
	assert_int_equal(close(fd), 0);
	hw_clock_tick(); /* its data is older than the next examination */
	expect_later(&f, "close_write l");
	finish(&f);
}

static void the_mode_of_an_old_one_after_its_name_was_removed_is_reported(void **state)
{
	struct hw_scene f;
	int fd = open_old_and_link(&f, *state);

	expect_later(&f, "delete file k");
	assert_int_equal(fchmod(fd, 0640), 0);
	expect_later(&f, "attrib file l");
	assert_int_equal(close(fd), 0);
	finish(&f);
}

/* Once only if a listing has found the file before the record of its name was read. */
static void what_a_listing_found_is_reported_once(void **state)
{
	struct hw_scene f;
	char link[40];
	int fd;

	hw_scene_prepare(&f);
	start_under(&f, *state);
	assert_int_equal(mkdirat(f.fd, "d", 0755), 0);
	fd = openat(f.fd, "d", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_int_equal(linkat(AT_FDCWD, link, f.fd, "d/l", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/l");
	hw_scene_expect(&f, "modify d/l");
	hw_scene_expect(&f, "close_write d/l");
	finish(&f);
}

/* The second name of the exchange has a later file by now. */
static void an_exchanged_one_that_was_removed_is_not_a_later_one(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	make_outside(&f, "outside/b");
	start_under(&f, *state);
	hw_scene_move(f.top, "outside/a", f.fd, "u");
	hw_scene_write(f.fd, "v", "new");
	assert_int_equal(renameat2(f.fd, "v", f.fd, "u", RENAME_EXCHANGE), 0);
	assert_int_equal(unlinkat(f.fd, "v", 0), 0);
	hw_scene_move(f.top, "outside/b", f.fd, "v");
	hw_scene_expect(&f, "move file -> u");
	hw_scene_expect(&f, "create file v");
	hw_scene_follow_to(&f, "move file u <-> v (exchange)");
	hw_scene_follow_to(&f, "delete file v");
	hw_scene_follow_to(&f, "move file -> v");
	finish(&f);
}

/* The record of a directory that came in says which one it was. */
static void a_directory_that_came_is_not_the_one_that_took_its_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "outside/c");
	hw_scene_write(f.top, "outside/c/in", "old");
	hw_clock_tick();
	start_under(&f, *state);
	hw_scene_make_dir(f.fd, "t");
	hw_scene_write(f.fd, "t/new", "some");
	hw_scene_move(f.top, "outside/c", f.fd, "x");
	hw_scene_move(f.fd, "x", f.fd, "y");
	hw_scene_move(f.fd, "t", f.fd, "x");
	hw_scene_expect(&f, "create dir t");
	hw_scene_expect(&f, "move dir -> x");
	hw_scene_expect(&f, "move dir x -> y");
	hw_scene_expect(&f, "create file y/in");
	hw_scene_expect(&f, "move dir t -> x");
	hw_scene_expect(&f, "create file x/new");
	hw_scene_replay(&f);
	hw_scene_check(&f);
	assert_int_equal(fchmodat(f.fd, "x", 0700, 0), 0);
	hw_scene_expect(&f, "attrib dir x");
	finish(&f);
}

/* Makes "l", deletes it while it is open, and moves an old file there. Returns the descriptor. */
static int open_and_replace(struct hw_scene *f, bool flush)
{
	int fd = openat(f->fd, "l", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(unlinkat(f->fd, "l", 0), 0);
	if (flush)
		assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_move(f->top, "outside/a", f->fd, "l");
	return fd;
}

/* The first file is never examined: its inode is unknown. The old one is found in its place, or
 * nothing. */
static void what_is_written_to_a_deleted_one_is_not_a_change_of_the_next(void **state)
{
	for (unsigned flush = 0; flush < 2; flush++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		make_outside(&f, "outside/a");
		start_under(&f, *state);
		int fd = open_and_replace(&f, flush);

		assert_int_equal(write(fd, "new", 3), 3);
		assert_int_equal(close(fd), 0);
		hw_scene_expect(&f, "create file l");
		hw_scene_expect(&f, "delete file l");
		hw_scene_expect(&f, "move file -> l");
		finish(&f);
	}
}

/* Another file had the name before, so the state of the file decides whether it was written. Its
 * last event is later than the write, but not about data. */
static void what_was_written_before_its_mode_was_reported_is_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	hw_scene_write(f.fd, "b", "b");
	hw_clock_tick();
	hw_puppet.endless = true; /* a mark is reached when its backlog is read */
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_puppet.backlog = UINT32_MAX;
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "b");
	hw_scene_write(f.fd, "a", "first");
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_puppet_hint(&f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	hw_puppet_move(&f, "", "a", "", "b");
	assert_int_equal(fchmodat(f.fd, "b", 0600, 0), 0);
	hw_scene_write(f.fd, "b", "second");
	hw_clock_tick();
	hw_clock_tick();
	hw_rig_turn(f.rig, 0); /* the tree takes over the data of "b" */
	hw_puppet_hint(&f, HW_HINT_ATTRIB, "", "b");
	hw_puppet_hint(&f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "b");
	hw_puppet.backlog = 0;
	hw_puppet.handed += UINT32_MAX;
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "move file a -> b");
	hw_scene_expect(&f, "attrib file b");
	hw_scene_expect(&f, "modify b");
	hw_scene_expect(&f, "close_write b");
	finish(&f);
}

/* A listing finds the file that was made last, and the records identify the one before it. */
static void one_that_went_through_a_new_directory_is_not_the_one_made_there(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	make_outside(&f, "outside/a");
	start_under(&f, *state);
	hw_scene_move(f.top, "outside/a", f.fd, "a");
	hw_scene_make_dir(f.fd, "d");
	hw_scene_move(f.fd, "a", f.fd, "d/l");
	hw_scene_write(f.fd, "d/l", "more");
	hw_scene_move(f.fd, "d/l", f.top, "outside/b");
	assert_int_equal(mknodat(f.fd, "d/l", S_IFREG | 0644, 0), 0);
	assert_int_equal(hw_rig_flush(f.rig), 0);
	hw_scene_expect(&f, "move file -> a");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/l");
	hw_scene_expect(&f, "move file a -> d/l (replaced)");
	hw_scene_expect(&f, "modify d/l");
	hw_scene_expect(&f, "close_write d/l");
	hw_scene_expect(&f, "delete file d/l");
	hw_scene_expect(&f, "create file d/l");
	hw_scene_expect(&f, "close_write d/l");
	finish(&f);
}

static void hint_of_dir(uint32_t what, hw_token dir, const char *name)
{
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = what,
		.dir = dir,
		.name = name,
		.name_len = (uint32_t)strlen(name),
		.type = HW_TYPE_DIR,
	};

	hw_puppet.host->hint(hw_puppet.ctx, &hint);
}

/* The watcher reports the mode of a directory that the tree has twice, once under a name at which
 * another one was examined too late. */
static void the_mode_of_a_directory_with_two_entries_is_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "outside/c");
	hw_clock_tick();
	hw_puppet.endless = true; /* a mark is reached when its backlog is read */
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_scene_make_dir(f.fd, "t");
	hw_scene_move(f.top, "outside/c", f.fd, "x");
	hw_scene_move(f.fd, "x", f.fd, "y");
	hw_scene_move(f.fd, "t", f.fd, "x");
	hw_puppet.backlog = UINT32_MAX;
	hint_of_dir(HW_HINT_CREATED, hw_puppet_dir(&f, ""), "t");
	hw_puppet_move(&f, NULL, NULL, "", "x");
	hw_puppet_move(&f, "", "x", "", "y");
	hw_puppet_move(&f, "", "t", "", "x");
	hw_rig_turn(f.rig, 0);
	assert_int_equal(fchmodat(f.fd, "x", 0700, 0), 0);
	hw_clock_tick();
	hw_scene_make_dir(f.fd, "x/new");
	hw_clock_tick();
	assert_int_equal(fchmodat(f.fd, "x", 0755, 0), 0);
	hint_of_dir(HW_HINT_ATTRIB, hw_puppet_dir(&f, "x"), ".");
	hw_puppet.backlog = 0;
	hw_puppet.handed += UINT32_MAX;
	hw_scene_expect(&f, "create dir t");
	hw_scene_expect(&f, "create dir x"); /* the watcher does not know which one came */
	hw_scene_expect(&f, "move dir x -> y");
	hw_scene_expect(&f, "move dir t -> x");
	hw_scene_follow_to(&f, "attrib dir x");
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* A file had the name of the directory before. The mode is as it was, and the directory has another
 * mtime, but the record is about a directory. */
static void the_mode_of_a_directory_in_place_of_a_file_is_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "d", "d");
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	assert_int_equal(unlinkat(f.fd, "d", 0), 0);
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "d");
	hw_scene_make_dir(f.fd, "d");
	hint_of_dir(HW_HINT_CREATED, hw_puppet_dir(&f, ""), "d");
	hw_scene_expect(&f, "delete file d");
	hw_scene_expect(&f, "create dir d");
	hw_clock_tick();
	assert_int_equal(fchmodat(f.fd, "d", 0700, 0), 0);
	hw_scene_write(f.fd, "d/f", "f");
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "d", "f");
	hw_clock_tick();
	assert_int_equal(fchmodat(f.fd, "d", 0755, 0), 0);
	hint_of_dir(HW_HINT_ATTRIB, hw_puppet_dir(&f, ""), "d");
	hw_scene_expect(&f, "create file d/f");
	hw_scene_expect(&f, "modify d/f");
	hw_scene_expect(&f, "close_write d/f");
	hw_scene_expect(&f, "attrib dir d");
	finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_to_the_first_is_not_a_change_of_the_second),
		cmocka_unit_test(a_third_one_is_reported),
		cmocka_unit_test(one_that_was_renamed_is_not_the_one_that_came_later),
		cmocka_unit_test(one_that_left_for_a_new_directory_is_not_the_one_created_later),
		cmocka_unit_test(an_exchanged_one_that_was_found_late_is_not_the_other),
		HW_UNDER("one_that_is_still_open_is_not_the_one_that_replaced_it",
			 one_that_is_still_open_is_not_the_one_that_replaced_it, "fanotify"),
		HW_UNDER("one_that_is_still_open_is_not_the_one_that_replaced_it",
			 one_that_is_still_open_is_not_the_one_that_replaced_it, "fanotify-inode"),
		HW_UNDER_EACH("what_was_written_before_it_had_a_name_is_reported",
			      what_was_written_before_it_had_a_name_is_reported),
		HW_UNDER_EACH("what_was_made_long_before_its_name_is_reported",
			      what_was_made_long_before_its_name_is_reported),
		HW_UNDER("what_was_closed_before_it_had_a_name_is_reported",
			 what_was_closed_before_it_had_a_name_is_reported, "fanotify"),
		HW_UNDER("what_was_closed_before_it_had_a_name_is_reported",
			 what_was_closed_before_it_had_a_name_is_reported, "fanotify-inode"),
		HW_UNDER_EACH("many_that_were_written_before_they_had_names_are_closed",
			      many_that_were_written_before_they_had_names_are_closed),
		HW_UNDER_EACH("what_is_written_after_its_first_name_was_removed_is_reported",
			      what_is_written_after_its_first_name_was_removed_is_reported),
		HW_UNDER_EACH("what_is_closed_after_its_known_name_was_removed_is_reported",
			      what_is_closed_after_its_known_name_was_removed_is_reported),
		HW_UNDER_EACH("what_is_written_after_its_known_name_was_removed_is_reported",
			      what_is_written_after_its_known_name_was_removed_is_reported),
		HW_UNDER_EACH("an_old_one_that_is_written_after_its_name_was_removed_is_reported",
			      an_old_one_that_is_written_after_its_name_was_removed_is_reported),
		HW_UNDER_EACH("an_old_one_that_is_closed_after_its_name_was_removed_is_reported",
			      an_old_one_that_is_closed_after_its_name_was_removed_is_reported),
		HW_UNDER_EACH("the_mode_of_an_old_one_after_its_name_was_removed_is_reported",
			      the_mode_of_an_old_one_after_its_name_was_removed_is_reported),
		HW_UNDER_EACH("what_a_listing_found_is_reported_once",
			      what_a_listing_found_is_reported_once),
		HW_UNDER_EACH("an_exchanged_one_that_was_removed_is_not_a_later_one",
			      an_exchanged_one_that_was_removed_is_not_a_later_one),
		HW_UNDER("a_directory_that_came_is_not_the_one_that_took_its_name",
			 a_directory_that_came_is_not_the_one_that_took_its_name, "fanotify"),
		HW_UNDER("a_directory_that_came_is_not_the_one_that_took_its_name",
			 a_directory_that_came_is_not_the_one_that_took_its_name, "fanotify-inode"),
		HW_UNDER("what_is_written_to_a_deleted_one_is_not_a_change_of_the_next",
			 what_is_written_to_a_deleted_one_is_not_a_change_of_the_next, "inotify"),
		cmocka_unit_test(what_was_written_before_its_mode_was_reported_is_reported),
		HW_UNDER("one_that_went_through_a_new_directory_is_not_the_one_made_there",
			 one_that_went_through_a_new_directory_is_not_the_one_made_there,
			 "fanotify"),
		cmocka_unit_test(the_mode_of_a_directory_with_two_entries_is_reported),
		cmocka_unit_test(the_mode_of_a_directory_in_place_of_a_file_is_reported),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
