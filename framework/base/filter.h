/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Excludes: gitignore-like patterns. "*.o" matches a name anywhere, "/build" and "a/b" a path from
 * the root, "logs/" only directories, "**" any number of directories, "!keep.o" takes a name back;
 * the last pattern that matches decides. "*" and "?" match bytes, not "/"; "[a-z]" and "[!a-z]" a
 * set; "\" quotes; "**" next to anything but "/" is one "*". What is below an excluded directory
 * cannot be taken back.
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
	bool anchored; /* a pattern looks at more than the last name */
};

/* -EINVAL: *ret_bad is the pattern that is not one, *ret_reason why (static). -ENOMEM. Copies the
 * patterns. */
int hw_filter_init(struct hw_filter *filter, const char *const *patterns, size_t count,
		   size_t *ret_bad, const char **ret_reason);
void hw_filter_free(struct hw_filter *filter);
/* Is the entry at this path excluded, its parents not being so? path may be just the name unless
 * filter->anchored. */
bool hw_filter_matches(const struct hw_filter *filter, const char *path, size_t len, bool is_dir);

#endif
