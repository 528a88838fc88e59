/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The changes that the demonstration makes to its directory. */
#ifndef HW_DEMO_STEP_H
#define HW_DEMO_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* Two directories in a new one: "share" is watched, "outside" is not. */
struct hw_demo_ground {
	char *path; /* owned: of the new directory */
	char *share; /* owned: of the watched directory */
	int share_fd;
};

/* Creates the directories in `parent`. Returns 0 or -errno. */
int hw_demo_ground_make(struct hw_demo_ground *ground, const char *parent);
/* Removes all directories. */
void hw_demo_ground_remove(struct hw_demo_ground *ground);

extern const size_t hw_demo_step_count;
/* Returns the step as a shell command, and a remark ("" if there is none). Static. */
const char *hw_demo_step_title(size_t step, const char **ret_note);
/* Returns whether an entry leaves the share and still exists, which can be distinguished from a
 * deletion only by file handles. */
bool hw_demo_step_leaves(size_t step);
/* Executes the step. Returns -EOPNOTSUPP if this filesystem does not support it, without a change;
 * -errno. */
int hw_demo_step_run(const struct hw_demo_ground *ground, size_t step);

#endif
