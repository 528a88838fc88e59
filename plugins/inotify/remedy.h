/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts for fail(): inotify errors and their remedies. */
#ifndef HW_INOTIFY_REMEDY_H
#define HW_INOTIFY_REMEDY_H

#include "../common/limit.h"

extern const struct hw_limit hw_remedy_watches; /* the limit of watches */

/* For a failed inotify_init1(2) or inotify_add_watch(2). Return error, a negative errno. */
int hw_remedy_instance(const struct hw_host *host, void *ctx, int error);
int hw_remedy_watch(const struct hw_host *host, void *ctx, int error);

#endif
