/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fanotify watcher at its limits, and without privileges. */
#include "watcher_fixture.h"

/* The place and the kind of mark of a test. */
struct setup {
	const char *place;
	const char *mark;
};

static void start_with(struct fixture *f, void **state, const char *key, const char *value)
{
	const struct setup *setup = *state;
	struct hw_setting settings[] = { { "mark", setup->mark }, { key, value } };

	fixture_make(f, setup->place);
	f->rh = rh_start("fanotify", settings, key ? 2 : 1);
	int rc = watch(f->rh, ROOT, f->root);
	if (rc == -EPERM) {
		print_message("# skipped: %s\n", f->rh->reason);
		fixture_end(f);
		skip();
	}
	if (rc)
		fail_msg("watch_dir: %s", f->rh->reason);
	assert_int_equal(watch(f->rh, A, f->a), 0);
	assert_int_equal(watch(f->rh, B, f->b), 0);
}

/* Returns the i-th hint of a move; NULL if there are fewer. */
static const struct rh_hint *nth_move(const struct rh *rh, unsigned i)
{
	for (size_t k = 0; k < rh->hint_count; k++)
		if (rh->hints[k].what & HW_HINT_MOVED && i-- == 0)
			return &rh->hints[k];
	return NULL;
}

static unsigned long queue_limit(void)
{
	return read_number("/proc/sys/fs/fanotify/max_queued_events");
}

static void overflow(void **state, const char *unlimited, unsigned lost)
{
	struct fixture f;
	char name[16];

	if (queue_limit() > 50000) {
		print_message("# skipped: fs.fanotify.max_queued_events is %lu\n", queue_limit());
		skip();
	}
	start_with(&f, state, "unlimited_queue", unlimited);
	for (unsigned i = 0; i < queue_limit() + 100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		touch(f.a, name);
	}
	rh_flush(f.rh);
	assert_int_equal(f.rh->lost, lost);
	assert_int_equal(rh_stats(f.rh).overflows, lost);
	rh_forget_hints(f.rh);
	touch(f.a, "after");
	rh_expect(f.rh, 1);
	fixture_end(&f);
}

static void overflow_is_told_once_as_lost(void **state)
{
	overflow(state, "no", 1);
}

static void an_unlimited_queue_does_not_overflow(void **state)
{
	HW_NEED(hw_lacks_capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN"));
	overflow(state, "yes", 0);
}

static int watch_unprivileged(const struct fixture *f)
{
	struct rh *rh;

	if (drop_rights())
		return 77;
	rh = rh_start("fanotify", NULL, 0);
	if (rh->plugin->probe(rh->self, f->a))
		return 1;
	if (watch(rh, ROOT, f->root) || watch(rh, A, f->a) || watch(rh, B, f->b))
		return 2;
	if (!strstr(rh->logged, "CAP_SYS_ADMIN") || rh_stats(rh).watches != 3)
		return 3;
	put(f->a, "file", "text");
	if (renameat(f->a, "file", f->b, "new"))
		return 4;
	rh_flush(rh);
	const struct rh_hint *move = nth_move(rh, 0);
	if (!move || !rh_is_move(move, A, "file", B, "new"))
		return 5;
	if (rh_told(rh, A, "file") !=
	    (HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE | HW_HINT_MOVED))
		return 6;
	rh_destroy(rh);
	return 0;
}

static int mark_filesystem_unprivileged(const struct fixture *f)
{
	struct hw_setting settings[] = { { "mark", "filesystem" } };
	struct rh *rh;

	if (drop_rights())
		return 77;
	rh = rh_start("fanotify", settings, 1);
	if (rh->plugin->probe(rh->self, f->a) != -EPERM || watch(rh, A, f->a) != -EPERM)
		return 1;
	if (strcmp(rh->reason, "a filesystem mark needs CAP_SYS_ADMIN"))
		return 2;
	rh_destroy(rh);
	return 0;
}

static int queue_unprivileged(const struct fixture *f)
{
	struct hw_setting settings[] = { { "unlimited_queue", "yes" } };
	struct rh *rh = rh_create("fanotify", settings, 1);

	(void)f;
	if (drop_rights())
		return 77;
	if (rh_open(rh) || rh->plugin->start(rh->self) != -EPERM)
		return 1;
	if (!strstr(rh->reason, "unlimited_queue = yes needs CAP_SYS_ADMIN"))
		return 2;
	rh->started = true;
	rh_destroy(rh);
	return 0;
}

static int run_out_of_marks(const struct fixture *f)
{
	struct rh *rh;

	if (hw_enter_user_limit("max_fanotify_marks", 2))
		return 77;
	rh = rh_start("fanotify", NULL, 0);
	if (watch(rh, ROOT, f->root) || watch(rh, A, f->a))
		return 1;
	if (watch(rh, B, f->b) != -ENOSPC || !strstr(rh->reason, "user.max_fanotify_marks, now 2"))
		return 2;
	if (watch(rh, B, f->b) != -ENOSPC)
		return 3;
	rh_destroy(rh);
	return 0;
}

static void check_in_child(void **state, int (*fn)(const struct fixture *f))
{
	const struct setup *setup = *state;
	struct fixture f;

	fixture_make(&f, setup->place);
	assert_int_equal(fchmodat(f.root, "a", 0777, 0), 0);
	assert_int_equal(fchmodat(f.root, "b", 0777, 0), 0);
	const char *reason = fn == run_out_of_marks ? hw_lacks_user_limit("max_fanotify_marks")
						    : fixture_lacks_drop(&f);
	int rc = reason ? 0 : in_child(fn, &f);
	fixture_end(&f);
	HW_NEED(reason);
	assert_int_equal(rc, 0);
}

static void without_privilege_each_directory_is_marked(void **state)
{
	check_in_child(state, watch_unprivileged);
}

static void a_filesystem_mark_without_privilege_says_what_it_needs(void **state)
{
	check_in_child(state, mark_filesystem_unprivileged);
}

static void an_unlimited_queue_without_privilege_says_what_it_needs(void **state)
{
	check_in_child(state, queue_unprivileged);
}

static void running_out_of_marks_names_the_limit(void **state)
{
	check_in_child(state, run_out_of_marks);
}

static void every_partial_life_ends_without_a_leak(void **state)
{
	unsigned before = open_files();

	(void)state;
	for (unsigned fail = 0; fail <= 3; fail++) {
		struct rh *rh = rh_create("fanotify", NULL, 0);

		assert_int_equal(rh_open(rh), 0);
		rh->fail_call = fail;
		int rc = rh->plugin->start(rh->self);
		assert_int_equal(rc, fail == 1 || fail == 2 ? -ENOMEM : 0);
		rh->started = true;
		rh_destroy(rh);
	}
	struct rh *rh = rh_create("fanotify", NULL, 0);
	rh_destroy(rh); /* close() without open() */
	rh = rh_create("fanotify", NULL, 0);
	assert_int_equal(rh_open(rh), 0);
	rh_destroy(rh);
	assert_int_equal(open_files(), before);
}

static struct setup disk_each = { "/var/tmp", "inode" };
static struct setup memory_each = { "/dev/shm", "inode" };

#define ROW(test, where, setup)                                                                    \
	{                                                                                          \
#test " (" where ")", test, NULL, NULL, setup                                      \
	}
#define IN_EACH_PLACE(test) ROW(test, "disk", &disk_each), ROW(test, "tmpfs", &memory_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_EACH_PLACE(overflow_is_told_once_as_lost),
		IN_EACH_PLACE(an_unlimited_queue_does_not_overflow),
		IN_EACH_PLACE(without_privilege_each_directory_is_marked),
		IN_EACH_PLACE(a_filesystem_mark_without_privilege_says_what_it_needs),
		IN_EACH_PLACE(an_unlimited_queue_without_privilege_says_what_it_needs),
		IN_EACH_PLACE(running_out_of_marks_names_the_limit),
		IN_EACH_PLACE(every_partial_life_ends_without_a_leak),
	};

	return cmocka_run_group_tests_name("plugin fanotify: rights and limits", tests, NULL, NULL);
}
