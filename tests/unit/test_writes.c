/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways to change the data of a file: which of them the kernel reports at once, which at the close,
 * and that each is reported once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTES 4096

/* Each way changes the file of `fd`; `from` is a file with as many bytes. Returns false if this
 * kernel or filesystem lacks it. */
typedef bool change_fn(int fd, int from);

static bool by_pwritev(int fd, int from)
{
	struct iovec iov = { .iov_base = (char[]){ "new" }, .iov_len = 3 };

	(void)from;
	return pwritev(fd, &iov, 1, 0) == 3;
}

static bool by_copy_file_range(int fd, int from)
{
	loff_t in = 0, out = 0;

	return copy_file_range(from, &in, fd, &out, BYTES, 0) == BYTES;
}

static bool by_sendfile(int fd, int from)
{
	off_t in = 0;

	return sendfile(fd, from, &in, BYTES) == BYTES;
}

static bool by_splice(int fd, int from)
{
	int pipes[2];
	loff_t in = 0, out = 0;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_true(splice(from, &in, pipes[1], NULL, BYTES, 0) == BYTES);
	bool done = splice(pipes[0], NULL, fd, &out, BYTES, 0) == BYTES;

	assert_int_equal(close(pipes[0]), 0);
	assert_int_equal(close(pipes[1]), 0);
	return done;
}

static bool by_fallocate(int fd, int from)
{
	(void)from;
	return fallocate(fd, 0, 0, 2 * BYTES) == 0;
}

static bool by_punching_a_hole(int fd, int from)
{
	(void)from;
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES) == 0;
}

static bool by_ftruncate(int fd, int from)
{
	(void)from;
	return ftruncate(fd, 1) == 0;
}

static bool by_mapping(int fd, int from)
{
	char *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)from;
	assert_true(map != MAP_FAILED);
	memcpy(map, "new", 3);
	return munmap(map, BYTES) == 0;
}

static bool by_aio(int fd, int from)
{
	aio_context_t context = 0;
	struct iocb call = { .aio_fildes = (unsigned)fd,
			     .aio_lio_opcode = IOCB_CMD_PWRITE,
			     .aio_buf = (uintptr_t) "new",
			     .aio_nbytes = 3 };
	struct iocb *calls = &call;
	struct io_event event = { 0 };

	(void)from;
	if (syscall(SYS_io_setup, 1, &context) < 0)
		return false;
	assert_int_equal(syscall(SYS_io_submit, context, 1, &calls), 1);
	assert_int_equal(syscall(SYS_io_getevents, context, 1, 1, &event, NULL), 1);
	assert_int_equal(event.res, 3);
	assert_int_equal(syscall(SYS_io_destroy, context), 0);
	return true;
}

static const struct way {
	const char *name;
	change_fn *change;
	bool silent; /* no record before the close */
} ways[] = {
	{ "pwritev", by_pwritev, false },     { "copy_file_range", by_copy_file_range, false },
	{ "sendfile", by_sendfile, false },   { "splice", by_splice, false },
	{ "fallocate", by_fallocate, false }, { "a hole", by_punching_a_hole, false },
	{ "ftruncate", by_ftruncate, false }, { "a mapping", by_mapping, true },
	{ "native AIO", by_aio, true },
};

static int open_file(struct hw_scene *f, const char *name)
{
	int fd = openat(f->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void fill(int fd, char byte)
{
	char bytes[BYTES];

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static void play(const struct way *way, const char *backend, bool on_disk)
{
	/* The interval never ends here: records must cause all events. */
	const struct hw_rig_config config = { .backend = backend, .interval_ns = 3600 * HW_SEC };
	struct hw_scene f;

	(on_disk ? hw_scene_prepare_on_disk : hw_scene_prepare)(&f);
	int from = open_file(&f, "from"), fd = open_file(&f, "a");

	fill(from, 'n');
	fill(fd, 'o');
	assert_int_equal(close(fd), 0);
	if (hw_scene_start_with(&f, &config)) {
		fd = open_file(&f, "a");
		bool works = way->change(fd, from);

		if (works && !way->silent)
			hw_scene_expect(&f, "modify a");
		assert_int_equal(close(fd), 0);
		if (works && way->silent)
			hw_scene_expect(&f, "modify a");
		if (works)
			hw_scene_expect(&f, "close_write a");
		else
			print_message("%s does not work here\n", way->name);
		hw_scene_expect_no_more(&f);
		hw_scene_check(&f);
	}
	assert_int_equal(close(from), 0);
	hw_scene_finish(&f);
}

static void each_way_to_write_is_reported_once(void **state)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		play(&ways[i], *state, false);
		play(&ways[i], *state, true);
	}
}

/* The mapping is used after the descriptor was closed: the kernel reports the close when the
 * mapping ends. */
static void a_mapping_without_a_descriptor_is_reported_at_its_end(void **state)
{
	const struct hw_rig_config config = { .backend = *state, .interval_ns = 3600 * HW_SEC };
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	int fd = open_file(&f, "a");

	fill(fd, 'o');
	assert_int_equal(close(fd), 0);
	if (hw_scene_start_with(&f, &config)) {
		fd = open_file(&f, "a");
		char *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		assert_true(map != MAP_FAILED);
		assert_int_equal(close(fd), 0);
		hw_clock_tick();
		map[0] = 'n';
		assert_int_equal(munmap(map, BYTES), 0);
		hw_scene_expect(&f, "modify a");
		hw_scene_expect(&f, "close_write a");
		hw_scene_expect_no_more(&f);
		hw_scene_check(&f);
	}
	hw_scene_finish(&f);
}

/* Its close reports the data that was mapped after the last record, so a later change of attributes
 * is that alone, and a comparison finds nothing. */
static void a_mapping_that_follows_a_record_is_reported_once(void **state)
{
	const struct hw_rig_config config = { .backend = *state, .interval_ns = 3600 * HW_SEC };
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	if (hw_scene_start_with(&f, &config)) {
		int fd = open_file(&f, "a");

		fill(fd, 'o');
		hw_scene_expect(&f, "create file a");
		hw_scene_expect(&f, "modify a");
		hw_clock_tick();
		assert_true(by_mapping(fd, -1));
		assert_int_equal(close(fd), 0);
		hw_scene_expect(&f, "close_write a");
		hw_scan_below(hw_rig_share(f.rig), HW_ROOT);
		hw_scene_expect_no_more(&f);
		assert_int_equal(fchmodat(f.fd, "a", 0600, 0), 0);
		hw_scene_expect(&f, "attrib file a");
		hw_scene_expect_no_more(&f);
		hw_scene_check(&f);
	}
	hw_scene_finish(&f);
}

/* Under inotify, and fanotify with inode marks, the next change through a name in the share also
 * reports what was written through a name outside (LIMITS). */
static void a_write_through_a_link_outside_is_reported_with_the_next_one(void **state)
{
	const struct hw_rig_config config = { .backend = *state, .interval_ns = 3600 * HW_SEC };
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.top, "outside/a", "old");
	assert_int_equal(linkat(f.top, "outside/a", f.fd, "a", 0), 0);
	if (hw_scene_start_with(&f, &config)) {
		hw_scene_write(f.top, "outside/a", "new");
		hw_scene_write(f.fd, "a", "newer");
		hw_scene_expect(&f, "modify a");
		hw_scene_expect(&f, "close_write a");
		hw_scene_check(&f);
	}
	hw_scene_finish(&f);
}

#define UNDER(test, backend)                                                                       \
	{                                                                                          \
#test " (" backend ")", test, NULL, NULL, backend                                  \
	}
#define UNDER_ALL(test)                                                                            \
	UNDER(test, "inotify"), UNDER(test, "fanotify"), UNDER(test, "fanotify-inode")

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		UNDER_ALL(each_way_to_write_is_reported_once),
		UNDER_ALL(a_mapping_without_a_descriptor_is_reported_at_its_end),
		UNDER_ALL(a_mapping_that_follows_a_record_is_reported_once),
		UNDER_ALL(a_write_through_a_link_outside_is_reported_with_the_next_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("writes", tests, NULL, NULL);
}
