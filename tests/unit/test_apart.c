/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A share is removed while its thread waits for a call about a mount below its root: the thread
 * never returns from the call, and nothing of it may be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apart.h"
#include "tests/common/scratch.h"
#include "thread.h"
#include <hostwatch/plugin.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_NS (60 * HW_SEC)

struct answer {
	int fd; /* the call waits for a byte from it */
	unsigned *dropped; /* results that were released */
};

struct removal {
	struct hw_aparts aparts;
	struct hw_thread *thread; /* of the share */
	int answer[2];
	unsigned dropped;
};

static void wait_for_answer(int fd, const char *path, void *arg)
{
	const struct answer *answer = arg;
	char byte;

	(void)fd;
	(void)path;
	while (read(answer->fd, &byte, 1) < 0 && errno == EINTR)
		;
}

static void drop(void *arg)
{
	const struct answer *answer = arg;

	++*answer->dropped;
}

static void work(void *arg)
{
	static const struct hw_apart_act act = { wait_for_answer, drop, sizeof(struct answer) };
	struct removal *r = arg;
	struct answer answer = { .fd = r->answer[0], .dropped = &r->dropped };

	hw_aparts_use(&r->aparts);
	(void)hw_apart_call(AT_FDCWD, "/mount/name", &act, &answer);
}

static void wake(void *arg)
{
	(void)arg;
}

static unsigned children_of(const char *task)
{
	char path[300], line[4096] = "";
	unsigned count = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/children", task);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file))
		for (const char *at = line; *at; at++)
			count += *at == ' ';
	assert_int_equal(fclose(file), 0);
	return count;
}

static unsigned children(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += children_of(entry->d_name);
	assert_int_equal(closedir(dir), 0);
	return count;
}

/* The thread of the share waits for the call. */
static void begin(struct removal *r)
{
	*r = (struct removal){ .dropped = 0 };
	assert_int_equal(pipe2(r->answer, O_CLOEXEC), 0);
	assert_int_equal(hw_aparts_add(&r->aparts, 1, "/mount"), 0);
	assert_int_equal(hw_thread_create(wake, NULL, &r->thread), 0);
	hw_aparts_turn(&r->aparts, true);
	assert_int_equal(children(), 2);
	assert_false(hw_thread_run(r->thread, work, r));
	assert_non_null(r->aparts.asked);
}

static void answer(const struct removal *r)
{
	assert_int_equal(write(r->answer[1], "", 1), 1);
}

/* As hw_works_resume() does with the work of a share that was removed. */
static void remove_share(struct removal *r)
{
	assert_true(hw_thread_await(r->thread, DEADLINE_NS));
	hw_thread_free(r->thread);
	hw_aparts_free(&r->aparts);
}

static void end(const struct removal *r)
{
	assert_false(hw_aparts_are_silent());
	assert_int_equal(children(), 0);
	assert_int_equal(r->dropped, 1);
	assert_int_equal(close(r->answer[0]), 0);
	assert_int_equal(close(r->answer[1]), 0);
}

static void a_call_returns_while_it_is_waited_for(void **state)
{
	struct removal r;

	(void)state;
	begin(&r);
	answer(&r);
	remove_share(&r);
	end(&r);
}

static void a_call_returns_after_its_share_was_removed(void **state)
{
	uint64_t deadline = (uint64_t)hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_aparts other = { .count = 0 };
	struct removal r;

	(void)state;
	begin(&r);
	remove_share(&r);
	assert_true(hw_aparts_are_silent());
	assert_int_equal(r.dropped, 0);
	answer(&r);
	while (hw_aparts_are_silent() && (uint64_t)hw_clock_monotonic_ns() < deadline)
		hw_aparts_turn(&other, false); /* of another share */
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_returns_while_it_is_waited_for),
		cmocka_unit_test(a_call_returns_after_its_share_was_removed),
	};

	return cmocka_run_group_tests_name("apart", tests, NULL, NULL);
}
