/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conformance kit: checks for every plugin, including plugins of other authors. Each check runs
 * in its own process, so that a crash or a hang is one line of the report. The kit is
 * single-threaded.
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

/* One plugin and the parameters of its check. Created by main.c. */
struct hw_kit {
	const char *path; /* owned: of the .so, absolute */
	const char *traces; /* owned: directory of traces, absolute; NULL: not found */
	const char *match; /* borrowed: glob of the traces to run; NULL: all */
	bool elsewhere; /* --match none: the watcher does not detect changes of the kit's files */
	const char *only; /* borrowed: glob of the checks to run; NULL: all */
	unsigned rounds;
	bool verbose;
	char *scratch; /* owned: the directory in which checks run, their working directory */
	struct hw_module *module; /* owned; NULL until the header was validated */
	const struct hw_plugin *plugin; /* static: guard.h */
	struct hw_setting settings[HW_KIT_SETTINGS_MAX]; /* borrowed strings */
	size_t count;
};

/* The result of a check, and the exit status of its process. */
enum hw_kit_verdict {
	HW_KIT_PASS = 0,
	HW_KIT_FAIL = 1,
	HW_KIT_SKIP = 77, /* the last line of its report is the reason */
	HW_KIT_SLOW = 78, /* passed, except that a callback blocked */
};

/* A check writes each error to stdout as a line, and returns the result. `arg` is its own. */
typedef enum hw_kit_verdict hw_kit_check(struct hw_kit *kit, const void *arg);

/* Prints an error and returns HW_KIT_FAIL. */
enum hw_kit_verdict hw_kit_fail(const char *format, ...) HW_PRINTF(1, 2);

/* Creates an instance with the kit's settings; `extra` (NULL: none) replaces the setting with its
 * key. Returns NULL after printing an error. */
struct hw_loop;
struct hw_instance *hw_kit_instance(const struct hw_kit *kit, struct hw_loop *loop,
				    const struct hw_setting *extra);

/* ---- the checks, in the order of a run; each function runs all checks of its file ---- */

void hw_check_symbols(struct hw_kit *kit); /* symbols.c */
void hw_check_options(struct hw_kit *kit); /* values.c */
void hw_check_life(struct hw_kit *kit); /* life.c */
void hw_check_failures(struct hw_kit *kit); /* failures.c */
void hw_check_traces(struct hw_kit *kit); /* traces.c: watchers */
void hw_check_flood(struct hw_kit *kit); /* flood.c: sinks */

#endif
