/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of a root: which links are followed, and which directories are accepted in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "root.h"

#include "tests/unit/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define ALICE 1001u
#define MALLORY 1002u

struct fixture {
	char *dir; /* owned by root; mode 0755 */
	struct hw_root_path root;
	int held; /* the root that was resolved */
};

static const char *at(const struct fixture *f, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	assert_true(snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name) <
		    (int)sizeof(paths[0]));
	return path;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = tempdir_create();
	f->held = -1;
	assert_int_equal(chmod(f->dir, 0755), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->held >= 0)
		assert_int_equal(close(f->held), 0);
	hw_root_free(&f->root);
	tempdir_remove(f->dir);
	free(f);
	return 0;
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("only root can give a directory to another user\n");
	skip();
}

static void make(const struct fixture *f, const char *name, uid_t uid, mode_t mode)
{
	assert_int_equal(mkdir(at(f, name), 0700), 0);
	assert_int_equal(chmod(at(f, name), mode), 0);
	if (uid)
		assert_int_equal(chown(at(f, name), uid, uid), 0);
}

static void move(const struct fixture *f, const char *from, const char *to)
{
	assert_int_equal(rename(at(f, from), at(f, to)), 0);
}

static void resolve(struct fixture *f, const char *name)
{
	f->held = hw_root_resolve(&f->root, at(f, name));
	assert_true(f->held >= 0);
	assert_int_equal(hw_root_is_at(&f->root, f->held), 1);
}

static void accepted(struct fixture *f)
{
	int fd = hw_root_return(&f->root);

	if (fd < 0)
		fail_msg("refused: %d, %s", fd, f->root.refusal);
	assert_int_equal(close(f->held), 0);
	f->held = fd;
	assert_int_equal(hw_root_is_at(&f->root, f->held), 1);
}

static void refused(struct fixture *f, const char *why)
{
	assert_int_equal(hw_root_return(&f->root), -EPERM);
	if (!strstr(f->root.refusal, why))
		fail_msg("no \"%s\" in: %s", why, f->root.refusal);
}

/* ---- resolving ---- */

static void resolves(struct fixture *f, const char *path, const char *to, bool linked)
{
	int fd = hw_root_resolve(&f->root, path);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	assert_int_equal(close(fd), 0);
	assert_string_equal(f->root.path, to);
	assert_int_equal(f->root.linked, linked);
}

static void links_dots_and_slashes_are_resolved(void **state)
{
	struct fixture *f = *state;
	char *real = realpath(f->dir, NULL), expected[512], cwd[512], link[64];
	int fd;

	assert_non_null(real);
	make(f, "a", 0, 0755);
	make(f, "a/b", 0, 0755);
	assert_int_equal(symlink("b/../b/.", at(f, "a/link")), 0);
	assert_int_equal(symlink(at(f, "a//link"), at(f, "chain")), 0);
	snprintf(expected, sizeof(expected), "%s/a/b", real);
	resolves(f, at(f, "a/b"), expected, false);
	resolves(f, at(f, "a/./b//"), expected, false);
	resolves(f, at(f, "a/../a/b"), expected, false);
	resolves(f, at(f, "chain"), expected, true);
	resolves(f, at(f, "chain/../b"), expected, true);
	resolves(f, "/", "/", false);
	resolves(f, "/../..", "/", false);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(f->dir), 0);
	resolves(f, "a/b", expected, false);
	resolves(f, ".", real, false);
	assert_int_equal(chdir(cwd), 0);
	fd = open(at(f, "a"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(link, sizeof(link), "/proc/self/fd/%d/b", fd);
	f->held = hw_root_resolve(&f->root, link);
	assert_true(f->held >= 0);
	assert_int_equal(hw_root_is_at(&f->root, f->held), 1);
	assert_int_equal(close(fd), 0);
	free(real);
}

static void a_path_that_is_none_has_the_error_of_open(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(close(creat(at(f, "file"), 0600)), 0);
	assert_int_equal(symlink("circle", at(f, "circle")), 0);
	assert_int_equal(symlink("nothing", at(f, "dangling")), 0);
	assert_int_equal(symlink("file", at(f, "to-file")), 0);
	assert_int_equal(hw_root_resolve(&f->root, ""), -ENOENT);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "nothing")), -ENOENT);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "file")), -ENOTDIR);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "file/x")), -ENOTDIR);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "to-file")), -ENOTDIR);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "dangling")), -ENOENT);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "circle")), -ELOOP);
	assert_null(f->root.path);
}

static void a_user_cannot_link_to_what_others_own(void **state)
{
	struct fixture *f = *state;
	int fd;

	need_root();
	make(f, "secret", 0, 0700);
	make(f, "own", MALLORY, 0700);
	assert_int_equal(symlink("secret", at(f, "theft")), 0);
	assert_int_equal(symlink("own", at(f, "link")), 0);
	assert_int_equal(lchown(at(f, "theft"), MALLORY, MALLORY), 0);
	assert_int_equal(lchown(at(f, "link"), MALLORY, MALLORY), 0);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "theft")), -EPERM);
	assert_non_null(strstr(f->root.refusal, "is a symbolic link of uid 1002"));
	fd = hw_root_resolve(&f->root, at(f, "link"));
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	/* Also as one of several links: the last one belongs to the owner of the directory. */
	assert_int_equal(symlink("link", at(f, "other")), 0);
	assert_int_equal(lchown(at(f, "other"), ALICE, ALICE), 0);
	assert_int_equal(hw_root_resolve(&f->root, at(f, "other")), -EPERM);
}

/* ---- at its place ---- */

static void a_root_is_at_its_place_until_it_is_moved(void **state)
{
	struct fixture *f = *state;

	make(f, "above", 0, 0755);
	make(f, "above/root", 0, 0755);
	resolve(f, "above/root");
	move(f, "above/root", "above/old");
	assert_int_equal(hw_root_is_at(&f->root, f->held), -ENOENT);
	assert_int_equal(symlink("old", at(f, "above/root")), 0);
	assert_int_equal(hw_root_is_at(&f->root, f->held), 0);
	assert_non_null(strstr(f->root.refusal, "symbolic link"));
	refused(f, "above/root\" is now a symbolic link");
	assert_int_equal(unlink(at(f, "above/root")), 0);
	make(f, "above/root", 0, 0755);
	assert_int_equal(hw_root_is_at(&f->root, f->held), 0);
	assert_string_equal(f->root.refusal, "");
	assert_int_equal(rmdir(at(f, "above/root")), 0);
	move(f, "above/old", "above/root");
	assert_int_equal(hw_root_is_at(&f->root, f->held), 1);
	move(f, "above", "elsewhere");
	assert_int_equal(symlink("elsewhere", at(f, "above")), 0);
	refused(f, "above\" is now a symbolic link");
	assert_int_equal(unlink(at(f, "above")), 0);
	assert_int_equal(hw_root_return(&f->root), -ENOENT);
	move(f, "elsewhere", "above");
	accepted(f);
}

/* ---- coming back ---- */

static void a_root_made_again_by_trusted_users_is_accepted(void **state)
{
	struct fixture *f = *state;

	make(f, "above", 0, 0755);
	make(f, "above/root", 0, 0755);
	resolve(f, "above/root");
	assert_int_equal(rmdir(at(f, "above/root")), 0);
	make(f, "above/root", 0, 0700); /* only root can have made it */
	accepted(f);
	assert_int_equal(rmdir(at(f, "above/root")), 0);
	assert_int_equal(rmdir(at(f, "above")), 0);
	make(f, "above", 0, 0700);
	make(f, "above/root", 0, 0700);
	accepted(f);
}

static void a_user_makes_his_root_again_in_his_own_directory(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "home", ALICE, 0755);
	make(f, "home/root", ALICE, 0755);
	resolve(f, "home/root");
	assert_int_equal(rmdir(at(f, "home/root")), 0);
	make(f, "home/root", ALICE, 0700);
	accepted(f);
}

static void another_owner_is_refused(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "home", ALICE, 0755);
	make(f, "home/root", ALICE, 0755);
	resolve(f, "home/root");
	move(f, "home/root", "home/old");
	make(f, "home/root", MALLORY, 0755);
	refused(f, "home/root\" now belongs to uid 1002, before to uid 1001");
	assert_int_equal(rmdir(at(f, "home/root")), 0);
	make(f, "home/root", 0, 0755);
	refused(f, "now belongs to uid 0");
	assert_int_equal(rmdir(at(f, "home/root")), 0);
	move(f, "home/old", "home/root");
	accepted(f);
	move(f, "home", "old");
	make(f, "home", MALLORY, 0755);
	make(f, "home/root", ALICE, 0755);
	refused(f, "home\" now belongs to uid 1002");
}

/* While it is at its place, only root can give it to another user. */
static void an_owner_that_changed_while_online_is_kept(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "root", 0, 0755);
	resolve(f, "root");
	assert_int_equal(chown(at(f, "root"), ALICE, ALICE), 0);
	assert_int_equal(hw_root_is_at(&f->root, f->held), 1);
	move(f, "root", "old");
	make(f, "root", ALICE, 0755);
	accepted(f);
}

/* Nor is it refused if nothing was compared in the meantime. */
static void the_same_directory_is_accepted_with_another_owner(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "above", 0, 0755);
	make(f, "above/root", ALICE, 0755);
	resolve(f, "above/root");
	assert_int_equal(chown(at(f, "above"), ALICE, ALICE), 0);
	move(f, "above/root", "above/old");
	move(f, "above/old", "above/root");
	accepted(f);
}

/* MALLORY may rename what others have made in his directory. */
static void a_more_private_directory_of_the_owner_is_refused(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "home", MALLORY, 0777);
	make(f, "home/root", ALICE, 0755);
	make(f, "home/public", ALICE, 0755);
	make(f, "home/private", ALICE, 0700);
	resolve(f, "home/root");
	move(f, "home/root", "home/old");
	move(f, "home/private", "home/root");
	refused(f, "fewer permissions");
	move(f, "home/root", "home/private");
	move(f, "home/public", "home/root");
	accepted(f);
	/* Nor through another directory of his above it. */
	make(f, "home/above", MALLORY, 0777);
	make(f, "home/above/root", ALICE, 0755);
	make(f, "home/drop", MALLORY, 0777);
	make(f, "home/drop/root", ALICE, 0700);
	assert_int_equal(close(f->held), 0);
	resolve(f, "home/above/root");
	move(f, "home/above", "home/gone");
	move(f, "home/drop", "home/above");
	refused(f, "fewer permissions");
}

static void others_cannot_replace_names_in_a_sticky_directory(void **state)
{
	struct fixture *f = *state;

	need_root();
	make(f, "tmp", 0, 01777);
	make(f, "tmp/root", ALICE, 0755);
	resolve(f, "tmp/root");
	move(f, "tmp/root", "tmp/old");
	make(f, "tmp/root", MALLORY, 0755);
	refused(f, "now belongs to uid 1002");
	assert_int_equal(rmdir(at(f, "tmp/root")), 0);
	make(f, "tmp/root", ALICE, 0700); /* nobody but ALICE can have made it */
	accepted(f);
	assert_int_equal(chmod(at(f, "tmp"), 0777), 0);
	move(f, "tmp/root", "tmp/older");
	move(f, "tmp/old", "tmp/root");
	accepted(f); /* at least as public */
	move(f, "tmp/root", "tmp/old");
	move(f, "tmp/older", "tmp/root");
	refused(f, "fewer permissions");
}

/* Another process exchanges a directory for a link to another directory all the time. */
static void never_follows(struct fixture *f, const char *name, const char *link)
{
	struct stat ours, got;
	unsigned accepted = 0, refusals = 0;
	int fd;
	pid_t other;

	assert_int_equal(fstat(f->held, &ours), 0);
	other = fork();
	assert_true(other >= 0);
	while (other == 0)
		(void)renameat2(AT_FDCWD, name, AT_FDCWD, link, RENAME_EXCHANGE);
	for (unsigned i = 0; i < 5000 || accepted < 100 || refusals < 100; i++) {
		fd = hw_root_return(&f->root);
		accepted += fd >= 0;
		refusals += fd == -EPERM;
		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &got), 0);
		assert_int_equal(got.st_ino, ours.st_ino);
		assert_int_equal(close(fd), 0);
	}
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

static void a_link_that_is_exchanged_in_is_never_followed(void **state)
{
	struct fixture *f = *state;

	make(f, "above", 0, 0755);
	make(f, "above/root", 0, 0755);
	make(f, "secret", 0, 0700);
	make(f, "secret/root", 0, 0755);
	resolve(f, "above/root");
	assert_int_equal(symlink("../secret", at(f, "above/link")), 0);
	never_follows(f, at(f, "above/root"), at(f, "above/link"));
	assert_int_equal(symlink("secret", at(f, "link")), 0);
	/* The last exchange may have left a link in the place of the root. */
	if (hw_root_return(&f->root) < 0)
		assert_int_equal(renameat2(AT_FDCWD, at(f, "above/root"), AT_FDCWD,
					   at(f, "above/link"), RENAME_EXCHANGE),
				 0);
	never_follows(f, at(f, "above"), at(f, "link"));
}

#define ROOT_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(links_dots_and_slashes_are_resolved),
		ROOT_TEST(a_path_that_is_none_has_the_error_of_open),
		ROOT_TEST(a_user_cannot_link_to_what_others_own),
		ROOT_TEST(a_root_is_at_its_place_until_it_is_moved),
		ROOT_TEST(a_root_made_again_by_trusted_users_is_accepted),
		ROOT_TEST(a_user_makes_his_root_again_in_his_own_directory),
		ROOT_TEST(another_owner_is_refused),
		ROOT_TEST(an_owner_that_changed_while_online_is_kept),
		ROOT_TEST(the_same_directory_is_accepted_with_another_owner),
		ROOT_TEST(a_more_private_directory_of_the_owner_is_refused),
		ROOT_TEST(others_cannot_replace_names_in_a_sticky_directory),
		ROOT_TEST(a_link_that_is_exchanged_in_is_never_followed),
	};

	return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
