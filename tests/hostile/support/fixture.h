/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each test begins with: a fresh directory, and room for one program. All of it goes at the
 * end, also when the test fails. */
#ifndef HW_HOSTILE_FIXTURE_H
#define HW_HOSTILE_FIXTURE_H

#include "replay.h"
#include "world.h"

struct fixture {
	const char *watcher; /* borrowed: the test's variant; NULL */
	char *dir; /* owned */
	char *root; /* owned: "share" in it, to be watched */
	struct program program;
	bool started; /* the program is to be ended */
	struct replay replay;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

#define HOSTILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
#define HOSTILE_VARIANT(fn, name)                                                                  \
	{                                                                                          \
#fn "/" name, fn, fixture_setup, fixture_teardown, (void *)(uintptr_t)name         \
	}
#define HOSTILE_TEST_EACH(fn)                                                                      \
	HOSTILE_VARIANT(fn, "inotify"), HOSTILE_VARIANT(fn, "fanotify"),                           \
		HOSTILE_VARIANT(fn, "polling")

/* `hostwatchd` with these sections behind [hostwatch], until it is ready. %s stands for the
 * directory of the test, in which "share", "ctl" and "conf" lie. */
void fixture_daemon(struct fixture *f, const char *sections, program_prepare_fn *prepare);
/* `hostwatch watch --json` of the root with the variant's watcher. */
void fixture_watch(struct fixture *f, program_prepare_fn *prepare, void *arg);
/* Ends it with SIGTERM: its exit status. */
int fixture_end(struct fixture *f);
/* All that changed has been told. */
void fixture_expect_equal(struct fixture *f);
/* Reads until an event of this kind about this path has come. */
void fixture_expect_event(struct fixture *f, enum hw_kind kind, const char *path);

#endif
