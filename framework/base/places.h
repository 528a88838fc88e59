/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories whose place may change: by a rename or deletion of the directory itself, or by
 * another owner or mode. One inotify instance serves all users of a loop; it exists while there are
 * directories. Loop thread only.
 */
#ifndef HW_PLACES_H
#define HW_PLACES_H

#include "loop.h"

/* A change, or one that was lost. Must not call the functions below. It is called at most every
 * HW_PLACES_REST_NS. */
typedef void hw_places_fn(void *arg);
#define HW_PLACES_REST_NS (100 * HW_MS)

/*
 * Watches the directory of a descriptor, which may be O_PATH and is not needed afterwards. name:
 * borrowed until hw_places_del(); also reports that this name leaves the directory, since a
 * directory that is open does not report its own deletion; NULL: no name. attributes: also reports
 * another owner or mode; the kernel then visits each name of the directory that it has in its
 * cache, which takes 180 ms for a million (fsnotify_set_children_dentry_flags()). Changes of
 * filesystems whose directories also change elsewhere are not all reported. Returns 0; -EACCES: the
 * directory cannot be read; -EMFILE, -ENOSPC: limits of inotify; another -errno.
 */
int hw_places_add(struct hw_loop *loop, int fd, const char *name, bool attributes, hw_places_fn *fn,
		  void *arg);
/* Removes all that were added with this argument. */
void hw_places_del(struct hw_loop *loop, const void *arg);

#endif
