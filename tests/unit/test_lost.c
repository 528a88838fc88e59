/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes that an examination has shown, and whose records are lost: the tree does not differ from
 * the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void begin(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_scene_write(f->fd, "f", "text");
	hw_clock_tick();
	hw_puppet_start(f, HW_PLUGIN_ORDERED, 0);
}

static void end(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	hw_scene_finish(f);
}

/* An event within a tick of the clock for file times may be about an earlier write. */
static void await_clock(void)
{
	hw_clock_tick();
	hw_clock_tick();
}

/* As the examination that belongs to an earlier record does. */
static void examine(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);

	hw_history_stale(share, hw_tree_find(&share->tree, HW_ROOT, "f", 1));
	hw_refresh(share);
}

/* Takes over the change, and loses its record. */
static void take_and_lose(struct hw_scene *f, hw_token dir)
{
	examine(f);
	hw_puppet.host->lost(hw_puppet.ctx, dir);
}

static void a_write_is_reported_whose_record_is_lost(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		struct hw_scene f;

		begin(&f);
		hw_scene_write(f.fd, "f", "more");
		take_and_lose(&f, all ? HW_NO_DIR : hw_puppet_dir(&f, ""));
		hw_scene_expect(&f, "modify f");
		hw_scene_expect(&f, "close_write f");
		end(&f);
	}
}

static void a_write_with_the_old_times_is_reported_whose_record_is_lost(void **state)
{
	struct hw_scene f;
	struct stat st;

	(void)state;
	begin(&f);
	assert_int_equal(fstatat(f.fd, "f", &st, 0), 0);
	hw_scene_write(f.fd, "f", "T");
	const struct timespec times[2] = { st.st_atim, st.st_mtim };

	assert_int_equal(utimensat(f.fd, "f", times, 0), 0);
	take_and_lose(&f, HW_NO_DIR);
	hw_scene_expect(&f, "attrib file f");
	end(&f);
}

static void a_mode_is_reported_whose_record_is_lost(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	assert_int_equal(fchmodat(f.fd, "f", 0600, 0), 0);
	assert_int_equal(linkat(f.fd, "f", f.fd, "g", 0), 0);
	take_and_lose(&f, HW_NO_DIR);
	hw_scene_expect(&f, "create file g");
	hw_scene_expect(&f, "attrib file f");
	hw_scene_expect(&f, "attrib file g");
	end(&f);
}

/* The second loss is noticed while the first one is being repaired. */
static void a_write_is_reported_whose_record_is_lost_during_the_comparison(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	hw_puppet.host->lost(hw_puppet.ctx, HW_NO_DIR);
	hw_scene_write(f.fd, "f", "more");
	await_clock();
	take_and_lose(&f, HW_NO_DIR);
	hw_scene_expect(&f, "modify f");
	hw_scene_expect(&f, "close_write f");
	end(&f);
}

static void what_was_reported_is_not_reported_again(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	hw_scene_write(f.fd, "f", "more");
	await_clock();
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "f");
	hw_puppet_hint(&f, HW_HINT_CLOSE_WRITE, "", "f");
	hw_scene_expect(&f, "modify f");
	hw_scene_expect(&f, "close_write f");
	take_and_lose(&f, HW_NO_DIR);
	end(&f);
}

/* A second loss is about later records. */
static void what_is_known_to_be_lost_is_reported_once(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	hw_scene_write(f.fd, "f", "more");
	await_clock();
	take_and_lose(&f, HW_NO_DIR);
	hw_scene_expect(&f, "modify f");
	hw_scene_expect(&f, "close_write f");
	hw_scene_expect_no_more(&f);
	hw_puppet.host->lost(hw_puppet.ctx, HW_NO_DIR);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_reported_whose_record_is_lost),
		cmocka_unit_test(a_write_with_the_old_times_is_reported_whose_record_is_lost),
		cmocka_unit_test(a_mode_is_reported_whose_record_is_lost),
		cmocka_unit_test(a_write_is_reported_whose_record_is_lost_during_the_comparison),
		cmocka_unit_test(what_was_reported_is_not_reported_again),
		cmocka_unit_test(what_is_known_to_be_lost_is_reported_once),
	};

	return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
