/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-server: a read-only passthrough whose caches in the kernel are valid for an hour, because
 * the events of hostwatch drop from them what has changed. Two threads share the tables:
 *
 *	passthrough.c	answers requests of the kernel, as any server
 *	nodes.c		the names and nodes that the kernel knows, as any server
 *	follow.c	receives events; finds their nodes in the tables; notifies the kernel
 */
#ifndef SERVER_H
#define SERVER_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define KEEP_S 3600.0 /* how long the kernel may use an answer without an event */

/* An inode that the kernel knows. */
struct node {
	int fd; /* owned; O_PATH: the inode number is not used again while it is open */
	dev_t dev;
	ino_t ino;
	uint64_t lookups; /* answers to lookups, minus those that the kernel forgot */
	LIST_HEAD(, name) names; /* the last ones that are known; none: nothing reports changes */
	LIST_HEAD(, name) children;
};

/* A name that the kernel has in its cache; events move it. */
struct name {
	struct node *parent, *node; /* borrowed */
	LIST_ENTRY(name) of_node, of_parent, of_server;
	char text[];
};

struct server {
	struct fuse_session *session;
	const char *channel; /* path of the socket */
	bool verbose; /* print each event after the kernel was notified */

	pthread_mutex_t lock; /* protects the rest; never held while the kernel is notified */
	struct node root;
	void *nodes_by_inode, *names_by_parent; /* trees of tsearch(3) */
	LIST_HEAD(, name) names;
	size_t name_count;
	uint64_t events; /* number of events received: an answer that spans one is not kept */
	bool live; /* events arrive, so answers may be kept */
	bool is_stale; /* a name moved before its event came: all caches must be dropped */
	int wake; /* owned: eventfd, written when `is_stale` is set */
};

static inline fuse_ino_t id_of(const struct server *server, const struct node *node)
{
	return node == &server->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
}

static inline struct node *node_of(struct server *server, fuse_ino_t id)
{
	return id == FUSE_ROOT_ID ? &server->root : (struct node *)(uintptr_t)id;
}

/* ---- nodes.c; all with the lock held ---- */

/* Returns the node of an inode; NULL: the kernel does not know it. */
struct node *node_find(struct server *server, const struct stat *st);
/* The same, but creates it. Takes over fd. NULL: no memory. */
struct node *node_get(struct server *server, int fd, const struct stat *st);
void node_forget(struct server *server, struct node *node, uint64_t lookups);
/* Returns whether events about this node can be found by its path. */
bool node_is_followed(const struct server *server, const struct node *node);

struct name *name_find(struct server *server, struct node *parent, const char *text, size_t len);
/* Gives the name to the node. If another node has it, sets `is_stale`: that name moved on the disk,
 * and the event is still on its way. Returns false without memory. */
bool name_set(struct server *server, struct node *parent, const char *text, size_t len,
	      struct node *node);
void name_remove(struct server *server, struct name *name);

/* ---- follow.c ---- */

/* Receives events for ever; connects again when the host is gone. The body of a thread. */
void *follow(void *server);

#endif
