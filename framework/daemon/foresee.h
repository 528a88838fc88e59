/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Problems of a configuration that has no mistakes, on this machine and with the rights of this
 * user. Loop thread only, outside of the loop. */
#ifndef HW_FORESEE_H
#define HW_FORESEE_H

#include "config.h"
#include "loop.h"

/*
 * Surveys each share and adds a line "FILE:LINE: warning: text" for a named watcher that cannot
 * watch one of its filesystems, and for watches that will not suffice; a line "FILE:LINE: text" for
 * a share that cannot be read or that no watcher can watch. Directories are counted only where a
 * limit may be too low, and only until that is known. 0; -ENODEV: a share cannot start; -ENOMEM.
 */
int hw_foresee(struct hw_loop *loop, const struct hw_config *config, struct hw_errors *warnings);

#endif
