/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems whose content the kernel makes: it changes all the time, without events. */
#ifndef HW_PSEUDO_H
#define HW_PSEUDO_H

/* Returns the name of such a filesystem if the file is on one, else NULL. fd: any descriptor, also
 * O_PATH. */
const char *hw_pseudo_name(int fd);

#endif
