/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The N-th allocation fails, for every N: nothing may crash, the reported events must be a
 * consistent history, and lost events must be reported as a rescan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/sanitized.h"
#include "tests/common/scratch.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HW_SANITIZED
static long left;
static unsigned long asked;
#else
/* The functions of glibc under their internal names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

/* Per thread: allocations of listing threads are not counted. */
static _Thread_local long left; /* allocations until one fails; 0: none fails */
static _Thread_local unsigned long asked;

static bool must_fail(void)
{
	asked++;
	return left && --left == 0;
}

void *malloc(size_t size)
{
	return must_fail() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return must_fail() ? NULL : __libc_realloc(old, size);
}
#endif

struct world {
	char *path;
	char root[PATH_MAX];
	int top, fd;
	struct hw_rig *rig;
	struct hw_model *model;
};

static void write_to(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

static bool begin(struct world *w, const char *backend, uint64_t settle_ns)
{
	unsigned count;
	const struct hw_place *places = hw_scratch_places(&count);
	const char *why = "";
	char name[64];

	*w = (struct world){ .path = hw_scratch_create(places[count - 1].path) };
	assert_non_null(w->path);
	(void)snprintf(w->root, sizeof(w->root), "%s/root", w->path);
	w->top = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(w->top, "root", 0755), 0);
	w->fd = openat(w->top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(mkdirat(w->fd, name, 0755), 0);
		strcat(name, "/file");
		write_to(w->fd, name);
	}
	hw_clock_tick();
	const struct hw_rig_config config = { .backend = backend,
					      .root = w->root,
					      .settle_ns = settle_ns };
	int r = hw_rig_start(&config, &w->rig, &why);

	if (r == -EOPNOTSUPP)
		return false;
	assert_int_equal(r, 0);
	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(hw_model_create(&w->model), 0);
	assert_int_equal(hw_rig_snapshot(w->rig, w->model), 0);
	hw_clock_tick();
	return true;
}

static void end(struct world *w)
{
	hw_rig_stop(w->rig);
	hw_model_destroy(w->model);
	assert_int_equal(close(w->fd), 0);
	assert_int_equal(close(w->top), 0);
	hw_scratch_remove(w->path);
}

static void change(struct world *w)
{
	char a[64], b[64];

	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(a, sizeof(a), "d%u", i);
		(void)snprintf(b, sizeof(b), "m%u", i);
		switch (i % 6) {
		case 0:
			assert_int_equal(renameat(w->fd, a, w->fd, b), 0);
			break;
		case 1:
			assert_int_equal(renameat(w->fd, a, w->top, b), 0);
			break;
		case 2:
			assert_int_equal(hw_scratch_remove_at(w->fd, a), 0);
			break;
		case 3:
			assert_int_equal(mkdirat(w->fd, b, 0755), 0);
			assert_int_equal(renameat2(w->fd, a, w->fd, b, RENAME_EXCHANGE), 0);
			break;
		case 4:
			strcat(a, "/file");
			assert_int_equal(linkat(w->fd, a, w->fd, b, 0), 0);
			write_to(w->fd, b);
			break;
		default:
			strcat(a, "/a");
			assert_int_equal(mkdirat(w->fd, a, 0755), 0);
			strcat(a, "/b");
			assert_int_equal(mkdirat(w->fd, a, 0755), 0);
			strcat(a, "/file");
			write_to(w->fd, a);
		}
	}
}

static void replay(struct world *w)
{
	struct hw_event event;
	char why[256];
	int r;

	while ((r = hw_rig_next(w->rig, &event)) == 1)
		if (hw_model_apply(w->model, &event, why, sizeof(why)))
			fail_msg("event %llu, kind %u, %.*s -> %.*s: %s",
				 (unsigned long long)event.seq, event.kind, (int)event.from_len,
				 event.from ? event.from : "", (int)event.path_len,
				 event.path ? event.path : "", why);
	assert_int_equal(r, 0);
}

/* If there was no rescan, the stream must be complete. */
static void check(struct world *w, long nth)
{
	struct hw_model *truth;

	assert_int_equal(hw_rig_flush(w->rig), 0);
	replay(w);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, w->root), 0);
	if (!hw_model_rescans(w->model) && hw_model_compare(w->model, truth, stderr))
		fail_msg("allocation %ld failed: not all was told, and no rescan", nth);
	hw_model_destroy(truth);
}

/* Returns the number of allocations. */
static long run(const char *backend, uint64_t settle_ns, long nth)
{
	unsigned long before;
	struct world w;
	long count = 0;

	if (begin(&w, backend, settle_ns)) {

		before = asked;
		change(&w);
		left = nth;
		(void)hw_rig_flush(w.rig); /* may return -ENOMEM */
		count = (long)(asked - before);
		left = 0;
		check(&w, nth);
	}
	end(&w);
	return count;
}

#define RUNS_MAX 150

static void every_allocation_may_fail(void **state)
{
#ifdef HW_SANITIZED
	(void)state;
	(void)asked;
	(void)left;
	(void)run;
	print_message("a sanitizer has its own allocator: left to the plain build\n");
	skip();
#else
	(void)state;
	hw_log_set_level(HW_LOG_ERROR);
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		const char *backend = hw_rig_backends[i / 2];
		uint64_t settle_ns = i % 2 ? 3600 * HW_SEC : 0;
		long count = run(backend, settle_ns, 0);
		long step = count / RUNS_MAX + 1;

		print_message("%s: %ld allocations\n", backend, count);
		for (long nth = 1; nth <= count; nth += step)
			(void)run(backend, settle_ns, nth);
	}
#endif
}

#ifndef HW_SANITIZED
/* Returns whether the share has everything that is on disk. */
static bool is_complete(struct world *w)
{
	FILE *null = fopen("/dev/null", "we");
	struct hw_model *truth, *snapshot;

	assert_non_null(null);
	assert_int_equal(hw_rig_flush(w->rig), 0);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, w->root), 0);
	assert_int_equal(hw_model_create(&snapshot), 0);
	assert_int_equal(hw_rig_snapshot(w->rig, snapshot), 0);
	bool complete = hw_model_compare(snapshot, truth, null) == 0;

	hw_model_destroy(snapshot);
	hw_model_destroy(truth);
	(void)fclose(null); /* nothing depends on it */
	return complete;
}

/* Returns whether the share started. */
static bool run_start(long nth)
{
	const char *why = "";
	int64_t deadline = hw_clock_monotonic_ns() + INT64_C(60000000000);
	struct world w;

	assert_true(begin(&w, "inotify", 0));
	hw_rig_stop(w.rig);
	w.rig = NULL;
	left = nth;

	const struct hw_rig_config config = { .backend = "inotify", .root = w.root };
	int r = hw_rig_start(&config, &w.rig, &why);

	left = 0;
	while (r == 0 && !is_complete(&w))
		if (hw_clock_monotonic_ns() > deadline)
			fail_msg("allocation %ld failed: an entry is missing for ever", nth);
	if (r < 0)
		w.rig = NULL;
	end(&w);
	return r == 0;
}
#endif

/* Entries that could not be stored when the share was armed are found when there is memory. */
static void a_share_is_complete_in_the_end(void **state)
{
	(void)state;
#ifdef HW_SANITIZED
	print_message("a sanitizer has its own allocator: left to the plain build\n");
	skip();
#else
	unsigned started = 0;

	hw_log_set_level(HW_LOG_ERROR);
	for (long nth = 1; nth <= 100; nth += 3)
		started += run_start(nth);
	assert_true(started > 0);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_share_is_complete_in_the_end),
	};

	return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
