/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes by programs of this guest. This kernel has reported them, and the host reports them once
 * more, later. Until then the view is ahead of the host's events at the names that were changed:
 * such a name has a queue, which begins with the state that the host has reported last and has the
 * state after each change that was made here. An event that brings all its names to a state in
 * their queues is the host's report of such a change. Any other event is a change by the host.
 *
 * Data and attributes: a file that has the state in which a change of this guest left it was not
 * changed by the host since.
 *
 * All functions need the lock of the view.
 */
#ifndef REPLAY_OWN_H
#define REPLAY_OWN_H

#include "view.h"
#include <hostwatch/event.h>

/* Names with a queue; the oldest gives way, and the host's events of it are then reported as well.
 */
#define HW_OWN_NAMES_MAX 65536u
unsigned hw_own_count(const struct hw_view *view);

/* A program has changed a name. NULL: there was, or is, nothing. Without memory the change is
 * forgotten: the host's event is then reported as well. */
void hw_own_name(struct hw_view *view, struct hw_node *parent, const char *name,
		 struct hw_node *before, struct hw_node *after);

/* Returns whether the host has reported this name otherwise than the view has it; *ret is then the
 * node that it had there, or NULL. */
bool hw_own_reported(struct hw_view *view, const struct hw_node *parent, const char *name,
		     struct hw_node **ret);

/* A name of an event, with the type of what it has afterwards; 0: nothing. */
struct hw_own_change {
	struct hw_node *parent; /* NULL: no second name */
	const char *name;
	mode_t type;
};

/* Returns whether the event is the report of a change that was made here. The queues of its names
 * have advanced then. If not, the queues are gone: the host has changed these names. */
bool hw_own_takes(struct hw_view *view, const struct hw_own_change changes[2]);

/* A program has written to the file. */
void hw_own_write(struct hw_view *view, struct hw_node *node);
/* A program has changed attributes, or links of the node; it has this state now. */
void hw_own_attributes(struct hw_view *view, struct hw_node *node);
/* A program has renamed the node, which changes its ctime. */
void hw_own_rename(struct hw_view *view, struct hw_node *node);
/* Returns whether the file has the state in which a program of this guest left it. */
bool hw_own_state_is(struct hw_view *view, struct hw_node *node);
/* For each file that was written since the last call: its state is the one that it has now. If that
 * was at least `idle_ms` ago, its descriptor for writing is closed, so that the host can report
 * that. Returns whether a file is still open for writing. */
bool hw_own_settle(struct hw_view *view, int64_t idle_ms);

void hw_own_free(struct hw_view *view);

#endif
