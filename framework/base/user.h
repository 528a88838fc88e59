/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of the system. */
#ifndef HW_USER_H
#define HW_USER_H

#include <pwd.h>

/* getpwnam(3). The C library may dereference a null pointer when it has no memory for its first
 * lookup (glibc 2.36, nss_database_check_reload_and_get()): then the process ends with a message.
 * Only for programs, and before there are threads. */
const struct passwd *hw_user_named(const char *name);

#endif
