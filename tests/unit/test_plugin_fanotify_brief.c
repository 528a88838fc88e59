/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records with both a create and a delete: which of them are about an inode that is gone for
 * good. */
#include "fanotify_fixture.h"

#define BOTH (HW_HINT_CREATED | HW_HINT_DELETED)

static bool is_brief(const struct rh *rh, const char *name)
{
	uint32_t what = rh_told(rh, A, name);

	assert_int_equal(what & BOTH, BOTH);
	return what & HW_HINT_BRIEF;
}

static void unlink_in(int dir, const char *name)
{
	assert_int_equal(unlinkat(dir, name, 0), 0);
}

static void link_in(int from, const char *name, int to, const char *new_name)
{
	assert_int_equal(linkat(from, name, to, new_name, 0), 0);
}

static void new_files_that_are_gone_are_brief(void **state)
{
	struct fixture f;

	start(&f, state);
	for (int i = 0; i < 3; i++) {
		put(f.a, "file", "text");
		unlink_in(f.a, "file");
	}
	put(f.a, "other", "text");
	unlink_in(f.a, "other");
	rh_flush(f.rh);
	assert_int_equal(is_brief(f.rh, "file"), is_whole(state));
	assert_int_equal(is_brief(f.rh, "other"), is_whole(state));
	fixture_end(&f);
}

/* The record is the same whether the name exists or not, and the inode was created elsewhere. */
static void links_to_an_old_file_are_not_brief(void **state)
{
	struct fixture f;

	start(&f, state);
	touch(f.outside, "old");
	rh_flush(f.rh);
	link_in(f.outside, "old", f.a, "gone");
	unlink_in(f.a, "gone");
	rh_flush(f.rh);
	assert_false(is_brief(f.rh, "gone"));
	link_in(f.outside, "old", f.a, "there");
	unlink_in(f.a, "there");
	link_in(f.outside, "old", f.a, "there");
	rh_flush(f.rh);
	assert_false(is_brief(f.rh, "there"));
	fixture_end(&f);
}

static void links_to_an_open_file_are_not_brief(void **state)
{
	struct fixture f;
	char path[64];

	start(&f, state);
	int fd = openat(f.a, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0) {
		print_message("# skipped: no O_TMPFILE here\n");
		fixture_end(&f);
		skip();
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(linkat(AT_FDCWD, path, f.a, "name", AT_SYMLINK_FOLLOW), 0);
	unlink_in(f.a, "name");
	close(fd);
	rh_flush(f.rh);
	assert_false(is_brief(f.rh, "name"));
	fixture_end(&f);
}

static void files_with_a_second_name_are_not_brief(void **state)
{
	struct fixture f;

	start(&f, state);
	put(f.a, "linked", "text");
	link_in(f.a, "linked", f.b, "second");
	unlink_in(f.a, "linked");
	link_in(f.b, "second", f.a, "linked");
	put(f.a, "moved", "text");
	assert_int_equal(renameat(f.a, "moved", f.b, "moved"), 0);
	assert_int_equal(renameat(f.b, "moved", f.a, "moved"), 0);
	unlink_in(f.a, "moved");
	put(f.a, "outside", "text");
	link_in(f.a, "outside", f.outside, "outside");
	unlink_in(f.a, "outside");
	link_in(f.outside, "outside", f.a, "outside");
	rh_flush(f.rh);
	assert_false(is_brief(f.rh, "linked"));
	assert_false(is_brief(f.rh, "moved"));
	if (is_whole(state))
		assert_false(is_brief(f.rh, "outside"));
	fixture_end(&f);
}

/* Records queued after the batch may be about the same inode. */
static void a_batch_that_is_not_all_has_nothing_brief(void **state)
{
	struct fixture f;
	char name[16];

	start(&f, state);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		touch(f.a, name);
		unlink_in(f.a, name);
	}
	rh_flush(f.rh);
	assert_false(is_brief(f.rh, "f0"));
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EACH_MARK(new_files_that_are_gone_are_brief),
		WITH_EACH_MARK(links_to_an_old_file_are_not_brief),
		WITH_EACH_MARK(links_to_an_open_file_are_not_brief),
		WITH_EACH_MARK(files_with_a_second_name_are_not_brief),
		WITH_EACH_MARK(a_batch_that_is_not_all_has_nothing_brief),
	};

	return cmocka_run_group_tests_name("brief files of fanotify", tests, NULL, NULL);
}
