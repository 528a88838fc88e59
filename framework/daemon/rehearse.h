/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks a configuration: it is correct if every plugin that it names opens with its settings. Loop
 * thread only. */
#ifndef HW_REHEARSE_H
#define HW_REHEARSE_H

#include "config.h"
#include "loop.h"

/*
 * Reads a configuration as hw_config_read() does, and calls open() of an instance of each plugin.
 * Adds all mistakes to `errors` as "FILE:LINE: text", sorted. A failure of open() that may be the
 * result of another mistake is not added. 0; -EINVAL if there is a mistake; otherwise errors as for
 * hw_config_read().
 */
int hw_rehearse_load(struct hw_loop *loop, const char *file, struct hw_loader *loader,
		     struct hw_errors *errors, struct hw_config **ret);

#endif
