/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operands of `hostwatch watch`. A directory is one target; all files of one directory together
 * are one target, which excludes everything else there. */
#ifndef HW_TARGET_H
#define HW_TARGET_H

#include "args.h"

#include <hostwatch/wire.h>
#include <sys/types.h>

struct hw_target {
	char *dir; /* owned: the directory to watch */
	char *real; /* owned: its canonical path */
	char *prefix; /* owned: prefix for displaying a path in it: "src/" */
	bool is_file; /* watch only `files` in it */
	struct hw_words files; /* owned; names that point into operands */
	const char *given; /* borrowed: its first operand */
	dev_t dev;
	ino_t ino;
};

struct hw_targets {
	struct hw_target *items; /* owned */
	size_t count;
};

/* Examines the operands. Returns -1 to continue, else an exit status after a line on stderr:
 * HW_EXIT_USAGE if one is below another, HW_EXIT_FAILURE if one cannot be watched. */
int hw_targets_find(struct hw_targets *targets, const struct hw_command_line *line, char **operands,
		    int count);
void hw_targets_free(struct hw_targets *targets);

/* Appends a path of the target as displayed: "src/a.c"; the empty path is the directory itself. */
int hw_target_show(const struct hw_target *target, struct hw_buf *to, const char *path, size_t len);

/* Returns the patterns that exclude everything except `files`, then the `more` ones. The result and
 * its strings are one block, to be freed; NULL if memory is short. */
const char **hw_target_excludes(const struct hw_target *target, const char *const *more,
				size_t count, size_t *ret_count);

#endif
