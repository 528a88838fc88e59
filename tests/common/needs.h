/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Privileges and features of the machine that only some tests need. A function hw_lacks_x()
 * determines by trying whether x is available, in a child process if the attempt cannot be undone.
 * It returns NULL if x is available, else the reason why not, in a static buffer that the next call
 * overwrites. */
#ifndef HW_TESTS_NEEDS_H
#define HW_TESTS_NEEDS_H

#include <linux/capability.h> /* CAP_SYS_ADMIN, for callers */

#define HW_NOBODY 65534u

/* Skips the running cmocka test if something is missing: HW_NEED(hw_lacks_mounts()). */
#define HW_NEED(lacks)                                                                             \
	do {                                                                                       \
		const char *hw_reason = (lacks);                                                   \
		if (hw_reason) {                                                                   \
			print_message("skipped: %s\n", hw_reason);                                 \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* A child process can become "nobody", and can then reach each of these paths: enter the
 * directories, read and execute the files. NULL ends the array. */
const char *hw_lacks_nobody(const char *const *paths);
/* Drops all privileges of root; call it in a child process. Returns 0 or -errno. */
int hw_become_nobody(void);

/* A directory can be made in `dir`. */
const char *hw_lacks_scratch(const char *dir);
/* In `dir`, the owner of a file can be changed, a device node can be made, and a file handle can be
 * opened. */
const char *hw_lacks_chown(const char *dir);
const char *hw_lacks_mknod(const char *dir);
const char *hw_lacks_handles(const char *dir);

/* Filesystems can be mounted, invisible to other processes: the first call moves this process into
 * a mount namespace of its own. Works in a chroot. */
const char *hw_lacks_mounts(void);

/* A user namespace can be made in which /proc/sys/user/LIMIT can be set. */
const char *hw_lacks_user_limit(const char *limit);
/* Enters such a namespace as its root, and sets the limit; call it in a child process. Returns
 * NULL, or the reason (static) why it failed. */
const char *hw_enter_user_limit(const char *limit, unsigned value);

/* `path`, for example /proc/sys/fs/inotify/max_queued_events, can be written. */
const char *hw_lacks_writing(const char *path);
/* This capability is in the effective set; `name` appears in the reason: "CAP_SYS_ADMIN". */
const char *hw_lacks_capability(unsigned number, const char *name);

#endif
