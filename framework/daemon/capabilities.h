/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rights of the process: its user, and only those capabilities that the plugins need. */
#ifndef HW_CAPABILITIES_H
#define HW_CAPABILITIES_H

#include "errors.h"
#include <stdint.h>
#include <sys/types.h>

/* The user that a daemon of root becomes unless another is configured, if this user exists. */
#define HW_DAEMON_USER "hostwatch"

/*
 * Finds the user that this process becomes: the configured one (NULL: HW_DAEMON_USER). Returns 1
 * and the user; 0: it stays what it is, because it is not root, that is the user, or the default
 * one does not exist; -ENOENT: there is no such user.
 */
int hw_user_find(const char *configured, uid_t *ret_uid, gid_t *ret_gid);

/*
 * Becomes the user that hw_user_find() finds, with its groups, and drops all capabilities except
 * those in the mask (1 << CAP_*), permanently: also from the bounding set if that is permitted, and
 * programs that it runs gain none. Capabilities belong to threads, so call this before the thread
 * pool is first used. Without privileges, changes nothing. On failure, adds an error, and the
 * process must end. If the process may not change its user, it stays root with a warning, unless
 * the user is configured. Returns -ENOENT, -EPERM and the like.
 */
int hw_rights_drop(const char *user, uint64_t mask, struct hw_errors *errors);

#endif
