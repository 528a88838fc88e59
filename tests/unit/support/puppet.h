/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that reports what a test tells it to, true or not. One instance at a time. */
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
		char path[PATH_MAX]; /* where it was when watch_dir() was called */
	} dirs[HW_PUPPET_DIRS_MAX];
	unsigned dir_count;
	unsigned scans; /* that ended */
	unsigned scans_in_call; /* of those, before scan() returned */
	uint64_t entries; /* of the last one */
	bool scanning; /* a call of scan() has not returned */
	bool scan_early; /* set by a test: watch_dir() of the root calls scan() */
	bool scan_in_flush; /* set by a test: flush() calls scan() */
	int early; /* what that call returned */
	bool endless; /* set by a test: its queue is never empty, and the quiet interval an hour */
	int input; /* owned: readable for ever, if endless */
	struct hw_io *io; /* owned: of input */
	uint64_t handed; /* records of that queue */
};
extern struct hw_puppet hw_puppet;

/* The scene's share is watched by a puppet with these flags (HW_PLUGIN_*). */
void hw_puppet_start(struct hw_scene *f, uint32_t flags, uint64_t settle_ns);
/* The token of a directory below the root, "" for the root itself. */
hw_token hw_puppet_dir(const struct hw_scene *f, const char *path);
int hw_puppet_scan(hw_token dir);
/* Directories are paths below the root; NULL: outside of the share. */
void hw_puppet_hint(const struct hw_scene *f, uint32_t what, const char *dir, const char *name);
void hw_puppet_move(const struct hw_scene *f, const char *dir, const char *name, const char *to_dir,
		    const char *to_name);

#endif
