/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A replica of a share that is built from events only, like that of a receiver. It refuses events
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

/* The state of a file as seen by a receiver that stats it whenever an event reports it. */
struct hw_model_belief {
	bool known;
	ino_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size; /* files only */
	int64_t mtime_ns; /* files only */
};

/* Returns 0 or -ENOMEM. */
int hw_model_create(struct hw_model **ret);
void hw_model_destroy(struct hw_model *model); /* NULL is allowed */

/* Makes the model stat each entry below this directory when an event reports it; after that,
 * hw_model_check_beliefs() checks that every change was reported. The path is borrowed until the
 * model is destroyed. */
void hw_model_look(struct hw_model *model, const char *root);

/*
 * Replays one event. Returns 0, -EPROTO with the contradiction in `why`, or -ENOMEM. A rescan is
 * counted and changes nothing. Sequence numbers must be gap-free from the first one that is not 0.
 */
int hw_model_apply(struct hw_model *model, const struct hw_event *event, char *why,
		   size_t why_size);
/* The next event may have any larger number. */
void hw_model_skip(struct hw_model *model);
uint64_t hw_model_rescans(const struct hw_model *model);
size_t hw_model_entries(const struct hw_model *model);

/* Adds everything below the directory as it is on disk; does not follow symlinks. Returns 0 or
 * -errno. */
int hw_model_load(struct hw_model *model, const char *root);
/* Like hw_model_load(), but leaves out excluded entries and everything below them: patterns without
 * a slash match any name, patterns that begin with a slash match a path. -EINVAL for any other
 * pattern. */
int hw_model_load_but(struct hw_model *model, const char *root, const char *const *excludes,
		      size_t exclude_count);

/* Returns the number of entries that differ in presence or type; writes the first ten to `out`. */
size_t hw_model_compare(const struct hw_model *told, const struct hw_model *truth, FILE *out);

/*
 * Returns the number of entries whose state on disk differs from the one that the model saw when
 * they were last reported; writes the first ten to `out`. Requires hw_model_look() before the first
 * event.
 */
size_t hw_model_check_beliefs(const struct hw_model *model, FILE *out);

/* Mode and owner of an inode before one of their changes. */
struct hw_model_attributes {
	ino_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* Differences that a check of beliefs ignores. */
struct hw_model_excuse {
	const ino_t *inodes; /* borrowed */
	size_t inode_count;
	/* Names that did not exist, or referred to another file, at the last stat: they may come
	 * back between two scans, and no scan reports that. */
	bool strangers;
	/* Mode and owner that changed and changed back: the scans before and after see the same
	 * values, but the model may have read others in between. Borrowed. */
	const struct hw_model_attributes *had;
	size_t had_count;
};
size_t hw_model_check_beliefs_but(const struct hw_model *model,
				  const struct hw_model_excuse *excuse, FILE *out);

/*
 * Returns the number of files whose data differs from the data at the last event that announced it,
 * plus the files that were reported as changed although no program wrote to their inode (it is not
 * in `written`). Ignores a file if the model read another file under its name because the disk was
 * ahead of the events.
 */
struct hw_model_written {
	const ino_t *inodes; /* borrowed */
	size_t count;
	bool strict; /* also check files that were reported by create */
};
size_t hw_model_check_data(const struct hw_model *model, const struct hw_model_written *written,
			   const struct hw_model_excuse *excuse, FILE *out);

/* Makes a model that looks read a file whenever any event reports it, also attrib and move. */
void hw_model_read_always(struct hw_model *model);
/* Returns the number of files whose data differs from the data at the last event that reported
 * them; writes the first ten to `out`. Requires hw_model_read_always() before the first event.
 * Ignores a file whose size, mtime and ctime are the same, as after two writes within one tick of
 * the clock, and a name that referred to another file then. */
size_t hw_model_check_announced(const struct hw_model *model, FILE *out);

#endif
