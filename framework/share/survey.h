/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out which watchers a share would get, without watching it: its filesystems, the candidates
 * in the order tried, why each would work or not, and the cost. It makes the decisions of arm.h, so
 * it never names a watcher that the share would not get. Loop thread only.
 */
#ifndef HW_SURVEY_H
#define HW_SURVEY_H

#include "quota.h"
#include "share.h"

#define HW_SURVEY_CANDIDATES_MAX 8u /* as many as a share may have */
#define HW_SURVEY_PATHS_MAX 8u /* paths kept in a list; more are only counted */

/* One candidate on one filesystem. */
struct hw_survey_candidate {
	const char *name; /* borrowed from the share */
	bool works;
	bool scans; /* HW_PLUGIN_SCANS */
	char *text; /* owned: why it does not work, or how it would watch; "" */
	/* The rest is zero unless it works. */
	struct hw_watcher_cost cost;
	struct hw_quota *quota; /* borrowed from the quotas; NULL: none */
	uint64_t wanted; /* directories that would get it if the limit were high enough */
	uint64_t directories; /* directories that get it */
};

/* One mount. A filesystem that is mounted at several places has several. */
struct hw_survey_filesystem {
	char *path, *type; /* owned; path is absolute */
	uint64_t mount; /* its number; 0: unknown */
	int index; /* of the filesystem in the share */
	struct hw_survey_candidate candidates[HW_SURVEY_CANDIDATES_MAX]; /* in the order tried */
	size_t count;
	size_t first; /* the candidate that comes first; `count`: none works */
	uint64_t directories, entries; /* counted */
	uint64_t unwatched; /* directories that no candidate takes */
	uint64_t again; /* directories that the share also has at another place */
	uint64_t scan_ns, cpu_ns; /* of one scan, estimated; 0: unknown */
};

/* Paths that have something in common, relative to the root of the share. */
struct hw_survey_paths {
	char *paths[HW_SURVEY_PATHS_MAX]; /* owned: the first ones */
	uint64_t count;
};

struct hw_survey {
	char *root; /* owned: of the share, without symbolic links */
	bool linked; /* the path of the share has symbolic links */
	struct hw_survey_filesystem *filesystems; /* owned; the root's is the first */
	size_t count;
	struct hw_survey_paths unreadable; /* directories whose content is unknown */
	struct hw_survey_paths files; /* a file is mounted here */
	struct hw_survey_paths loops; /* a directory above is mounted here: not entered */
	struct hw_survey_paths pseudo; /* the kernel makes what is mounted here: not entered */
	uint64_t directories, entries; /* counted so far */
	bool counted; /* all directories were counted */
};

struct hw_survey_how {
	struct hw_quotas *quotas; /* borrowed; shared by surveys of shares that will run together */
	bool count; /* visits every directory; without it only where filesystems are mounted */
	/* Called before each directory; false ends the survey early. NULL: not called. */
	bool (*step)(void *arg, const struct hw_survey *survey);
	void *arg;
};

/*
 * Surveys a share that was not started. Starts its watchers: until the share is destroyed, they
 * hold the kernel objects of a start, except watches and marks. Returns as hw_share_start():
 * -ENOENT, -ENOTDIR, -EACCES about the root; -ENODEV if no watcher can watch it; -ENOMEM. The
 * status of the share then says why. *ret must be freed in any case. Memory use grows with the
 * number of directories that wait to be visited.
 */
int hw_survey_share(struct hw_share *share, const struct hw_survey_how *how, struct hw_survey *ret);
void hw_survey_free(struct hw_survey *survey);

/* Directories that do not get this candidate because of its limit. */
uint64_t hw_survey_lacking(const struct hw_survey_candidate *candidate);

#endif
