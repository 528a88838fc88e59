/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A share that is idle has no timer, and its root is missed nevertheless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "places.h"
#include "presence.h"
#include "share_private.h"
#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/unit/support/scene.h"
#include "tests/unit/support/silence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define DEADLINE_NS (60 * HW_SEC)
#define TURN_MS 50u
#define SOMEBODY 1002u /* another user than that of this process */

static const char *const kernel[] = { "inotify", "fanotify" };

/* Returns whether the loop waits for descriptors alone, without a timeout. */
static bool has_no_timer(const struct hw_share *share)
{
	return uv_backend_timeout(hw_loop_uv(share->loop)) < 0;
}

static bool is_offline(const struct hw_share *share)
{
	return share->state == HW_SHARE_OFFLINE;
}

/* It may have come back already. */
static bool was_offline(const struct hw_share *share)
{
	return is_offline(share) || share->history.rescans;
}

/* The directory above the root is as the share knows it, with this mode. */
static bool knows_mode(const struct hw_share *share)
{
	return (share->root.steps[share->root.count - 2].dir.mode & 0777) == 0711;
}

static void await(struct hw_scene *f, bool (*condition)(const struct hw_share *share))
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint64_t begun = hw_loop_now_ns(share->loop);

	while (!condition(share)) {
		hw_rig_turn(f->rig, TURN_MS);
		if (hw_loop_now_ns(share->loop) - begun > DEADLINE_NS)
			fail_msg("nothing happened before the deadline");
	}
}

/* The directory above the root belongs to this user. */
static bool start_below(struct hw_scene *f, const char *backend, uid_t owner)
{
	const struct hw_rig_config config = { .backend = backend, .interval_ns = 10 * HW_MS };

	hw_scene_prepare(f);
	if (owner != geteuid() && fchown(f->top, owner, (gid_t)-1) < 0) {
		print_message("skipped: only root can give directories to others\n");
		skip();
	}
	return hw_scene_start_with(f, &config);
}

static bool start(struct hw_scene *f, const char *backend)
{
	return start_below(f, backend, geteuid());
}

static void rename_root(struct hw_scene *f)
{
	hw_scene_move(f->top, "root", f->top, "other");
}

/* The share has it open, so it does not report its own deletion. */
static void delete_root(struct hw_scene *f)
{
	assert_int_equal(unlinkat(f->top, "root", AT_REMOVEDIR), 0);
}

static void exchange_root(struct hw_scene *f)
{
	hw_scene_make_dir(f->top, "other");
	assert_int_equal(renameat2(f->top, "root", f->top, "other", RENAME_EXCHANGE), 0);
}

static void rename_above(struct hw_scene *f)
{
	char other[PATH_MAX];

	(void)snprintf(other, sizeof(other), "%s.other", f->path);
	assert_int_equal(rename(f->path, other), 0);
}

static void restore_above(struct hw_scene *f)
{
	char other[PATH_MAX];

	(void)snprintf(other, sizeof(other), "%s.other", f->path);
	assert_int_equal(rename(other, f->path), 0);
}

static void lose_root(void (*lose)(struct hw_scene *f), void (*restore)(struct hw_scene *f))
{
	for (unsigned i = 0; i < 2; i++) {
		struct hw_scene f;

		if (start(&f, kernel[i])) {
			await(&f, has_no_timer);
			lose(&f);
			await(&f, was_offline);
			if (restore)
				restore(&f);
		}
		hw_scene_finish(&f);
	}
}

static void a_root_that_is_renamed_is_missed_without_a_timer(void **state)
{
	(void)state;
	lose_root(rename_root, NULL);
}

static void a_root_that_is_deleted_is_missed_without_a_timer(void **state)
{
	(void)state;
	lose_root(delete_root, NULL);
}

static void a_root_that_is_exchanged_is_missed_without_a_timer(void **state)
{
	(void)state;
	lose_root(exchange_root, NULL);
}

static void a_directory_above_that_is_renamed_is_missed_without_a_timer(void **state)
{
	(void)state;
	lose_root(rename_above, restore_above);
}

/* The rules about a root that comes back compare with the last modes of directories that others
 * than trusted users can replace. */
static void a_mode_above_the_root_is_read_without_a_timer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct hw_scene f;

		if (start_below(&f, kernel[i], SOMEBODY)) {
			await(&f, has_no_timer);
			assert_int_equal(fchmod(f.top, 0711), 0);
			await(&f, knows_mode);
			await(&f, has_no_timer);
			assert_int_equal(fchmod(f.top, 0700), 0);
		}
		hw_scene_finish(&f);
	}
}

/* Returns the mask of a watch of inotify in this process on a directory, or 0. */
static unsigned mask_of(const char *fdinfo, ino_t ino)
{
	unsigned long long number;
	unsigned mask = 0, found = 0;
	char path[300], line[300];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", fdinfo);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "inotify wd:%*x ino:%llx sdev:%*x mask:%x", &number, &mask) == 2 &&
		    number == ino)
			found |= mask;
	if (file)
		assert_int_equal(fclose(file), 0);
	return found;
}

static unsigned watched_above(const struct hw_scene *f)
{
	struct dirent *entry;
	struct stat top;
	unsigned mask = 0;
	DIR *dir = opendir("/proc/self/fdinfo");

	assert_non_null(dir);
	assert_int_equal(fstat(f->top, &top), 0);
	while ((entry = readdir(dir)))
		mask |= mask_of(entry->d_name, top.st_ino);
	assert_int_equal(closedir(dir), 0);
	return mask;
}

/* To watch the attributes of a directory, the kernel visits all names in it that it has cached. */
static void attributes_are_watched_only_where_others_can_replace_the_directory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool exposed = i % 2;
		struct hw_scene f;

		if (start_below(&f, kernel[i / 2], exposed ? SOMEBODY : geteuid())) {
			await(&f, has_no_timer);
			assert_int_equal(watched_above(&f) & IN_DELETE, IN_DELETE);
			assert_int_equal(watched_above(&f) & IN_ATTRIB, exposed ? IN_ATTRIB : 0);
		}
		hw_scene_finish(&f);
	}
}

static void note(void *arg)
{
	*(bool *)arg = true;
}

/* The directory above a root may be as busy as /tmp. */
static void another_name_beside_the_root_is_no_reason_for_a_check(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct hw_scene f;
		bool noted = false;

		if (start(&f, kernel[i])) {
			struct hw_share *share = hw_rig_share(f.rig);

			await(&f, has_no_timer);
			hw_scene_make_dir(f.top, "other");
			assert_int_equal(hw_places_add(share->loop, f.top, "other", false, note,
						       &noted),
					 0);
			assert_int_equal(unlinkat(f.top, "other", AT_REMOVEDIR), 0);
			for (unsigned turn = 0; turn < DEADLINE_NS / HW_SEC && !noted; turn++)
				hw_rig_turn(f.rig, 1000);
			assert_true(noted);
			assert_false(share->presence.changed || share->presence.due);
			hw_places_del(share->loop, &noted);
		}
		hw_scene_finish(&f);
	}
}

static void a_share_is_idle_again_after_its_root_came_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct hw_scene f;

		if (start(&f, kernel[i])) {
			for (unsigned round = 0; round < 3; round++) {
				await(&f, has_no_timer);
				hw_scene_move(f.top, "root", f.top, "other");
				await(&f, is_offline);
				hw_scene_move(f.top, "other", f.top, "root");
			}
			await(&f, has_no_timer);
		}
		hw_scene_finish(&f);
	}
}

static bool is_silent(const struct hw_share *share)
{
	return share->silence.logged;
}

static bool answers(const struct hw_share *share)
{
	return !share->silence.logged;
}

/* The loop has not seen the mount when the check of the root is due: the check would wait for the
 * server, and the loop with it. */
static void a_check_does_not_wait_for_a_mount_that_has_just_appeared(void **state)
{
	(void)state;
	HW_NEED(hw_lacks_mounts());
	for (unsigned i = 0; i < 2; i++) {
		struct hw_scene f;

		if (start(&f, kernel[i])) {
			hw_scene_make_dir(f.fd, "below");
			assert_int_equal(hw_rig_flush(f.rig), 0);
			struct hw_share *share = hw_rig_share(f.rig);
			int fuse = hw_silence_mount(f.fd, "below");

			(void)alarm(DEADLINE_NS / HW_SEC);
			assert_false(hw_presence_check(share));
			await(&f, is_silent);
			(void)alarm(0);
			assert_int_equal(close(fuse), 0);
			await(&f, answers);
			hw_silence_unmount(f.fd, "below");
			assert_int_equal(hw_rig_flush(f.rig), 0);
		}
		hw_scene_finish(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_that_is_renamed_is_missed_without_a_timer),
		cmocka_unit_test(a_root_that_is_deleted_is_missed_without_a_timer),
		cmocka_unit_test(a_root_that_is_exchanged_is_missed_without_a_timer),
		cmocka_unit_test(a_directory_above_that_is_renamed_is_missed_without_a_timer),
		cmocka_unit_test(a_mode_above_the_root_is_read_without_a_timer),
		cmocka_unit_test(
			attributes_are_watched_only_where_others_can_replace_the_directory),
		cmocka_unit_test(another_name_beside_the_root_is_no_reason_for_a_check),
		cmocka_unit_test(a_share_is_idle_again_after_its_root_came_back),
		cmocka_unit_test(a_check_does_not_wait_for_a_mount_that_has_just_appeared),
	};

	return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
