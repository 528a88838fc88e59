/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service locate(), as used by a watcher that receives paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int locate(const char *path, size_t len, struct hw_location *ret)
{
	*ret = (struct hw_location){ .struct_size = sizeof(*ret) };
	return hw_puppet.host->locate(hw_puppet.ctx, path, (uint32_t)len, ret);
}

static void finds(struct hw_scene *f, const char *path, int r, const char *dir, const char *name)
{
	struct hw_location at;

	assert_int_equal(locate(path, strlen(path), &at), r);
	if (r < 0)
		return;
	assert_int_equal(at.dir, hw_puppet_dir(f, dir));
	assert_int_equal(at.name_len, strlen(name));
	assert_memory_equal(at.name, name, at.name_len);
}

/* Sends a hint like a watcher that receives paths only. */
static void hear(const char *path)
{
	struct hw_location at;

	if (locate(path, strlen(path), &at) < 0)
		return; /* outside */
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_LOOK,
		.dir = at.dir,
		.name = at.name,
		.name_len = at.name_len,
	};

	hw_puppet.host->hint(hw_puppet.ctx, &hint);
}

static void start(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_scene_make_dir(f->fd, "a");
	hw_scene_make_dir(f->fd, "a/b");
	hw_scene_write(f->fd, "a/b/file", "x");
	assert_int_equal(symlinkat("a", f->fd, "link"), 0);
	hw_puppet_start(f, 0, 0);
}

static void relative_paths_are_below_the_root(void **state)
{
	struct hw_scene f;

	(void)state;
	start(&f);
	finds(&f, "", 1, "", ".");
	finds(&f, "./", 1, "", ".");
	finds(&f, "a", 1, "", "a");
	finds(&f, "a/", 1, "", "a");
	finds(&f, "a/b", 1, "a", "b");
	finds(&f, ".//a/./b//file", 1, "a/b", "file");
	finds(&f, "a/b/absent", 1, "a/b", "absent");
	finds(&f, "a/..name/x", 0, "a", "..name");
	hw_scene_finish(&f);
}

static void of_an_unknown_directory_the_deepest_known_one_is_found(void **state)
{
	struct hw_scene f;

	(void)state;
	start(&f);
	finds(&f, "x/y", 0, "", "x");
	finds(&f, "a/x/y/z", 0, "a", "x");
	finds(&f, "a/b/file/z", 0, "a/b", "file");
	finds(&f, "link/b", 0, "", "link"); /* the symlink is not followed */
	hw_scene_finish(&f);
}

static void absolute_paths_must_be_below_the_root(void **state)
{
	struct hw_scene f;
	char path[PATH_MAX * 2];

	(void)state;
	start(&f);
	finds(&f, f.root, 1, "", ".");
	(void)snprintf(path, sizeof(path), "%s/a/b/file", f.root);
	finds(&f, path, 1, "a/b", "file");
	(void)snprintf(path, sizeof(path), "%sx/a", f.root);
	finds(&f, path, -EXDEV, NULL, NULL);
	finds(&f, f.path, -EXDEV, NULL, NULL);
	finds(&f, "/", -EXDEV, NULL, NULL);
	hw_scene_finish(&f);
}

static void paths_that_mean_nothing_are_refused(void **state)
{
	struct hw_location at = { 0 };
	struct hw_scene f;
	char name[300];

	(void)state;
	start(&f);
	memset(name, 'n', sizeof(name));
	finds(&f, "..", -EINVAL, NULL, NULL);
	finds(&f, "a/../b", -EINVAL, NULL, NULL);
	finds(&f, "x/..", -EINVAL, NULL, NULL);
	assert_int_equal(locate("a\0b", 3, &at), -EINVAL);
	assert_int_equal(locate(name, 256, &at), -EINVAL);
	assert_int_equal(locate(name, 255, &at), 1);
	at.struct_size = 0;
	assert_int_equal(hw_puppet.host->locate(hw_puppet.ctx, "a", 1, &at), -EINVAL);
	hw_scene_move(f.top, "root", f.top, "away");
	assert_int_equal(hw_rig_flush(f.rig), 0);
	assert_int_equal(locate("a", 1, &at), -EAGAIN);
	hw_scene_move(f.top, "away", f.top, "root");
	hw_scene_finish(&f);
}

static void a_watcher_that_hears_paths_misses_nothing(void **state)
{
	struct hw_scene f;
	char path[PATH_MAX * 2];

	(void)state;
	start(&f);
	/* The directories on the way must be found together with the file. */
	hw_scene_make_dir(f.fd, "out");
	hw_scene_make_dir(f.fd, "out/lib");
	hw_scene_write(f.fd, "out/lib/object", "x");
	(void)snprintf(path, sizeof(path), "%s/out/lib/object", f.root);
	hear(path);
	hw_scene_expect(&f, "create dir out");
	hw_scene_expect(&f, "create dir out/lib");
	hw_scene_expect(&f, "create file out/lib/object");
	hw_scene_expect(&f, "modify out/lib/object");
	hw_scene_expect(&f, "close_write out/lib/object");
	hw_scene_move(f.fd, "out/lib/object", f.fd, "a/b/object");
	hear("out/lib/object");
	hear("a/b/object");
	hw_scene_expect(&f, "move file out/lib/object -> a/b/object");
	assert_int_equal(unlinkat(f.fd, "a/b/object", 0), 0);
	hear("a/b/object");
	hw_scene_expect(&f, "delete file a/b/object");
	hear("/somewhere/else");
	hear("a/b");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relative_paths_are_below_the_root),
		cmocka_unit_test(of_an_unknown_directory_the_deepest_known_one_is_found),
		cmocka_unit_test(absolute_paths_must_be_below_the_root),
		cmocka_unit_test(paths_that_mean_nothing_are_refused),
		cmocka_unit_test(a_watcher_that_hears_paths_misses_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
