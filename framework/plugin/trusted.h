/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the file of a plugin so that nobody but trusted users can have chosen it. Loop thread only.
 */
#ifndef HW_TRUSTED_H
#define HW_TRUSTED_H

#define HW_TRUSTED_WHY_MAX 512u

struct hw_trusted {
	int fd; /* owned: O_RDONLY, a regular file unless the caller has no privileges */
	char *path; /* owned: absolute, without symbolic links */
	char why[HW_TRUSTED_WHY_MAX]; /* on failure: what is wrong */
	char *at; /* owned: on -EPERM, the directory, link or file that is not trusted; or NULL */
};

/*
 * Opens the file at `path` component by component. With privileges (root, or any capability), each
 * directory and link on the way, and the file, must belong to root or to the user of this process,
 * and be writable by nobody else. A directory above may have the sticky bit instead. -EPERM: not
 * trusted; -ENOENT and the like, -ELOOP, -ENOMEM. Call hw_trusted_free() in any case.
 */
int hw_trusted_open(const char *path, struct hw_trusted *ret);
void hw_trusted_free(struct hw_trusted *trusted);

#endif
