/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of the share that get another entry from outside: every watcher must report the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void make_both(struct hw_scene *f)
{
	hw_scene_write(f->fd, "file", "in");
	hw_scene_write(f->top, "outside/file", "out");
	hw_scene_make_dir(f->fd, "dir");
	hw_scene_write(f->fd, "dir/old", "in");
	hw_scene_make_dir(f->top, "outside/dir");
	hw_scene_write(f->top, "outside/dir/new", "out");
}

static void exchange(struct hw_scene *f, const char *name, const char *other)
{
	assert_int_equal(renameat2(f->fd, name, f->top, other, RENAME_EXCHANGE), 0);
	assert_int_equal(hw_rig_flush(f->rig), 0);
}

/* compared: two states are compared, by polling or after a window. A name that has another file is
 * then replaced, whether or not the old one still exists outside. */
static void exchange_over_the_border(struct hw_scene *f, bool compared)
{
	exchange(f, "file", "outside/file");
	if (!compared)
		hw_scene_expect(f, "move file file ->");
	hw_scene_expect(f, compared ? "move file -> file (replaced)" : "move file -> file");
	exchange(f, "dir", "outside/dir");
	hw_scene_expect(f, "move dir dir ->");
	hw_scene_expect(f, "move dir -> dir");
	hw_scene_expect(f, "create file dir/new");
	exchange(f, "file", "outside/dir");
	hw_scene_expect(f, "move file file ->");
	hw_scene_expect(f, "move dir -> file");
	hw_scene_expect(f, "create file file/old");
	exchange(f, "file", "outside/dir");
	hw_scene_expect(f, "move dir file ->");
	hw_scene_expect(f, "move file -> file");
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
}

static void an_exchange_over_the_border_is_two_moves(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		const char *backend = hw_rig_backends[i / 2];
		bool compared = i % 2 || !strcmp(backend, "polling");
		struct hw_scene f;

		hw_scene_prepare(&f);
		make_both(&f);
		if (hw_scene_start(&f, backend, i % 2 ? 3600 * HW_SEC : 0))
			exchange_over_the_border(&f, compared);
		hw_scene_finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_over_the_border_is_two_moves),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("border", tests, NULL, NULL);
}
