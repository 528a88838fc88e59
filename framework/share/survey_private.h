/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by survey.c (a share), survey_walk.c (counting), survey_sample.c (the cost of scanning)
 * and survey_filesystem.c (filesystems and their candidates), each of which uses those after it. */
#ifndef HW_SURVEY_PRIVATE_H
#define HW_SURVEY_PRIVATE_H

#include "share_private.h"
#include "survey.h"

/* A mount below the root, as the kernel's table has it. */
struct hw_survey_mount {
	uint64_t id;
	char *path; /* owned: relative to the root */
	char *type; /* owned */
	bool is_file;
	bool repeated; /* another mount of this share, or its root, has the same filesystem */
	dev_t dev;
};

struct hw_surveying {
	struct hw_share *share; /* borrowed */
	const struct hw_survey_how *how; /* borrowed */
	struct hw_survey *survey; /* borrowed */
	struct hw_survey_mount *mounts; /* owned; the first is the root's */
	size_t mount_count;
	int error; /* -ENOMEM */
};

/* A directory that is being visited. */
struct hw_survey_visit {
	const char *path; /* borrowed: relative to the root */
	size_t len;
	int fd; /* owned: O_PATH or better */
	uint64_t mount, ino;
	dev_t dev;
};

/* survey_filesystem.c */
/* A copy of a text, owned by the caller. NULL if out of memory, with the error in `s`. */
char *hw_survey_copy(struct hw_surveying *s, const char *text, size_t len);
/* Opens a directory of the share. -errno; ret->fd is then -1. */
int hw_survey_open(struct hw_surveying *s, const char *path, size_t len,
		   struct hw_survey_visit *ret);
/* Index of the filesystem of a directory in the survey, which is added if it is new; or -errno. */
int hw_survey_filesystem(struct hw_surveying *s, const struct hw_survey_visit *visit);
/* Returns the rank of the candidate that would get a directory of this filesystem, and counts the
 * directory there; `count` of the filesystem: none. `above`: the rank of the directory above if it
 * is on the same filesystem. */
uint8_t hw_survey_take(struct hw_surveying *s, size_t fs, uint8_t above,
		       const struct hw_survey_visit *visit, bool again);
bool hw_survey_is_excluded(const struct hw_surveying *s, const char *path, size_t len, bool is_dir);
void hw_survey_add_path(struct hw_surveying *s, struct hw_survey_paths *paths, const char *path,
			size_t len);

/* survey_walk.c: visits every directory. */
void hw_survey_walk(struct hw_surveying *s);

/* survey_sample.c */
#define HW_SURVEY_SAMPLE_MAX 256u

/* Directories of one filesystem, spread evenly over the walk. */
struct hw_survey_sample {
	char *paths[HW_SURVEY_SAMPLE_MAX]; /* owned */
	size_t count;
	uint64_t offered;
	uint64_t stride; /* one directory in `stride` is kept; 1 at the start */
};

void hw_survey_sample_add(struct hw_surveying *s, struct hw_survey_sample *sample,
			  const struct hw_survey_visit *visit);
/* Scans the sample as the share would, and sets fs->scan_ns and fs->cpu_ns in proportion. */
void hw_survey_sample_measure(struct hw_surveying *s, const struct hw_survey_sample *sample,
			      struct hw_survey_filesystem *fs);
void hw_survey_sample_free(struct hw_survey_sample *sample);

#endif
