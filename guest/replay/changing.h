/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes in progress. A worker enters a change before it makes it in the lower directory, and
 * takes it out when it is noted in the view: the host's event may be faster. An event is examined
 * while no change of the same names or nodes is in progress, and no such change begins meanwhile.
 * Changes of others go on, however long the lower filesystem takes.
 */
#ifndef REPLAY_CHANGING_H
#define REPLAY_CHANGING_H

#include "view.h"

struct hw_changing {
	const struct hw_node *parents[2]; /* borrowed; NULL: no such name */
	const char *names[2]; /* borrowed */
	const struct hw_node *nodes[2]; /* borrowed; NULL: none */
	struct hw_changing *prev, *next;
};

struct hw_changes {
	struct hw_changing *list; /* in progress */
	const struct hw_changing *examined; /* of the event that is examined now */
	pthread_cond_t ended; /* one of them */
};

void hw_changes_init(struct hw_changes *changes);

/* Enters a change of these names, and of the nodes that have them. Waits while an event of the same
 * is examined. `change` lives until hw_change_end(). Without the lock of the view. */
void hw_change_begin(struct hw_changes *changes, struct hw_view *view, struct hw_changing *change);
/* With the lock of the view: the change is noted, or was refused. */
void hw_change_end(struct hw_changes *changes, struct hw_changing *change);
/* The same without the lock. */
void hw_change_refused(struct hw_changes *changes, struct hw_view *view,
		       struct hw_changing *change);

/* Begins to examine an event of these names or nodes, of which there is one at a time. With the
 * lock of the view, which is released while this waits. */
void hw_examine_begin(struct hw_changes *changes, struct hw_view *view,
		      const struct hw_changing *event);
/* With the lock. */
void hw_examine_end(struct hw_changes *changes);

#endif
