/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files whose close the kernel reports: how often they are examined, and that no change between the
 * examination and the check for writers is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- replacements of C library functions, to act between two system calls of the core ---- */

static unsigned looks; /* number of stats of regular files */
static unsigned asked; /* number of stats of the file `a`, also of those that failed */
static void (*between)(void); /* called once, after the next stat of a regular file */
static int shared = -1; /* the watched directory; borrowed */

int statx(int dirfd, const char *restrict path, int flags, unsigned mask,
	  struct statx *restrict buf)
{
	long r = syscall(SYS_statx, dirfd, path, flags, mask, buf);

	asked += !strcmp(path, "a");
	if (r == 0 && S_ISREG(buf->stx_mode)) {
		void (*act)(void) = between;

		looks++;
		between = NULL;
		if (act)
			act();
	}
	return (int)r;
}

/* ---- the share ---- */

static bool prepare_settling(struct hw_scene *f, const char *backend, uint64_t settle_ns)
{
	/* The interval never ends here: hints must cause all events. */
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
		.settle_ns = settle_ns,
	};

	hw_scene_prepare_on_disk(f);
	shared = f->fd;
	if (!hw_scene_start_with(f, &config)) {
		hw_scene_finish(f);
		return false;
	}
	looks = asked = 0;
	return true;
}

static bool prepare(struct hw_scene *f, const char *backend)
{
	return prepare_settling(f, backend, 0);
}

static void finish(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	assert_null(between);
	hw_scene_check(f);
	hw_scene_finish(f);
}

static int open_a(int flags)
{
	int fd = openat(shared, "a", flags | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd)
{
	hw_clock_tick();
	assert_int_equal(write(fd, "some", 4), 4);
}

static void make_a(void)
{
	int fd = open_a(O_WRONLY | O_CREAT | O_EXCL);

	put(fd);
	assert_int_equal(close(fd), 0);
}

/* ---- tests ---- */

static void a_file_that_is_made_and_closed_is_looked_at_once(void **state)
{
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	assert_int_equal(looks, 1);
	finish(&f);
}

static void when_it_settles_too(void **state)
{
	struct hw_scene f;

	if (!prepare_settling(&f, *state, 50 * HW_MS))
		skip();
	make_a();
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	assert_int_equal(looks, 1);
	finish(&f);
}

static void append(void)
{
	int fd = open_a(O_WRONLY | O_APPEND);

	put(fd);
	assert_int_equal(close(fd), 0);
}

static void what_is_written_behind_the_look_is_told_by_its_own_hints(void **state)
{
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	between = append;
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

static void write_mapped(void)
{
	int fd = open_a(O_RDWR);
	char *bytes;

	hw_clock_tick();
	bytes = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	bytes[0] = 'm';
	assert_int_equal(munmap(bytes, 4), 0);
	assert_int_equal(close(fd), 0);
}

/* The kernel reports only the close: the mtime shows that the data changed. */
static void what_is_written_by_mmap_behind_the_look_is_told_at_its_close(void **state)
{
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	between = write_mapped;
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

static int writer = -1;

static void open_to_write(void)
{
	writer = open_a(O_WRONLY | O_APPEND);
}

/* The close of one writer must be reported, even if the file is open for writing again. */
static void the_close_of_each_writer_is_reported(void **state)
{
	struct hw_event event;
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	between = open_to_write;
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	assert_int_equal(hw_rig_flush(f.rig), 0);
	assert_int_equal(hw_rig_next(f.rig, &event), 0);
	put(writer);
	hw_scene_expect(&f, "modify a");
	assert_int_equal(close(writer), 0);
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

/* The records say that the file is gone: looking for it would wait for its directory, which the
 * writer locks all the time. */
static void a_file_that_is_gone_is_not_looked_at(void **state)
{
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	assert_int_equal(unlinkat(shared, "a", 0), 0);
	hw_scene_follow_to(&f, "create file a");
	hw_scene_follow_to(&f, "delete file a");
	assert_int_equal(asked, 0);
	finish(&f);
}

static void replace_by_fifo(void)
{
	assert_int_equal(unlinkat(shared, "a", 0), 0);
	assert_int_equal(mkfifoat(shared, "a", 0644), 0);
}

/* A FIFO does not support leases; leases of files must remain in use. */
static void a_name_that_is_no_file_any_more_leaves_leases_to_the_others(void **state)
{
	struct hw_scene f;

	if (!prepare(&f, *state))
		skip();
	make_a();
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	bool leases = hw_rig_share(f.rig)->disk.filesystems[0].leases;

	assert_int_equal(unlinkat(shared, "a", 0), 0);
	hw_scene_expect(&f, "delete file a");
	make_a();
	between = replace_by_fifo;
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "delete file a");
	hw_scene_expect(&f, "create other a");
	assert_true(hw_rig_share(f.rig)->disk.filesystems[0].leases == leases);
	finish(&f);
}

#define UNDER_ALL(test) HW_UNDER_EACH(#test, test)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		UNDER_ALL(a_file_that_is_made_and_closed_is_looked_at_once),
		UNDER_ALL(when_it_settles_too),
		UNDER_ALL(what_is_written_behind_the_look_is_told_by_its_own_hints),
		UNDER_ALL(what_is_written_by_mmap_behind_the_look_is_told_at_its_close),
		UNDER_ALL(the_close_of_each_writer_is_reported),
		/* not with inode marks: links in other directories would not be reported */
		HW_UNDER("a_file_that_is_gone_is_not_looked_at",
			 a_file_that_is_gone_is_not_looked_at, "inotify"),
		HW_UNDER("a_file_that_is_gone_is_not_looked_at",
			 a_file_that_is_gone_is_not_looked_at, "fanotify"),
		UNDER_ALL(a_name_that_is_no_file_any_more_leaves_leases_to_the_others),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
