/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Landlock: what the process may no longer do to files, whatever its user and capabilities permit.
 */
#ifndef HW_CONFINE_H
#define HW_CONFINE_H

#include "config.h"

/*
 * Denies this thread, and those that it starts later, for ever: to write to or truncate files, to
 * create and remove them, to execute programs, and to mount (landlock(7)). Sockets may still be
 * created and removed in these directories and below. Reading is not restricted, and descriptors
 * that are open keep working. Directories that do not exist, or that this user
 * cannot reach, are ignored. Needs no_new_privs or
 * CAP_SYS_ADMIN. Returns 0; -EOPNOTSUPP if the kernel has no Landlock, or one that cannot move
 * files between directories (before Linux 5.19); other -errno.
 */
int hw_confine(const char *const *directories, size_t count);

/* Confines the daemon to the directories in which this configuration has sockets. Returns 1; 0
 * after a log message if there is no Landlock; -errno. */
int hw_confine_daemon(const struct hw_config *config);

#endif
