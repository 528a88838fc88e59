/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conformance kit: what every plugin must stand, whoever wrote it. Each check runs in a process
 * of its own, so that one that crashes or hangs is one line of the report. Everything here runs on
 * one thread.
 */
#ifndef HW_KIT_H
#define HW_KIT_H

#include "instance.h"
#include "module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW_KIT_SETTINGS_MAX 32u
#define HW_KIT_SETTING_MAX 4096u /* bytes of one key=value */

/* One plugin and how it is to be checked. Made by main.c. */
struct hw_kit {
	const char *path; /* owned: of the .so, absolute */
	const char *traces; /* owned: directory of traces, absolute; NULL: none were found */
	const char *match; /* borrowed: glob of the traces to run; NULL: all */
	bool elsewhere; /* --match none: a watcher that does not see changes of the kit's files */
	const char *only; /* borrowed: glob of the checks to run; NULL: all */
	unsigned rounds;
	bool verbose;
	char *scratch; /* owned: the directory that checks run in, and their current one */
	struct hw_module *module; /* owned; NULL until the header was found sound */
	const struct hw_plugin *plugin; /* static: guard.h */
	struct hw_setting settings[HW_KIT_SETTINGS_MAX]; /* borrowed strings */
	size_t count;
};

/* How a check ended. Exit statuses of its process. */
enum hw_kit_verdict {
	HW_KIT_PASS = 0,
	HW_KIT_FAIL = 1,
	HW_KIT_SKIP = 77, /* the last line of its report is the reason */
	HW_KIT_SLOW = 78, /* all is well but that a callback blocked */
};

/* A check writes what is wrong to stdout, a line each, and returns the verdict. `arg` is its own.
 */
typedef enum hw_kit_verdict hw_kit_check(struct hw_kit *kit, const void *arg);

/* Says what is wrong and returns HW_KIT_FAIL. */
enum hw_kit_verdict hw_kit_fail(const char *format, ...) HW_PRINTF(1, 2);

/* Makes an instance with the kit's settings and `extra` (NULL: none) in the place of the one of its
 * key. NULL after a line. */
struct hw_loop;
struct hw_instance *hw_kit_instance(const struct hw_kit *kit, struct hw_loop *loop,
				    const struct hw_setting *extra);

/* ---- the checks, in the order of a run; each file's runs all of its own ---- */

void hw_check_symbols(struct hw_kit *kit); /* symbols.c */
void hw_check_options(struct hw_kit *kit); /* values.c */
void hw_check_life(struct hw_kit *kit); /* life.c */
void hw_check_failures(struct hw_kit *kit); /* failures.c */
void hw_check_traces(struct hw_kit *kit); /* traces.c: watchers */
void hw_check_flood(struct hw_kit *kit); /* flood.c: sinks */

#endif
