/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors of inotify and their remedies, as texts for fail(). */
#ifndef HW_INOTIFY_REMEDY_H
#define HW_INOTIFY_REMEDY_H

#include "../common/limit.h"

extern const struct hw_limit hw_remedy_watches; /* the limit of watches */

/* inotify_init1(2) or inotify_add_watch(2) failed. Return error, a negative errno. */
int hw_remedy_instance(const struct hw_host *host, void *ctx, int error);
int hw_remedy_watch(const struct hw_host *host, void *ctx, int error);

#endif
