/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The candidates of a share without a configuration: watchers by name. Loop thread only. */
#ifndef HW_CANDIDATES_H
#define HW_CANDIDATES_H

#include "loader.h"
#include "share.h"

/*
 * Adds the watchers of a list to a share, best first: names separated by commas; "auto" stands for
 * the order of auto.h. The last watcher of that order is always the last candidate. interval: as
 * the user wrote it, for watchers that have this option; NULL: their default. Returns -EINVAL if
 * the list is empty; otherwise as hw_loader_load() and hw_share_add_watcher(). The reason is
 * logged.
 */
int hw_candidates_add(struct hw_share *share, struct hw_loop *loop, struct hw_loader *loader,
		      const char *list, const char *interval);

/* Loads the watchers of such a list, so that a mistake in it is found before anything is started.
 * The message is added to `errors`. Returns -ENOENT if a name is unknown or the list is empty;
 * otherwise as hw_loader_load(). */
int hw_candidates_load(struct hw_loader *loader, const char *list, struct hw_errors *errors);

#endif
