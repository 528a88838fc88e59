/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The logs of a state, and how much of them is copied. */
#ifndef HW_TESTS_LOGS_H
#define HW_TESTS_LOGS_H

#include <stdbool.h>
#include <sys/types.h>

#define HW_LOGS_MAX 8u

struct hw_logs {
	char names[HW_LOGS_MAX][64]; /* without the suffix */
	off_t sizes[HW_LOGS_MAX];
	unsigned count;
};

/* Notes the logs in a directory, as large as they are now. 0 or -errno. */
int hw_logs_note(struct hw_logs *logs, const char *log_dir);
/* Returns whether so much of each is copied. A log that is not there any more is not needed. */
bool hw_logs_are_copied(const struct hw_logs *logs, const char *log_dir, const char *state_dir);

#endif
