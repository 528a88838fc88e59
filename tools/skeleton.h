/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a new plugin begins as: the examples, which are part of this program. */
#ifndef HW_SKELETON_H
#define HW_SKELETON_H

#include <stddef.h>

/* One file of an example. */
struct hw_skeleton_file {
	const char *name; /* static; NULL: the source, which is called as the plugin is, with .c */
	const char *text; /* static, not terminated */
	const char *end; /* behind its last byte */
};

struct hw_skeleton {
	const char *kind; /* "watcher" or "sink" */
	const char *name; /* of the example: stands wherever the plugin's name shall stand */
	const struct hw_skeleton_file *files; /* static */
	size_t count;
};

extern const struct hw_skeleton hw_skeletons[];
extern const size_t hw_skeleton_count;

#endif
