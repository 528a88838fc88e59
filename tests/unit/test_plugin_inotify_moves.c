/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the inotify watcher joins the two halves of a rename. */
#include "watcher_fixture.h"

#include <linux/fs.h>

/* Number of records in a read() that fills the plugin's buffer, for names of up to 15 bytes. */
#define RECORDS_PER_BUFFER (256u * 1024 / 32)

/* Each test below runs once on disk and once on tmpfs. */
static void start(struct fixture *f, void **state)
{
	fixture_start(f, *state, "inotify", NULL, 0);
}

static void rename_across_directories_is_one_hint(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	assert_int_equal(renameat(f.a, "old", f.b, "new"), 0);
	rh_expect(f.rh, 2);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", B, "new"));
	fixture_end(&f);
}

static void rename_of_a_watched_directory_also_says_gone(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(renameat(f.root, "a", f.root, "c"), 0);
	rh_expect(f.rh, 2);
	assert_true(rh_is_move(&f.rh->hints[0], ROOT, "a", ROOT, "c"));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_DIR);
	assert_int_equal(f.rh->hints[1].what, HW_HINT_GONE);
	assert_int_equal(f.rh->hints[1].dir, A);
	fixture_end(&f);
}

static void exchange_is_two_moves(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "x");
	touch(f.b, "y");
	assert_int_equal(renameat2(f.a, "x", f.b, "y", RENAME_EXCHANGE), 0);
	rh_expect(f.rh, 4);
	assert_true(rh_is_move(&f.rh->hints[2], A, "x", B, "y"));
	assert_true(rh_is_move(&f.rh->hints[3], B, "y", A, "x"));
	fixture_end(&f);
}

static void rename_out_is_one_sided_at_once(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	rh_turn(f.rh, 1000);
	assert_int_equal(f.rh->hint_count, 2);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	fixture_end(&f);
}

static void rename_out_of_what_cannot_be_locked_waits(void **state)
{
	struct fixture f;

	start(&f, state);
	f.rh->lock_error = -EOPNOTSUPP;
	touch(f.a, "old");
	rh_expect(f.rh, 1);
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	uint64_t before = rh_now_ns();
	rh_expect(f.rh, 2);
	assert_true(rh_now_ns() - before >= 50 * HW_MS);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	fixture_end(&f);
}

/* The directory has another path at this point, or is gone. */
static void rename_out_of_what_moved_on_waits(void **state)
{
	struct fixture f;

	start(&f, state);
	f.rh->lock_error = -ESTALE;
	touch(f.a, "old");
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	rh_expect(f.rh, 2);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	fixture_end(&f);
}

static void what_follows_a_half_waits_with_it(void **state)
{
	struct fixture f;

	start(&f, state);
	f.rh->lock_error = -EOPNOTSUPP;
	touch(f.a, "old");
	rh_expect(f.rh, 1);
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	touch(f.b, "later");
	rh_turn(f.rh, 20);
	rh_turn(f.rh, 20);
	assert_int_equal(f.rh->hint_count, 1);
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 3);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	assert_true(rh_is(&f.rh->hints[2], HW_HINT_CREATED, B, "later"));
	fixture_end(&f);
}

static void next_entry_event_of_the_directory_ends_the_wait(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	touch(f.a, "next");
	rh_turn(f.rh, 1000);
	assert_int_equal(f.rh->hint_count, 3);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	assert_true(rh_is(&f.rh->hints[2], HW_HINT_CREATED, A, "next"));
	fixture_end(&f);
}

/* Each half is from another directory, so that none ends the wait of the previous one. */
static void many_lonely_halves_wait_together(void **state)
{
	enum { DIRS = 60, FIRST = 100 };
	struct fixture f;
	char name[16];

	start(&f, state);
	f.rh->lock_error = -EOPNOTSUPP;
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		int dir = fixture_mkdir(f.outside, name);
		touch(dir, "old");
		assert_int_equal(watch(f.rh, FIRST + i, dir), 0);
		assert_int_equal(renameat(dir, "old", f.outside, "new"), 0);
		close(dir);
	}
	uint64_t before = rh_now_ns();
	rh_expect(f.rh, DIRS);
	assert_true(rh_now_ns() - before < DIRS / 4 * 50 * HW_MS);
	for (unsigned i = 0; i < DIRS; i++)
		assert_true(rh_is_move(&f.rh->hints[i], FIRST + i, "old", HW_NO_DIR, ""));
	fixture_end(&f);
}

static void rename_in_comes_from_nowhere(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.outside, "old");
	assert_int_equal(renameat(f.outside, "old", f.b, "new"), 0);
	rh_expect(f.rh, 1);
	assert_true(rh_is_move(&f.rh->hints[0], HW_NO_DIR, "", B, "new"));
	fixture_end(&f);
}

static void fill_queue(struct fixture *f, unsigned count)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		touch(f->b, name);
	}
}

static void halves_split_by_the_end_of_the_buffer_are_joined(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	fill_queue(&f, RECORDS_PER_BUFFER - 2);
	assert_int_equal(renameat(f.a, "old", f.a, "new"), 0);
	f.rh->budget = RECORDS_PER_BUFFER * 2;
	rh_turn(f.rh, 1000);
	assert_int_equal(f.rh->hint_count, RECORDS_PER_BUFFER);
	assert_true(rh_is_move(&f.rh->hints[RECORDS_PER_BUFFER - 1], A, "old", A, "new"));
	fixture_end(&f);
}

static void a_full_buffer_ends_the_wait(void **state)
{
	struct fixture f;

	start(&f, state);
	f.rh->lock_error = -EOPNOTSUPP;
	touch(f.a, "old");
	rh_expect(f.rh, 1);
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	fill_queue(&f, RECORDS_PER_BUFFER);
	f.rh->budget = RECORDS_PER_BUFFER * 2;
	rh_turn(f.rh, 1000);
	assert_true(f.rh->hint_count > 2);
	assert_true(rh_is_move(&f.rh->hints[1], A, "old", HW_NO_DIR, ""));
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 2 + RECORDS_PER_BUFFER);
	assert_int_equal(f.rh->lost, 0);
	fixture_end(&f);
}

/* For each byte read, renames the file there and back `rounds` times. */
static void rename_when_asked(const struct fixture *f, int asked, unsigned rounds)
{
	char byte;

	while (read(asked, &byte, 1) == 1)
		for (unsigned i = 0; i < rounds; i++)
			if (renameat(f->a, "x", f->b, "y") || renameat(f->b, "y", f->a, "x"))
				_exit(1);
	_exit(0);
}

/* A child renames while the parent reads as fast as it can; never more records than the queue
 * holds, because the parent may be delayed. */
static void halves_are_never_split_while_another_task_renames(void **state)
{
	enum { TIMES = 10, EACH = 1000, ROUNDS = TIMES * EACH };
	struct fixture f;
	int status, ask[2];

	rh_patient = true;
	start(&f, state);
	touch(f.a, "x");
	rh_expect(f.rh, 1);
	assert_int_equal(pipe(ask), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ask[1]);
		rename_when_asked(&f, ask[0], EACH);
	}
	close(ask[0]);
	for (unsigned i = 1; i <= TIMES; i++) {
		assert_int_equal(write(ask[1], "", 1), 1);
		rh_expect(f.rh, 1 + 2 * EACH * i);
	}
	close(ask[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_true(rh_is_move(&f.rh->hints[1 + 2 * i], A, "x", B, "y"));
		assert_true(rh_is_move(&f.rh->hints[2 + 2 * i], B, "y", A, "x"));
	}
	assert_int_equal(f.rh->lost, 0);
	fixture_end(&f);
	rh_patient = false;
}

static void a_move_from_a_forgotten_directory_comes_from_outside(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	rh_flush(f.rh);
	rh_forget_hints(f.rh);
	assert_int_equal(renameat(f.a, "old", f.b, "new"), 0);
	f.rh->plugin->forget_dir(f.rh->self, A);
	rh_expect(f.rh, 1);
	assert_true(rh_is_move(&f.rh->hints[0], HW_NO_DIR, "", B, "new"));
	fixture_end(&f);
}

#define ROW(test, where, setup)                                                                    \
	{                                                                                          \
#test " (" where ")", test, NULL, NULL, setup                                      \
	}
#define IN_EACH_PLACE(test)                                                                        \
	ROW(test, "disk", (void *)(uintptr_t) "/var/tmp"),                                         \
		ROW(test, "tmpfs", (void *)(uintptr_t) "/dev/shm")

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_EACH_PLACE(rename_across_directories_is_one_hint),
		IN_EACH_PLACE(rename_of_a_watched_directory_also_says_gone),
		IN_EACH_PLACE(exchange_is_two_moves),
		IN_EACH_PLACE(rename_out_is_one_sided_at_once),
		IN_EACH_PLACE(rename_out_of_what_cannot_be_locked_waits),
		IN_EACH_PLACE(rename_out_of_what_moved_on_waits),
		IN_EACH_PLACE(what_follows_a_half_waits_with_it),
		IN_EACH_PLACE(next_entry_event_of_the_directory_ends_the_wait),
		IN_EACH_PLACE(many_lonely_halves_wait_together),
		IN_EACH_PLACE(rename_in_comes_from_nowhere),
		IN_EACH_PLACE(halves_split_by_the_end_of_the_buffer_are_joined),
		IN_EACH_PLACE(a_full_buffer_ends_the_wait),
		IN_EACH_PLACE(halves_are_never_split_while_another_task_renames),
		IN_EACH_PLACE(a_move_from_a_forgotten_directory_comes_from_outside),
	};

	return cmocka_run_group_tests_name("plugin inotify: moves", tests, NULL, NULL);
}
