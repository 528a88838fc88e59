/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories and files that `hostwatch watch` is given. A directory is a place of its own;
 * files of one directory are one place, which excludes everything else there. */
#ifndef HW_PLACE_H
#define HW_PLACE_H

#include "args.h"

#include <hostwatch/wire.h>
#include <sys/types.h>

struct hw_place {
	char *dir; /* owned: the directory to watch */
	char *real; /* owned: its canonical path */
	char *prefix; /* owned: what stands before a path in it when it is shown: "src/" */
	bool is_file; /* only `files` in it */
	struct hw_words files; /* owned; names that point into operands */
	const char *given; /* borrowed: its first operand */
	dev_t dev;
	ino_t ino;
};

struct hw_places {
	struct hw_place *items; /* owned */
	size_t count;
};

/*
 * Examines the operands. -1 to go on, else an exit status after a line on stderr: HW_EXIT_USAGE
 * when one lies in another, HW_EXIT_FAILURE when one cannot be watched.
 */
int hw_places_find(struct hw_places *places, const struct hw_command_line *line, char **operands,
		   int count);
void hw_places_free(struct hw_places *places);

/* Appends a path of the place as it is shown: "src/a.c"; the empty path is the directory itself. */
int hw_place_show(const struct hw_place *place, struct hw_buf *to, const char *path, size_t len);

/* The patterns that leave `files` alone, then the `more` ones. *ret and its strings are one block,
 * to be freed; NULL: out of memory. */
const char **hw_place_excludes(const struct hw_place *place, const char *const *more, size_t count,
			       size_t *ret_count);

#endif
