/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a loss of power takes is below one directory, which the disk names: a receiver of lost
 * events gets a rescan of that directory. An event elsewhere is not readable before the disk says
 * so. A loss of power is a copy of the directory of the state, without the logs, from which another
 * share continues.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 60
#define PATH_BYTES 800u
#define NEVER (UINT64_C(1) << 62)

struct scene {
	char *base;
	char share[PATH_BYTES], state[PATH_BYTES], log[PATH_BYTES], image[PATH_BYTES],
		image_log[PATH_BYTES];
	struct hw_rig *rig;
	struct hw_share *of_rig;
	struct hw_keep *keep;
};

static void path_in(const char *dir, const char *name, char path[PATH_BYTES])
{
	int len = snprintf(path, PATH_BYTES, "%s/%s", dir, name);

	assert_true(len > 0 && len < (int)PATH_BYTES);
}

static void make_dir(const char *parent, const char *name)
{
	char path[PATH_BYTES];

	path_in(parent, name, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_file(const struct scene *s, const char *name)
{
	char path[PATH_BYTES];

	path_in(s->share, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	(void)close(fd);
}

static int64_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* ---- the share ---- */

static void start(struct scene *s, const char *state, const char *log)
{
	const struct hw_rig_config config = {
		.backend = "inotify",
		.root = s->share,
		.state_dir = state,
		.state_log_dir = log,
	};
	const char *why = "";

	assert_int_equal(hw_rig_start(&config, &s->rig, &why), 0);
	s->of_rig = hw_rig_share(s->rig);
	s->keep = &s->of_rig->keep;
}

static bool is_on_disk(const struct scene *s)
{
	const struct hw_keep *keep = s->keep;

	return keep->on && keep->snapshot_bytes && !keep->writer &&
	       hw_keep_copy_has(&keep->copy, keep->generation, keep->log_bytes);
}

static void await_disk(struct scene *s)
{
	int64_t until = seconds() + DEADLINE_S;

	while (!is_on_disk(s)) {
		assert_true(seconds() < until);
		hw_rig_turn(s->rig, 10);
	}
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->base = hw_scratch_create("/tmp");
	assert_non_null(s->base);
	path_in(s->base, "share", s->share);
	path_in(s->base, "state", s->state);
	path_in(s->base, "log", s->log);
	path_in(s->base, "image", s->image);
	path_in(s->base, "image_log", s->image_log);
	make_dir(s->base, "share");
	make_dir(s->base, "state");
	make_dir(s->base, "log");
	make_dir(s->base, "image");
	make_dir(s->base, "image_log");
	make_dir(s->share, "a");
	make_dir(s->share, "a/b");
	make_dir(s->share, "c");
	start(s, s->state, s->log);
	await_disk(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	hw_rig_stop(s->rig);
	hw_scratch_remove(s->base);
	free(s);
	return 0;
}

static bool is_scope(const struct hw_state_scope *scope, const char *dir)
{
	return scope->len == strlen(dir) && memcmp(scope->path, dir, scope->len) == 0;
}

/* Events are below a/b, and the disk says so. */
static void narrow(struct scene *s)
{
	int64_t until = seconds() + DEADLINE_S;

	s->keep->scope.every_ns = 0;
	for (unsigned i = 0; !is_scope(&s->keep->scope.sure, "a/b"); i++) {
		char name[20];

		assert_true(seconds() < until);
		(void)snprintf(name, sizeof(name), "a/b/n%u", i);
		make_file(s, name);
		assert_int_equal(hw_rig_flush(s->rig), 0);
	}
	s->keep->scope.every_ns = NEVER;
	await_disk(s);
	assert_false(s->keep->scope.pending);
}

/* ---- a loss of power ---- */

static void copy_file(const char *from, const char *to)
{
	char bytes[4096];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	assert_int_equal(n, 0);
	(void)close(in);
	(void)close(out);
}

static void copy_files(const char *from, const char *to)
{
	DIR *stream = opendir(from);
	const struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		char old[PATH_BYTES], new[PATH_BYTES];

		if (entry->d_name[0] == '.')
			continue;
		path_in(from, entry->d_name, old);
		path_in(to, entry->d_name, new);
		copy_file(old, new);
	}
	(void)closedir(stream);
}

/* Another share continues from the copy. */
static void continue_from_image(struct scene *s)
{
	hw_rig_stop(s->rig);
	start(s, s->image, s->image_log);
}

static void expect(const struct scene *s, struct hw_journal_cursor *cursor, enum hw_kind kind,
		   const char *path)
{
	struct hw_event event;

	assert_int_equal(hw_share_cursor_next(s->of_rig, cursor, &event), 1);
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.path_len, strlen(path));
	assert_memory_equal(event.path, path, event.path_len);
	assert_int_equal(event.seq, cursor->seq);
}

static void lost_events_are_a_rescan_of_their_directory(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;

	narrow(s);
	uint64_t kept = hw_share_seq(s->of_rig);

	copy_files(s->state, s->image);
	make_file(s, "a/b/lost");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	assert_true(read > kept); /* it did not wait */
	continue_from_image(s);
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), 0);
	expect(s, &cursor, HW_RESCAN, "a/b");
	assert_true(cursor.seq > read);
	expect(s, &cursor, HW_CREATE, "a/b/lost");
	/* A receiver that has lost nothing reads nothing again. */
	assert_int_equal(hw_share_cursor_init(s->of_rig, kept, &cursor), 0);
	expect(s, &cursor, HW_CREATE, "a/b/lost");
	assert_true(cursor.seq > read);
	/* A number that was not reserved for the directory. */
	assert_int_equal(hw_share_cursor_init(s->of_rig, read + (UINT64_C(1) << 24), &cursor),
			 -ESTALE);
}

/* ---- events elsewhere ---- */

static void an_event_elsewhere_waits_for_the_disk(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;
	int64_t until = seconds() + DEADLINE_S;

	narrow(s);
	uint64_t kept = hw_share_seq(s->of_rig);

	s->keep->scope.patience_ns = NEVER;
	make_file(s, "c/elsewhere");
	while (hw_share_seq(s->of_rig) == kept) {
		assert_true(seconds() < until);
		hw_rig_turn(s->rig, 10);
	}
	/* What is on the disk at the first moment at which it can be read. */
	copy_files(s->state, s->image);
	uint64_t read = kept + 1;

	assert_true(is_scope(&s->keep->scope.sure, ""));
	continue_from_image(s);
	if (hw_share_cursor_init(s->of_rig, read, &cursor) < 0)
		return; /* a rescan of the root */
	expect(s, &cursor, HW_CLOSE_WRITE, "c/elsewhere");
}

/* A directory in the place of the copy. */
static void spoil_copy(const struct scene *s)
{
	char path[PATH_BYTES];

	path_in(s->state, hw_keep_copy_name(s->of_rig, s->keep->generation).text, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void a_disk_that_fails_stops_no_event(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor, old;

	narrow(s);
	uint64_t kept = hw_share_seq(s->of_rig);

	assert_int_equal(hw_share_cursor_init(s->of_rig, kept, &old), 0);
	copy_files(s->state, s->image);
	spoil_copy(s);
	make_file(s, "c/elsewhere");
	make_file(s, "c/also");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	assert_true(read > kept + 1000); /* numbers that were not reserved for a/b */
	expect(s, &old, HW_CREATE, "c/elsewhere");
	/* The log says that, too. */
	copy_files(s->log, s->image_log);
	continue_from_image(s);
	assert_int_equal(hw_share_seq(s->of_rig), read);
	assert_int_equal(hw_share_cursor_init(s->of_rig, kept, &cursor), 0);
	expect(s, &cursor, HW_CREATE, "c/elsewhere");
	assert_int_equal(cursor.seq, old.seq);
}

static void a_disk_that_failed_names_no_directory(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;

	narrow(s);
	copy_files(s->state, s->image);
	spoil_copy(s);
	make_file(s, "c/elsewhere");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	continue_from_image(s); /* the logs are gone */
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), -ESTALE);
}

static void a_log_that_ends_names_no_directory(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;

	narrow(s);
	copy_files(s->state, s->image);
	hw_keep_give_up(s->of_rig, "a test ends it");
	make_file(s, "c/elsewhere");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	continue_from_image(s);
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), -ESTALE);
}

/* The scope of a run that was killed holds for no event of the next one. */
static void a_killed_run_leaves_no_scope(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;
	char second[PATH_BYTES], second_log[PATH_BYTES];

	narrow(s);
	uint64_t kept = hw_share_seq(s->of_rig);

	copy_files(s->state, s->image);
	copy_files(s->log, s->image_log);
	continue_from_image(s);
	s->keep->scope.patience_ns = NEVER;
	make_file(s, "c/elsewhere");
	int64_t until = seconds() + DEADLINE_S;

	while (hw_share_seq(s->of_rig) == kept) {
		assert_true(seconds() < until);
		hw_rig_turn(s->rig, 1);
	}
	make_dir(s->base, "second");
	make_dir(s->base, "second_log");
	path_in(s->base, "second", second);
	path_in(s->base, "second_log", second_log);
	copy_files(s->image, second);
	hw_rig_stop(s->rig);
	start(s, second, second_log);
	if (hw_share_cursor_init(s->of_rig, kept + 1, &cursor) == 0)
		expect(s, &cursor, HW_CLOSE_WRITE, "c/elsewhere");
}

/* ---- afterwards ---- */

static void a_directory_that_moves_is_replaced_by_one_above(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;
	char old[PATH_BYTES], new[PATH_BYTES];

	narrow(s);
	copy_files(s->state, s->image);
	make_file(s, "a/b/lost");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	continue_from_image(s);
	path_in(s->share, "a/b", old);
	path_in(s->share, "a/moved", new);
	assert_int_equal(rename(old, new), 0);
	assert_int_equal(hw_rig_flush(s->rig), 0);
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), 0);
	expect(s, &cursor, HW_RESCAN, "a");
	path_in(s->share, "d", old);
	assert_int_equal(rename(new, old), 0);
	assert_int_equal(hw_rig_flush(s->rig), 0);
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), 0);
	expect(s, &cursor, HW_RESCAN, "a"); /* it did not move */
	path_in(s->share, "a", old);
	path_in(s->share, "c/a", new);
	assert_int_equal(rename(old, new), 0);
	assert_int_equal(hw_rig_flush(s->rig), 0);
	assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), -ESTALE);
}

static void the_directory_outlives_restarts(void **state)
{
	struct scene *s = *state;
	struct hw_journal_cursor cursor;

	narrow(s);
	copy_files(s->state, s->image);
	make_file(s, "a/b/lost");
	assert_int_equal(hw_rig_flush(s->rig), 0);
	uint64_t read = hw_share_seq(s->of_rig);

	for (unsigned i = 0; i < 3; i++) {
		continue_from_image(s); /* the later ones after a clean stop */
		assert_int_equal(hw_share_cursor_init(s->of_rig, read, &cursor), 0);
		expect(s, &cursor, HW_RESCAN, "a/b");
		expect(s, &cursor, HW_CREATE, "a/b/lost");
	}
}

/* As after two losses of power without an event that is left between them. */
static void each_of_two_losses_has_its_directory(void **state)
{
	struct scene *s = *state;
	struct hw_journal *journal = &s->of_rig->journal;
	struct hw_journal_cursor cursor;
	uint64_t first = journal->next_seq, second = first + 1000;

	hw_journal_skip(journal, second);
	hw_journal_set_scope(journal, "a/b", 3, first + 500);
	hw_journal_skip(journal, second + 1000);
	hw_journal_set_scope(journal, "c", 1, second + 500);
	for (unsigned i = 0; i < 2; i++) {
		hw_rig_stop(s->rig);
		start(s, s->state, s->log);
		assert_int_equal(hw_share_cursor_init(s->of_rig, first + 400, &cursor), 0);
		expect(s, &cursor, HW_RESCAN, "a/b");
		assert_int_equal(hw_share_cursor_init(s->of_rig, second + 400, &cursor), 0);
		expect(s, &cursor, HW_RESCAN, "c");
		/* The newest number of the run between them. */
		assert_int_equal(hw_share_cursor_init(s->of_rig, second - 1, &cursor), 0);
		assert_int_equal(hw_share_cursor_init(s->of_rig, first + 600, &cursor), -ESTALE);
		make_file(s, i ? "a/one" : "a/two");
	}
}

/* The gap is dropped with the events that followed it: nobody knows what else was missed. */
static void a_gap_before_the_kept_events_is_stale(void **state)
{
	struct scene *s = *state;
	struct hw_journal *journal = &s->of_rig->journal;
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_MODIFY,
		.type = HW_TYPE_FILE,
		.path = "c/file",
		.path_len = 6,
	};
	uint64_t first = journal->next_seq, last = 0, oldest;
	struct hw_journal_cursor cursor;

	hw_journal_skip(journal, first + 1000);
	hw_journal_set_scope(journal, "a/b", 3, first + 500);
	while (journal->head - journal->tail < UINT64_C(6) << 20)
		last = hw_journal_append(journal, &event);
	hw_rig_stop(s->rig);
	start(s, s->state, s->log);
	assert_int_equal(hw_share_seq(s->of_rig), last);
	assert_int_equal(hw_share_cursor_init(s->of_rig, first - 1, &cursor), -ESTALE);
	assert_int_equal(hw_share_cursor_init(s->of_rig, first + 400, &cursor), -ESTALE);
	oldest = hw_share_oldest(s->of_rig);
	assert_int_equal(hw_share_cursor_init(s->of_rig, oldest - 1, &cursor), -ESTALE);
	assert_int_equal(hw_share_cursor_init(s->of_rig, oldest, &cursor), 0);
	while (cursor.seq < last)
		expect(s, &cursor, HW_MODIFY, "c/file");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lost_events_are_a_rescan_of_their_directory),
		TEST(an_event_elsewhere_waits_for_the_disk),
		TEST(a_disk_that_fails_stops_no_event),
		TEST(a_disk_that_failed_names_no_directory),
		TEST(a_log_that_ends_names_no_directory),
		TEST(a_killed_run_leaves_no_scope),
		TEST(a_directory_that_moves_is_replaced_by_one_above),
		TEST(the_directory_outlives_restarts),
		TEST(each_of_two_losses_has_its_directory),
		TEST(a_gap_before_the_kept_events_is_stale),
	};

	return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
