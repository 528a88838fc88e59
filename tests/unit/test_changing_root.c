/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root is examined while a program changes its content. The kernel sets ctime before mtime,
 * so that the times of that moment look like a change of attributes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/next.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	uint64_t ino; /* of the directory */
	struct statx_timestamp mtime; /* before the change */
	bool changing; /* mtime is not set yet */
	int briefly; /* another mode is seen by the next statx(2); -1: no */
} t = { .briefly = -1 };

static int see_another_mode(const char *path, unsigned mask, struct statx *stx)
{
	int fd = t.briefly, r;

	t.briefly = -1;
	if (fchmod(fd, 0700))
		abort();
	r = NEXT(statx, fd, path, AT_EMPTY_PATH, mask, stx);
	if (fchmod(fd, 0755))
		abort();
	return r;
}

int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict stx)
{
	int r = NEXT(statx, dir, path, flags, mask, stx);

	if (r == 0 && t.briefly >= 0 && stx->stx_ino == t.ino)
		return see_another_mode(path, mask, stx);
	if (r == 0 && t.changing && stx->stx_ino == t.ino)
		stx->stx_mtime = t.mtime;
	return r;
}

/* hw_disk_lock() waits for the program. */
off_t lseek(int fd, off_t offset, int whence)
{
	if (offset == LLONG_MAX)
		t.changing = false;
	return NEXT(lseek, fd, offset, whence);
}

static void begin_change(const struct hw_scene *f)
{
	struct statx stx;

	assert_int_equal(statx(f->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx), 0);
	t.ino = stx.stx_ino;
	t.mtime = stx.stx_mtime;
	hw_clock_tick();
}

static void its_attributes_did_not_change(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	if (!hw_scene_start(&f, *state, 0)) {
		hw_scene_finish(&f);
		skip();
	}
	begin_change(&f);
	hw_scene_move(f.fd, "a", f.fd, "b");
	t.changing = true;
	hw_scan_below(hw_rig_share(f.rig), HW_ROOT);
	hw_scene_expect(&f, "move file a -> b");
	hw_scene_expect_no_more(&f);
	t.changing = false; /* no comparison found the directory changed */
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static void a_mode_that_it_had_for_a_moment_is_reported(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	if (!hw_scene_start(&f, *state, 0)) {
		hw_scene_finish(&f);
		skip();
	}
	begin_change(&f);
	hw_scene_make_dir(f.fd, "d");
	t.briefly = f.fd;
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "attrib dir \"\"");
	hw_scene_expect_no_more(&f);
	assert_int_equal(t.briefly, -1);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HW_UNDER_EACH("its_attributes_did_not_change", its_attributes_did_not_change),
		HW_UNDER("its_attributes_did_not_change", its_attributes_did_not_change, "polling"),
		HW_UNDER_EACH("a_mode_that_it_had_for_a_moment_is_reported",
			      a_mode_that_it_had_for_a_moment_is_reported),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
