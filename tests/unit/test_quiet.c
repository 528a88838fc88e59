/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the check for close_write finds on the disk, before a scan does: told, and not swallowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include "scan.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERVAL_NS (100 * HW_MS)
#define DEADLINE_NS (60 * INT64_C(1000000000))

struct fixture {
	char *path; /* of the scratch directory, which is shared */
	int fd; /* of it */
	struct hw_rig *rig;
};

/* The watcher hears nothing: a scan is what a test asks for. */
static void start(struct fixture *f)
{
	void *so = dlopen(HW_BUILD_DIR "/tests/plugins/null.so", RTLD_NOW | RTLD_LOCAL);

	assert_non_null(so);
	const struct hw_rig_plugin deaf = { .plugin = dlsym(so, HW_PLUGIN_SYMBOL) };
	const struct hw_rig_config config = {
		.backend = "null",
		.plugin = &deaf,
		.root = f->path,
		.interval_ns = INTERVAL_NS,
	};
	const char *why;

	hw_clock_tick();
	assert_int_equal(hw_rig_start(&config, &f->rig, &why), 0);
	hw_clock_tick();
}

static void prepare(struct fixture *f)
{
	unsigned count;

	f->path = hw_scratch_create(hw_scratch_places(&count)->path);
	assert_non_null(f->path);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

static void finish(struct fixture *f)
{
	hw_rig_stop(f->rig);
	assert_int_equal(close(f->fd), 0);
	hw_scratch_remove(f->path);
}

static void scan(struct fixture *f)
{
	hw_scan_lost(hw_rig_share(f->rig), HW_ROOT);
}

static void expect(struct fixture *f, const char *text)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_event event;
	int r;

	while (!(r = hw_rig_next(f->rig, &event))) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	assert_int_equal(r, 1);
	char *got = hw_notation_text(&event);

	assert_string_equal(got, text);
	free(got);
}

/* Open for writing: until it is closed no check succeeds. */
static int open_a(struct fixture *f)
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
	struct fixture f = { 0 };

	(void)state;
	prepare(&f);
	start(&f);
	int fd = open_a(&f);

	scan(&f);
	expect(&f, "create file a");
	put(fd, "new");
	assert_int_equal(close(fd), 0);
	expect(&f, "modify a");
	expect(&f, "close_write a");
	finish(&f);
}

static void what_is_written_after_a_modify_is_not_told_twice(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	prepare(&f);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	expect(&f, "create file a");
	expect(&f, "modify a");
	put(fd, "two");
	assert_int_equal(close(fd), 0);
	expect(&f, "close_write a");
	finish(&f);
}

static void a_change_of_mode_is_left_to_the_scan(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	prepare(&f);
	assert_int_equal(close(open_a(&f)), 0);
	start(&f);
	int fd = open_a(&f);

	put(fd, "one");
	scan(&f);
	expect(&f, "modify a");
	put(fd, "two");
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(close(fd), 0);
	expect(&f, "close_write a");
	scan(&f);
	expect(&f, "attrib file a");
	finish(&f);
}

static void attributes_of_a_new_file_belong_to_its_create(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	prepare(&f);
	start(&f);
	int fd = open_a(&f);

	scan(&f);
	expect(&f, "create file a");
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(close(fd), 0);
	expect(&f, "close_write a");
	scan(&f);
	assert_int_equal(mkdirat(f.fd, "b", 0755), 0);
	scan(&f);
	expect(&f, "create dir b");
	finish(&f);
}

/* With settle the rename is known before the close is told; the interval never ends here. */
static void a_file_that_was_saved_by_rename_is_closed_with_the_others(void **state)
{
	const char *backend = *state;
	struct fixture f = { 0 };
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
		.settle_ns = 50 * HW_MS,
	};
	struct hw_rig_config here = config;
	const char *why;

	prepare(&f);
	here.root = f.path;
	int r = hw_rig_start(&here, &f.rig, &why);

	if (r == -EOPNOTSUPP) {
		print_message("skipped: %s\n", why);
		assert_int_equal(close(f.fd), 0);
		hw_scratch_remove(f.path);
		skip();
	}
	assert_int_equal(r, 0);
	int z = openat(f.fd, "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), a = open_a(&f);

	put(a, "a");
	put(z, "z");
	assert_int_equal(close(z), 0);
	assert_int_equal(close(a), 0);
	assert_int_equal(renameat(f.fd, "a", f.fd, "saved"), 0);
	expect(&f, "create file saved");
	expect(&f, "create file z");
	expect(&f, "modify saved");
	expect(&f, "modify z");
	expect(&f, "close_write saved");
	expect(&f, "close_write z");
	finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_of_a_new_file_is_a_modify),
		cmocka_unit_test(what_is_written_after_a_modify_is_not_told_twice),
		cmocka_unit_test(a_change_of_mode_is_left_to_the_scan),
		cmocka_unit_test(attributes_of_a_new_file_belong_to_its_create),
		{ "a_file_that_was_saved_by_rename_is_closed_with_the_others (inotify)",
		  a_file_that_was_saved_by_rename_is_closed_with_the_others, NULL, NULL,
		  "inotify" },
		{ "a_file_that_was_saved_by_rename_is_closed_with_the_others (fanotify)",
		  a_file_that_was_saved_by_rename_is_closed_with_the_others, NULL, NULL,
		  "fanotify" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
