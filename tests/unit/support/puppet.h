/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that reports anything that a test asks for, true or not. One instance at a time. */
#ifndef HW_TESTS_PUPPET_H
#define HW_TESTS_PUPPET_H

#include "scene.h"
#include <hostwatch/plugin.h>

#define HW_PUPPET_DIRS_MAX 64u

struct hw_puppet {
	const struct hw_host *host; /* borrowed; NULL: not open */
	void *ctx;
	struct {
		hw_token token;
		char path[PATH_MAX]; /* its path when watch_dir() was called */
	} dirs[HW_PUPPET_DIRS_MAX];
	unsigned dir_count;
	unsigned scans; /* scans that ended */
	unsigned scans_in_call; /* of those, the ones that ended before scan() returned */
	uint64_t entries, elapsed_ns, cpu_ns; /* of the last scan */
	bool scanning; /* a call of scan() has not returned */
	bool scan_early; /* set by a test: watch_dir() of the root calls scan() */
	bool scan_in_flush; /* set by a test: flush() calls scan() */
	int early; /* result of the early scan() */
	bool endless; /* set by a test: its queue is never empty, and the quiet interval is an
		       * hour */
	bool greedy; /* set by a test: each read of that queue uses its full budget */
	uint64_t backlog; /* set by a test: so many records more are in the endless queue */
	const char *state_dir; /* set by a test, borrowed: where its state is kept */
	int input; /* owned: always readable if endless */
	struct hw_io *io; /* owned: watches input */
	uint64_t handed; /* records handed over from that queue */
};
extern struct hw_puppet hw_puppet;

/* Starts the scene with a puppet that has these flags (HW_PLUGIN_*). */
void hw_puppet_start(struct hw_scene *f, uint32_t flags, uint64_t settle_ns);
/* Returns the token of a directory below the root; "" for the root itself. */
hw_token hw_puppet_dir(const struct hw_scene *f, const char *path);
int hw_puppet_scan(hw_token dir);
/* Directories are paths below the root; NULL: outside the share. */
void hw_puppet_hint(const struct hw_scene *f, uint32_t what, const char *dir, const char *name);
void hw_puppet_move(const struct hw_scene *f, const char *dir, const char *name, const char *to_dir,
		    const char *to_name);

#endif
