/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One system call for a new directory fails, or several in a row: everything must be reported after
 * they work again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/sanitized.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/next.h"
#include "tests/unit/support/scene.h"

#include "log.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- calls that fail ---- */

enum call { OPEN, OPEN_BENEATH, ADD_WATCH, MARK, LIST, STAT, CALLS };

static const char *const names[CALLS] = {
	[OPEN] = "openat",        [OPEN_BENEATH] = "openat2", [ADD_WATCH] = "inotify_add_watch",
	[MARK] = "fanotify_mark", [LIST] = "getdents64",      [STAT] = "statx",
};

static struct {
	atomic_bool on; /* set while the share runs, not the test */
	enum call call;
	int error;
	atomic_int before, times; /* calls that succeed first; calls that fail after them */
	atomic_int made[CALLS];
	const char *root; /* of the scene */
} fault;

static bool must_fail(enum call call)
{
	if (!atomic_load(&fault.on))
		return false;
	atomic_fetch_add(&fault.made[call], 1);
	if (call != fault.call || atomic_load(&fault.times) <= 0)
		return false;
	if (atomic_fetch_sub(&fault.before, 1) > 0)
		return false;
	if (atomic_fetch_sub(&fault.times, 1) <= 0)
		return false;
	errno = fault.error;
	return true;
}

/* The walk to the root is not about the scene. How often it is made depends on the machine. */
static bool is_above_scene(const char *name, int flags)
{
	size_t len = strlen(name);

	if (!len || !atomic_load(&fault.on) || !(flags & O_PATH) || !(flags & O_NOFOLLOW))
		return false;
	for (const char *at = fault.root; (at = strstr(at, name)); at++) {
		if (at > fault.root && at[-1] == '/' && (at[len] == '/' || !at[len]))
			return true;
	}
	return false;
}

#pragma GCC visibility push(default) /* plugins also call these functions */
int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	if (!is_above_scene(path, flags) && must_fail(OPEN))
		return -1;
	return NEXT(openat, dir, path, flags, mode);
}

HW_READS_SIX_ARGUMENTS long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_openat2 && must_fail(OPEN_BENEATH))
		return -1;
	return NEXT(syscall, number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	return must_fail(ADD_WATCH) ? -1 : NEXT(inotify_add_watch, fd, path, mask);
}

int fanotify_mark(int fd, unsigned flags, uint64_t mask, int dir, const char *path)
{
	return must_fail(MARK) ? -1 : NEXT(fanotify_mark, fd, flags, mask, dir, path);
}

ssize_t getdents64(int fd, void *buffer, size_t size)
{
	return must_fail(LIST) ? -1 : NEXT(getdents64, fd, buffer, size);
}

int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict stx)
{
	return must_fail(STAT) ? -1 : NEXT(statx, dir, path, flags, mask, stx);
}

#pragma GCC visibility pop

static void begin_fault(enum call call, int before, int times, int error)
{
	fault.call = call;
	fault.error = error;
	atomic_store(&fault.before, before);
	atomic_store(&fault.times, times);
	for (unsigned i = 0; i < CALLS; i++)
		atomic_store(&fault.made[i], 0);
	atomic_store(&fault.on, true);
}

static void end_fault(void)
{
	atomic_store(&fault.on, false);
}

/* ---- scenes ---- */

static uint64_t retrying(struct hw_scene *f)
{
	struct hw_share_status status;

	hw_share_get_status(hw_rig_share(f->rig), &status);
	return status.retrying;
}

static void fill(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "new");
	hw_scene_make_dir(f->fd, "new/sub");
	hw_scene_write(f->fd, "new/a", "text");
	hw_scene_write(f->fd, "new/sub/b", "text");
}

static void leave_alone(struct hw_scene *f)
{
	(void)f;
}

static void move_it(struct hw_scene *f)
{
	hw_scene_move(f->fd, "new", f->fd, "moved");
	hw_scene_write(f->fd, "moved/c", "text");
}

/* The record names the directory itself, which its watcher may not know yet. */
static void change_it(struct hw_scene *f)
{
	hw_scene_replay(f); /* receivers have read the old mode */
	assert_int_equal(fchmodat(f->fd, "new", 0700, 0), 0);
}

static void move_it_out(struct hw_scene *f)
{
	hw_scene_move(f->fd, "new", f->top, "outside/new");
}

static void remove_it(struct hw_scene *f)
{
	assert_int_equal(hw_scratch_remove_at(f->fd, "new"), 0);
}

struct scenario {
	const char *backend;
	uint64_t settle_ns;
	enum call call;
	int before, times, error;
	hw_scene_fn *meanwhile; /* runs after the first failure */
	bool seen; /* the share knew the directory before */
};

static void describe(const struct scenario *s)
{
	print_message("%s, settle %llu: %s fails %d times with %s, after %d calls\n", s->backend,
		      (unsigned long long)s->settle_ns, names[s->call], s->times,
		      strerror(s->error), s->before);
}

static bool is_told(struct hw_scene *f)
{
	struct hw_model *truth;
	FILE *nothing = fopen("/dev/null", "w");

	assert_non_null(nothing);
	hw_scene_replay(f);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, f->root), 0);
	bool told = hw_model_compare(f->model, truth, nothing) == 0;

	hw_model_destroy(truth);
	assert_int_equal(fclose(nothing), 0);
	return told;
}

/* A barrier retries a failed call once; it does not wait longer. */
static void follow(struct hw_scene *f, const struct scenario *s)
{
	int barriers = s->times < 3 ? 1 : s->times;

	for (int i = 0; i < barriers; i++)
		assert_int_equal(hw_rig_flush(f->rig), 0);
	end_fault();
	if (!is_told(f) || retrying(f)) {
		describe(s);
		print_message("%llu waiting\n", (unsigned long long)retrying(f));
		hw_scene_check(f);
		fail_msg("%llu entries are still tried again", (unsigned long long)retrying(f));
	}
	hw_scene_check(f);
	/* The directory must be watched. */
	if (faccessat(f->fd, "new", F_OK, 0) == 0)
		hw_scene_write(f->fd, "new/sub/later", "text");
	hw_scene_check(f);
}

/* Returns the number of calls made. */
static int play(const struct scenario *s)
{
	struct hw_scene f;
	int made = 0;

	hw_scene_prepare(&f);
	if (hw_scene_start(&f, s->backend, s->settle_ns)) {
		if (!s->seen)
			fill(&f);
		else
			hw_scene_make_dir(f.fd, "new");
		fault.root = f.root;
		begin_fault(s->call, s->before, s->times, s->error);
		hw_rig_turn(f.rig, 10);
		if (s->meanwhile != leave_alone) {
			atomic_store(&fault.on, false);
			s->meanwhile(&f);
			atomic_store(&fault.on, true);
		}
		follow(&f, s);
		made = atomic_load(&fault.made[s->call]);
	}
	hw_scene_finish(&f);
	return made;
}

static const int errors[] = { EIO, ENOMEM, EACCES };
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

static void play_each_call(struct scenario s)
{
	int calls;

	for (unsigned call = 0; call < CALLS; call++) {
		s.call = (enum call)call;
		s.before = s.times = 0;
		calls = play(&s);
		for (s.before = 0; s.before < calls; s.before++)
			for (unsigned i = 0; i < (s.before ? 1 : ERRORS); i++) {
				s.error = errors[i];
				s.times = 1;
				(void)play(&s);
			}
	}
}

static void each_call_may_fail_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++)
		play_each_call((struct scenario){
			.backend = hw_rig_backends[i / 2],
			.settle_ns = i % 2 ? 3600 * HW_SEC : 0,
			.meanwhile = leave_alone,
		});
}

static void play_long_failures(struct scenario s)
{
	for (unsigned call = 0; call < CALLS; call++)
		for (unsigned i = 0; i < ERRORS; i++) {
			s.call = (enum call)call;
			s.error = errors[i];
			s.times = 5;
			(void)play(&s);
		}
}

static void a_call_may_fail_five_times(void **state)
{
	static hw_scene_fn *const meanwhile[] = { leave_alone, change_it, move_it, move_it_out,
						  remove_it };

	(void)state;
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++)
		for (unsigned j = 0; j < sizeof(meanwhile) / sizeof(meanwhile[0]); j++)
			play_long_failures((struct scenario){
				.backend = hw_rig_backends[i / 2],
				.settle_ns = i % 2 ? 3600 * HW_SEC : 0,
				.meanwhile = meanwhile[j],
			});
}

/* ---- what cannot be examined ---- */

static void expect_no_delete(struct hw_scene *f, const struct scenario *s)
{
	struct hw_event event;

	while (hw_rig_next(f->rig, &event) > 0)
		if (event.kind == HW_DELETE) {
			describe(s);
			fail_msg("an entry that is there is reported as deleted");
		}
}

/* The directory "new" is exchanged with another one, so that both names are unverified. Returns the
 * number of calls made. */
static int exchange(const struct scenario *s)
{
	struct hw_scene f;
	int made = 0;

	hw_scene_prepare(&f);
	if (hw_scene_start(&f, s->backend, s->settle_ns)) {
		fill(&f);
		hw_scene_make_dir(f.fd, "other");
		assert_int_equal(hw_rig_flush(f.rig), 0);
		expect_no_delete(&f, s);
		assert_int_equal(renameat2(f.fd, "new", f.fd, "other", RENAME_EXCHANGE), 0);
		fault.root = f.root;
		begin_fault(s->call, s->before, s->times, s->error);
		(void)hw_rig_flush(f.rig);
		made = atomic_load(&fault.made[s->call]);
		(void)hw_rig_flush(f.rig);
		end_fault();
		expect_no_delete(&f, s);
	}
	hw_scene_finish(&f);
	return made;
}

static void an_entry_that_cannot_be_examined_is_not_deleted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct scenario s = {
			.backend = hw_rig_backends[i], .call = STAT, .error = EIO, .times = 0
		};
		int calls = exchange(&s);

		for (s.times = 1; s.times < 1000; s.times += 998)
			for (s.before = 0; s.before < calls; s.before++)
				(void)exchange(&s);
	}
}

static int quiet(void **state)
{
	(void)state;
	hw_log_set_level(HW_LOG_ERROR);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_may_fail_once),
		cmocka_unit_test(a_call_may_fail_five_times),
		cmocka_unit_test(an_entry_that_cannot_be_examined_is_not_deleted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("retry", tests, quiet, NULL);
}
