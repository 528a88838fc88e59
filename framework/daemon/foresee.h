/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds problems of a configuration without mistakes that arise on this machine and with the
 * privileges of this user. Loop thread only, outside of the loop. */
#ifndef HW_FORESEE_H
#define HW_FORESEE_H

#include "config.h"
#include "loop.h"

/*
 * Surveys each share. Adds a line "FILE:LINE: warning: text" for a named watcher that cannot watch
 * one of its filesystems, and for a limit that is too low for the watches needed; a line
 * "FILE:LINE: text" for a share that cannot be read or that no watcher can watch. Counts
 * directories only if a limit may be too low, and only until this is decided. Returns 0; -ENODEV if
 * a share cannot start; -ENOMEM.
 */
int hw_foresee(struct hw_loop *loop, const struct hw_config *config, struct hw_errors *warnings);

#endif
