/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watcher_fixture.h"

#include <sched.h>
#include <sys/resource.h>

/* Each test below runs once on disk and once on tmpfs. */
static void start(struct fixture *f, void **state, const struct hw_setting *setting)
{
	fixture_start(f, *state, "inotify", setting, setting ? 1 : 0);
}

static void a_write_is_told_as_create_modify_close(void **state)
{
	const uint32_t all = HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE;
	struct fixture f;

	start(&f, state, NULL);
	put(f.a, "file", "text");
	rh_expect(f.rh, 1);
	assert_true(rh_is(&f.rh->hints[0], all, A, "file"));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_FILE);
	assert_int_equal(rh_stats(f.rh).kernel_events, 3);
	assert_int_equal(rh_stats(f.rh).watches, 3);
	fixture_end(&f);
}

static void records_are_merged_only_in_the_order_of_a_hint(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	put(f.a, "one", "text");
	put(f.a, "one", "text");
	put(f.b, "one", "text");
	rh_expect(f.rh, 3);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE,
			  A, "one"));
	assert_true(rh_is(&f.rh->hints[1], HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, A, "one"));
	assert_true(rh_is(&f.rh->hints[2], HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE,
			  B, "one"));
	fixture_end(&f);
}

static void a_file_deleted_at_once_is_one_hint(void **state)
{
	const uint32_t all = HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE |
			     HW_HINT_DELETED | HW_HINT_BRIEF;
	struct fixture f;

	start(&f, state, NULL);
	for (int i = 0; i < 2; i++) {
		put(f.a, "file", "text");
		assert_int_equal(unlinkat(f.a, "file", 0), 0);
	}
	put(f.a, "file", "text");
	rh_expect(f.rh, 3);
	assert_true(rh_is(&f.rh->hints[0], all, A, "file"));
	assert_true(rh_is(&f.rh->hints[1], all, A, "file"));
	assert_true(rh_is(&f.rh->hints[2], HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE,
			  A, "file"));
	assert_int_equal(rh_stats(f.rh).kernel_events, 11);
	fixture_end(&f);
}

/* Simulates two writers. The second name exists again when the third record is read. */
static void a_file_deleted_later_is_brief(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	touch(f.a, "one");
	touch(f.b, "one");
	assert_int_equal(unlinkat(f.a, "one", 0), 0);
	assert_int_equal(unlinkat(f.b, "one", 0), 0);
	touch(f.a, "two");
	touch(f.b, "two");
	assert_int_equal(renameat(f.a, "two", f.a, "three"), 0);
	touch(f.a, "two");
	assert_int_equal(unlinkat(f.a, "two", 0), 0);
	rh_expect(f.rh, 8);
	assert_int_equal(f.rh->hints[0].what & HW_HINT_BRIEF, HW_HINT_BRIEF);
	assert_int_equal(f.rh->hints[1].what & HW_HINT_BRIEF, HW_HINT_BRIEF);
	assert_true(rh_is(&f.rh->hints[2], HW_HINT_DELETED, A, "one"));
	assert_true(rh_is(&f.rh->hints[3], HW_HINT_DELETED, B, "one"));
	assert_int_equal(f.rh->hints[4].what & HW_HINT_BRIEF, 0); /* the file was renamed */
	assert_int_equal(f.rh->hints[5].what & HW_HINT_BRIEF, 0); /* the file remains */
	assert_int_equal(f.rh->hints[6].what, HW_HINT_MOVED);
	assert_int_equal(f.rh->hints[7].what & HW_HINT_BRIEF, HW_HINT_BRIEF);
	fixture_end(&f);
}

static void a_directory_is_told_as_one(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	close(fixture_mkdir(f.a, "d"));
	assert_int_equal(unlinkat(f.a, "d", AT_REMOVEDIR), 0);
	rh_expect(f.rh, 1);
	assert_true(
		rh_is(&f.rh->hints[0], HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_BRIEF, A, "d"));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_DIR);
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

static void a_small_budget_leaves_nothing_behind(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	f.rh->budget = 7;
	fill_queue(&f, 3000);
	rh_expect(f.rh, 3000);
	fixture_end(&f);
}

static void overflow_is_told_once_as_lost(void **state)
{
	unsigned long limit = read_number("/proc/sys/fs/inotify/max_queued_events");
	struct fixture f;
	char name[16];

	if (limit > 50000) {
		print_message("# skipped: fs.inotify.max_queued_events is raised to %lu\n", limit);
		skip();
	}
	start(&f, state, NULL);
	for (unsigned i = 0; i < limit + 100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		touch(f.a, name);
	}
	rh_flush(f.rh);
	assert_int_equal(f.rh->lost, 1);
	assert_int_equal(rh_stats(f.rh).overflows, 1);
	rh_forget_hints(f.rh);
	touch(f.a, "after");
	rh_expect(f.rh, 1);
	fixture_end(&f);
}

static void a_forgotten_directory_is_silent(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	touch(f.a, "queued");
	f.rh->plugin->forget_dir(f.rh->self, A);
	touch(f.a, "later");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 0);
	assert_int_equal(rh_stats(f.rh).watches, 2);
	f.rh->plugin->forget_dir(f.rh->self, A);
	assert_int_equal(watch(f.rh, 9, f.a), 0);
	touch(f.a, "again");
	rh_expect(f.rh, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, 9, "again"));
	fixture_end(&f);
}

static void a_deleted_directory_is_gone_and_its_watch_too(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	close(f.a);
	close(f.rh->dirs[A]);
	f.a = -1;
	f.rh->dirs[A] = 0;
	assert_int_equal(unlinkat(f.root, "a", AT_REMOVEDIR), 0);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, ""), HW_HINT_GONE);
	assert_int_equal(rh_told(f.rh, ROOT, "a"), HW_HINT_DELETED);
	assert_int_equal(rh_stats(f.rh).watches, 2);
	fixture_end(&f);
}

static void attributes_of_a_watched_directory_are_told_as_dot(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	assert_int_equal(fchmodat(f.top, "root", 0700, 0), 0);
	rh_expect(f.rh, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_ATTRIB, ROOT, "."));
	assert_int_equal(f.rh->hints[0].type, HW_TYPE_DIR);
	fixture_end(&f);
}

static void names_are_bytes_up_to_255_of_them(void **state)
{
	struct fixture f;
	char longest[256];
	const char *odd = "\xff\n\x1b[2J \\";

	start(&f, state, NULL);
	memset(longest, 'n', 255);
	longest[255] = '\0';
	touch(f.a, longest);
	touch(f.a, odd);
	assert_int_equal(renameat(f.a, longest, f.b, odd), 0);
	rh_expect(f.rh, 3);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, A, longest));
	assert_true(rh_is(&f.rh->hints[1], HW_HINT_CREATED, A, odd));
	assert_true(rh_is_move(&f.rh->hints[2], A, longest, B, odd));
	fixture_end(&f);
}

static void writes_to_an_unlinked_file_are_told_under_the_lost_name(void **state)
{
	struct fixture f;
	int fd;

	start(&f, state, NULL);
	fd = openat(f.a, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(unlinkat(f.a, "file", 0), 0);
	touch(f.a, "file");
	rh_flush(f.rh);
	rh_forget_hints(f.rh);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	rh_flush(f.rh);
	assert_int_equal(rh_told(f.rh, A, "file"), HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE);
	fixture_end(&f);
}

static void a_directory_reached_twice_is_refused(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	assert_int_equal(watch(f.rh, 9, f.a), -EEXIST);
	assert_non_null(strstr(f.rh->reason, "already"));
	assert_int_equal(watch(f.rh, A, f.outside), -EEXIST);
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

	start(&f, state, NULL);
	touch(f.a, "file");
	fd = openat(f.a, "file", O_PATH | O_CLOEXEC);
	assert_int_equal(watch(f.rh, 9, fd), -ENOTDIR);
	close(fd);
	fixture_end(&f);
}

static void probe_leaves_no_watch(void **state)
{
	struct fixture f;

	start(&f, state, NULL);
	assert_int_equal(f.rh->plugin->probe(f.rh->self, f.outside), 0);
	assert_int_equal(f.rh->plugin->probe(f.rh->self, f.a), 0);
	touch(f.outside, "x");
	touch(f.a, "y");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_true(rh_is(&f.rh->hints[0], HW_HINT_CREATED, A, "y"));
	fixture_end(&f);
}

static int run_out_of_watches(const struct fixture *f)
{
	struct rh *rh;
	int rc;

	if (hw_enter_user_limit("max_inotify_watches", 2))
		return 77;
	rh = rh_start("inotify", NULL, 0);
	if (watch(rh, ROOT, f->root) || watch(rh, A, f->a))
		return 1;
	rc = watch(rh, B, f->b);
	if (rc != -ENOSPC || !strstr(rh->reason, "user.max_inotify_watches"))
		return 2;
	rh->plugin->forget_dir(rh->self, A);
	rc = watch(rh, B, f->b);
	rh_destroy(rh);
	return rc ? 3 : 0;
}

static void the_cost_is_a_watch_for_each_directory(void **state)
{
	struct hw_watcher_cost cost = { .struct_size = sizeof(cost) };
	struct fixture f;

	start(&f, state, NULL);
	f.rh->plugin->cost(f.rh->self, f.a, &cost);
	assert_int_equal(cost.per_directory, 1);
	assert_int_equal(cost.per_filesystem, 0);
	assert_true(cost.limit > 0);
	assert_non_null(strstr(cost.limit_name, "inotify"));
	assert_int_equal(cost.period_ns, 0);
	fixture_end(&f);
}

static void running_out_of_watches_names_the_limit(void **state)
{
	struct fixture f;

	HW_NEED(hw_lacks_user_limit("max_inotify_watches"));
	fixture_make(&f, *state);
	int rc = in_child(run_out_of_watches, &f);
	fixture_end(&f);
	assert_int_equal(rc, 0);
}

static int run_out_of_files(const struct fixture *f)
{
	struct rh *rh = rh_create("inotify", NULL, 0);
	struct rlimit none = { 0, 0 };

	(void)f;
	if (rh_open(rh) || setrlimit(RLIMIT_NOFILE, &none))
		return 1;
	if (rh->plugin->start(rh->self) != -EMFILE || !strstr(rh->reason, "max_user_instances"))
		return 2;
	rh->started = true;
	rh_destroy(rh);
	return 0;
}

static void running_out_of_instances_names_the_limit(void **state)
{
	struct fixture f;

	fixture_make(&f, *state);
	assert_int_equal(in_child(run_out_of_files, &f), 0);
	fixture_end(&f);
}

static int refused_directory(const struct fixture *f)
{
	struct rh *rh;

	if (fchmodat(f->root, "a", 0311, 0) || drop_rights())
		return 77;
	rh = rh_start("inotify", NULL, 0);
	if (watch(rh, A, f->a) != -EACCES || !strstr(rh->reason, "permission"))
		return 1;
	if (watch(rh, B, f->b))
		return 2;
	rh_destroy(rh);
	return 0;
}

static void an_unreadable_directory_is_refused(void **state)
{
	struct fixture f;

	fixture_make(&f, *state);
	const char *reason = fixture_lacks_drop(&f);
	int rc = reason ? 0 : in_child(refused_directory, &f);
	fixture_end(&f);
	HW_NEED(reason);
	assert_int_equal(rc, 0);
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

	start(&f, state, NULL);
	f.rh->on_hint = forget_everything;
	touch(f.a, "one");
	touch(f.b, "two");
	rh_flush(f.rh);
	assert_int_equal(f.rh->hint_count, 1);
	assert_int_equal(rh_stats(f.rh).watches, 0);
	fixture_end(&f);
}

static void two_instances_do_not_know_each_other(void **state)
{
	struct fixture f;
	struct rh *other = rh_start("inotify", NULL, 0);

	start(&f, state, NULL);
	assert_int_equal(watch(other, 7, f.outside), 0);
	assert_int_equal(watch(other, 8, f.a), 0);
	touch(f.a, "x");
	touch(f.outside, "y");
	rh_expect(f.rh, 1);
	rh_expect(other, 2);
	assert_true(rh_is(&other->hints[0], HW_HINT_CREATED, 8, "x"));
	rh_destroy(other);
	fixture_end(&f);
}

static void every_partial_life_ends_without_a_leak(void **state)
{
	unsigned before = open_files();

	(void)state;
	for (unsigned fail = 0; fail <= 4; fail++) {
		struct rh *rh = rh_create("inotify", NULL, 0);

		assert_int_equal(rh_open(rh), 0);
		rh->fail_call = fail;
		int rc = rh->plugin->start(rh->self);
		assert_int_equal(rc, fail >= 1 && fail <= 3 ? -ENOMEM : 0);
		rh->started = true;
		rh_destroy(rh);
	}
	struct rh *rh = rh_create("inotify", NULL, 0);
	rh_destroy(rh); /* close() without open() */
	rh = rh_create("inotify", NULL, 0);
	assert_int_equal(rh_open(rh), 0);
	rh_destroy(rh);
	assert_int_equal(open_files(), before);
}

static void many_directories_come_and_go(void **state)
{
	enum { DIRS = 3000 };
	struct fixture f;
	char name[16];

	start(&f, state, NULL);
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		int dir = fixture_mkdir(f.outside, name);
		assert_int_equal(watch(f.rh, 100 + i, dir), 0);
		close(dir);
	}
	for (unsigned i = 0; i < DIRS; i += 2)
		f.rh->plugin->forget_dir(f.rh->self, 100 + i);
	assert_int_equal(rh_stats(f.rh).watches, 3 + DIRS / 2);
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
		IN_EACH_PLACE(a_write_is_told_as_create_modify_close),
		IN_EACH_PLACE(records_are_merged_only_in_the_order_of_a_hint),
		IN_EACH_PLACE(a_file_deleted_at_once_is_one_hint),
		IN_EACH_PLACE(a_file_deleted_later_is_brief),
		IN_EACH_PLACE(a_directory_is_told_as_one),
		IN_EACH_PLACE(a_small_budget_leaves_nothing_behind),
		IN_EACH_PLACE(overflow_is_told_once_as_lost),
		IN_EACH_PLACE(a_forgotten_directory_is_silent),
		IN_EACH_PLACE(a_deleted_directory_is_gone_and_its_watch_too),
		IN_EACH_PLACE(attributes_of_a_watched_directory_are_told_as_dot),
		IN_EACH_PLACE(names_are_bytes_up_to_255_of_them),
		IN_EACH_PLACE(writes_to_an_unlinked_file_are_told_under_the_lost_name),
		IN_EACH_PLACE(a_directory_reached_twice_is_refused),
		IN_EACH_PLACE(a_file_cannot_be_watched),
		IN_EACH_PLACE(probe_leaves_no_watch),
		IN_EACH_PLACE(the_cost_is_a_watch_for_each_directory),
		IN_EACH_PLACE(running_out_of_watches_names_the_limit),
		IN_EACH_PLACE(an_unreadable_directory_is_refused),
		IN_EACH_PLACE(directories_may_be_forgotten_inside_a_hint),
		IN_EACH_PLACE(two_instances_do_not_know_each_other),
		IN_EACH_PLACE(many_directories_come_and_go),
		IN_EACH_PLACE(running_out_of_instances_names_the_limit),
		IN_EACH_PLACE(every_partial_life_ends_without_a_leak),
	};

	return cmocka_run_group_tests_name("plugin inotify", tests, NULL, NULL);
}
