/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories are moved, exchanged, replaced, made and removed at the moment at which the share is
 * about to open one: at a start with a state, during a switch, after a lost record. When the disk
 * rests, a watcher has every directory, and reports a file in each.
 *
 * stress-watched --rounds 5000 --seed 7 [--excludes]: starts also with other excludes
 */
#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/opening.h"
#include "tests/unit/support/scene.h"

#include "framework/share/share_private.h"
#include "framework/share/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DIRS 14u
#define ROOT DIRS /* as a parent */
#define OUTSIDE (DIRS + 1)
#define NOWHERE (DIRS + 2) /* it was removed */
#define CHANGES_MAX 24u /* while the share opens directories */
#define SETTLE_NS (1000 * UINT64_C(1000))

static unsigned rounds = 150;
static uint64_t seed = 1;
static bool with_excludes; /* not yet in each run: an excluded entry may stay in the tree */

/* A directory that is changed. */
struct dir {
	int fd;
	unsigned parent;
	char name[2];
};

static struct {
	struct hw_scene scene;
	struct dir dirs[DIRS + 2]; /* with ROOT and OUTSIDE */
	uint64_t random;
	unsigned left; /* changes until the disk rests */
	bool changing;
	bool excluding; /* the share excludes `x` */
} t;

static unsigned draw(unsigned below)
{
	t.random = t.random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((t.random >> 33) % below);
}

/* ---- changes ---- */

static bool is_below(unsigned dir, unsigned above)
{
	for (; dir < DIRS; dir = t.dirs[dir].parent)
		if (dir == above)
			return true;
	return dir == above;
}

static unsigned at(unsigned parent, const char *name)
{
	unsigned i = 0;

	while (i < DIRS && (t.dirs[i].parent != parent || strcmp(t.dirs[i].name, name) != 0))
		i++;
	return i;
}

static void place(unsigned dir, unsigned parent, const char *name)
{
	t.dirs[dir].parent = parent;
	memcpy(t.dirs[dir].name, name, sizeof(t.dirs[dir].name));
}

static void remove_it(unsigned dir)
{
	struct dir *d = &t.dirs[dir];

	(void)unlinkat(d->fd, "p", 0); /* there may be none */
	if (unlinkat(t.dirs[d->parent].fd, d->name, AT_REMOVEDIR) < 0)
		return; /* it is not empty */
	(void)close(d->fd);
	d->parent = NOWHERE;
}

static void make(unsigned dir, unsigned parent, const char *name)
{
	if (mkdirat(t.dirs[parent].fd, name, 0755) < 0)
		return; /* there is one */
	t.dirs[dir].fd = openat(t.dirs[parent].fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t.dirs[dir].fd < 0)
		abort();
	place(dir, parent, name);
}

static void move(unsigned dir, unsigned parent, const char *name)
{
	struct dir *d = &t.dirs[dir];
	unsigned old = at(parent, name);

	if (is_below(parent, dir) || old == dir ||
	    renameat(t.dirs[d->parent].fd, d->name, t.dirs[parent].fd, name) < 0)
		return;
	if (old < DIRS) {
		(void)close(t.dirs[old].fd);
		t.dirs[old].parent = NOWHERE;
	}
	place(dir, parent, name);
}

static void exchange(unsigned a, unsigned b)
{
	struct dir *x = &t.dirs[a], *y = &t.dirs[b], was = *x;

	if (is_below(a, b) || is_below(b, a) ||
	    renameat2(t.dirs[x->parent].fd, x->name, t.dirs[y->parent].fd, y->name,
		      RENAME_EXCHANGE) < 0)
		return;
	place(a, y->parent, y->name);
	place(b, was.parent, was.name);
}

static void change_one(void)
{
	static const char names[][2] = { "a", "b", "c", "d", "e", "x" };
	unsigned dir = draw(DIRS), other = draw(DIRS + 2), what = draw(10);
	const char *name = names[draw(sizeof(names) / sizeof(*names))];

	if (other < DIRS && t.dirs[other].parent == NOWHERE)
		other = ROOT;
	if (t.dirs[dir].parent == NOWHERE)
		make(dir, other, name);
	else if (what < 1)
		remove_it(dir);
	else if (what < 5 && other < DIRS)
		exchange(dir, other);
	else
		move(dir, other, name);
}

static void change(void)
{
	t.changing = true;
	change_one();
	t.changing = false;
}

static void before_open(const char *path)
{
	(void)path;
	if (t.changing || !t.left || draw(2))
		return;
	t.left--;
	change();
}

/* ---- checks ---- */

static void expect_all_watched(void)
{
	const struct hw_share *share = hw_rig_share(t.scene.rig);
	uint64_t watched = 0;

	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++)
		watched += share->watchers.list[i].directories;
	assert_int_equal(hw_rig_unwatched(t.scene.rig), 0);
	assert_int_equal(watched, share->tree.directories);
}

static void compare(void)
{
	static const char *const excludes[] = { "x" };
	struct hw_model *truth;

	assert_int_equal(hw_rig_flush(t.scene.rig), 0);
	hw_scene_replay(&t.scene);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load_but(truth, t.scene.root, excludes, t.excluding), 0);
	assert_int_equal(hw_model_compare(t.scene.model, truth, stderr), 0);
	hw_model_destroy(truth);
}

/* Makes a file in each directory, or removes it. */
static void touch_all(void)
{
	for (unsigned i = 0; i <= ROOT; i++)
		if (t.dirs[i].parent != NOWHERE && unlinkat(t.dirs[i].fd, "p", 0) < 0)
			assert_int_equal(mknodat(t.dirs[i].fd, "p", S_IFREG | 0644, 0), 0);
}

static void check(void)
{
	hw_opening_call(NULL);
	compare();
	expect_all_watched();
	touch_all();
	compare();
	expect_all_watched();
}

/* ---- what the share does meanwhile ---- */

static bool start(const char *backend)
{
	static const char *const excludes[] = { "x" };
	char state[PATH_MAX + 8];
	const struct hw_rig_config config = {
		.backend = backend,
		.state_dir = state,
		.settle_ns = draw(2) ? SETTLE_NS : 0,
		.excludes = excludes,
		.exclude_count = t.excluding,
	};

	(void)snprintf(state, sizeof(state), "%s/state", t.scene.path);
	return hw_scene_start_with(&t.scene, &config);
}

static void restart(const char *backend)
{
	hw_rig_stop(t.scene.rig);
	t.scene.rig = NULL;
	hw_model_destroy(t.scene.model);
	t.scene.model = NULL;
	t.excluding = draw(3) == 0 && with_excludes;
	for (unsigned i = draw(CHANGES_MAX); i; i--)
		change();
	assert_true(start(backend));
	assert_true(hw_rig_share(t.scene.rig)->keep.loaded);
}

static void lose(void)
{
	struct hw_share *share = hw_rig_share(t.scene.rig);

	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].state == HW_WATCHER_RUNNING)
			hw_watcher_lost(&share->watchers.list[i], HW_NO_DIR);
}

static void change_while_read(void)
{
	for (unsigned i = draw(CHANGES_MAX); i; i--) {
		change();
		if (draw(2))
			hw_rig_turn(t.scene.rig, 0);
	}
}

static void play(const char *backend)
{
	t.left = draw(CHANGES_MAX);
	hw_opening_call(before_open);
	switch (draw(4)) {
	case 0:
		restart(backend);
		break;
	case 1:
		assert_int_equal(hw_rig_switch(t.scene.rig, backend), 0);
		break;
	case 2:
		lose();
		change_while_read();
		break;
	default:
		change_while_read();
	}
	check();
}

/* ---- a run ---- */

static void prepare(void)
{
	memset(&t, 0, sizeof(t));
	t.random = seed;
	hw_scene_prepare(&t.scene);
	hw_scene_make_dir(t.scene.top, "state");
	t.dirs[ROOT].fd = t.scene.fd;
	t.dirs[OUTSIDE].fd = openat(t.scene.top, "outside", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t.dirs[OUTSIDE].fd >= 0);
	for (unsigned i = 0; i < DIRS; i++)
		t.dirs[i].parent = NOWHERE;
	for (unsigned i = 0; i < 4 * DIRS; i++)
		change();
}

static void end(void)
{
	for (unsigned i = 0; i < DIRS; i++)
		if (t.dirs[i].parent != NOWHERE)
			(void)close(t.dirs[i].fd);
	(void)close(t.dirs[OUTSIDE].fd);
	hw_scene_finish(&t.scene);
}

static void every_directory_is_watched(void **state)
{
	const char *backend = *state;

	prepare();
	bool works = start(backend);

	for (unsigned i = 0; works && i < rounds; i++) {
		if (getenv("HW_TEST_VERBOSE"))
			print_message("round %u\n", i);
		play(backend);
	}
	end();
	if (!works)
		skip();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "excludes", no_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	const struct CMUnitTest tests[] = {
		{ "watched/inotify", every_directory_is_watched, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "watched/fanotify", every_directory_is_watched, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "watched/fanotify-inode", every_directory_is_watched, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "watched/polling", every_directory_is_watched, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'e')
			with_excludes = true;
		else
			return 2;
	}
	return cmocka_run_group_tests_name("watched", tests, NULL, NULL);
}
