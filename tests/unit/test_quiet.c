/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes that the check for close_write finds on disk before a scan does must be reported, not
 * discarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/quiet.h"
#include "framework/share/scan.h"
#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERVAL_NS (100 * HW_MS)

/* The watcher reports no hints: scans run only if a test asks for them. */
static void start(struct hw_scene *f)
{
	void *so = dlopen(HW_BUILD_DIR "/tests/plugins/null.so", RTLD_NOW | RTLD_LOCAL);

	assert_non_null(so);
	const struct hw_rig_plugin deaf = { .plugin = dlsym(so, HW_PLUGIN_SYMBOL) };
	const struct hw_rig_config config = {
		.backend = "null",
		.plugin = &deaf,
		.interval_ns = INTERVAL_NS,
	};

	assert_true(hw_scene_start_with(f, &config));
}

static void scan(struct hw_scene *f)
{
	hw_scan_lost(hw_rig_share(f->rig), HW_ROOT);
}

/* Opens the file for writing: until it is closed, no check for writers succeeds. */
static int open_a(struct hw_scene *f)
{
	int fd = openat(f->fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd, const char *text)
{
	hw_clock_tick();
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void content_of_a_new_file_is_a_modify(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	start(&f);
	int fd = open_a(&f);

	scan(&f);
	hw_scene_expect(&f, "create file a");
	put(fd, "new");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_finish(&f);
}

static void what_is_written_after_a_modify_is_not_told_twice(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	put(fd, "two");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	hw_scene_finish(&f);
}

/* Examines every file with a pending close. */
static void check_all(struct hw_scene *f)
{
	hw_quiet_flush(hw_rig_share(f->rig));
}

static void what_is_written_to_an_open_file_is_left_to_the_scan(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	assert_int_equal(close(open_a(&f)), 0);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	hw_scene_expect(&f, "modify a");
	put(fd, "two");
	check_all(&f);
	scan(&f);
	hw_scene_expect(&f, "modify a");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	hw_scene_finish(&f);
}

static void an_open_file_that_is_renamed_is_not_closed(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	assert_int_equal(close(open_a(&f)), 0);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	hw_scene_expect(&f, "modify a");
	hw_scene_move(f.fd, "a", f.fd, "b");
	check_all(&f);
	scan(&f);
	hw_scene_expect(&f, "move file a -> b");
	check_all(&f);
	put(fd, "two");
	scan(&f);
	hw_scene_expect(&f, "modify b");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write b");
	hw_scene_finish(&f);
}

/* Another file takes the name of the open one. */
static void an_open_file_that_lost_its_name_is_not_closed(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	assert_int_equal(close(open_a(&f)), 0);
	hw_scene_write(f.fd, "c", "other");
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	hw_scene_expect(&f, "modify a");
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_move(f.fd, "c", f.fd, "a");
	check_all(&f);
	scan(&f);
	hw_scene_expect(&f, "move file a -> b");
	hw_scene_expect(&f, "move file c -> a");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write b");
	hw_scene_finish(&f);
}

static void a_change_of_mode_is_left_to_the_scan(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	assert_int_equal(close(open_a(&f)), 0);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	hw_scene_expect(&f, "modify a");
	put(fd, "two");
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	scan(&f);
	hw_scene_expect(&f, "attrib file a");
	hw_scene_finish(&f);
}

static void attributes_of_a_new_file_belong_to_its_create(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	start(&f);
	int fd = open_a(&f);

	scan(&f);
	hw_scene_expect(&f, "create file a");
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	scan(&f);
	assert_int_equal(mkdirat(f.fd, "b", 0755), 0);
	scan(&f);
	hw_scene_expect(&f, "create dir b");
	hw_scene_finish(&f);
}

/* With settle, the rename is known before the close is reported; the interval never ends here. */
static void a_file_that_was_saved_by_rename_is_closed_with_the_others(void **state)
{
	const char *backend = *state;
	struct hw_scene f;
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
		.settle_ns = 50 * HW_MS,
	};

	hw_scene_prepare_on_disk(&f);
	if (!hw_scene_start_with(&f, &config)) {
		hw_scene_finish(&f);
		skip();
	}
	int z = openat(f.fd, "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), a = open_a(&f);

	put(a, "a");
	put(z, "z");
	assert_int_equal(close(z), 0);
	assert_int_equal(close(a), 0);
	assert_int_equal(renameat(f.fd, "a", f.fd, "saved"), 0);
	hw_scene_expect(&f, "create file saved");
	hw_scene_expect(&f, "create file z");
	hw_scene_expect(&f, "modify saved");
	hw_scene_expect(&f, "modify z");
	hw_scene_expect(&f, "close_write saved");
	hw_scene_expect(&f, "close_write z");
	hw_scene_finish(&f);
}

/* On a busy share, the close must be reported when the records have been read that were queued when
 * the file was found. */
static void a_file_that_a_listing_found_is_closed_while_records_come(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	hw_puppet.endless = true;
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_scene_make_dir(f.fd, "d");
	hw_scene_write(f.fd, "d/file", "x");
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "d");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/file");
	hw_scene_expect(&f, "modify d/file");
	hw_scene_expect(&f, "close_write d/file");
	hw_scene_finish(&f);
}

/* The first attempt to see that nobody writes to the file is refused. */
static void an_attempt_is_repeated_while_records_come(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	hw_puppet.endless = true;
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	int fd = open_a(&f);
	struct hw_share *share = hw_rig_share(f.rig);

	put(fd, "x");
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED, "", "a");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_quiet_try(share, hw_tree_find(&share->tree, HW_ROOT, "a", 1));
	assert_int_equal(share->quiet.refused.count, 1);
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	hw_scene_finish(&f);
}

static void write_at_old_time(struct hw_scene *f, const char *text)
{
	const struct timespec times[] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	int fd = openat(f->fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	put(fd, text);
	assert_int_equal(close(fd), 0);
	assert_int_equal(utimensat(f->fd, "a", times, 0), 0);
}

/* The name had another file before, which has another name now and may be open. */
static void data_with_its_old_time_is_reported_of_a_name_that_was_used_before(void **state)
{
	const char *backend = *state;
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	if (!hw_scene_start(&f, backend, 50 * HW_MS)) {
		hw_scene_finish(&f);
		skip();
	}
	write_at_old_time(&f, "old");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_expect(&f, "move file a -> b");
	write_at_old_time(&f, "one");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	write_at_old_time(&f, "two");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect_no_more(&f);
	hw_scene_finish(&f);
}

#define ATTEMPTS 100u

/* Runs the loop until an event of this kind about the path was reported. */
static void await_event(struct hw_scene *f, unsigned kind, const char *path)
{
	struct hw_event event;

	for (unsigned turns = 0; turns < 5000; turns++) {
		while (hw_rig_next(f->rig, &event) == 1)
			if (event.kind == kind && !strcmp(event.path, path))
				return;
		hw_rig_turn(f->rig, 1);
	}
	fail_msg("no event about %s", path);
}

/* Two files that were closed, and one that is open for writing. Returns its descriptor. */
static int make_two_closed(struct hw_scene *f)
{
	static const char *const closed[] = { "one", "two" };

	for (unsigned i = 0; i < 2; i++) {
		hw_clock_tick(); /* it is due later than the one before */
		hw_scene_write(f->fd, closed[i], "x");
		await_event(f, HW_CLOSE_WRITE, closed[i]);
	}
	int fd = open_a(f);

	put(fd, "x");
	await_event(f, HW_MODIFY, "a");
	return fd;
}

/* A slow machine may need the interval to make the files: tried again. */
static int make_them_in_time(struct hw_scene *f)
{
	const struct hw_quiet *quiet = &hw_rig_share(f->rig)->quiet;
	int fd = make_two_closed(f);

	for (unsigned i = 0; i < ATTEMPTS && quiet->count != 3; i++) {
		assert_int_equal(close(fd), 0);
		await_event(f, HW_CLOSE_WRITE, "a");
		hw_quiet_flush(hw_rig_share(f->rig));
		fd = make_two_closed(f);
	}
	assert_int_equal(quiet->count, 3);
	return fd;
}

/* They would wake the process once each, an interval after they were written. */
static void closed_files_wait_no_longer_than_the_first_of_them(void **state)
{
	const struct hw_rig_config config = { .backend = *state, .interval_ns = HW_SEC };
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	if (!hw_scene_start_with(&f, &config)) {
		hw_scene_finish(&f);
		skip();
	}
	const struct hw_quiet *quiet = &hw_rig_share(f.rig)->quiet;
	int fd = make_them_in_time(&f);

	for (unsigned turns = 0; turns < 5000 && quiet->count == 3; turns++)
		hw_rig_turn(f.rig, 10);
	assert_int_equal(quiet->count, 1);
	assert_int_equal(close(fd), 0);
	await_event(&f, HW_CLOSE_WRITE, "a");
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_of_a_new_file_is_a_modify),
		cmocka_unit_test(what_is_written_after_a_modify_is_not_told_twice),
		cmocka_unit_test(what_is_written_to_an_open_file_is_left_to_the_scan),
		cmocka_unit_test(an_open_file_that_is_renamed_is_not_closed),
		cmocka_unit_test(an_open_file_that_lost_its_name_is_not_closed),
		cmocka_unit_test(a_change_of_mode_is_left_to_the_scan),
		cmocka_unit_test(attributes_of_a_new_file_belong_to_its_create),
		cmocka_unit_test(a_file_that_a_listing_found_is_closed_while_records_come),
		cmocka_unit_test(an_attempt_is_repeated_while_records_come),
		{ "a_file_that_was_saved_by_rename_is_closed_with_the_others (inotify)",
		  a_file_that_was_saved_by_rename_is_closed_with_the_others, NULL, NULL,
		  "inotify" },
		{ "closed_files_wait_no_longer_than_the_first_of_them (inotify)",
		  closed_files_wait_no_longer_than_the_first_of_them, NULL, NULL, "inotify" },
		{ "closed_files_wait_no_longer_than_the_first_of_them (fanotify)",
		  closed_files_wait_no_longer_than_the_first_of_them, NULL, NULL, "fanotify" },
		{ "data_with_its_old_time_is_reported_of_a_name_that_was_used_before (inotify)",
		  data_with_its_old_time_is_reported_of_a_name_that_was_used_before, NULL, NULL,
		  "inotify" },
		{ "data_with_its_old_time_is_reported_of_a_name_that_was_used_before (fanotify)",
		  data_with_its_old_time_is_reported_of_a_name_that_was_used_before, NULL, NULL,
		  "fanotify" },
		{ "a_file_that_was_saved_by_rename_is_closed_with_the_others (fanotify)",
		  a_file_that_was_saved_by_rename_is_closed_with_the_others, NULL, NULL,
		  "fanotify" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
