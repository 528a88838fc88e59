/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FUSE server of inject = replay: a passthrough of the lower directory, the mount that the host
 * shares, which programs use in its place. It has three processes:
 *
 *	server		has /dev/fuse. Its workers answer requests; they wait for the lower directory
 *			only. Its main thread takes events, and holds no lock while it waits.
 *	replayer	makes the system call of each event on this mount, so that the kernel reports
 *			it to programs. The server knows its requests by their process ID, answers its
 *			lookups from the event, and changes nothing in the lower directory for it. It
 *			has no descriptor of /dev/fuse: an open one would keep a dead mount alive.
 *	guard		ends the mount if the server dies, so that nobody waits for an answer.
 */
#ifndef REPLAY_SERVER_H
#define REPLAY_SERVER_H

#include "changing.h"
#include "own.h"
#include "view.h"

#include <limits.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#define HW_REPLAY_HIDDEN ".hostwatch-replay"
#define HW_SLOTS 2u
/* Seconds for which the kernel may keep names and attributes: until an event drops them, or while
 * no events come. */
#define HW_KEEP_S 3600.0
#define HW_KEEP_SHORT_S 1.0

/* One name of the event that is replayed now. */
struct hw_slot {
	struct hw_node *parent; /* NULL: the slot is free */
	char name[NAME_MAX + 1];
	struct hw_node *node; /* before the event; NULL: there was none */
	bool more_links; /* the node had one link more before the event */
};

/* The event that is replayed now. Protected by the lock of the view. */
struct hw_pending {
	struct hw_slot slots[HW_SLOTS];
	struct hw_node *made; /* answer to the call that creates a name */
	/* The view after the event; parent NULL: nothing to change. */
	struct hw_slot after[HW_SLOTS];
	struct hw_node *deleted; /* may have no name afterwards */
};

struct hw_server {
	struct fuse_session *session;
	struct hw_view view;
	struct hw_pending pending;
	struct hw_changes changes; /* protected by the lock of the view */
	const char *at; /* where this is mounted */
	int mount; /* O_PATH, its root; owned */
	int lower; /* path_fd of the root; borrowed */
	bool lower_is_fuse;
	pid_t replayer; /* its process */
	int commands; /* socket to the replayer; owned */
	double keep_s; /* HW_KEEP_S while events come. Protected by the lock of the view */
	bool expires; /* the kernel can be made to ask for a name again and keep it (Linux 6.2) */
	bool no_open; /* the kernel opens files by itself */
	bool of_user; /* not root: mounted for one user */
};

/* ---- for the operations ---- */

static inline struct hw_server *hw_server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline bool hw_is_replay(fuse_req_t req)
{
	return fuse_req_ctx(req)->pid == hw_server_of(req)->replayer;
}

static inline struct hw_node *hw_node_of(struct hw_server *server, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &server->view.root : (struct hw_node *)(uintptr_t)ino;
}

static inline fuse_ino_t hw_id_of(const struct hw_server *server, const struct hw_node *node)
{
	return node == &server->view.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
}

/* Opens the name in the lower directory of `parent` and returns its node, with one reference. The
 * lock is not held. Returns 0 or -errno. */
int hw_lower_find(struct hw_server *server, struct hw_node *parent, const char *name,
		  struct hw_node **ret, struct stat *ret_stat);
/* Seconds for which the kernel may keep the name. If the host has yet to report a change that was
 * made here, it may have undone it, and then reports neither. With the lock. */
double hw_keep_s(struct hw_server *server, const struct hw_node *parent, const char *name);
/* Fills the answer to a lookup; counts it. The kernel does not keep a ghost: the next lookup of a
 * program asks the lower directory. `st`: attributes that the caller has just taken, or
 * NULL. With the lock held. Returns 0 or -errno. */
int hw_fill_entry(struct hw_server *server, struct hw_node *node, const struct stat *st,
		  struct fuse_entry_param *ret);
/* Sends it; with the lock held. */
void hw_reply_node(fuse_req_t req, struct hw_node *node, const struct stat *st, double keep_s);
/* Returns a descriptor of the file's data, which stays open until hw_node_data_done(); -errno.
 * Without the lock. */
int hw_node_data(struct hw_server *server, struct hw_node *node, bool writes);
void hw_node_data_done(struct hw_server *server, struct hw_node *node);
/* Returns the node's O_PATH descriptor, which stays open until hw_unpin(); -errno. Without the
 * lock. */
int hw_pin(struct hw_server *server, struct hw_node *node);
void hw_unpin(struct hw_server *server, struct hw_node *node);
/* Makes the kernel ask for the name again. Without the lock. */
void hw_expire(struct hw_server *server, fuse_ino_t parent, const char *name);
/* The slot of this name in the event that is replayed; NULL. With the lock. */
struct hw_slot *hw_slot_find(struct hw_server *server, const struct hw_node *parent,
			     const char *name);
/* The event has happened in the view. With the lock. */
void hw_pending_commit(struct hw_server *server);

/* Each file of operations adds its own. */
void hw_ops_lookup(struct fuse_lowlevel_ops *ops);
void hw_ops_names(struct fuse_lowlevel_ops *ops);
void hw_ops_data(struct fuse_lowlevel_ops *ops);
void hw_ops_directory(struct fuse_lowlevel_ops *ops);
void hw_ops_xattr(struct fuse_lowlevel_ops *ops);

#endif
