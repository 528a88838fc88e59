/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of test programs that run for as long as they are asked to. */
#ifndef HW_TESTS_ARGUMENTS_H
#define HW_TESTS_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* --NAME NUMBER, or --NAME if it has a flag instead. */
struct hw_argument {
	const char *name; /* NULL ends the list */
	unsigned *number;
	bool *flag;
};

/* Sets what the command line names; --filter PATTERN selects tests. Returns 0, or 2, the exit
 * status, after an error was printed. */
int hw_arguments_parse(int argc, char **argv, const struct hw_argument *list);

/* A test of cmocka that runs with each kernel watcher: a list of `struct CMUnitTest`. Its state is
 * the name of the watcher, as struct hw_rig_config has it. */
#define HW_UNDER(name, test, backend)                                                              \
	{                                                                                          \
		name "/" backend, test, NULL, NULL, (void *)(uintptr_t)(backend)                   \
	}
#define HW_UNDER_EACH(name, test)                                                                  \
	HW_UNDER(name, test, "inotify"), HW_UNDER(name, test, "fanotify"),                         \
		HW_UNDER(name, test, "fanotify-inode")

#endif
