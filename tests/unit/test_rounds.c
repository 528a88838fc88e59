/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records that are read while unverified names wait for a mark: which of them explain what the
 * examination found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "framework/share/verify.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURNS_MAX 1000u
#define BACKLOG UINT64_C(1000000000) /* records that are not read before a test says so */

static void start(struct hw_scene *f)
{
	hw_puppet.endless = true; /* a mark is reached when its backlog is read */
	hw_puppet_start(f, HW_PLUGIN_ORDERED, 0);
}

/* Examines the name, which differs from the tree: the round waits for its mark. */
static void begin_round(struct hw_scene *f, const char *name)
{
	struct hw_share *share = hw_rig_share(f->rig);

	hw_puppet.backlog = BACKLOG;
	hw_unverified_name(share, HW_ROOT, name, strlen(name));
	hw_share_kick(share);
	for (unsigned i = 0; i < TURNS_MAX && !hw_verify_is_active(share); i++)
		hw_rig_turn(f->rig, 1);
	assert_true(hw_verify_is_active(share));
}

static void end_round(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint64_t round = share->verify.begun;

	hw_puppet.handed += BACKLOG;
	hw_puppet.backlog = 0;
	for (unsigned i = 0; i < TURNS_MAX && share->verify.ended < round; i++)
		hw_rig_turn(f->rig, 1);
	assert_true(share->verify.ended >= round);
}

/* Returns how many of the events that can be read have this kind. */
static unsigned count(struct hw_scene *f, unsigned kind)
{
	struct hw_event event;
	unsigned n = 0;

	while (hw_rig_next(f->rig, &event) == 1)
		n += event.kind == kind;
	return n;
}

/* While records are never read to their end, it is still known until when all have been read. */
static void a_file_is_known_to_be_old_while_the_watcher_is_behind(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	hw_puppet.greedy = true;
	start(&f);
	hw_scene_write(f.top, "outside/f", "x");
	hw_clock_tick();
	int64_t now = hw_now_coarse_ns();
	for (unsigned i = 0; i < TURNS_MAX && hw_mark_known_ns(hw_rig_share(f.rig)) < now; i++)
		hw_rig_turn(f.rig, 10);
	assert_true(hw_mark_known_ns(hw_rig_share(f.rig)) >= now);
	hw_scene_move(f.top, "outside/f", f.fd, "f");
	hw_puppet_move(&f, NULL, "f", "", "f");
	hw_scene_expect(&f, "move file -> f");
	hw_scene_finish(&f);
}

/* The record of a write does not say that the name is new. Otherwise a file that is written to all
 * the time would never be found. */
static void a_name_is_new_although_a_write_to_it_is_read(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	start(&f);
	hw_scene_write(f.fd, "f", "x");
	begin_round(&f, "f");
	hw_scene_write(f.fd, "f", "y");
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "f");
	end_round(&f);
	assert_int_equal(count(&f, HW_CREATE), 1);
	hw_scene_finish(&f);
}

static void a_name_is_gone_although_a_write_to_it_is_read(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "f", "x");
	start(&f);
	assert_int_equal(unlinkat(f.fd, "f", 0), 0);
	begin_round(&f, "f");
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "f");
	end_round(&f);
	assert_int_equal(count(&f, HW_DELETE), 1);
	hw_scene_finish(&f);
}

static void change_mode(struct hw_scene *f, mode_t mode)
{
	assert_int_equal(fchmodat(f->fd, "f", mode, 0), 0);
}

/* The round has examined the file before the change that the record shows. */
static void a_change_whose_record_is_read_is_reported_once(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "f", "x");
	start(&f);
	change_mode(&f, 0600);
	begin_round(&f, "f");
	change_mode(&f, 0640);
	hw_puppet_hint(&f, HW_HINT_ATTRIB, "", "f");
	assert_int_equal(count(&f, HW_ATTRIB), 1);
	end_round(&f);
	assert_int_equal(hw_rig_flush(f.rig), 0);
	assert_int_equal(count(&f, HW_ATTRIB), 0);
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_known_to_be_old_while_the_watcher_is_behind),
		cmocka_unit_test(a_name_is_new_although_a_write_to_it_is_read),
		cmocka_unit_test(a_name_is_gone_although_a_write_to_it_is_read),
		cmocka_unit_test(a_change_whose_record_is_read_is_reported_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("rounds", tests, NULL, NULL);
}
