/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors passed by the service manager: sd_listen_fds_with_names(3). */
#ifndef HW_ACTIVATION_H
#define HW_ACTIVATION_H

/* Returns the descriptor that was passed under this name: borrowed, close-on-exec. -ENOENT if there
 * is no such descriptor. */
int hw_activation_fd(const char *name);

#endif
