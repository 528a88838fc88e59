/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One program changes names back and forth while nobody reads the queue. fanotify merges equal
 * records of one program and one inode, so the records lead to other names than the disk has. The
 * events must be a consistent history that ends at the disk. inotify merges nothing here: each
 * change is an event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/unit/support/next.h"
#include "tests/unit/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 3u /* the first one leaves what the next one begins with */
#define CHANGES_MAX 8u
#define OUT "../outside/"

struct change {
	enum { END, RENAME, EXCHANGE, LINK, UNLINK, WRITE, MAKE_DIR } what;
	const char *path, *to;
};

static const struct row {
	const char *name;
	struct change before[CHANGES_MAX], changes[CHANGES_MAX];
	struct change after[CHANGES_MAX]; /* leads back to the begin */
	const char *events; /* of the changes under inotify */
} rows[] = {
	{ .name = "a file there, back and there",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { RENAME, "a", "b" }, { RENAME, "b", "a" }, { RENAME, "a", "b" } },
	  .after = { { RENAME, "b", "a" } },
	  .events = "move file a -> b\n"
		    "move file b -> a\n"
		    "move file a -> b\n" },
	{ .name = "a directory there, back and there",
	  .before = { { MAKE_DIR, "d", NULL }, { MAKE_DIR, "e", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { RENAME, "d", "e/d" }, { RENAME, "e/d", "d" }, { RENAME, "d", "e/d" } },
	  .after = { { RENAME, "e/d", "d" } },
	  .events = "move dir d -> e/d\n"
		    "move dir e/d -> d\n"
		    "move dir d -> e/d\n" },
	{ .name = "a link removed and made",
	  .before = { { WRITE, "a", NULL }, { LINK, "a", "l" } },
	  .changes = { { UNLINK, "l", NULL }, { LINK, "a", "l" } },
	  .events = "delete file l\n"
		    "create file l\n" },
	{ .name = "a link made, removed and made",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { LINK, "a", "l" }, { UNLINK, "l", NULL }, { LINK, "a", "l" } },
	  .after = { { UNLINK, "l", NULL } },
	  .events = "create file l\n"
		    "delete file l\n"
		    "create file l\n" },
	{ .name = "a link renamed, renamed back and removed",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { LINK, "a", "l" },
		       { RENAME, "l", "m" },
		       { RENAME, "m", "l" },
		       { UNLINK, "l", NULL } },
	  .events = "create file l\n"
		    "move file l -> m\n"
		    "move file m -> l\n"
		    "delete file l\n" },
	{ .name = "another link takes the same way",
	  .before = { { WRITE, "a", NULL }, { LINK, "a", "h" }, { LINK, "a", "f" } },
	  .changes = { { RENAME, "f", "g" },
		       { UNLINK, "g", NULL },
		       { LINK, "h", "f" },
		       { RENAME, "f", "g" } },
	  .after = { { RENAME, "g", "f" } },
	  .events = "move file f -> g\n"
		    "delete file g\n"
		    "create file f\n"
		    "move file f -> g\n" },
	{ .name = "two files exchanged three times",
	  .before = { { WRITE, "a", NULL }, { WRITE, "b", NULL } },
	  .changes = { { EXCHANGE, "a", "b" }, { EXCHANGE, "a", "b" }, { EXCHANGE, "a", "b" } },
	  .after = { { EXCHANGE, "a", "b" } } },
	{ .name = "a file and a directory exchanged three times",
	  .before = { { WRITE, "a", NULL }, { MAKE_DIR, "d", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { EXCHANGE, "a", "d" }, { EXCHANGE, "a", "d" }, { EXCHANGE, "a", "d" } },
	  .after = { { EXCHANGE, "a", "d" } } },
	{ .name = "a lock file made and removed by rename",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { LINK, "a", "lock" },
		       { UNLINK, "lock", NULL },
		       { LINK, "a", "lock" },
		       { UNLINK, "lock", NULL } },
	  .events = "create file lock\n"
		    "delete file lock\n"
		    "create file lock\n"
		    "delete file lock\n" },
	{ .name = "written between two renames",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { RENAME, "a", "b" },
		       { WRITE, "b", NULL },
		       { RENAME, "b", "a" },
		       { RENAME, "a", "b" } },
	  .after = { { RENAME, "b", "a" } } },
	{ .name = "a file in a directory that goes there, back and there",
	  .before = { { MAKE_DIR, "d", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { RENAME, "d", "e" },
		       { RENAME, "e/f", "e/g" },
		       { RENAME, "e", "d" },
		       { RENAME, "d", "e" } },
	  .after = { { RENAME, "e/g", "e/f" }, { RENAME, "e", "d" } } },
	{ .name = "a directory there, back, there, and back by another name",
	  .before = { { MAKE_DIR, "d", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { RENAME, "d", "e" }, { RENAME, "e", "d" }, { RENAME, "d", "e" } },
	  .after = { { RENAME, "e", "g" }, { RENAME, "g", "d" } } },
	{ .name = "a directory into a new one",
	  .before = { { MAKE_DIR, "d", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { MAKE_DIR, "n", NULL }, { RENAME, "d", "n/d" } },
	  .after = { { RENAME, "n/d", "d" }, { RENAME, "n", OUT "n" } },
	  .events = "create dir n\n"
		    "move dir d -> n/d\n" },
	{ .name = "a directory out, back and out",
	  .before = { { MAKE_DIR, "d", NULL }, { WRITE, "d/f", NULL } },
	  .changes = { { RENAME, "d", OUT "d" },
		       { RENAME, OUT "d", "d" },
		       { RENAME, "d", OUT "d" } },
	  .after = { { RENAME, OUT "d", "d" } } },
	{ .name = "a file out, back and out",
	  .before = { { WRITE, "a", NULL } },
	  .changes = { { RENAME, "a", OUT "a" },
		       { RENAME, OUT "a", "a" },
		       { RENAME, "a", OUT "a" } },
	  .after = { { RENAME, OUT "a", "a" } } },
};

static void make(int dir, const struct change *change)
{
	const char *path = change->path, *to = change->to;

	switch (change->what) {
	case RENAME:
		hw_scene_move(dir, path, dir, to);
		break;
	case EXCHANGE:
		assert_int_equal(renameat2(dir, path, dir, to, RENAME_EXCHANGE), 0);
		break;
	case LINK:
		assert_int_equal(linkat(dir, path, dir, to, 0), 0);
		break;
	case UNLINK:
		assert_int_equal(unlinkat(dir, path, 0), 0);
		break;
	case WRITE:
		hw_scene_write(dir, path, path);
		break;
	default:
		hw_scene_make_dir(dir, path);
	}
}

static void make_all(int dir, const struct change *changes)
{
	for (unsigned i = 0; i < CHANGES_MAX && changes[i].what != END; i++)
		make(dir, &changes[i]);
}

static unsigned count_moves(const struct change *changes)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CHANGES_MAX && changes[i].what != END; i++)
		count += changes[i].what == RENAME || changes[i].what == EXCHANGE;
	return count;
}

/* ---- changes that are made while records are handled ---- */

static struct meanwhile {
	int dir;
	const struct change *changes; /* made after this number of calls */
	unsigned moment; /* 0: never */
} meanwhile;

#pragma GCC visibility push(default)
int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict ret)
{
	int r = NEXT(statx, dir, path, flags, mask, ret);
	int error = errno;

	if (meanwhile.moment && !--meanwhile.moment)
		make_all(meanwhile.dir, meanwhile.changes);
	errno = error;
	return r;
}
#pragma GCC visibility pop

/* ---- running them ---- */

/* Each create, delete and move is reported as it was made. */
static void expect(struct hw_scene *f, const char *events)
{
	char event[64];

	for (const char *end; (end = strchr(events, '\n')); events = end + 1) {
		(void)snprintf(event, sizeof(event), "%.*s", (int)(end - events), events);
		hw_scene_expect(f, event);
	}
}

static void play(const struct row *row, const char *backend, uint64_t settle_ns)
{
	bool exact = row->events && !settle_ns && !strcmp(backend, "inotify");
	struct hw_scene f;

	hw_scene_prepare(&f);
	make_all(f.fd, row->before);
	if (hw_scene_start(&f, backend, settle_ns))
		for (unsigned round = 0; round < ROUNDS; round++) {
			make_all(f.fd, row->changes);
			if (exact)
				expect(&f, row->events);
			hw_scene_check(&f);
			assert_int_equal(hw_model_rescans(f.model), 0);
			make_all(f.fd, row->after);
			hw_scene_check(&f);
		}
	hw_scene_finish(&f);
}

/* Returns how many of the events are moves. */
static unsigned replay_moves(struct hw_scene *f)
{
	struct hw_event event;
	char why[200] = "";
	unsigned moves = 0;

	while (hw_rig_next(f->rig, &event) == 1) {
		moves += event.kind == HW_MOVE;
		if (hw_model_apply(f->model, &event, why, sizeof(why)))
			fail_msg("%s", why);
	}
	return moves;
}

/* What is changed while records are handled, and what after that. */
struct later {
	const struct change *meanwhile, *after;
};

/* Plays the changes of a row and the later ones. At most as many moves are reported. Returns
 * whether records were still handled at this moment. */
static bool play_later(const struct row *row, const struct later *later, const char *backend,
		       unsigned moment)
{
	unsigned moves, most = count_moves(row->changes) + count_moves(row->after);
	struct hw_scene f;
	bool came = true;

	hw_scene_prepare(&f);
	make_all(f.fd, row->before);
	if (hw_scene_start(&f, backend, 0)) {
		make_all(f.fd, row->changes);
		meanwhile = (struct meanwhile){ f.fd, later->meanwhile, moment };
		hw_rig_turn(f.rig, 0);
		came = !meanwhile.moment;
		meanwhile.moment = 0;
		moves = replay_moves(&f);
		make_all(f.fd, later->after);
		assert_int_equal(hw_rig_flush(f.rig), 0);
		moves += replay_moves(&f);
		assert_true(moves <= most);
		hw_scene_check(&f);
		assert_int_equal(hw_model_rescans(f.model), 0);
	}
	hw_scene_finish(&f);
	return came;
}

static void play_all_moments(const struct row *row, const struct later *later, const char *backend)
{
	unsigned moment = 1;

	while (play_later(row, later, backend, moment))
		moment++;
	print_message("%s: %s, %u moments\n", backend, row->name, moment - 1);
}

/* The round that began with the first records has to wait for a record of another file. */
static void names_that_come_back_later_are_reported(void **state)
{
	static const struct change other[CHANGES_MAX] = { { WRITE, "other", NULL } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct later later = { other, rows[i].after };

		play_all_moments(&rows[i], &later, *state);
	}
}

/* A round may find the names before their records are read. */
static void names_that_come_back_meanwhile_are_reported_once(void **state)
{
	static const struct change none[CHANGES_MAX] = { { END, NULL, NULL } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct later later = { rows[i].after, none };

		play_all_moments(&rows[i], &later, *state);
	}
}

static void the_events_end_at_the_disk(void **state)
{
	const char *backend = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s: %s\n", backend, rows[i].name);
		play(&rows[i], backend, 0);
		play(&rows[i], backend, 20 * HW_MS);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "unread/inotify", the_events_end_at_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "unread/fanotify", the_events_end_at_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "unread/fanotify-inode", the_events_end_at_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "unread/inotify, back later", names_that_come_back_later_are_reported, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "unread/fanotify, back later", names_that_come_back_later_are_reported, NULL,
		  NULL, (void *)(uintptr_t) "fanotify" },
		{ "unread/fanotify-inode, back later", names_that_come_back_later_are_reported,
		  NULL, NULL, (void *)(uintptr_t) "fanotify-inode" },
		{ "unread/inotify, back meanwhile",
		  names_that_come_back_meanwhile_are_reported_once, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "unread/fanotify, back meanwhile",
		  names_that_come_back_meanwhile_are_reported_once, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "unread/fanotify-inode, back meanwhile",
		  names_that_come_back_meanwhile_are_reported_once, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "unread/polling", the_events_end_at_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("unread", tests, NULL, NULL);
}
