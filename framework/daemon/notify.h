/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to the service manager: sd_notify(3). Without one, these functions do nothing. Loop
 * thread only. */
#ifndef HW_NOTIFY_H
#define HW_NOTIFY_H

#include <hostwatch/plugin.h>

void hw_notify_ready(void);
void hw_notify_reloading(void);
void hw_notify_stopping(void);
/* Sets the status line of `systemctl status`. */
void hw_notify_status(const char *format, ...) HW_PRINTF(1, 2);

#endif
