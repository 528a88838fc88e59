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
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 3u /* the first one leaves what the next one begins with */
#define CHANGES_MAX 8u

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

static void make_all(struct hw_scene *f, const struct change *changes)
{
	for (unsigned i = 0; i < CHANGES_MAX && changes[i].what != END; i++)
		make(f->fd, &changes[i]);
}

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
	make_all(&f, row->before);
	if (hw_scene_start(&f, backend, settle_ns))
		for (unsigned round = 0; round < ROUNDS; round++) {
			make_all(&f, row->changes);
			if (exact)
				expect(&f, row->events);
			hw_scene_check(&f);
			assert_int_equal(hw_model_rescans(f.model), 0);
			make_all(&f, row->after);
			hw_scene_check(&f);
		}
	hw_scene_finish(&f);
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
		{ "unread/polling", the_events_end_at_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("unread", tests, NULL, NULL);
}
