/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists the filesystems mounted at and below a directory, from /proc/self/mountinfo (proc(5)). */
#ifndef HW_MOUNTS_H
#define HW_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One mount: its ID, unique while it is mounted (0: unknown), its path (absolute, resolved), and
 * the type of its filesystem. A negative result ends the walk. */
typedef int hw_mount_fn(void *arg, uint64_t id, const char *path, const char *type);

/* Calls fn for the directory itself, then for each mount below it that is not hidden by a later one
 * at the same place, in the order of mounting. On a thread that must not wait (cross.h), dir must
 * be absolute and resolved, and -ETIMEDOUT means that a filesystem may not answer. Returns -ENOENT,
 * -ENOTDIR and the like for dir; -ENOMEM; or the result of fn. */
int hw_mounts_walk(const char *dir, hw_mount_fn *fn, void *arg);

/* Returns whether a filesystem that a server provides, or an overlay with a layer on one, is
 * mounted at, above or below a directory (absolute, resolved), also if it is hidden. Accesses
 * neither the directory nor the layers: these are looked up in mountinfo. */
bool hw_mounts_may_hang(const char *dir);
struct hw_aparts;
/* The same; also replaces the list by those that are below the directory. NULL is allowed. */
bool hw_mounts_find_aparts(const char *dir, struct hw_aparts *aparts);

/* Detects mounts and unmounts below a directory, which no watcher reports. */
struct hw_mount_watch {
	char *dir; /* owned */
	struct hw_mount_point *points; /* owned: as of the last check, sorted by path */
	size_t count;
	int fd; /* owned: /proc/self/mountinfo, -1: not open */
	bool changed; /* since the last check: set by a caller who has polled fd for an
		       * exceptional condition, too */
	bool may_hang; /* hw_mounts_may_hang(), as of the last check or poll */
	struct hw_aparts *aparts; /* borrowed: the mounts below that may hang; or NULL */
};

void hw_mount_watch_init(struct hw_mount_watch *watch, struct hw_aparts *aparts);
/* Finds out which mounts may hang now, by asking the kernel only. */
void hw_mount_watch_look(struct hw_mount_watch *watch);
/* Starts to watch this directory (absolute, resolved). If memory is short or /proc is missing, no
 * changes will be detected. */
void hw_mount_watch_begin(struct hw_mount_watch *watch, const char *dir);
/* Returns whether a filesystem was mounted or unmounted anywhere since the last check, and looks at
 * them then. Accesses none of them. */
bool hw_mount_watch_poll(struct hw_mount_watch *watch);
/* If a filesystem was mounted or unmounted anywhere, calls fn with the path, relative to the
 * directory, of each place where one is or was mounted. Otherwise costs one system call. */
typedef void hw_mount_changed_fn(void *arg, const char *path);
void hw_mount_watch_check(struct hw_mount_watch *watch, hw_mount_changed_fn *fn, void *arg);
/* Calls fn with the path of each mount point that, as of the last check, is not a directory. */
void hw_mount_watch_each_file(const struct hw_mount_watch *watch, hw_mount_changed_fn *fn,
			      void *arg);
bool hw_mount_watch_has_file(const struct hw_mount_watch *watch);
void hw_mount_watch_end(struct hw_mount_watch *watch);

#endif
