/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of the share that get another entry from outside: every watcher must report the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

#define TRIES 512u
#define ATTEMPTS 20u

static ino_t number_of(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

/* Makes files outside the share until one has this inode number. Returns false if none has. */
static bool make_with_number(const struct hw_scene *f, ino_t number, char *name, size_t size)
{
	for (unsigned i = 0; i < TRIES; i++) {
		(void)snprintf(name, size, i % 2 ? "outside/%u" : "%u", i);
		hw_scene_write(f->top, name, "came");
		if (number_of(f->top, name) == number)
			return true;
	}
	return false;
}

static void remove_b(struct hw_scene *f)
{
	assert_int_equal(unlinkat(f->fd, "b", 0), 0);
}

/* Nobody watches the new directory yet: a record says that the file left, none that it was
 * removed. */
static void remove_b_in_a_new_directory(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "new");
	hw_scene_move(f->fd, "b", f->fd, "new/b");
	assert_int_equal(unlinkat(f->fd, "new/b", 0), 0);
	assert_int_equal(unlinkat(f->fd, "new", AT_REMOVEDIR), 0);
}

struct coming {
	void (*remove)(struct hw_scene *f); /* removes b */
	const char *to; /* the name that the file from outside gets */
	bool leaves; /* it is moved out again */
	const char *events[6];
};

static const struct coming comings[] = {
	{ .remove = remove_b,
	  .to = "c",
	  .events = { "move file -> c", "move dir d ->", "delete file b",
		      "modify c", /* it was written in the window */
		      "close_write c" } },
	/* The new directory is not watched yet: no record proves that c is from outside. */
	{ .remove = remove_b_in_a_new_directory,
	  .to = "c",
	  .events = { "move dir d ->", "delete file b", "create file c", "modify c",
		      "close_write c" } },
	{ .remove = remove_b,
	  .to = "b",
	  .leaves = true,
	  .events = { "move dir d ->", "delete file b" } },
};

/* The file that came has the number of one that was removed: it is not one that is gone. Returns
 * false if no file has the number. */
static bool come_with_number(struct hw_scene *f, const struct coming *coming)
{
	ino_t number = number_of(f->fd, "b");
	char name[32];

	hw_scene_move(f->fd, "d", f->top, "outside/d");
	coming->remove(f);
	if (!make_with_number(f, number, name, sizeof(name)))
		return false;
	hw_scene_move(f->top, name, f->fd, coming->to);
	if (coming->leaves)
		hw_scene_move(f->fd, coming->to, f->top, name);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	for (unsigned i = 0; coming->events[i]; i++)
		hw_scene_expect(f, coming->events[i]);
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	return true;
}

typedef bool come_fn(struct hw_scene *f, const struct coming *coming);

/* Returns false if it has to be tried again. */
static bool try_once(const char *backend, come_fn *come, const struct coming *coming)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "b", "old");
	hw_scene_make_dir(f.fd, "d");
	bool done = !hw_scene_start(&f, backend, 3600 * HW_SEC) || come(&f, coming);
	hw_scene_finish(&f);
	return done;
}

static void try_each_watcher(come_fn *come, const struct coming *coming)
{
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		unsigned left = ATTEMPTS;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* it has no records */
		while (left && !try_once(hw_rig_backends[i], come, coming))
			left--; /* another process took the number */
		if (!left)
			print_message("%s: the filesystem used no inode number again\n",
				      hw_rig_backends[i]);
	}
}

static void a_number_that_was_used_before_is_not_one_that_is_gone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(comings) / sizeof(*comings); i++)
		try_each_watcher(come_with_number, &comings[i]);
}

/* The file that came has the number of one that had its name before. */
static bool write_with_number(struct hw_scene *f, const struct coming *none)
{
	const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	ino_t number = number_of(f->fd, "b");
	char name[32];

	(void)none;
	assert_int_equal(unlinkat(f->fd, "b", 0), 0);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_expect(f, "delete file b");
	if (!make_with_number(f, number, name, sizeof(name)))
		return false;
	hw_clock_tick();
	hw_scene_make_dir(f->fd, "later"); /* the file is older than the next window */
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_expect(f, "create dir later");
	hw_clock_tick();
	hw_scene_write(f->fd, "b", "new");
	hw_scene_move(f->top, name, f->fd, "b");
	hw_scene_write(f->fd, "b", "more");
	assert_int_equal(utimensat(f->fd, "b", old, 0), 0);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_expect(f, "move file -> b");
	hw_scene_expect(f, "modify b");
	hw_scene_expect(f, "close_write b");
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	return true;
}

static void a_number_of_a_lost_name_is_not_the_lost_inode(void **state)
{
	(void)state;
	try_each_watcher(write_with_number, NULL);
}

/* ---- mounts ---- */

#define MOUNT_INTERVAL_NS (20 * HW_MS)

/* mount(2) makes the directory first and may take long, and so may the share before it looks. */
static void be_late(void)
{
	int64_t until = hw_clock_monotonic_ns() + 3 * (int64_t)MOUNT_INTERVAL_NS;

	while (hw_clock_monotonic_ns() < until)
		hw_clock_tick();
}

/* The directory that is visible was made before the share was started, or with the filesystem. */
static void mount_and_unmount(struct hw_scene *f, bool polls)
{
	char path[PATH_MAX + 3];

	(void)snprintf(path, sizeof(path), "%s/m", f->root);
	assert_int_equal(mount("hwtest", path, "tmpfs", 0, "size=1m"), 0);
	be_late();
	if (polls) {
		hw_scene_expect(f, "move dir m ->");
	} else {
		hw_scene_expect(f, "delete file m/f");
		hw_scene_expect(f, "delete dir m");
	}
	hw_scene_expect(f, "create dir m");
	hw_scene_expect_no_more(f);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	hw_scene_expect(f, "move dir -> m (replaced)");
	hw_scene_expect(f, "create file m/f");
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
}

typedef void mounting_fn(struct hw_scene *f, bool polls);

/* With each watcher, with and without settling. */
static void mount_three_times(hw_scene_fn *prepare, mounting_fn *play)
{
	HW_NEED(hw_lacks_mounts());
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		const struct hw_rig_config config = {
			.backend = hw_rig_backends[i / 2],
			.interval_ns = MOUNT_INTERVAL_NS,
			.settle_ns = i % 2 ? 10 * HW_MS : 0,
		};
		struct hw_scene f;

		hw_scene_prepare_on_disk(&f);
		prepare(&f);
		hw_clock_tick();
		if (hw_scene_start_with(&f, &config))
			for (unsigned round = 0; round < 3; round++)
				play(&f, !strcmp(config.backend, "polling"));
		hw_scene_finish(&f);
	}
}

static void make_hidden_dir(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "m");
	hw_scene_write(f->fd, "m/f", "old");
}

static void a_mount_hides_and_shows_a_directory(void **state)
{
	(void)state;
	mount_three_times(make_hidden_dir, mount_and_unmount);
}

/* No record is about this name: the mount is seen in mountinfo, and writes at each interval. */
static void mount_and_unmount_file(struct hw_scene *f, bool polls)
{
	char from[PATH_MAX + 10], to[PATH_MAX + 3];

	(void)polls;
	(void)snprintf(from, sizeof(from), "%s/outside/b", f->path);
	(void)snprintf(to, sizeof(to), "%s/a", f->root);
	assert_int_equal(mount(from, to, NULL, MS_BIND, NULL), 0);
	hw_scene_expect(f, "move file -> a (replaced)");
	hw_clock_tick();
	hw_scene_write(f->top, "outside/b", "more");
	hw_scene_expect(f, "modify a");
	hw_scene_expect(f, "close_write a");
	assert_int_equal(umount2(to, MNT_DETACH), 0);
	hw_scene_expect(f, "move file -> a (replaced)");
	hw_clock_tick();
	hw_scene_write(f->fd, "a", "more");
	hw_scene_expect(f, "modify a");
	hw_scene_expect(f, "close_write a");
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
}

static void make_hidden_file(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "in");
	hw_scene_write(f->top, "outside/b", "out");
}

static void a_mount_hides_and_shows_a_file(void **state)
{
	(void)state;
	mount_three_times(make_hidden_file, mount_and_unmount_file);
}

/* inotify: two records of each, together as many as a watcher handles in one call. */
#define FLOOD (HW_IO_QUEUE_BUDGET / 2)

static void make_flood(const struct hw_scene *f)
{
	char name[20];

	for (unsigned i = 0; i < FLOOD; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
}

/* Runs the loop as a daemon does, without a barrier, which would ask for more. */
static void read_flood(const struct hw_scene *f)
{
	struct hw_event event;
	unsigned closes = 0;

	for (unsigned turns = 0; turns < 5000 && closes < FLOOD; turns++) {
		hw_rig_turn(f->rig, 1);
		while (hw_rig_next(f->rig, &event) == 1)
			closes += event.kind == HW_CLOSE_WRITE;
	}
	assert_int_equal(closes, FLOOD);
}

static void await_marks(const struct hw_scene *f, int64_t until_ns)
{
	unsigned turns = 0;

	while (turns++ < 5000 && hw_mark_known_ns(hw_rig_share(f->rig)) <= until_ns)
		hw_rig_turn(f->rig, 1);
	assert_true(hw_mark_known_ns(hw_rig_share(f->rig)) > until_ns);
}

/* While the watcher is behind, no mark is set: it has to be set afterwards, also if nothing more
 * happens in the share. */
static void what_arrives_after_a_flood_is_not_new(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue;
		hw_scene_prepare(&f);
		if (hw_scene_start(&f, hw_rig_backends[i], 0)) {
			make_flood(&f);
			read_flood(&f);
			hw_scene_write(f.top, "outside/late", "x");
			hw_clock_tick();
			await_marks(&f, hw_now_coarse_ns());
			hw_scene_move(f.top, "outside/late", f.fd, "late");
			assert_int_equal(hw_rig_flush(f.rig), 0);
			hw_scene_expect(&f, "move file -> late");
			hw_scene_expect_no_more(&f);
		}
		hw_scene_finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_over_the_border_is_two_moves),
		cmocka_unit_test(a_mount_hides_and_shows_a_directory),
		cmocka_unit_test(a_mount_hides_and_shows_a_file),
		cmocka_unit_test(a_number_that_was_used_before_is_not_one_that_is_gone),
		cmocka_unit_test(a_number_of_a_lost_name_is_not_the_lost_inode),
		cmocka_unit_test(what_arrives_after_a_flood_is_not_new),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("border", tests, NULL, NULL);
}
