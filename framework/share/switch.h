/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switches a share to other watchers: hw_share_switch(). */
#ifndef HW_SWITCH_H
#define HW_SWITCH_H

#include "share.h"

/* A switch to other watchers. */
struct hw_switching {
	hw_share_switch_fn *done; /* NULL: none runs */
	void *arg;
	uint8_t old_order[HW_WATCHERS_MAX], old_order_count; /* restored if the switch fails */
	bool old_explicit;
	unsigned rounds; /* walks for directories that moved while they were to be armed */
	unsigned refusals; /* walks in which a directory was refused */
	int error;
	char reason[600];
	uint64_t seq, begun_ns; /* when it began */
	/* For a share with a thread: the request, until it has been tried. */
	struct hw_switch request;
	struct hw_instance *instances[HW_WATCHERS_MAX]; /* borrowed; see hw_share_switch() */
	int tried; /* the result */
	bool late; /* hw_share_switch() has returned 0 already */
};

/* Called at the end of a walk that armed everything again: ends the switch, or destroys the
 * watchers that a root which reappeared no longer needs. Returns false if another walk has
 * begun. */
bool hw_switch_walked(struct hw_share *share);
/* Reports that the share is being destroyed. */
void hw_switch_cancel(struct hw_share *share);

#endif
