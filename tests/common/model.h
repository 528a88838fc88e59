/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A replica of a share that knows nothing but events: what a receiver would have. It refuses events
 * that contradict it (rule 1 of hostwatch-events(7)), so replaying a stream proves that the stream
 * is a consistent history.
 */
#ifndef HW_TESTS_MODEL_H
#define HW_TESTS_MODEL_H

#include <hostwatch/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct hw_model;

/* What a receiver that looks at each file when it is told of it believes about that file. */
struct hw_model_belief {
	bool known;
	ino_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size; /* files only */
	int64_t mtime_ns; /* files only */
};

/* -ENOMEM. */
int hw_model_create(struct hw_model **ret);
void hw_model_destroy(struct hw_model *model); /* NULL is fine */

/* Makes the model look at each entry, below this directory, when an event tells of it;
 * hw_model_check_beliefs() then says whether every change was told. The path is borrowed until the
 * model goes. */
void hw_model_look(struct hw_model *model, const char *root);

/*
 * Replays one event. 0, or -EPROTO with the contradiction in `why`, -ENOMEM. A rescan changes
 * nothing, it is counted. Sequence numbers must be gap-free from the first one that is not 0.
 */
int hw_model_apply(struct hw_model *model, const struct hw_event *event, char *why,
		   size_t why_size);
uint64_t hw_model_rescans(const struct hw_model *model);
size_t hw_model_entries(const struct hw_model *model);

/* Adds everything below the directory as it is on disk, without following links. 0, -errno. */
int hw_model_load(struct hw_model *model, const char *root);
/* The same without what is excluded, and all below it: patterns without a slash match any name,
 * patterns that begin with one match a path. -EINVAL for another pattern. */
int hw_model_load_but(struct hw_model *model, const char *root, const char *const *excludes,
		      size_t exclude_count);

/* The number of entries that differ in presence or type; the first ten are written to `out`. */
size_t hw_model_compare(const struct hw_model *told, const struct hw_model *truth, FILE *out);

/*
 * The number of entries whose state on disk is not what the model saw when it was last told of
 * them; the first ten are written to `out`. Needs hw_model_look() from the start.
 */
size_t hw_model_check_beliefs(const struct hw_model *model, FILE *out);

/* Mode and owner that an inode had before a change of them. */
struct hw_model_attributes {
	ino_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* What a check of beliefs leaves out. */
struct hw_model_excuse {
	const ino_t *inodes; /* borrowed */
	size_t inode_count;
	/* Names that had no file or another one when they were looked at: between two scans they
	 * may come back, and no scan tells of it. */
	bool strangers;
	/* Mode and owner that are again what they were: a scan before and one after see the same,
	 * while the model looked in between. Borrowed. */
	const struct hw_model_attributes *had;
	size_t had_count;
};
size_t hw_model_check_beliefs_but(const struct hw_model *model,
				  const struct hw_model_excuse *excuse, FILE *out);

/*
 * The number of files whose data is not that of the moment when it was last announced, and of files
 * of which a change was reported though nothing wrote to their inode: those not among `written`. A
 * file that another one stood for when it was read, because the disk was ahead, is left out.
 */
struct hw_model_written {
	const ino_t *inodes; /* borrowed */
	size_t count;
	bool strict; /* also of files that were reported by create */
};
size_t hw_model_check_data(const struct hw_model *model, const struct hw_model_written *written,
			   const struct hw_model_excuse *excuse, FILE *out);

#endif
