/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of each test: a new directory, and room for one program. Everything is cleaned up at
 * the end, also if the test fails. */
#ifndef HW_HOSTILE_FIXTURE_H
#define HW_HOSTILE_FIXTURE_H

#include "replay.h"
#include "world.h"

struct fixture {
	const char *watcher; /* borrowed: the variant of the test, or NULL */
	char *dir; /* owned */
	char *root; /* owned: DIR/share, the directory to watch */
	struct program program;
	bool started; /* the program must be ended */
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

/* Starts `hostwatchd` with these sections after [hostwatch], and waits until it is ready. %s stands
 * for the directory of the test, which contains "share", "ctl" and "conf". */
void fixture_daemon(struct fixture *f, const char *sections, program_prepare_fn *prepare);
/* Starts `hostwatch watch --json` on the root with the watcher of the variant. */
void fixture_watch(struct fixture *f, program_prepare_fn *prepare, void *arg);
/* Ends the program with SIGTERM. Returns its exit status. */
int fixture_end(struct fixture *f);
/* Waits until all changes are reported. */
void fixture_expect_equal(struct fixture *f);
/* Reads until an event of this kind for this path is reported. */
void fixture_expect_event(struct fixture *f, enum hw_kind kind, const char *path);

#endif
