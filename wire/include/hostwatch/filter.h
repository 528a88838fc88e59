/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Excludes: gitignore-like patterns. "*.o" matches a name anywhere, "/build" and "a/b" match a path
 * from the root, "logs/" matches only directories, "**" any number of directories, and "!keep.o"
 * includes a name again; the last pattern that matches decides. "*" and "?" match bytes other than
 * "/"; "[a-z]" and "[!a-z]" match a set; "\" quotes; "**" next to anything but "/" is one "*".
 * Entries below an excluded directory cannot be included again.
 */
#ifndef HOSTWATCH_FILTER_H
#define HOSTWATCH_FILTER_H

#include <hostwatch/event.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hw_pattern; /* private */

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

/* Returns whether the entry at this path, or a directory above it, is excluded. The root never is.
 */
bool hw_filter_excludes(const struct hw_filter *filter, const char *path, size_t len, bool is_dir);

/*
 * Applies excludes to an event of another source, as hw_event_below() does for a directory: writes
 * 0, 1 or 2 events to ret and returns their number. A move to an excluded name has no `path`, one
 * from an excluded name has no `from`; a rescan follows if a directory appears in this way. One of
 * two exchanged entries may be excluded: the other one is replaced, or its type is not known and it
 * is rescanned.
 */
#define HW_EXCLUDE_MAX 2
int hw_event_exclude(const struct hw_event *event, const struct hw_filter *filter,
		     struct hw_event ret[HW_EXCLUDE_MAX]);

#ifdef __cplusplus
}
#endif

#endif
