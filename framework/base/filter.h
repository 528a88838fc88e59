/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Excludes: gitignore-like patterns. "*.o" matches a name anywhere, "/build" and "a/b" match a path
 * from the root, "logs/" matches only directories, "**" any number of directories, and "!keep.o"
 * includes a name again; the last pattern that matches decides. "*" and "?" match bytes other than
 * "/"; "[a-z]" and "[!a-z]" match a set; "\" quotes; "**" next to anything but "/" is one "*".
 * Entries below an excluded directory cannot be included again.
 */
#ifndef HW_FILTER_H
#define HW_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#define HW_FILTER_PATTERNS_MAX 4096u
#define HW_FILTER_PATTERN_MAX 4096u /* bytes */

struct hw_filter {
	struct hw_pattern *patterns; /* owned */
	size_t count;
	bool anchored; /* a pattern matches more than the last name of a path */
};

/* Copies the patterns. Returns -EINVAL for an invalid pattern, with the pattern in *ret_bad and the
 * reason in *ret_reason (static), or -ENOMEM. */
int hw_filter_init(struct hw_filter *filter, const char *const *patterns, size_t count,
		   size_t *ret_bad, const char **ret_reason);
void hw_filter_free(struct hw_filter *filter);
/* Returns whether the entry at this path is excluded. Its parents must not be excluded. path may be
 * just the name unless filter->anchored. */
bool hw_filter_matches(const struct hw_filter *filter, const char *path, size_t len, bool is_dir);

#endif
