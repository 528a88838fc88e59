/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the kernel lets this process use openat2(2). */
#ifndef HW_OPENAT2_H
#define HW_OPENAT2_H

/* Returns 0; -ENOSYS or -EPERM if openat2(2) is refused: by Linux before 5.6, or by a filter of
 * system calls. Then nothing beneath a root can be opened. Asks no filesystem. */
int hw_openat2_check(void);
/* The cause and the remedy; its argument is the text of the error. */
#define HW_OPENAT2_REFUSED                                                                         \
	"openat2(2) is refused: %s; Linux is older than 5.6, or a filter of system calls forbids " \
	"it, as RestrictSUIDSGID= of systemd does"

#endif
