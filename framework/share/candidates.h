/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The candidates of a share that no configuration describes: watchers by their names. Loop thread
 * only. */
#ifndef HW_CANDIDATES_H
#define HW_CANDIDATES_H

#include "loader.h"
#include "share.h"

/*
 * Adds to a share what a list of names asks for, best first: names separated by commas, "auto"
 * among them for the order of auto.h. The last of that order is always the last resort. interval:
 * as the user wrote it, for watchers that have such an option; NULL: their default. -EINVAL when
 * the list is empty; else as hw_loader_load() and hw_share_add_watcher(). The reason is logged.
 */
int hw_candidates_add(struct hw_share *share, struct hw_loop *loop, struct hw_loader *loader,
		      const char *list, const char *interval);

/* Loads the watchers of such a list, so that a mistake in it is found before anything starts. The
 * text of the mistake is added to `errors`. -ENOENT: a name is unknown, or there is none; else as
 * hw_loader_load(). */
int hw_candidates_load(struct hw_loader *loader, const char *list, struct hw_errors *errors);

#endif
