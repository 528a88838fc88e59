/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Landlock: what the process may no longer do to files, whatever its user and capabilities permit.
 */
#ifndef HW_CONFINE_H
#define HW_CONFINE_H

#include "config.h"

/* The directories that stay writable, each with all that is below it. Pointers are borrowed. */
struct hw_confine_to {
	const char *const *sockets; /* sockets may be created and removed */
	size_t socket_count;
	const char *const *states; /* files may be created, written, renamed and removed */
	size_t state_count;
};

/*
 * Denies this thread, and those that it starts later, for ever: to write to or truncate files, to
 * create and remove them, to execute programs, and to mount (landlock(7)), except in these
 * directories. Reading is not restricted, and descriptors
 * that are open keep working. Directories that do not exist, or that this user
 * cannot reach, are ignored. Needs no_new_privs or
 * CAP_SYS_ADMIN. Returns 0; -EOPNOTSUPP if the kernel has no Landlock, or one that cannot move
 * files between directories (before Linux 5.19); other -errno.
 */
int hw_confine(const struct hw_confine_to *to);

/* Confines the daemon to the directories in which this configuration has sockets
 * and states. Returns 1; 0
 * after a log message if there is no Landlock; -errno. */
int hw_confine_daemon(const struct hw_config *config);

#endif
