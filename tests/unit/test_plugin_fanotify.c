/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fanotify_fixture.h"

#include <linux/fs.h>

/* Returns the i-th hint of a move; NULL if there are fewer. */
static const struct rh_hint *nth_move(const struct rh *rh, unsigned i)
{
	for (size_t k = 0; k < rh->hint_count; k++)
		if (rh->hints[k].what & HW_HINT_MOVED && i-- == 0)
			return &rh->hints[k];
	return NULL;
}

static void a_write_is_told_with_the_pid_of_its_writer(void **state)
{
	struct fixture f;

	start(&f, state);
	put(f.a, "file", "text");
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, "file"),
			 HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE);
	for (size_t i = 0; i < f.rh->hint_count; i++) {
		assert_int_equal(f.rh->hints[i].type, HW_TYPE_FILE);
		assert_int_equal(f.rh->hints[i].pid, getpid());
	}
	assert_int_equal(rh_stats(f.rh).watches, is_whole(state) ? 1 : 3);
	assert_true(rh_stats(f.rh).kernel_events > 0);
	fixture_end(&f);
}

static void events_arrive_by_the_descriptor(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "file");
	rh_expect(f.rh, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, A, "file"));
	fixture_end(&f);
}

static void a_directory_is_told_as_one(void **state)
{
	struct fixture f;

	start(&f, state);
	close(fixture_mkdir(f.a, "d"));
	rh_flush(f.rh);
	assert_int_equal(unlinkat(f.a, "d", AT_REMOVEDIR), 0);
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 2);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, A, "d"));
	assert_true(rh_is(&f.rh->hints[1], HW_HINT_DELETED, A, "d"));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_DIR);
	assert_int_equal(f.rh->hints[1].type, HW_TYPE_DIR);
	fixture_end(&f);
}

static void rename_across_directories_is_one_hint(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	rh_flush(f.rh);
	rh_forget_hints(f.rh);
	assert_int_equal(renameat(f.a, "old", f.b, "new"), 0);
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_true(rh_is_move(&f.rh->hints[0], A, "old", B, "new"));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_FILE);
	fixture_end(&f);
}

static void rename_of_a_directory_is_one_move(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(renameat(f.root, "a", f.b, "c"), 0);
	rh_flush(f.rh);
	assert_true(rh_is_move(nth_move(f.rh, 0), ROOT, "a", B, "c"));
	assert_int_equal(nth_move(f.rh, 0)->type, HW_TYPE_DIR);
	assert_null(nth_move(f.rh, 1));
	fixture_end(&f);
}

static void exchange_is_two_moves(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "x");
	touch(f.b, "y");
	assert_int_equal(renameat2(f.a, "x", f.b, "y", RENAME_EXCHANGE), 0);
	rh_flush(f.rh);
	assert_true(rh_is_move(nth_move(f.rh, 0), A, "x", B, "y"));
	assert_true(rh_is_move(nth_move(f.rh, 1), B, "y", A, "x"));
	fixture_end(&f);
}

static void moves_out_and_in_lack_the_other_side(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "old");
	assert_int_equal(renameat(f.a, "old", f.outside, "new"), 0);
	assert_int_equal(renameat(f.outside, "new", f.b, "back"), 0);
	rh_flush(f.rh);
	assert_true(rh_is_move(nth_move(f.rh, 0), A, "old", HW_NO_DIR, ""));
	assert_true(rh_is_move(nth_move(f.rh, 1), HW_NO_DIR, "", B, "back"));
	assert_null(nth_move(f.rh, 2));
	fixture_end(&f);
}

static void what_happens_outside_is_not_told(void **state)
{
	struct fixture f;

	start(&f, state);
	put(f.outside, "file", "text");
	assert_int_equal(renameat(f.outside, "file", f.outside, "other"), 0);
	assert_int_equal(unlinkat(f.outside, "other", 0), 0);
	close(fixture_mkdir(f.outside, "d"));
	assert_int_equal(renameat(f.outside, "d", f.top, "d"), 0);
	assert_int_equal(unlinkat(f.top, "d", AT_REMOVEDIR), 0);
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 0);
	fixture_end(&f);
}

static void a_forgotten_directory_is_silent(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "queued");
	f.rh->plugin->forget_dir(f.rh->self, A);
	touch(f.a, "later");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 0);
	f.rh->plugin->forget_dir(f.rh->self, A);
	assert_int_equal(watch(f.rh, 9, f.a), 0);
	touch(f.a, "again");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, 9, "again"));
	fixture_end(&f);
}

static void a_deleted_root_is_gone(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(unlinkat(f.root, "a", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(f.root, "b", AT_REMOVEDIR), 0);
	/* An inode mark reports the deletion when the last descriptor is closed. */
	close(f.a);
	close(f.b);
	close(f.root);
	f.a = f.b = f.root = -1;
	rh_close_dirs(f.rh);
	assert_int_equal(unlinkat(f.top, "root", AT_REMOVEDIR), 0);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, ROOT, ""), HW_HINT_GONE);
	assert_int_equal(rh_told(f.rh, ROOT, "a"), HW_HINT_DELETED);
	fixture_end(&f);
}

static void a_root_moved_away_is_gone(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(renameat(f.top, "root", f.top, "elsewhere"), 0);
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_int_equal(f.rh->hints[0].what, HW_HINT_GONE);
	assert_int_equal(f.rh->hints[0].dir, ROOT);
	fixture_end(&f);
}

static void attributes_of_the_root_are_told_as_dot(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(fchmodat(f.top, "root", 0700, 0), 0);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, ROOT, "."), HW_HINT_ATTRIB);
	fixture_end(&f);
}

static void attributes_of_a_directory_are_told_as_dot(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(fchmodat(f.root, "a", 0700, 0), 0);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, "."), HW_HINT_ATTRIB);
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_DIR);
	fixture_end(&f);
}

static void merged_events_come_as_one_hint(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.a, "file");
	assert_int_equal(unlinkat(f.a, "file", 0), 0);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, "file") & (HW_HINT_CREATED | HW_HINT_DELETED),
			 HW_HINT_CREATED | HW_HINT_DELETED);
	fixture_end(&f);
}

static void names_are_bytes_up_to_255_of_them(void **state)
{
	struct fixture f;
	char longest[256];
	const char *odd = "\xff\n\x1b[2J \\";

	start(&f, state);
	memset(longest, 'n', 255);
	longest[255] = '\0';
	touch(f.a, longest);
	touch(f.a, odd);
	assert_int_equal(renameat(f.a, longest, f.b, odd), 0);
	rh_flush(f.rh);
	assert_true(rh_told(f.rh, A, longest) & HW_HINT_CREATED);
	assert_true(rh_told(f.rh, A, odd) & HW_HINT_CREATED);
	assert_true(rh_is_move(nth_move(f.rh, 0), A, longest, B, odd));
	fixture_end(&f);
}

static void a_small_budget_leaves_nothing_behind(void **state)
{
	struct fixture f;
	char name[16];

	start(&f, state);
	f.rh->budget = 7;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		touch(f.a, name);
	}
	rh_expect(f.rh, 3000);
	fixture_end(&f);
}

static void own_changes_are_dropped_when_asked(void **state)
{
	struct fixture f;
	int status;

	/* The kernel reports process ids only to groups with this capability. */
	HW_NEED(hw_lacks_capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN"));
	start_with(&f, state, "ignore_self", "yes");
	touch(f.a, "mine");
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		touch(f.a, "theirs");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, "mine"), 0);
	assert_int_equal(rh_told(f.rh, A, "theirs"), HW_HINT_CREATED);
	fixture_end(&f);
}

static void a_directory_reached_twice_is_refused(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(watch(f.rh, 9, f.a), -EEXIST);
	assert_non_null(strstr(f.rh->reason, "already"));
	int bound = fixture_bind(&f);
	if (bound < 0)
		print_message("# skipped in part: a bind mount needs CAP_SYS_ADMIN\n");
	else
		assert_int_equal(watch(f.rh, 9, bound), -EEXIST);
	fixture_unbind(&f, bound);
	fixture_end(&f);
}

static void a_file_cannot_be_watched(void **state)
{
	struct fixture f;
	int fd;

	start(&f, state);
	touch(f.a, "file");
	fd = openat(f.a, "file", O_PATH | O_CLOEXEC);
	assert_int_equal(watch(f.rh, 9, fd), -ENOTDIR);
	close(fd);
	fixture_end(&f);
}

static void the_cost_is_that_of_the_marks(void **state)
{
	struct hw_watcher_cost cost = { .struct_size = sizeof(cost) };
	struct fixture f;

	start(&f, state);
	f.rh->plugin->cost(f.rh->self, f.a, &cost);
	assert_int_equal(cost.per_filesystem, is_whole(state));
	assert_int_equal(cost.per_directory, !is_whole(state));
	assert_true(cost.limit > 0);
	assert_non_null(strstr(cost.limit_name, "fanotify"));
	fixture_end(&f);
}

static void probe_leaves_no_mark(void **state)
{
	struct fixture f;

	start(&f, state);
	assert_int_equal(f.rh->plugin->probe(f.rh->self, f.outside), 0);
	assert_int_equal(f.rh->plugin->probe(f.rh->self, f.a), 0);
	touch(f.outside, "x");
	touch(f.a, "y");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, A, "y"));
	fixture_end(&f);
}

static void forget_everything(struct rh *rh, const struct rh_hint *hint)
{
	(void)hint;
	for (hw_token token = ROOT; token <= B; token++)
		rh->plugin->forget_dir(rh->self, token);
}

static void directories_may_be_forgotten_inside_a_hint(void **state)
{
	struct fixture f;

	start(&f, state);
	f.rh->on_hint = forget_everything;
	touch(f.a, "one");
	touch(f.b, "two");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	fixture_end(&f);
}

static void two_instances_do_not_know_each_other(void **state)
{
	const struct setup *setup = *state;
	struct hw_setting mark = { "mark", setup->mark };
	struct rh *other;
	struct fixture f;

	start(&f, state);
	other = rh_start("fanotify", &mark, 1);
	assert_int_equal(watch(other, 7, f.outside), 0);
	assert_int_equal(watch(other, 8, f.a), 0);
	touch(f.a, "x");
	touch(f.outside, "y");
	rh_flush(f.rh);
	rh_flush(other);
	assert_int_equal(f.rh->hint_count, 1);
	assert_int_equal(other->hint_count, 2);
	assert_int_equal(rh_told(other, 8, "x"), HW_HINT_CREATED);
	rh_destroy(other);
	fixture_end(&f);
}

static void many_directories_come_and_go(void **state)
{
	enum { DIRS = 3000 };
	struct fixture f;
	char name[16];

	start(&f, state);
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		int dir = fixture_mkdir(f.outside, name);
		assert_int_equal(watch(f.rh, 100 + i, dir), 0);
		close(dir);
	}
	for (unsigned i = 0; i < DIRS; i += 2)
		f.rh->plugin->forget_dir(f.rh->self, 100 + i);
	assert_int_equal(rh_stats(f.rh).watches, is_whole(state) ? 1 : 3 + DIRS / 2);
	rh_flush(f.rh);
	rh_forget_hints(f.rh);
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%u/f", i);
		touch(f.outside, name);
	}
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, DIRS / 2);
	for (unsigned i = 0; i < DIRS / 2; i++)
		assert_true(rh_is(&f.rh->hints[i], HW_HINT_CREATED, 101 + 2 * i, "f"));
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EACH_MARK(a_write_is_told_with_the_pid_of_its_writer),
		WITH_EACH_MARK(events_arrive_by_the_descriptor),
		WITH_EACH_MARK(a_directory_is_told_as_one),
		WITH_EACH_MARK(rename_across_directories_is_one_hint),
		WITH_EACH_MARK(rename_of_a_directory_is_one_move),
		WITH_EACH_MARK(exchange_is_two_moves),
		WITH_EACH_MARK(moves_out_and_in_lack_the_other_side),
		WITH_EACH_MARK(what_happens_outside_is_not_told),
		WITH_EACH_MARK(a_forgotten_directory_is_silent),
		WITH_EACH_MARK(a_deleted_root_is_gone),
		WITH_EACH_MARK(a_root_moved_away_is_gone),
		WITH_EACH_MARK(attributes_of_the_root_are_told_as_dot),
		WITH_EACH_MARK(attributes_of_a_directory_are_told_as_dot),
		WITH_EACH_MARK(merged_events_come_as_one_hint),
		WITH_EACH_MARK(names_are_bytes_up_to_255_of_them),
		WITH_EACH_MARK(a_small_budget_leaves_nothing_behind),
		WITH_EACH_MARK(own_changes_are_dropped_when_asked),
		WITH_EACH_MARK(a_directory_reached_twice_is_refused),
		WITH_EACH_MARK(a_file_cannot_be_watched),
		WITH_EACH_MARK(probe_leaves_no_mark),
		WITH_EACH_MARK(the_cost_is_that_of_the_marks),
		WITH_EACH_MARK(directories_may_be_forgotten_inside_a_hint),
		WITH_EACH_MARK(two_instances_do_not_know_each_other),
		WITH_EACH_MARK(many_directories_come_and_go),
	};

	return cmocka_run_group_tests_name("plugin fanotify", tests, NULL, NULL);
}
