/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rights and features of the machine that only some tests need. A function hw_lacks_x() finds out
 * by trying, in a child if the attempt could not be undone. It returns NULL if x is there, else the
 * reason why it is not, in a static buffer that the next call overwrites. */
#ifndef HW_TESTS_NEEDS_H
#define HW_TESTS_NEEDS_H

#include <linux/capability.h> /* CAP_SYS_ADMIN, for callers */

#define HW_NOBODY 65534u

/* Skips the running cmocka test if something is lacking: HW_NEED(hw_lacks_mounts()). */
#define HW_NEED(lacks)                                                                             \
	do {                                                                                       \
		const char *hw_reason = (lacks);                                                   \
		if (hw_reason) {                                                                   \
			print_message("skipped: %s\n", hw_reason);                                 \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* Processes of this process with the rights of "nobody", who can reach each of these paths: enter
 * the directories, read and execute the files. NULL ends the array. */
const char *hw_lacks_nobody(const char *const *paths);
/* Gives up every right of root: for the child. 0, -errno. */
int hw_become_nobody(void);

/* A directory can be made in `dir`, to test in. */
const char *hw_lacks_scratch(const char *dir);
/* A file in `dir` can be given to another user; a device node can be made there; a file handle of
 * it can be opened. */
const char *hw_lacks_chown(const char *dir);
const char *hw_lacks_mknod(const char *dir);
const char *hw_lacks_handles(const char *dir);

/* Filesystems can be mounted, unseen by other processes: the first call moves this process into a
 * mount namespace of its own. Works in a chroot. */
const char *hw_lacks_mounts(void);

/* A user namespace in which /proc/sys/user/LIMIT can be set. */
const char *hw_lacks_user_limit(const char *limit);
/* Enters such a namespace, as root of it, and sets the limit: for the child. NULL, or the reason
 * (static) why it did not work. */
const char *hw_enter_user_limit(const char *limit, unsigned value);

/* `path` can be written, as /proc/sys/fs/inotify/max_queued_events. */
const char *hw_lacks_writing(const char *path);
/* This capability is in the effective set; `name` is for the reason: "CAP_SYS_ADMIN". */
const char *hw_lacks_capability(unsigned number, const char *name);

#endif
