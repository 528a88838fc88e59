/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The initial files of a new plugin: the examples, embedded in this program. */
#ifndef HW_SKELETON_H
#define HW_SKELETON_H

#include <stddef.h>

/* One file of an example. */
struct hw_skeleton_file {
	const char *name; /* static; NULL: the source file, named after the plugin, with .c */
	const char *text; /* static, not terminated */
	const char *end; /* end of the text */
};

struct hw_skeleton {
	const char *kind; /* "watcher" or "sink" */
	const char *name; /* name of the example, replaced everywhere by the plugin's name */
	const struct hw_skeleton_file *files; /* static */
	size_t count;
};

extern const struct hw_skeleton hw_skeletons[];
extern const size_t hw_skeleton_count;

#endif
