/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and directories that never rest. One process changes a name, or renames and makes
 * directories, all the time, so that no examination of it agrees with the records. This must delay
 * no event of other changes, and change none of them.
 *
 * stress-busy --count 5000 --filter busy/inotify
 */
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/scene.h"

#include "framework/share/share_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define AHEAD 200u /* changes that may be unread, so that no queue overflows */
#define BUSY_MAX 2u
#define NAME_BYTES 32u
#define DEADLINE_NS (120 * INT64_C(1000000000))
#define REPORTS_NS (10 * INT64_C(1000000000)) /* for the last ones */

static unsigned count = 200;

/* ---- shared with the processes that make changes ---- */

static struct {
	atomic_uint made; /* changes that were made */
	atomic_uint read; /* changes whose records were read */
	atomic_bool stop;
} * shared;

static struct hw_scene scene;
static int renamed = -1, target = -1; /* directories; the names of the first one change */

static void must(bool good, const char *what)
{
	if (!good) {
		perror(what);
		_exit(1);
	}
}

static const char *name(const char *prefix, unsigned number)
{
	static char buf[2][NAME_BYTES];
	static unsigned next;
	char *ret = buf[next++ % 2];

	(void)snprintf(ret, NAME_BYTES, "%s%u", prefix, number);
	return ret;
}

static void put(int dir, const char *path)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0, path);
}

static void move(int from_dir, const char *from, int to_dir, const char *to)
{
	must(renameat(from_dir, from, to_dir, to) == 0, to);
}

/* ---- processes that never rest ---- */

static void rename_directory(unsigned step)
{
	move(scene.fd, step % 2 ? "t2" : "t", scene.fd, step % 2 ? "t" : "t2");
}

static void make_and_remove(unsigned step)
{
	const char *dir = name("d", step % 8);

	if (step / 8 % 2)
		must(unlinkat(scene.fd, dir, AT_REMOVEDIR) == 0, dir);
	else
		must(mkdirat(scene.fd, dir, 0700) == 0, dir);
}

static void save_other(unsigned step)
{
	(void)step;
	put(scene.fd, ".u");
	move(scene.fd, ".u", scene.fd, "f");
}

static void change_all_the_time(void (*busy)(unsigned step))
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* otherwise it is stopped at the end */
	for (unsigned step = 0; !atomic_load(&shared->stop); step++) {
		busy(step);
		while (step / 4 > atomic_load(&shared->read) + AHEAD && !atomic_load(&shared->stop))
			(void)sched_yield();
	}
	_exit(0);
}

/* ---- changes, each of which must be reported once ---- */

static void nothing(unsigned i)
{
	(void)i;
}

static int make_and_open(const char *dir)
{
	hw_scene_make_dir(scene.fd, dir);
	int fd = openat(scene.fd, dir, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void make_t(unsigned i)
{
	if (i)
		return;
	renamed = make_and_open("t");
	target = make_and_open("b");
}

static void out_of_t(unsigned i)
{
	put(renamed, name("x", i));
	move(renamed, name("x", i), target, name("x", i));
}

static void save(unsigned i)
{
	(void)i;
	put(scene.fd, ".t");
	move(scene.fd, ".t", scene.fd, "f");
}

static void make_outside(unsigned i)
{
	char path[2 * NAME_BYTES];

	(void)snprintf(path, sizeof(path), "outside/%s", name("x", i));
	put(scene.top, path);
}

static void move_in(unsigned i)
{
	char path[2 * NAME_BYTES];

	(void)snprintf(path, sizeof(path), "outside/%s", name("x", i));
	move(scene.top, path, scene.fd, name("x", i));
}

static void write_beside(unsigned i)
{
	put(scene.fd, name("x", i));
}

/* Events of one change. */
struct seen {
	unsigned creates, modifies, closes, moves, one_sided, deletes, others;
};

/* A file that is examined just after its creation may have a second modify (LIMITS). */
static bool is_written_once(const struct seen *s)
{
	return s->creates == 1 && s->modifies >= 1 && s->modifies <= 2 && s->closes == 1 &&
	       !s->one_sided && !s->deletes && !s->others;
}

static bool is_moved_once(const struct seen *s)
{
	return is_written_once(s) && s->moves == 1;
}

static bool is_moved_in(const struct seen *s)
{
	return s->one_sided == 1 && !s->creates && !s->modifies && !s->closes && !s->moves &&
	       !s->deletes && !s->others;
}

static bool is_made_once(const struct seen *s)
{
	return is_written_once(s) && !s->moves;
}

static const struct unrest {
	const char *name;
	void (*before)(unsigned number);
	void (*change)(unsigned number);
	void (*busy)(unsigned step);
	bool (*is_right)(const struct seen *seen); /* NULL: all changes are of one name */
	uint8_t last; /* the last event of a change */
} unrests[] = {
	{ "a name that is replaced", nothing, save, NULL, NULL, HW_CLOSE_WRITE },
	{ "a name that two programs replace", nothing, save, save_other, NULL, HW_CLOSE_WRITE },
	{ "beside a name that is replaced", nothing, write_beside, save_other, is_made_once,
	  HW_CLOSE_WRITE },
	{ "out of a directory that is renamed", make_t, out_of_t, rename_directory, is_moved_once,
	  HW_MOVE },
	{ "beside directories that are renamed", make_t, write_beside, rename_directory,
	  is_made_once, HW_CLOSE_WRITE },
	{ "moved in beside new directories", make_outside, move_in, make_and_remove, is_moved_in,
	  HW_MOVE },
	{ "beside new directories", nothing, write_beside, make_and_remove, is_made_once,
	  HW_CLOSE_WRITE },
};

/* ---- a run ---- */

static struct {
	const struct unrest *unrest;
	struct seen *seen; /* of each change */
	struct seen saves; /* of f and .t */
	unsigned reported; /* changes whose last event was reported */
} t;

static pid_t start(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	fn();
	_exit(0);
}

static void make_changes(void)
{
	for (unsigned i = 0; i < count; i++) {
		while (i > atomic_load(&shared->read) + AHEAD)
			(void)sched_yield();
		t.unrest->change(i);
		atomic_fetch_add(&shared->made, 1);
	}
}

static void be_busy(void)
{
	change_all_the_time(t.unrest->busy);
}

static const char *leaf(const char *path, uint32_t len)
{
	const char *slash = path ? memrchr(path, '/', len) : NULL;

	return slash ? slash + 1 : path;
}

static struct seen *seen_of(const struct hw_event *e)
{
	const char *path = leaf(e->path, e->path_len), *from = leaf(e->from, e->from_len);
	const char *any = path ? path : from;

	if (any[0] == 'x' && strtoul(any + 1, NULL, 10) < count)
		return &t.seen[strtoul(any + 1, NULL, 10)];
	return (from ? from : any)[0] == '.' && (from ? from : any)[1] == 't' ? &t.saves : NULL;
}

static void count_event(struct seen *s, const struct hw_event *e)
{
	t.reported += e->kind == t.unrest->last && (s != &t.saves || !t.unrest->is_right);
	s->creates += e->kind == HW_CREATE;
	s->modifies += e->kind == HW_MODIFY;
	s->closes += e->kind == HW_CLOSE_WRITE;
	s->deletes += e->kind == HW_DELETE;
	s->moves += e->kind == HW_MOVE && e->path && e->from;
	s->one_sided += e->kind == HW_MOVE && !(e->path && e->from);
	s->others += e->kind == HW_ATTRIB || e->kind == HW_RESCAN;
}

static void collect(void)
{
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(scene.rig, &event)) == 1) {
		struct seen *seen = seen_of(&event);

		if (getenv("HW_TEST_VERBOSE")) {
			char *text = hw_notation_text(&event);

			print_message("%s\n", text);
			free(text);
		}
		if (seen)
			count_event(seen, &event);
		if (hw_model_apply(scene.model, &event, why, sizeof(why)))
			fail_msg("%s", why);
	}
	assert_int_equal(r, 0);
}

static void turn(int64_t deadline)
{
	unsigned made = atomic_load(&shared->made);

	assert_true(hw_clock_monotonic_ns() < deadline);
	hw_rig_turn(scene.rig, 1);
	collect();
	if (!hw_watchers_have_unread(hw_rig_share(scene.rig)))
		atomic_store(&shared->read, made);
}

/* Each change must be reported before the other process rests. */
static void follow(void)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	pid_t changes = start(make_changes), busy = t.unrest->busy ? start(be_busy) : 0;
	int status = 0;

	assert_true(changes > 0 && busy >= 0);
	while (!waitpid(changes, &status, WNOHANG))
		turn(deadline);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	deadline = hw_clock_monotonic_ns() + REPORTS_NS;
	while (t.reported < count && hw_clock_monotonic_ns() < deadline)
		turn(INT64_MAX);
	atomic_store(&shared->stop, true);
	if (busy)
		assert_int_equal(waitpid(busy, &status, 0), busy);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	hw_scene_check(&scene);
}

/* fanotify merges records of one name and inode number, and numbers are used again. */
static unsigned least(const char *backend)
{
	return strcmp(backend, "inotify") ? count / 4 : count;
}

static unsigned judge(const char *backend)
{
	unsigned wrong = 0;
	const struct seen *s = NULL;

	for (unsigned i = 0; t.unrest->is_right && i < count; i++)
		if (!t.unrest->is_right(&t.seen[i])) {
			s = &t.seen[i];
			wrong++;
		}
	if (s)
		print_error(
			"%s, %s: %u of %u wrong; create %u, modify %u, close_write %u, move %u, "
			"one-sided %u, delete %u, other %u\n",
			backend, t.unrest->name, wrong, count, s->creates, s->modifies, s->closes,
			s->moves, s->one_sided, s->deletes, s->others);
	if (t.unrest->is_right || t.reported >= least(backend))
		return wrong;
	s = &t.saves;
	print_error("%s, %s: %u of %u saves; create %u, modify %u, close_write %u, move %u, delete "
		    "%u\n",
		    backend, t.unrest->name, t.reported, count, s->creates, s->modifies, s->closes,
		    s->moves, s->deletes);
	return 1;
}

static void close_directories(void)
{
	if (renamed < 0)
		return;
	assert_int_equal(close(renamed), 0);
	assert_int_equal(close(target), 0);
	renamed = target = -1;
}

static unsigned run(const char *backend, const struct unrest *unrest, bool on_disk)
{
	unsigned wrong = 0;

	memset(&t, 0, sizeof(t));
	t.unrest = unrest;

	t.seen = calloc(count, sizeof(*t.seen));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_non_null(t.seen);
	assert_true(shared != MAP_FAILED);
	(on_disk ? hw_scene_prepare_on_disk : hw_scene_prepare)(&scene);
	for (unsigned i = 0; i < count; i++)
		unrest->before(i);
	bool works = hw_scene_start(&scene, backend, 0);

	if (works) {
		follow();
		wrong = judge(backend);
	}
	close_directories();
	hw_scene_finish(&scene);
	assert_int_equal(munmap(shared, sizeof(*shared)), 0);
	free(t.seen);
	if (!works)
		skip();
	return wrong;
}

static void other_changes_are_reported_once(void **state)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(unrests) / sizeof(unrests[0]); i++)
		wrong += run(*state, &unrests[i], false) + run(*state, &unrests[i], true);
	assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
	const struct hw_argument arguments[] = {
		{ "count", &count, NULL },
		{ 0 },
	};
	const struct CMUnitTest tests[] = { HW_UNDER_EACH("busy",
							  other_changes_are_reported_once) };
	int r = hw_arguments_parse(argc, argv, arguments);

	return r ? r : cmocka_run_group_tests_name("busy", tests, NULL, NULL);
}
