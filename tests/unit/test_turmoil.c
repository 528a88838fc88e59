/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes that hints and listings show only in part: the reported events must be a consistent
 * history that ends at the state on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/scan.h"
#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- moves ---- */

/* fanotify merges equal renames, so that d seems to be at its old place. */
static void move_over_what_held_it(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_write(f->fd, "d/x", "x");
	hw_rig_turn(f->rig, 1);
	hw_scene_move(f->fd, "d", f->fd, "e");
	hw_scene_move(f->fd, "e", f->fd, "d");
	hw_scene_move(f->fd, "d", f->fd, "e");
	hw_scene_move(f->fd, "e/x", f->fd, "d");
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(unlinkat(f->fd, "d", 0), 0);
	assert_int_equal(unlinkat(f->fd, "e", AT_REMOVEDIR), 0);
}

static void a_file_moves_to_where_its_directory_was(void **state)
{
	(void)state;
	hw_scene_play(hw_scene_nothing, move_over_what_held_it, 5);
}

#define MANY 300u

static void many_dirs(struct hw_scene *f)
{
	char name[64];

	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "a%03u", i);
		hw_scene_make_dir(f->fd, name);
		(void)snprintf(name, sizeof(name), "a%03u/file", i);
		hw_scene_write(f->fd, name, "old");
	}
}

static void move_all_and_write(struct hw_scene *f)
{
	struct stat st;
	char from[64], to[64];
	bool back = fstatat(f->fd, "b000", &st, 0) == 0;

	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(from, sizeof(from), "%c%03u", back ? 'b' : 'a', i);
		(void)snprintf(to, sizeof(to), "%c%03u", back ? 'a' : 'b', i);
		hw_scene_move(f->fd, from, f->fd, to);
		strcat(to, "/file");
		hw_scene_write(f->fd, to, "new");
	}
}

static void many_directories_move_and_change_at_once(void **state)
{
	(void)state;
	hw_scene_play(many_dirs, move_all_and_write, 2);
}

/* ---- a name that refers to one directory after the other ---- */

static void replace_dir(struct hw_scene *f)
{
	for (unsigned i = 0; i < 5; i++) {
		char away[32];

		(void)snprintf(away, sizeof(away), "outside/away%u", i);
		hw_scene_make_dir(f->fd, "d");
		hw_scene_write(f->fd, "d/a", "x");
		hw_scene_make_dir(f->fd, "d/sub");
		hw_scene_write(f->fd, "d/sub/b", "x");
		if (i % 2)
			hw_rig_turn(f->rig, 0);
		hw_scene_move(f->fd, "d", f->top, away);
		/* Changes after this point are outside the share. */
		strcat(away, "/a");
		hw_scene_write(f->top, away, "more");
	}
	for (unsigned i = 0; i < 5; i++) {
		char away[32], sub[40];

		(void)snprintf(away, sizeof(away), "outside/away%u", i);
		(void)snprintf(sub, sizeof(sub), "%s/sub/b", away);
		assert_int_equal(unlinkat(f->top, sub, 0), 0);
		(void)snprintf(sub, sizeof(sub), "%s/sub", away);
		assert_int_equal(unlinkat(f->top, sub, AT_REMOVEDIR), 0);
		(void)snprintf(sub, sizeof(sub), "%s/a", away);
		assert_int_equal(unlinkat(f->top, sub, 0), 0);
		assert_int_equal(unlinkat(f->top, away, AT_REMOVEDIR), 0);
	}
}

static void directories_leave_and_others_take_their_name(void **state)
{
	(void)state;
	hw_scene_play(hw_scene_nothing, replace_dir, 3);
}

/* ---- a directory that moves while it is listed ---- */

#define LARGE 4500u

static void move_while_listed(struct hw_scene *f)
{
	char name[64];

	hw_scene_make_dir(f->top, "outside/large");
	for (unsigned i = 0; i < LARGE; i++) {
		(void)snprintf(name, sizeof(name), "outside/large/%u", i);
		assert_int_equal(mknodat(f->top, name, S_IFREG | 0644, 0), 0);
	}
	hw_scene_move(f->top, "outside/large", f->fd, "large");
	hw_rig_turn(f->rig, 0);
	hw_scene_move(f->fd, "large", f->fd, "larger");
	hw_rig_turn(f->rig, 0);
	hw_scene_make_dir(f->fd, "large");
	hw_scene_move(f->fd, "larger", f->fd, "large/in");
	hw_scene_write(f->fd, "large/in/17", "x");
	hw_rig_turn(f->rig, 0);
	assert_int_equal(unlinkat(f->fd, "large/in/18", 0), 0);
	hw_scene_move(f->fd, "large/in", f->fd, "out");
	hw_scene_check(f);
	for (unsigned i = 0; i < LARGE; i++) {
		(void)snprintf(name, sizeof(name), "out/%u", i);
		if (i != 18)
			assert_int_equal(unlinkat(f->fd, name, 0), 0);
	}
	assert_int_equal(unlinkat(f->fd, "out", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(f->fd, "large", AT_REMOVEDIR), 0);
}

static void a_large_directory_moves_while_it_is_listed(void **state)
{
	(void)state;
	hw_scene_play(hw_scene_nothing, move_while_listed, 1);
}

/* ---- exchanges with entries that are not watched yet ---- */

static void exchange_fresh(struct hw_scene *f)
{
	for (unsigned i = 0; i < 20; i++) {
		hw_scene_make_dir(f->fd, "x");
		hw_scene_write(f->fd, "x/1", "x");
		hw_scene_make_dir(f->fd, "y");
		hw_scene_make_dir(f->fd, "y/deep");
		hw_scene_write(f->fd, "y/deep/2", "y");
		if (i % 3 == 0)
			hw_rig_turn(f->rig, 0);
		assert_int_equal(renameat2(f->fd, "x", f->fd, "y", RENAME_EXCHANGE), 0);
		hw_scene_write(f->fd, "y/1", "more");
		if (i % 3 == 1)
			hw_rig_turn(f->rig, 0);
		assert_int_equal(renameat2(f->fd, "x/deep", f->fd, "y", RENAME_EXCHANGE), 0);
		if (i % 2)
			hw_scene_check(f);
		assert_int_equal(hw_scratch_remove_at(f->fd, "x"), 0);
		assert_int_equal(hw_scratch_remove_at(f->fd, "y"), 0);
	}
}

static void fresh_directories_are_exchanged(void **state)
{
	(void)state;
	hw_scene_play(hw_scene_nothing, exchange_fresh, 1);
}

/* ---- a root that disappears and comes back ---- */

static void root_goes_and_comes(struct hw_scene *f)
{
	char name[32];

	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof(name), "root/n%u", i);
		hw_scene_make_dir(f->top, name);
	}
	hw_scene_move(f->top, "root", f->top, "elsewhere");
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_share_state(hw_rig_share(f->rig)), HW_SHARE_OFFLINE);
	hw_scene_make_dir(f->top, "root");
	hw_scene_make_dir(f->top, "root/other");
	assert_int_equal(hw_rig_flush(f->rig), 0); /* runs the loop until the share is online */
	hw_scene_check(f);
	assert_int_equal(hw_scratch_remove_at(f->top, "root"), 0);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_move(f->top, "elsewhere", f->top, "root");
	hw_scene_check(f);
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof(name), "root/n%u", i);
		assert_int_equal(unlinkat(f->top, name, AT_REMOVEDIR), 0);
	}
}

static void the_root_goes_and_another_comes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		if (hw_scene_start(&f, hw_rig_backends[i / 2], i % 2 ? 3600 * HW_SEC : 0))
			for (unsigned round = 0; round < 2; round++) {
				root_goes_and_comes(&f);
				hw_scene_check(&f);
			}
		hw_scene_finish(&f);
	}
}

/* ---- no permission to read ---- */

/* Entries in a directory that can no longer be read must not be reported as deleted. */
static void locked_directories_keep_what_is_in_them(void **state)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);
	const char *const paths[] = { HW_BUILD_DIR "/plugins/polling.so", place[places - 1].path,
				      NULL };

	(void)state;
	if (geteuid() == 0) {
		HW_NEED(hw_lacks_nobody(paths));
		assert_int_equal(seteuid(HW_NOBODY), 0);
	}
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		struct hw_event event;
		struct hw_scene f;
		int inside;

		hw_scene_prepare(&f);
		hw_scene_make_dir(f.fd, "d");
		hw_scene_make_dir(f.fd, "d/sub");
		hw_scene_write(f.fd, "d/sub/file", "x");
		inside = openat(f.fd, "d/sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (hw_scene_start(&f, hw_rig_backends[i / 2], i % 2 ? 3600 * HW_SEC : 0)) {
			assert_int_equal(fchmodat(f.fd, "d/sub", 0, 0), 0);
			assert_int_equal(hw_rig_flush(f.rig), 0);
			while (hw_rig_next(f.rig, &event) == 1) {
				char why[128] = "";

				assert_int_equal(event.kind, HW_ATTRIB);
				assert_int_equal(hw_model_apply(f.model, &event, why, sizeof(why)),
						 0);
			}
			assert_int_equal(fchmodat(f.fd, "d/sub", 0755, 0), 0);
			hw_scene_write(inside, "file", "y");
			hw_scene_check(&f);
		}
		assert_int_equal(close(inside), 0);
		hw_scene_finish(&f);
	}
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* ---- links ---- */

static void move_one_of_two_links(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "x");
	assert_int_equal(linkat(f->fd, "a", f->fd, "b", 0), 0);
	hw_scene_make_dir(f->fd, "d");
}

/* The scan reads the new directory before the old one, so the new name looks like one more link of
 * the file. When the old name is then missing, the file has not left the share. */
static void a_link_that_moves_under_a_scan_has_not_left(void **state)
{
	struct hw_scene f;
	struct hw_event event;
	struct hw_share *share;
	bool deleted = false;

	(void)state;
	hw_scene_prepare(&f);
	move_one_of_two_links(&f);
	if (!hw_scene_start(&f, "polling", 0)) {
		hw_scene_finish(&f);
		skip();
	}
	share = hw_rig_share(f.rig);
	hw_scene_move(f.fd, "b", f.fd, "d/c");
	hw_scan_below(share, hw_tree_find(&share->tree, HW_ROOT, "d", 1));
	for (unsigned i = 0; !hw_scan_is_idle(share) && i < 1000; i++)
		hw_rig_turn(f.rig, 100);
	assert_true(hw_scan_is_idle(share));
	assert_int_equal(hw_rig_flush(f.rig), 0);
	while (hw_rig_next(f.rig, &event) == 1) {
		assert_int_not_equal(event.kind, HW_MOVE);
		deleted = deleted ||
			  (event.kind == HW_DELETE && event.path_len == 1 && event.path[0] == 'b');
	}
	assert_true(deleted);
	hw_scene_finish(&f);
}

/* ---- a receiver that stats on each event ---- */

/* The receiver has read the changed mode, so the change back must also be reported. */
static void a_mode_there_and_back_in_a_busy_directory_is_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* polling sees two equal states */
		hw_scene_prepare(&f);
		if (hw_scene_start(&f, hw_rig_backends[i], 0)) {
			hw_scene_make_dir(f.fd, "d");
			assert_int_equal(hw_rig_flush(f.rig), 0);
			hw_clock_tick();
			assert_int_equal(fchmodat(f.fd, "d", 0700, 0), 0);
			hw_scene_replay(&f);
			assert_int_equal(fchmodat(f.fd, "d", 0755, 0), 0);
			hw_scene_make_dir(f.fd, "d/x");
			hw_scene_check(&f);
		}
		hw_scene_finish(&f);
	}
}

/* ---- entries that are created and deleted in one observation ---- */

#define FILES 4u

static void make_nested(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_make_dir(f->fd, "d/d");
	hw_scene_write(f->fd, "d/d/old", "old");
	hw_scene_make_dir(f->fd, "moved");
	for (unsigned i = 0; i < FILES; i++) {
		const char name[] = { 'o', 'u', 't', 's', 'i', 'd', 'e', '/', (char)('a' + i), 0 };

		hw_scene_write(f->top, name, "old");
	}
}

/* "d/d" takes the name of the directory that it is in, which has no possible order of events: it is
 * deleted and created. A directory in it is created before that, for the move into it. */
static void replace_parent(struct hw_scene *f)
{
	hw_scene_move(f->fd, "d/d", f->fd, "t");
	assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
	hw_scene_move(f->fd, "t", f->fd, "d");
	hw_scene_make_dir(f->fd, "d/n");
	hw_scene_move(f->fd, "moved", f->fd, "d/n/moved");
	for (unsigned i = 0; i < FILES; i++) {
		const char from[] = { 'o', 'u', 't', 's', 'i', 'd', 'e', '/', (char)('a' + i), 0 };
		const char came[] = { 'd', '/', 'n', '/', (char)('a' + i), 0 };
		const char made[] = { 'd', '/', 'n', '/', (char)('A' + i), 0 };

		hw_scene_move(f->top, from, f->fd, came);
		hw_scene_write(f->fd, made, "new");
	}
	assert_int_equal(hw_rig_flush(f->rig), 0);
}

static void expect_new_data_of_new_files(struct hw_scene *f)
{
	struct hw_event event;
	unsigned modified = 0;

	while (hw_rig_next(f->rig, &event) == 1) {
		if (event.kind != HW_MODIFY)
			continue;
		assert_in_range(event.path[event.path_len - 1], 'A', 'A' + FILES - 1);
		modified++;
	}
	assert_int_equal(modified, FILES);
}

static void a_file_from_outside_is_not_taken_for_a_new_one_that_was_deleted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		make_nested(&f);
		hw_clock_tick();
		if (hw_scene_start(&f, hw_rig_backends[i], 3600 * HW_SEC)) {
			replace_parent(&f);
			expect_new_data_of_new_files(&f);
		}
		hw_scene_finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_moves_to_where_its_directory_was),
		cmocka_unit_test(many_directories_move_and_change_at_once),
		cmocka_unit_test(directories_leave_and_others_take_their_name),
		cmocka_unit_test(a_large_directory_moves_while_it_is_listed),
		cmocka_unit_test(fresh_directories_are_exchanged),
		cmocka_unit_test(the_root_goes_and_another_comes),
		cmocka_unit_test(locked_directories_keep_what_is_in_them),
		cmocka_unit_test(a_link_that_moves_under_a_scan_has_not_left),
		cmocka_unit_test(a_mode_there_and_back_in_a_busy_directory_is_told),
		cmocka_unit_test(a_file_from_outside_is_not_taken_for_a_new_one_that_was_deleted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("turmoil", tests, NULL, NULL);
}
