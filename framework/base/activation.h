/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that the service manager passed in: sd_listen_fds_with_names(3). */
#ifndef HW_ACTIVATION_H
#define HW_ACTIVATION_H

/* The descriptor that was passed in under this name: borrowed, close-on-exec. -ENOENT. */
int hw_activation_fd(const char *name);

#endif
