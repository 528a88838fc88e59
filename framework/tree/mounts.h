/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems mounted at and below a directory, from /proc/self/mountinfo (proc(5)). */
#ifndef HW_MOUNTS_H
#define HW_MOUNTS_H

#include <stddef.h>
#include <stdint.h>

#define HW_MOUNTS_MAX 65536u

/* One mount: its number while it lasts (0: not known), where (absolute, resolved) and its
 * filesystem's type. A negative result ends the walk. */
typedef int hw_mount_fn(void *arg, uint64_t id, const char *path, const char *type);

/* Calls fn for the directory itself, then for each mount below it that is not hidden by a later one
 * at the same place, in the order of mounting. -ENOENT, -ENOTDIR and the like about dir; -ENOMEM;
 * what fn returned. */
int hw_mounts_walk(const char *dir, hw_mount_fn *fn, void *arg);

/* The mounts below a directory, to notice those that come and go: no watcher tells it. */
struct hw_mount_watch {
	char *dir; /* owned */
	struct hw_mount_point *points; /* owned: as they were last, by path */
	size_t count;
	int fd; /* owned: the kernel's table, -1 */
};

void hw_mount_watch_init(struct hw_mount_watch *watch);
/* From now on, and for this directory (absolute, resolved). Without memory or /proc nothing will be
 * noticed. */
void hw_mount_watch_begin(struct hw_mount_watch *watch, const char *dir);
/* Calls fn with the path, below the directory and without slash at its start, of each place where a
 * mount came, went, or is another one. Costs one system call when none did. */
typedef void hw_mount_changed_fn(void *arg, const char *path);
void hw_mount_watch_check(struct hw_mount_watch *watch, hw_mount_changed_fn *fn, void *arg);
/* Calls fn with the path of each place, as of the last check, where something other than a
 * directory is mounted. */
void hw_mount_watch_each_file(const struct hw_mount_watch *watch, hw_mount_changed_fn *fn,
			      void *arg);
void hw_mount_watch_end(struct hw_mount_watch *watch);

#endif
