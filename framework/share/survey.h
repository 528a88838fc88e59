/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What would watch a share, without watching it: each filesystem in it, the candidates in the order
 * tried, and why each would or would not do. The decisions are those of arm.h, so a survey never
 * names a watcher that the share would not get. Loop thread only.
 */
#ifndef HW_SURVEY_H
#define HW_SURVEY_H

#include "share.h"

#define HW_SURVEY_CANDIDATES_MAX 8u /* as many as a share may have */

struct hw_survey_candidate {
	const char *name; /* borrowed from the share */
	bool works; /* on this filesystem */
	char *text; /* owned: why not, or how it would watch; "" */
};

struct hw_survey_filesystem {
	char *path, *type; /* owned; where it is mounted, or the root of the share */
	int error; /* -errno of opening it; 0 */
	struct hw_survey_candidate candidates[HW_SURVEY_CANDIDATES_MAX]; /* in the order tried */
	size_t count;
	size_t first; /* the candidate that would get it; `count`: none */
};

struct hw_survey {
	struct hw_survey_filesystem *filesystems; /* owned; the root's is the first */
	size_t count;
};

/*
 * Surveys a share that was not started. Watchers are started for it, so they take the kernel
 * objects that a start would take, but for watches and marks. As hw_share_start(): -ENOENT,
 * -ENOTDIR, -EACCES about the root; -ENODEV when no watcher can watch it; the status says why.
 * -ENOMEM.
 */
int hw_survey_share(struct hw_share *share, struct hw_survey *ret);
void hw_survey_free(struct hw_survey *survey);

#endif
