/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a sink reads a share: cursors, and snapshots of the tree with the events after them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"
#include "log.h"
#include "sink.h"

#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char *path;
	int fd;
	struct hw_rig *rig;
	struct hw_loop *loop;
	struct hw_sink *sink;
};

static const struct hw_plugin plugin = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, uint64_t),
	.name = "nothing",
};

static void start(struct fixture *f)
{
	const struct hw_rig_config config = {
		.backend = "inotify",
		.root = f->path,
		.journal_bytes = HW_JOURNAL_MIN,
	};
	struct hw_instance *instance;
	struct hw_share *share;
	const char *why;

	assert_int_equal(hw_rig_start(&config, &f->rig, &why), 0);
	assert_int_equal(hw_loop_create(&f->loop), 0);
	assert_int_equal(hw_instance_create(f->loop, &plugin, "nothing", NULL, 0, NULL, &instance),
			 0);
	share = hw_rig_share(f->rig);
	assert_int_equal(hw_sink_create(instance, &share, 1, &f->sink), 0);
	assert_int_equal(hw_sink_start(f->sink), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned count;

	assert_non_null(f);
	f->path = hw_scratch_create(hw_scratch_places(&count)[0].path);
	assert_non_null(f->path);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hw_sink_destroy(f->sink);
	hw_loop_destroy(f->loop);
	hw_rig_stop(f->rig);
	assert_int_equal(close(f->fd), 0);
	hw_scratch_remove(f->path);
	free(f);
	return 0;
}

static void make_dirs(struct fixture *f, const char *prefix, unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%s%u", prefix, i);
		assert_int_equal(mkdirat(f->fd, name, 0755), 0);
		(void)snprintf(name, sizeof(name), "%s%u/below", prefix, i);
		assert_int_equal(mkdirat(f->fd, name, 0755), 0);
	}
}

/* Reports more events than the journal can hold. */
static void overrun(struct fixture *f)
{
	char a[201], b[201];

	memset(a, 'a', 200);
	memset(b, 'b', 200);
	a[200] = b[200] = '\0';
	assert_int_equal(mkdirat(f->fd, a, 0755), 0);
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(renameat(f->fd, a, f->fd, b), 0);
		assert_int_equal(renameat(f->fd, b, f->fd, a), 0);
	}
	assert_int_equal(hw_rig_flush(f->rig), 0);
}

static void remove_dirs(struct fixture *f, const char *prefix, unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%s%u/below", prefix, i);
		assert_int_equal(unlinkat(f->fd, name, AT_REMOVEDIR), 0);
		(void)snprintf(name, sizeof(name), "%s%u", prefix, i);
		assert_int_equal(unlinkat(f->fd, name, AT_REMOVEDIR), 0);
	}
}

static void apply(struct hw_model *model, const struct hw_event *event)
{
	char why[128];

	if (hw_model_apply(model, event, why, sizeof(why)))
		fail_msg("event %llu %.*s: %s", (unsigned long long)event->seq,
			 (int)event->path_len, event->path ? event->path : "", why);
}

/* Reads the rest of a snapshot and the events after it, and compares the result with the disk. */
static void finish(struct fixture *f, struct hw_model *model, struct hw_snapshot *snapshot,
		   uint64_t seq)
{
	struct hw_event event;
	struct hw_cursor *cursor;
	struct hw_model *truth;
	int r;

	while ((r = hw_sink_snapshot_next(f->sink, snapshot, &event)) == 1) {
		assert_true(event.seq == 0);
		apply(model, &event);
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_sink_snapshot_next(f->sink, snapshot, &event), 0);
	hw_sink_snapshot_close(f->sink, snapshot);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, hw_share_epoch(hw_rig_share(f->rig)), seq,
					     &cursor),
			 0);
	while ((r = hw_sink_cursor_next(f->sink, cursor, &event)) == 1)
		apply(model, &event);
	assert_int_equal(r, 0);
	hw_sink_cursor_close(f->sink, cursor);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, f->path), 0);
	assert_int_equal(hw_model_compare(model, truth, stderr), 0);
	hw_model_destroy(truth);
	hw_model_destroy(model);
}

static struct hw_model *new_model(void)
{
	struct hw_model *model;

	assert_int_equal(hw_model_create(&model), 0);
	return model;
}

static void a_snapshot_and_what_followed_it_are_the_disk(void **state)
{
	struct fixture *f = *state;
	struct hw_model *model = new_model();
	struct hw_snapshot *snapshot;
	struct hw_event event;
	uint64_t seq;

	make_dirs(f, "old", 20);
	start(f);
	make_dirs(f, "new", 20);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_sink_snapshot_open(f->sink, 0, &snapshot, &seq), 0);
	assert_true(seq == hw_share_seq(hw_rig_share(f->rig)));
	for (unsigned i = 0; i < 13; i++) {
		assert_int_equal(hw_sink_snapshot_next(f->sink, snapshot, &event), 1);
		apply(model, &event);
	}
	/* The snapshot must not change while it is read. */
	remove_dirs(f, "old", 20);
	make_dirs(f, "later", 5);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	finish(f, model, snapshot, seq);
}

static void readers_share_a_snapshot_while_the_journal_can_follow(void **state)
{
	struct fixture *f = *state;
	struct hw_snapshot *first, *second, *third;
	uint64_t seq, again, newer;

	make_dirs(f, "old", 10);
	start(f);
	assert_int_equal(hw_sink_snapshot_open(f->sink, 0, &first, &seq), 0);
	make_dirs(f, "new", 10);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_sink_snapshot_open(f->sink, 0, &second, &again), 0);
	assert_true(again == seq);
	finish(f, new_model(), second, again);
	/* So many changes that the journal no longer covers the time since the snapshot. */
	overrun(f);
	assert_int_equal(hw_sink_snapshot_open(f->sink, 0, &third, &newer), 0);
	assert_true(newer > seq);
	finish(f, new_model(), third, newer);
	hw_sink_snapshot_close(f->sink, first);
}

static void snapshots_left_open_go_with_the_sink(void **state)
{
	struct fixture *f = *state;
	struct hw_snapshot *snapshot;
	struct hw_cursor *cursor;
	struct hw_event event;
	uint64_t seq;

	make_dirs(f, "d", 3);
	start(f);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(hw_sink_snapshot_open(f->sink, 0, &snapshot, &seq), 0);
		assert_int_equal(hw_sink_snapshot_next(f->sink, snapshot, &event), 1);
		assert_int_equal(hw_sink_cursor_open(f->sink, 0, 0, 0, &cursor), 0);
	}
	hw_sink_snapshot_close(f->sink, NULL);
	hw_sink_cursor_close(f->sink, NULL);
}

static void what_is_not_there_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hw_snapshot *snapshot;
	struct hw_cursor *cursor;
	struct hw_share_info info;
	uint64_t seq, epoch;

	start(f);
	epoch = hw_share_epoch(hw_rig_share(f->rig));
	assert_int_equal(hw_sink_share_count(f->sink), 1);
	assert_int_equal(hw_sink_share_info(f->sink, 1, &info), -ENOENT);
	assert_int_equal(hw_sink_cursor_open(f->sink, 1, 0, 0, &cursor), -ENOENT);
	assert_int_equal(hw_sink_snapshot_open(f->sink, 1, &snapshot, &seq), -ENOENT);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, epoch + 1, 0, &cursor), -ESTALE);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, epoch, 1, &cursor), -ESTALE);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, epoch, UINT64_MAX, &cursor), -ESTALE);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, epoch, 0, &cursor), 0);
	hw_sink_cursor_close(f->sink, cursor);
}

static void a_cursor_that_fell_off_is_sought_to_the_end(void **state)
{
	struct fixture *f = *state;
	struct hw_cursor *cursor;
	struct hw_event event;

	start(f);
	assert_int_equal(hw_sink_cursor_open(f->sink, 0, 0, 0, &cursor), 0);
	overrun(f);
	assert_int_equal(hw_sink_cursor_next(f->sink, cursor, &event), -ESTALE);
	assert_true(hw_sink_cursor_seek(f->sink, cursor) == hw_share_seq(hw_rig_share(f->rig)));
	assert_int_equal(hw_sink_cursor_next(f->sink, cursor, &event), 0);
	make_dirs(f, "one", 1);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_sink_cursor_next(f->sink, cursor, &event), 1);
	assert_memory_equal(event.path, "one0", 4);
	hw_sink_cursor_close(f->sink, cursor);
}

/* ---- a very deep tree ---- */

#define LEVELS 3000u
#define SMALL_STACK (128u << 10)

static int count_entry(void *arg, const struct hw_event *event)
{
	(void)event;
	++*(unsigned *)arg;
	return 0;
}

struct counted {
	struct hw_share *share;
	unsigned entries;
	int r;
};

static void *count_entries(void *arg)
{
	struct counted *counted = arg;

	counted->r = hw_share_entries(counted->share, count_entry, &counted->entries);
	return NULL;
}

static void a_deep_tree_needs_no_deep_stack(void **state)
{
	struct fixture *f = *state;
	struct counted counted = { 0 };
	int dir = dup(f->fd), next;
	pthread_attr_t small;
	pthread_t thread;

	for (unsigned i = 0; i < LEVELS; i++) {
		assert_int_equal(mkdirat(dir, "d", 0755), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		assert_int_equal(close(dir), 0);
		dir = next;
	}
	assert_int_equal(close(dir), 0);
	start(f);
	counted.share = hw_rig_share(f->rig);
	assert_int_equal(pthread_attr_init(&small), 0);
	assert_int_equal(pthread_attr_setstacksize(&small, SMALL_STACK), 0);
	assert_int_equal(pthread_create(&thread, &small, count_entries, &counted), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)pthread_attr_destroy(&small);
	assert_int_equal(counted.r, 0);
	assert_int_equal(counted.entries, LEVELS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_and_what_followed_it_are_the_disk),
		TEST(readers_share_a_snapshot_while_the_journal_can_follow),
		TEST(snapshots_left_open_go_with_the_sink),
		TEST(what_is_not_there_is_refused),
		TEST(a_cursor_that_fell_off_is_sought_to_the_end),
		TEST(a_deep_tree_needs_no_deep_stack),
	};

	return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
