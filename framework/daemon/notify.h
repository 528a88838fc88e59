/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service manager: sd_notify(3) messages out, passed descriptors (sd_listen_fds_with_names(3))
 * in. Without one, all of it does nothing. Loop thread only. */
#ifndef HW_NOTIFY_H
#define HW_NOTIFY_H

#include <hostwatch/plugin.h>

void hw_notify_ready(void);
void hw_notify_reloading(void);
void hw_notify_stopping(void);
/* One line for `systemctl status`. */
void hw_notify_status(const char *format, ...) HW_PRINTF(1, 2);

/* The descriptor that was passed in under this name: borrowed, close-on-exec. -ENOENT. */
int hw_activation_fd(const char *name);

#endif
