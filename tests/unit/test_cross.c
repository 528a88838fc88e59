/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A filesystem is mounted in a share and never answers. Each call of the loop's thread that follows
 * at once, before the loop can see the mount, must not wait for it. Waiting would end the program,
 * by the alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cross.h"
#include "framework/share/share_private.h"
#include "list.h"
#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/unit/support/opening.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"
#include "tests/unit/support/silence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (60 * HW_SEC)
#define TURN_MS 50u

struct strange {
	struct hw_scene f;
	struct hw_share *share;
	struct hw_disk *disk;
	int fuse;
	const char *local; /* another mount below the root, which answers; NULL: none */
};

static uint32_t find(const struct strange *s, uint32_t dir, const char *name)
{
	uint32_t id = hw_tree_find(&s->share->tree, dir, name, strlen(name));

	assert_int_not_equal(id, 0);
	return id;
}

/* The share has the directories "below/d" and "here", and a file. */
static void begin(struct strange *s)
{
	HW_NEED(hw_lacks_mounts());
	hw_scene_prepare(&s->f);
	hw_scene_make_dir(s->f.fd, "below");
	hw_scene_make_dir(s->f.fd, "below/d");
	hw_scene_make_dir(s->f.fd, "here");
	hw_scene_write(s->f.fd, "file", "text");
	hw_puppet_start(&s->f, HW_PLUGIN_ORDERED, 0);
	s->share = hw_rig_share(s->f.rig);
	s->disk = &s->share->disk;
	s->fuse = -1;
	s->local = NULL;
	assert_null(s->share->work.thread);
	uint32_t below = find(s, HW_ROOT, "below");

	hw_disk_forget_dir(s->disk, find(s, below, "d"));
	hw_disk_forget_dir(s->disk, below);
	(void)alarm(DEADLINE_NS / HW_SEC);
}

static bool is_silent(const struct hw_share *share)
{
	return share->silence.logged;
}

static bool answers(const struct hw_share *share)
{
	return !share->silence.logged;
}

static void await(struct strange *s, bool (*condition)(const struct hw_share *share))
{
	uint64_t begun = hw_loop_now_ns(s->share->loop);

	while (!condition(hw_rig_share(s->f.rig))) {
		hw_rig_turn(s->f.rig, TURN_MS);
		if (hw_loop_now_ns(s->share->loop) - begun > DEADLINE_NS)
			fail_msg("nothing happened before the deadline");
	}
}

/* The share goes on beside the mount. */
static void goes_on(struct strange *s)
{
	assert_int_equal(hw_rig_flush(s->f.rig), 0); /* checks the mounts */
	await(s, is_silent);
	hw_scene_make_dir(s->f.fd, "here/new");
	hw_puppet_hint(&s->f, HW_HINT_CREATED, "here", "new");
	hw_scene_follow_to(&s->f, "create dir here/new");
}

static void end(struct strange *s, int dir, const char *name)
{
	if (s->fuse >= 0) {
		assert_int_equal(close(s->fuse), 0);
		await(s, answers);
		hw_silence_unmount(dir, name);
	}
	if (s->local)
		hw_silence_unmount(s->f.fd, s->local);
	(void)alarm(0);
	hw_scene_finish(&s->f);
}

static void mount_below(struct strange *s)
{
	s->fuse = hw_silence_mount(s->f.fd, "below");
}

/* ---- single calls ---- */

static void a_name_is_looked_at(void **state)
{
	struct strange s;
	struct hw_stat stat;

	(void)state;
	begin(&s);
	mount_below(&s);
	assert_int_equal(hw_disk_stat(s.disk, HW_ROOT, "below", 5, &stat), -ETIMEDOUT);
	assert_int_equal(hw_disk_stat(s.disk, HW_ROOT, "file", 4, &stat), 0);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static void a_name_is_looked_at_through_the_mount(void **state)
{
	struct strange s;
	struct hw_stat stat;

	(void)state;
	begin(&s);
	uint32_t below = find(&s, HW_ROOT, "below"), d = find(&s, below, "d");

	mount_below(&s);
	assert_int_equal(hw_disk_stat(s.disk, d, "name", 4, &stat), -ETIMEDOUT);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static void a_file_is_looked_at(void **state)
{
	struct strange s;
	struct hw_stat stat = { .type = HW_TYPE_FILE };

	(void)state;
	begin(&s);
	s.fuse = hw_silence_mount_file(s.f.fd, "file");
	assert_true(hw_disk_no_writer(s.disk, HW_ROOT, "file", 4, &stat) < 0);
	goes_on(&s);
	end(&s, s.f.fd, "file");
}

static void a_directory_is_opened_by_its_name(void **state)
{
	struct strange s;

	(void)state;
	begin(&s);
	mount_below(&s);
	assert_int_equal(hw_disk_openat(s.disk, hw_disk_root(s.disk), "below",
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
			 -ETIMEDOUT);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static void a_directory_is_armed(void **state)
{
	struct strange s;

	(void)state;
	begin(&s);
	mount_below(&s);
	assert_int_equal(hw_fill_open(s.share, find(&s, HW_ROOT, "below"), true), -ETIMEDOUT);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static void the_directory_above_is_listed(void **state)
{
	const struct hw_identify how = { .by = HW_BY_BIRTH, .dev = 1 };
	struct hw_listing listing = { 0 };
	struct strange s;

	(void)state;
	begin(&s);
	mount_below(&s);
	hw_list_read(hw_disk_root(s.disk), UINT32_MAX, how, &listing);
	assert_int_equal(listing.error, 0);
	assert_int_equal(listing.count, 3);
	hw_list_free(&listing);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static int count_mount(void *arg, uint64_t id, const char *path, const char *type)
{
	(void)id;
	(void)path;
	(void)type;
	++*(unsigned *)arg;
	return 0;
}

/* mountinfo has a mount whose path leads through the silent one. */
static void the_mounts_are_listed(void **state)
{
	unsigned count = 0;
	struct strange s;

	(void)state;
	begin(&s);
	char *dir = realpath(s.f.root, NULL), path[60];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/below/d", s.f.fd);
	assert_int_equal(mount("inside", path, "tmpfs", 0, NULL), 0);
	s.local = "below/d";
	mount_below(&s);
	assert_int_equal(hw_mounts_walk(dir, count_mount, &count), 0);
	assert_true(count >= 2);
	free(dir);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

/* ---- the root ---- */

static void check_root(const char *name)
{
	struct strange s;
	int above;

	begin(&s);
	above = open(s.f.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(above >= 0);
	s.fuse = hw_silence_mount(above, name);
	assert_int_equal(hw_root_is_at(&s.share->root, hw_disk_root(s.disk)), -ETIMEDOUT);
	assert_int_equal(hw_root_return(&s.share->root), -ETIMEDOUT);
	assert_int_equal(close(s.fuse), 0);
	s.fuse = -1;
	hw_silence_unmount(above, name);
	assert_int_equal(close(above), 0);
	end(&s, -1, NULL);
}

static void the_root_is_checked(void **state)
{
	(void)state;
	check_root("root");
}

static void the_path_of_the_root_is_checked(void **state)
{
	(void)state;
	check_root(".");
}

/* ---- iterations ---- */

static void take_turn(uint32_t what, const char *dir, const char *name)
{
	struct strange s;

	begin(&s);
	mount_below(&s);
	hw_puppet_hint(&s.f, what, dir, name);
	hw_share_turn(s.share); /* the loop has not run since */
	assert_false(is_silent(s.share));
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

static void a_turn_examines_the_mount_point(void **state)
{
	(void)state;
	take_turn(HW_HINT_ATTRIB, "", "below");
	take_turn(HW_HINT_CREATED, "", "below");
	take_turn(HW_HINT_MODIFIED, "", "below");
}

static void a_turn_examines_a_name_below_it(void **state)
{
	(void)state;
	take_turn(HW_HINT_CREATED, "below", "new");
	take_turn(HW_HINT_DELETED, "below", "d");
	take_turn(HW_HINT_ATTRIB, "below/d", "name");
}

static void a_turn_compares_the_directory_above(void **state)
{
	struct strange s;

	(void)state;
	begin(&s);
	mount_below(&s);
	hw_scan_below(s.share, HW_ROOT);
	hw_share_turn(s.share);
	goes_on(&s);
	end(&s, s.f.fd, "below");
}

/* ---- between two calls ---- */

static struct strange *appearing;
static unsigned calls_before;

static void appear(const char *path)
{
	(void)path;
	if (calls_before-- == 0)
		appearing->fuse = hw_silence_mount(appearing->f.fd, "below");
}

/* The way to a directory leads over a mount that answers, until another one is mounted over that
 * before the `number`th call that opens something. Returns whether there were that many. */
static bool opened_meanwhile(unsigned number)
{
	struct strange s;
	char path[60];
	int fd;

	begin(&s);
	uint32_t below = find(&s, HW_ROOT, "below"), d = find(&s, below, "d");

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/below", s.f.fd);
	assert_int_equal(mount(path, path, NULL, MS_BIND, NULL), 0); /* the same directories */
	s.local = "below";
	appearing = &s;
	calls_before = number;
	hw_opening_call(appear);
	fd = hw_disk_dir(s.disk, d);
	hw_opening_call(NULL);
	assert_true(fd >= 0 || fd == -ETIMEDOUT);
	if (fd >= 0) {
		assert_int_not_equal(hw_mount_of(fd), s.disk->root_mount);
		hw_disk_release(s.disk);
	}
	bool appeared = s.fuse >= 0;

	if (appeared)
		goes_on(&s);
	end(&s, s.f.fd, "below");
	return appeared;
}

static void a_directory_is_opened_when_the_mount_appears(void **state)
{
	unsigned number = 0;

	(void)state;
	while (opened_meanwhile(number))
		number++;
	assert_true(number >= 3); /* all at once, up to the mount point, over it */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_looked_at),
		cmocka_unit_test(a_name_is_looked_at_through_the_mount),
		cmocka_unit_test(a_file_is_looked_at),
		cmocka_unit_test(a_directory_is_opened_by_its_name),
		cmocka_unit_test(a_directory_is_armed),
		cmocka_unit_test(the_directory_above_is_listed),
		cmocka_unit_test(the_mounts_are_listed),
		cmocka_unit_test(the_root_is_checked),
		cmocka_unit_test(the_path_of_the_root_is_checked),
		cmocka_unit_test(a_turn_examines_the_mount_point),
		cmocka_unit_test(a_turn_examines_a_name_below_it),
		cmocka_unit_test(a_turn_compares_the_directory_above),
		cmocka_unit_test(a_directory_is_opened_when_the_mount_appears),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cross", tests, NULL, NULL);
}
