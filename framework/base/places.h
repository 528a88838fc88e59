/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories whose place may change: by a rename or deletion of the directory itself, or by
 * another owner or mode. One inotify instance serves all users of a loop; it exists while there are
 * directories. Loop thread only.
 */
#ifndef HW_PLACES_H
#define HW_PLACES_H

#include "loop.h"

/* A change, one that was lost, or one that is about something else. Must not call the functions
 * below. It is called at most every HW_PLACES_REST_NS. */
typedef void hw_places_fn(void *arg);
#define HW_PLACES_REST_NS (100 * HW_MS)

/* HW_PLACES_ATTRIB also reports changes of the attributes of names in the directory,
 * HW_PLACES_NAMES those that leave it: a directory that is open does not report its own deletion.
 */
#define HW_PLACES_ATTRIB 1u
#define HW_PLACES_NAMES 2u

/* Watches the directory of a descriptor, which may be O_PATH and is not needed afterwards. Changes
 * of filesystems whose directories also change elsewhere are not all reported. Returns 0; -EACCES:
 * the directory cannot be read; -EMFILE, -ENOSPC: limits of inotify; another -errno. */
int hw_places_add(struct hw_loop *loop, int fd, unsigned flags, hw_places_fn *fn, void *arg);
/* Removes all that were added with this argument. */
void hw_places_del(struct hw_loop *loop, const void *arg);

#endif
