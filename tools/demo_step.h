/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the demonstration does to its directory. */
#ifndef HW_DEMO_STEP_H
#define HW_DEMO_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* Two directories side by side in a fresh one: "share" is watched, "outside" is not. */
struct hw_demo_ground {
	char *path; /* owned: of the fresh directory */
	char *share; /* owned: of the directory watched */
	int share_fd;
};

/* Makes them in `parent`. -errno. */
int hw_demo_ground_make(struct hw_demo_ground *ground, const char *parent);
/* Removes all of it. */
void hw_demo_ground_remove(struct hw_demo_ground *ground);

extern const size_t hw_demo_step_count;
/* The step as a shell command, and what is worth seeing in it ("" for nothing). Static. */
const char *hw_demo_step_title(size_t step, const char **ret_note);
/* Whether something leaves the share and lives on, which only file handles tell from a deletion. */
bool hw_demo_step_leaves(size_t step);
/* Carries it out. -EOPNOTSUPP: this filesystem cannot do that, nothing was done. -errno. */
int hw_demo_step_run(const struct hw_demo_ground *ground, size_t step);

#endif
