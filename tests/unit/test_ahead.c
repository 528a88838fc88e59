/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk is ahead of the hints and listings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/fill.h"
#include "framework/share/hint.h"
#include "framework/share/scan.h"
#include "framework/share/share_private.h"
#include "framework/share/verify.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- hints that are older than the disk ---- */

static void hint_about(struct hw_share *share, uint32_t what, const char *name, const char *to)
{
	hw_token root = hw_tree_token(&share->tree, HW_ROOT);
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = what,
		.dir = root,
		.to_dir = to ? root : HW_NO_DIR,
		.name = name,
		.to_name = to,
		.name_len = (uint32_t)strlen(name),
		.to_name_len = to ? (uint32_t)strlen(to) : 0,
		.type = HW_TYPE_FILE,
	};

	hw_watcher_hint(&share->watchers.list[0], &hint);
}

/* The record of the first change has been read, that of the rename has not. */
static void save_and_examine(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);
	struct hw_event event;
	bool moved = false;

	hw_scene_write(f->fd, ".new", "new");
	hw_scene_move(f->fd, ".new", f->fd, "file");
	hint_about(share, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, ".new", NULL);
	hw_verify_begin(share, 0, false);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		assert_int_not_equal(event.kind, HW_DELETE);
		moved = moved || (event.kind == HW_MOVE && event.from_len == 4 &&
				  event.path_len == 4 && event.flags & HW_FLAG_REPLACED);
	}
	assert_true(moved);
}

static void a_file_that_was_renamed_when_it_is_looked_at_is_not_deleted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* polling has no records */
		hw_scene_prepare(&f);
		hw_scene_write(f.fd, "file", "old");
		if (hw_scene_start(&f, hw_rig_backends[i], 0))
			save_and_examine(&f);
		hw_scene_finish(&f);
	}
}

/* ---- a directory is replaced by another while it is listed ---- */

#define ROUNDS 20u
#define MANY 300u

static void spin(unsigned us)
{
	int64_t end = hw_clock_monotonic_ns() + us * INT64_C(1000);

	while (hw_clock_monotonic_ns() < end)
		;
}

/* "d" arrives with many directories in it, and the last of them is exchanged a moment later. */
static void come_and_exchange(const struct hw_scene *f, unsigned us)
{
	hw_scene_move(f->top, "outside/d", f->fd, "d");
	spin(us);
	assert_int_equal(renameat2(f->fd, "d/last", f->fd, "y", RENAME_EXCHANGE), 0);
}

static void prepare_exchange(struct hw_scene *f)
{
	char name[64];

	hw_scene_make_dir(f->top, "outside/d");
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "outside/d/%03u", i);
		hw_scene_make_dir(f->top, name);
	}
	hw_scene_make_dir(f->top, "outside/d/last");
	hw_scene_write(f->top, "outside/d/last/1", "x");
	hw_scene_make_dir(f->fd, "y");
	hw_scene_write(f->fd, "y/2", "y");
	assert_int_equal(hw_rig_flush(f->rig), 0);
}

static void exchange_while_listed(struct hw_scene *f)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		prepare_exchange(f);
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			come_and_exchange(f, i * 100);
			_exit(0);
		}
		while (waitpid(pid, NULL, WNOHANG) == 0)
			hw_rig_turn(f->rig, 1);
		hw_scene_check(f);
		assert_int_equal(hw_scratch_remove_at(f->fd, "d"), 0);
		assert_int_equal(hw_scratch_remove_at(f->fd, "y"), 0);
	}
}

/* The listing contains the directory, but open(2) finds another one. */
static void a_directory_is_exchanged_while_its_parent_is_listed(void **state)
{
	(void)state;
	hw_scene_play(hw_scene_nothing, exchange_while_listed, 1);
}

#define SAVES 3u

/* All saves are on disk when the first hint is read, and the next save has begun. A file that
 * replaces another is not an exchange. */
static void saves_that_are_read_at_once_are_told_one_by_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_event event;
		struct hw_scene f;
		unsigned replaced = 0, created = 0;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* polling sees only the last file */
		hw_scene_prepare(&f);
		hw_scene_write(f.fd, "file", "old");
		if (hw_scene_start(&f, hw_rig_backends[i], 0)) {
			for (unsigned save = 0; save < SAVES; save++) {
				hw_scene_write(f.fd, ".new", "new");
				hw_scene_move(f.fd, ".new", f.fd, "file");
			}
			hw_scene_write(f.fd, ".new", "new");
			assert_int_equal(hw_rig_flush(f.rig), 0);
			while (hw_rig_next(f.rig, &event) == 1) {
				assert_int_not_equal(event.kind, HW_DELETE);
				assert_false(event.flags & HW_FLAG_EXCHANGE);
				created += event.kind == HW_CREATE;
				replaced += event.kind == HW_MOVE && event.flags & HW_FLAG_REPLACED;
			}
			assert_int_equal(created, SAVES + 1);
			assert_int_equal(replaced, SAVES);
		}
		hw_scene_finish(&f);
	}
}

/* ---- one record of fanotify for several changes ---- */

/* fanotify merges changes of one inode under one name by one program, in any order. */
static void a_link_that_is_removed_and_made_again_is_told_twice(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_event event;
		struct hw_scene f;
		uint32_t told[2] = { 0 };
		unsigned count = 0;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* polling sees two equal states */
		hw_scene_prepare(&f);
		hw_scene_write(f.fd, "file", "x");
		assert_int_equal(linkat(f.fd, "file", f.fd, "link", 0), 0);
		if (hw_scene_start(&f, hw_rig_backends[i], 0)) {
			assert_int_equal(unlinkat(f.fd, "link", 0), 0);
			assert_int_equal(linkat(f.fd, "file", f.fd, "link", 0), 0);
			assert_int_equal(hw_rig_flush(f.rig), 0);
			while (hw_rig_next(f.rig, &event) == 1)
				if (event.kind == HW_DELETE || event.kind == HW_CREATE)
					told[count++ % 2] = event.kind;
			assert_int_equal(count, 2);
			assert_int_equal(told[0], HW_DELETE);
			assert_int_equal(told[1], HW_CREATE);
		}
		hw_scene_finish(&f);
	}
}

/* ---- changes during an examination ---- */

/* The state found may be newer than the records read so far: nothing may be reported before the
 * mark. */
static void nothing_is_reported_of_a_difference_before_its_mark(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_event event;
		struct hw_scene f;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* polling has no records */
		hw_scene_prepare(&f);
		hw_scene_write(f.fd, "gone", "x");
		if (hw_scene_start(&f, hw_rig_backends[i], 0)) {
			struct hw_share *share = hw_rig_share(f.rig);

			hw_unverified_name(share, HW_ROOT, "gone", 4);
			hw_scene_move(f.fd, "gone", f.fd, "here");
			hw_verify_begin(share, 0, false);
			assert_true(hw_verify_is_active(share));
			assert_int_equal(hw_rig_next(f.rig, &event), 0);
			assert_int_equal(hw_rig_flush(f.rig), 0);
			assert_int_equal(hw_rig_next(f.rig, &event), 1);
			assert_int_equal(event.kind, HW_MOVE);
			assert_int_equal(hw_rig_next(f.rig, &event), 0);
			hw_unverified_name(share, HW_ROOT, "gone", 4);
			hw_verify_begin(share, 0, false);
			assert_false(hw_verify_is_active(share));
		}
		hw_scene_finish(&f);
	}
}

/* ---- unverified entries that are renamed before they are examined ---- */

typedef void hw_scene_hint_fn(struct hw_scene *f, struct hw_share *share);

/* From here on, the mode in the tree is wrong, and no record reports that. */
static void make_wrong(struct hw_share *share)
{
	hw_tree_entry(&share->tree, hw_tree_find(&share->tree, HW_ROOT, "old", 3))->attr ^= 1;
}

static void check_told_of_new(struct hw_scene *f)
{
	struct hw_event event;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_rig_next(f->rig, &event), 1);
	assert_int_equal(event.kind, HW_MOVE);
	assert_int_equal(hw_rig_next(f->rig, &event), 1);
	assert_int_equal(event.kind, HW_ATTRIB);
	assert_int_equal(event.path_len, 3);
	assert_memory_equal(event.path, "new", 3);
	assert_int_equal(hw_rig_next(f->rig, &event), 0);
}

/* The record of the change has been read, that of the rename before it has not. */
static void note_by_hint(struct hw_scene *f, struct hw_share *share)
{
	make_wrong(share);
	hw_scene_move(f->fd, "old", f->fd, "new");
	hint_about(share, HW_HINT_ATTRIB, "old", NULL);
	hw_verify_begin(share, 0, false);
	assert_true(hw_verify_is_active(share));
	check_told_of_new(f);
}

/* The scan that finds the change continues. */
static void note_by_scan(struct hw_scene *f, struct hw_share *share)
{
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "d%03u", i);
		hw_scene_make_dir(f->fd, name);
	}
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_scene_replay(f);
	make_wrong(share);
	hw_scan_below(share, HW_ROOT);
	while (!hw_unverified_any(&share->unverified))
		hw_rig_turn(f->rig, 1);
	assert_true(share->scan.walking);
	hw_scene_move(f->fd, "old", f->fd, "new");
	check_told_of_new(f);
}

/* Plays a scene under each watcher that has records: polling has none. */
static void play_with_records(hw_scene_fn *before, hw_scene_hint_fn *scene)
{
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		if (!strcmp(hw_rig_backends[i], "polling"))
			continue;
		hw_scene_prepare(&f);
		before(&f);
		if (hw_scene_start(&f, hw_rig_backends[i], 0))
			scene(&f, hw_rig_share(f.rig));
		hw_scene_finish(&f);
	}
}

static void make_old(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "old");
}

static void a_change_is_told_that_was_heard_of_before_a_rename(void **state)
{
	(void)state;
	play_with_records(make_old, note_by_hint);
}

static void a_change_is_told_that_a_scan_found_before_a_rename(void **state)
{
	(void)state;
	play_with_records(make_old, note_by_scan);
}

/* ---- names in a directory that was gone when they were examined ---- */

static void check_end(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
}

static void prepare_directory(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_write(f->fd, "d/old", "x");
}

static uint32_t directory_of(struct hw_share *share)
{
	return hw_tree_find(&share->tree, HW_ROOT, "d", 1);
}

/* Another name is verified in the same round, which must wait for its records. */
static void wait_for_another(struct hw_scene *f, struct hw_share *share)
{
	hw_unverified_name(share, HW_ROOT, "other", 5);
	hw_scene_write(f->fd, "other", "z");
	hw_verify_begin(share, 0, false);
	assert_true(hw_verify_is_active(share));
}

static void expect_another(struct hw_scene *f)
{
	hw_scene_expect(f, "create file other");
	hw_scene_expect(f, "modify other");
	hw_scene_expect(f, "close_write other");
}

/* The file left the directory before the directory was removed: the records of both are unread. */
static void leave_directory(struct hw_scene *f, struct hw_share *share)
{
	uint32_t dir = directory_of(share), id = hw_tree_find(&share->tree, dir, "old", 3);

	hw_tree_entry(&share->tree, id)->attr ^= 1;
	hw_unverified_entry(share, id);
	hw_scene_move(f->fd, "d/old", f->fd, "new");
	assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
	hw_disk_forget_dir(&share->disk, dir);
	wait_for_another(f, share);
	hw_scene_expect(f, "move file d/old -> new");
	hw_scene_expect(f, "delete dir d");
	expect_another(f);
	hw_scene_expect(f, "attrib file new");
	check_end(f);
}

/* The directory was renamed, and the record of that is unread. */
static void rename_directory(struct hw_scene *f, struct hw_share *share)
{
	hw_unverified_away(share, hw_tree_find(&share->tree, directory_of(share), "old", 3));
	hw_scene_move(f->fd, "d", f->fd, "e");
	hw_disk_forget_dir(&share->disk, directory_of(share));
	hw_verify_begin(share, 0, false);
	hw_scene_expect(f, "move dir d -> e");
	hw_scene_expect(f, "attrib file e/old");
	check_end(f);
}

static void write_while_examined(struct hw_scene *f, struct hw_share *share)
{
	hw_unverified_entry(share, hw_tree_find(&share->tree, directory_of(share), "old", 3));
	wait_for_another(f, share);
	hw_scene_write(f->fd, "d/old", "y");
	expect_another(f);
	hw_scene_expect(f, "modify d/old");
	hw_scene_expect(f, "close_write d/old");
	check_end(f);
}

/* The directory was moved into the share, was gone when it was examined, and has not been listed
 * yet. */
static void change_what_came(struct hw_scene *f, struct hw_share *share)
{
	hw_tree_entry(&share->tree, directory_of(share))->flags |= HW_ENTRY_CAME;
	assert_int_equal(fchmodat(f->fd, "d", 0700, 0), 0);
	hw_scene_expect(f, "attrib dir d");
	check_end(f);
}

static void a_change_is_told_of_a_file_that_left_a_directory_which_is_gone(void **state)
{
	(void)state;
	play_with_records(prepare_directory, leave_directory);
}

static void a_name_that_was_away_is_told_in_a_directory_that_was_renamed(void **state)
{
	(void)state;
	play_with_records(prepare_directory, rename_directory);
}

static void a_change_is_told_of_a_directory_that_came(void **state)
{
	(void)state;
	play_with_records(prepare_directory, change_what_came);
}

static void a_write_after_the_examination_is_told_once(void **state)
{
	(void)state;
	play_with_records(prepare_directory, write_while_examined);
}

/* ---- listings that are older than the disk ---- */

static void list(struct hw_share *share, uint32_t dir, struct hw_listing *ret)
{
	int path_fd = hw_disk_dir(&share->disk, dir);
	int fd = hw_disk_openat(&share->disk, path_fd, ".", O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	hw_list_read(fd, HW_LIST_MAX,
		     hw_disk_identify(&share->disk, hw_tree_entry(&share->tree, dir)->fs, false),
		     ret);
	close(fd);
}

static void make_temporary(struct hw_scene *f)
{
	prepare_directory(f);
	hw_scene_make_dir(f->fd, "t");
}

static void expect_there_and_back(struct hw_scene *f, const char *name)
{
	struct hw_event event;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		assert_false(event.flags & HW_FLAG_EXCHANGE);
		assert_int_not_equal(event.kind, HW_DELETE);
		assert_int_not_equal(event.kind, HW_CREATE);
		if (event.kind == HW_MOVE)
			assert_true(event.from && event.path);
	}
	assert_int_equal(faccessat(f->fd, name, F_OK, 0), 0);
}

/* Each of them was at its other name when "t" was listed. */
static void list_and_move_back(struct hw_scene *f, struct hw_share *share)
{
	static const char *const names[] = { "d", "d/old" };
	uint32_t t = hw_tree_find(&share->tree, HW_ROOT, "t", 1);

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct hw_listing listing = { 0 };

		hw_scene_move(f->fd, names[i], f->fd, "t/x");
		list(share, t, &listing);
		assert_int_equal(listing.count, 1);
		hw_scene_move(f->fd, "t/x", f->fd, names[i]);
		hw_fill_apply(share, t, &listing, HW_ARRIVED_NEW, false);
		hw_list_free(&listing);
		expect_there_and_back(f, names[i]);
		assert_int_not_equal(directory_of(share), 0);
	}
}

static void an_entry_that_left_a_listed_directory_stays_one_entry(void **state)
{
	(void)state;
	play_with_records(make_temporary, list_and_move_back);
}

/* The records are those of an exchange. */
static void replace_and_move_back(struct hw_scene *f, struct hw_share *share)
{
	(void)share;
	assert_int_equal(renameat(f->fd, "d", f->fd, "t"), 0);
	assert_int_equal(renameat(f->fd, "t", f->fd, "d"), 0);
	hw_scene_expect(f, "move dir d -> t (replaced)");
	hw_scene_expect(f, "move dir t -> d");
	check_end(f);
}

static void a_directory_that_replaces_and_comes_back_is_not_exchanged(void **state)
{
	(void)state;
	play_with_records(make_temporary, replace_and_move_back);
}

static void prepare_links(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "a");
	hw_scene_write(f->fd, "b", "b");
	assert_int_equal(linkat(f->fd, "b", f->fd, "x", 0), 0);
}

/* On the disk each file has the name of the other, but the records are not those of an exchange. */
static void replace_by_link(struct hw_scene *f, struct hw_share *share)
{
	(void)share;
	hw_scene_move(f->fd, "a", f->fd, "b");
	hw_scene_move(f->fd, "x", f->fd, "a");
	hw_scene_expect(f, "move file a -> b (replaced)");
	hw_scene_expect(f, "move file x -> a");
	check_end(f);
}

static void files_that_got_each_others_name_by_a_link_are_not_exchanged(void **state)
{
	(void)state;
	play_with_records(prepare_links, replace_by_link);
}

/* ---- renames while names are examined ---- */

#define BURSTS 10u
#define RENAMES 4000u /* two records each: fewer in total than fs.inotify.max_queued_events */

static void rename_back_and_forth(int dir)
{
	for (unsigned i = 0; i < RENAMES; i++)
		if (renameat(dir, i % 2 ? "b" : "a", dir, i % 2 ? "a" : "b") < 0)
			_exit(1);
	_exit(0);
}

/* fanotify merges equal renames: if a file is back at its name, no record shows that it was
 * away. */
static unsigned count_moves(struct hw_rig *rig, bool merged)
{
	struct hw_event event;
	unsigned count = 0;

	while (hw_rig_next(rig, &event) == 1) {
		assert_true(event.kind == HW_MOVE || (merged && event.kind == HW_ATTRIB));
		count++;
	}
	return count;
}

/* A name leaves its directory just before its record is queued. */
static unsigned examine_meanwhile(struct hw_rig *rig, pid_t writer, bool merged)
{
	unsigned moves = 0;
	int status = 0;

	while (waitpid(writer, &status, WNOHANG) == 0) {
		struct hw_share *share = hw_rig_share(rig); /* on a busy machine its work rests */

		for (unsigned i = 0; i < 8 && !hw_verify_is_active(share); i++) {
			hw_unverified_name(share, HW_ROOT, i % 2 ? "b" : "a", 1);
			hw_verify_begin(share, 0, false);
		}
		hw_rig_turn(rig, 0);
		moves += count_moves(rig, merged);
	}
	assert_int_equal(status, 0);
	assert_int_equal(hw_rig_flush(rig), 0);
	return moves + count_moves(rig, merged);
}

static void make_a(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "x");
}

static void rename_in_bursts(struct hw_scene *f, struct hw_share *share)
{
	bool merged = !(share->watchers.list[0].plugin->flags & HW_PLUGIN_ORDERED);

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		pid_t pid = fork();
		unsigned moves;

		assert_true(pid >= 0);
		if (!pid)
			rename_back_and_forth(f->fd);
		moves = examine_meanwhile(f->rig, pid, merged);
		if (!merged)
			assert_int_equal(moves, RENAMES);
	}
}

static void a_rename_is_told_as_one_while_its_names_are_examined(void **state)
{
	(void)state;
	play_with_records(make_a, rename_in_bursts);
}

/* ---- records that are older than the place of their directory ---- */

static void make_keep(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "x");
	hw_scene_make_dir(f->fd, "keep");
}

static void lose_root(struct hw_scene *f, struct hw_share *share)
{
	hw_scene_move(f->top, "root", f->top, "outside/root");
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(share->state, HW_SHARE_OFFLINE);
	hw_scene_expect(f, "rescan \"\"");
}

/* A watcher of the whole filesystem has queued the records of what was made in the new root before
 * it got its place. They are passed on as soon as the new root is armed. */
static void replace_root(struct hw_scene *f, struct hw_share *share)
{
	const struct hw_watcher *watcher = &share->watchers.list[0];

	lose_root(f, share);
	hw_scene_make_dir(f->top, "new");
	hw_scene_write(f->top, "new/b", "y");
	hw_scene_make_dir(f->top, "new/keep");
	hw_scene_move(f->top, "new", f->top, "root");
	hw_presence_check(share);
	assert_int_equal(share->state, HW_SHARE_ARMING);
	assert_int_equal(watcher->plugin->flush(watcher->instance->self), 0);
	hw_scene_expect(f, "delete file a");
	hw_scene_expect(f, "delete dir keep");
	hw_scene_expect(f, "create file b");
	hw_scene_expect(f, "create dir keep");
	hw_scene_expect(f, "modify b");
	hw_scene_expect(f, "close_write b");
	hw_scene_expect_no_more(f);
}

static void the_entries_of_a_new_root_are_reported_after_the_end_of_the_former_ones(void **state)
{
	(void)state;
	play_with_records(make_keep, replace_root);
}

/* ---- a directory that is gone has no lock ---- */

static void prepare_nested(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "p");
	hw_scene_make_dir(f->fd, "p/d");
	hw_scene_write(f->fd, "p/d/old", "x");
}

static bool is_open(const struct hw_share *share, uint32_t dir)
{
	const struct hw_dir_slot *slot = &share->disk.dirs[dir & (HW_DIRS_CACHE - 1)];

	return slot->id == dir && slot->fd >= 0;
}

/* The record of the rename is queued under the lock of the directory that it was in. */
static void lock_the_parent(struct hw_scene *f, struct hw_share *share)
{
	uint32_t parent = hw_tree_find(&share->tree, HW_ROOT, "p", 1),
		 dir = hw_tree_find(&share->tree, parent, "d", 1);

	hw_unverified_name(share, dir, "old", 3);
	hw_scene_move(f->fd, "p/d", f->fd, "e");
	hw_disk_forget_dir(&share->disk, dir);
	hw_disk_forget_dir(&share->disk, parent);
	hw_verify_begin(share, 0, false);
	assert_true(hw_verify_is_active(share));
	assert_true(is_open(share, parent));
	hw_scene_expect(f, "move dir p/d -> e");
	check_end(f);
}

static void the_directory_above_one_that_is_gone_is_locked(void **state)
{
	(void)state;
	play_with_records(prepare_nested, lock_the_parent);
}

/* ---- more names than the inode had when it was examined ---- */

static void make_file(struct hw_scene *f)
{
	hw_scene_write(f->fd, "a", "x");
}

/* The new name was examined when the file had been written to, so that the number of links of the
 * former name was not taken over. */
static void remove_the_former_name(struct hw_scene *f, struct hw_share *share)
{
	hw_scene_write(f->fd, "a", "y");
	assert_int_equal(linkat(f->fd, "a", f->fd, "z", 0), 0);
	hw_unverified_name(share, HW_ROOT, "z", 1);
	hw_verify_begin(share, 0, false);
	hw_scene_replay(f);
	assert_int_equal(
		hw_tree_entry(&share->tree, hw_tree_find(&share->tree, HW_ROOT, "a", 1))->nlink, 1);
	assert_int_equal(unlinkat(f->fd, "a", 0), 0);
	hw_verify_begin(share, 0, false);
	hw_scene_expect(f, "delete file a");
	hw_scene_check(f);
}

static void a_name_of_several_that_is_gone_has_not_left_the_share(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	make_file(&f);
	if (hw_scene_start(&f, "polling", 0))
		remove_the_former_name(&f, hw_rig_share(f.rig));
	hw_scene_finish(&f);
}

/* ---- a directory that takes the place of the one above it ---- */

/* The share has `d/e` open, and has examined `d` again. */
static void replace_parent(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint32_t above = hw_tree_find(&share->tree, HW_ROOT, "d", 1);
	uint32_t dir = hw_tree_find(&share->tree, above, "e", 1);
	struct hw_stat stat;

	assert_true(hw_disk_dir(&share->disk, dir) >= 0);
	hw_scene_move(f->fd, "d/e", f->fd, "t");
	assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
	hw_scene_move(f->fd, "t", f->fd, "d");
	assert_int_equal(hw_disk_stat(&share->disk, HW_ROOT, "d", 1, &stat), 0);
	hw_tree_update(&share->tree, above, &stat);
	assert_int_equal(hw_fill_open(share, dir, false), -ESTALE);
	assert_false(hw_tree_entry(&share->tree, dir)->flags & HW_ENTRY_LOOP);
	hw_scene_check(f);
}

static void a_directory_that_replaces_the_one_above_it_is_not_a_loop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		hw_scene_make_dir(f.fd, "d");
		hw_scene_make_dir(f.fd, "d/e");
		if (hw_scene_start(&f, hw_rig_backends[i], 0))
			replace_parent(&f);
		hw_scene_finish(&f);
	}
}

/* ---- excluded names ---- */

static void expect_nothing_hidden(struct hw_scene *f)
{
	struct hw_event event;
	unsigned left = 0;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		bool hidden = event.path && memmem(event.path, event.path_len, "hidden", 6);

		assert_false(hidden);
		left += event.from && event.from_len == 4 && !event.path;
		left += event.kind == HW_DELETE && event.path_len == 4;
	}
	assert_int_equal(left, 1);
}

static void hide(const char *pattern, bool in_dir, uint64_t settle_ns)
{
	const struct hw_rig_config config = {
		.backend = "polling",
		.settle_ns = settle_ns,
		.excludes = &pattern,
		.exclude_count = 1,
	};
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.fd, "known");
	hw_scene_write(f.fd, "file", "x");
	if (hw_scene_start_with(&f, &config)) {
		hw_scene_make_dir(f.fd, "new");
		hw_scene_make_dir(f.fd, "new/dir");
		hw_scene_move(f.fd, "known", f.fd, in_dir ? "new/dir/known" : "new/known");
		hw_scene_move(f.fd, "file", f.fd,
			      in_dir ? "new/dir/known/hidden" : "new/known/hidden");
		expect_nothing_hidden(&f);
	}
	hw_scene_finish(&f);
}

/* Its directory has moved into a new one, which is searched before it is reported. */
static void a_file_that_moved_to_an_excluded_name_has_left(void **state)
{
	(void)state;
	hide("hidden", false, 0);
	hide("hidden", false, 1000 * HW_SEC);
	hide("dir/", true, 0);
	hide("/new/dir", true, 0);
	hide("/new/dir", true, 1000 * HW_SEC);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_was_renamed_when_it_is_looked_at_is_not_deleted),
		cmocka_unit_test(nothing_is_reported_of_a_difference_before_its_mark),
		cmocka_unit_test(a_change_is_told_that_was_heard_of_before_a_rename),
		cmocka_unit_test(a_change_is_told_that_a_scan_found_before_a_rename),
		cmocka_unit_test(a_change_is_told_of_a_file_that_left_a_directory_which_is_gone),
		cmocka_unit_test(a_name_that_was_away_is_told_in_a_directory_that_was_renamed),
		cmocka_unit_test(a_change_is_told_of_a_directory_that_came),
		cmocka_unit_test(a_write_after_the_examination_is_told_once),
		cmocka_unit_test(an_entry_that_left_a_listed_directory_stays_one_entry),
		cmocka_unit_test(a_directory_that_replaces_and_comes_back_is_not_exchanged),
		cmocka_unit_test(files_that_got_each_others_name_by_a_link_are_not_exchanged),
		cmocka_unit_test(a_rename_is_told_as_one_while_its_names_are_examined),
		cmocka_unit_test(
			the_entries_of_a_new_root_are_reported_after_the_end_of_the_former_ones),
		cmocka_unit_test(the_directory_above_one_that_is_gone_is_locked),
		cmocka_unit_test(a_name_of_several_that_is_gone_has_not_left_the_share),
		cmocka_unit_test(saves_that_are_read_at_once_are_told_one_by_one),
		cmocka_unit_test(a_link_that_is_removed_and_made_again_is_told_twice),
		cmocka_unit_test(a_directory_is_exchanged_while_its_parent_is_listed),
		cmocka_unit_test(a_directory_that_replaces_the_one_above_it_is_not_a_loop),
		cmocka_unit_test(a_file_that_moved_to_an_excluded_name_has_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("ahead", tests, NULL, NULL);
}
