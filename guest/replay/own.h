/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes by programs of this guest. This kernel has reported them, and the host reports them once
 * more, later. Until then the view is ahead of the host's events at the names that were changed:
 * such a name has a queue, which begins with the state that the host has reported last and has the
 * state after each change that was made here. An event that brings all its names to a state in
 * their queues is the host's report of such a change.
 *
 * The host may report several changes as one, or none of changes that end where they began: a queue
 * may then stay, or the event has no state in it. Therefore such an event is examined: it is a
 * change of this guest if the view agrees with the lower directory at its names, since the view
 * follows a change of the host only when its event is replayed. Any other event is a change by the
 * host.
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

/* Returns whether the host has yet to report a change of the name that was made here. */
bool hw_own_is_ahead(struct hw_view *view, const struct hw_node *parent, const char *name);

/* The type, as hw_own_type() gives it, that the name has according to the host's events so far. */
mode_t hw_own_reported_type(struct hw_view *view, const struct hw_node *parent, const char *name);

/* The S_IFMT of a mode, as events tell types apart: S_IFIFO stands for anything but a file,
 * directory or symlink. */
mode_t hw_own_type(mode_t mode);

/* A name of an event, with the type of what it has afterwards; 0: nothing. */
struct hw_own_change {
	struct hw_node *parent; /* NULL: no second name */
	const char *name;
	mode_t type;
};

enum hw_own_match {
	HW_OWN_NO, /* the host made the change */
	HW_OWN_YES, /* a program of this guest did */
	HW_OWN_IF_SAME, /* this guest, if the view agrees with the lower directory at the names */
};

/* Returns whose change the event reports. The caller decides with hw_own_pass(). */
enum hw_own_match hw_own_match(struct hw_view *view, const struct hw_own_change changes[2]);

/* The event has been examined. `own`: the queues of its names advance. Otherwise they are dropped:
 * the host has changed these names. */
void hw_own_pass(struct hw_view *view, const struct hw_own_change changes[2], bool own);

/* A program is about to write to the file. */
void hw_own_write(struct hw_view *view, struct hw_node *node);
/* It has written up to the offset `end`, and the file has these attributes since, if there was no
 * other write: own.writes has the number that it had before they were taken, when the node had no
 * other writer. If the size is another one than that write leaves, the host has written, too. */
void hw_own_wrote(struct hw_node *node, const struct stat *st, off_t end, uint32_t writes);
/* A program has changed attributes, or links of the node; it has this state now. */
void hw_own_attributes(struct hw_view *view, struct hw_node *node);
/* It has set the size, and the host may have written since. */
void hw_own_truncated(struct hw_node *node, off_t size);
/* A program has renamed the node, or changed the number of its links, which changes its ctime. */
void hw_own_names_changed(struct hw_view *view, struct hw_node *node);
/* The kernel has these attributes now. */
void hw_own_seen(struct hw_node *node, const struct stat *st);
/* Returns whether the data of a file was changed since. */
bool hw_own_data_differs(const struct hw_own_state *seen, const struct stat *st);
/* Returns whether the file has the state in which a program of this guest left it. */
bool hw_own_state_is(struct hw_view *view, struct hw_node *node);
/* For each file that was written since the last call: its state is the one that it has now. If that
 * was at least `idle_ms` ago, its descriptor for writing is closed, so that the host can report
 * that. Returns whether a file is still open for writing. */
bool hw_own_settle(struct hw_view *view, int64_t idle_ms);

void hw_own_free(struct hw_view *view);

#endif
