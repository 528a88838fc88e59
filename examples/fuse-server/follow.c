/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What it takes to follow the host: frames in, FUSE notifications out. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/wire.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CODE HW_FUSE_NOTIFY_FSNOTIFY
#define RETRY_MS 200

/* One name of an event, as the kernel knows it. Node IDs, because the lock is released. */
struct place {
	fuse_ino_t
		parent; /* 0: the kernel does not know the directory, so it has nothing to drop */
	char name[HW_FRAME_NAME_MAX + 1];
	fuse_ino_t node; /* that had the name before the event; 0: none that the kernel knows */
};

/* ---- notifications ---- */

/* Drops attributes and, of a file, pages; of a directory, the list of its names. */
static void drop_node(struct server *server, fuse_ino_t node)
{
	if (node)
		(void)fuse_lowlevel_notify_inval_inode(server->session, node, 0, 0);
	/* here and below, -ENOENT: the kernel has forgotten it */
}

/* Drops the name, also an absent one. */
static void drop_name(struct server *server, const struct place *place)
{
	if (!place->parent)
		return;
	(void)fuse_lowlevel_notify_inval_entry(server->session, place->parent, place->name,
					       strlen(place->name));
	drop_node(server, place->parent);
	drop_node(server, place->node); /* its ctime, and perhaps its number of links */
}

/* Like drop_name(), but the kernel also learns that the object is gone. */
static void drop_deleted(struct server *server, const struct place *place)
{
	if (place->parent && place->node)
		(void)fuse_lowlevel_notify_delete(server->session, place->parent, place->node,
						  place->name, strlen(place->name));
	drop_name(server, place); /* a directory in which names are cached is not deleted */
}

/* Drops everything: after events were lost, and when the tables were not right. */
static void drop_all(struct server *server)
{
	struct place *places;
	struct name *name;
	size_t count = 0;

	pthread_mutex_lock(&server->lock);
	server->events++;
	server->is_stale = false;
	places = calloc(server->name_count + 1, sizeof(*places));
	if (!places)
		abort(); /* the kernel would show what is no longer there */
	LIST_FOREACH(name, &server->names, of_server)
	{
		places[count].parent = id_of(server, name->parent);
		places[count].node = id_of(server, name->node);
		strcpy(places[count++].name, name->text);
	}
	pthread_mutex_unlock(&server->lock);
	drop_node(server, FUSE_ROOT_ID);
	for (size_t i = 0; i < count; i++)
		drop_name(server, &places[i]);
	free(places);
}

/* ---- events ---- */

/* Returns the node that a path leads to. With the lock held. NULL: the kernel does not know it. */
static struct node *walk(struct server *server, const char *path, size_t len)
{
	struct node *node = &server->root;

	while (len && node) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash ? (size_t)(slash - path) : len;
		struct name *name = name_find(server, node, path, part);

		node = name ? name->node : NULL;
		part += slash != NULL;
		path += part;
		len -= part;
	}
	return node;
}

/* Fills the place of a path and returns its name in the table, if it has one. With the lock held.
 */
static struct name *find_place(struct server *server, const char *path, size_t len,
			       struct place *place)
{
	const char *slash = memrchr(path, '/', len), *text = slash ? slash + 1 : path;
	struct node *parent = walk(server, path, slash ? (size_t)(slash - path) : 0);
	size_t size = len - (size_t)(text - path);
	struct name *name;

	if (!parent)
		return NULL;
	memcpy(place->name, text, size); /* a decoded name has at most HW_FRAME_NAME_MAX bytes */
	place->parent = id_of(server, parent);
	name = name_find(server, parent, place->name, size);
	place->node = name ? id_of(server, name->node) : 0;
	return name;
}

static void take_data(struct server *server, const struct hw_event *event)
{
	struct node *node;
	fuse_ino_t id;

	pthread_mutex_lock(&server->lock);
	server->events++;
	node = walk(server, event->path, event->path_len);
	id = node ? id_of(server, node) : 0;
	pthread_mutex_unlock(&server->lock);
	drop_node(server, id);
}

static void take_create(struct server *server, const struct hw_event *event)
{
	struct place place = { 0 };
	struct node *linked = NULL;
	struct stat st;

	pthread_mutex_lock(&server->lock);
	server->events++;
	(void)find_place(server, event->path, event->path_len, &place);
	/* another name of a known file: its number of links changed */
	if (place.parent &&
	    fstatat(node_of(server, place.parent)->fd, place.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		linked = node_find(server, &st);
	if (linked)
		place.node = id_of(server, linked);
	pthread_mutex_unlock(&server->lock);
	drop_name(server, &place);
}

static void take_delete(struct server *server, const struct hw_event *event)
{
	struct place place = { 0 };
	struct name *name;

	pthread_mutex_lock(&server->lock);
	server->events++;
	name = find_place(server, event->path, event->path_len, &place);
	if (name)
		name_remove(server, name);
	pthread_mutex_unlock(&server->lock);
	drop_deleted(server, &place);
}

/* Lets the table follow: what is open below a directory keeps its events under the new path. */
static void move_name(struct server *server, struct node *node, const struct place *to)
{
	if (!to->parent ||
	    !name_set(server, node_of(server, to->parent), to->name, strlen(to->name), node))
		server->is_stale = true; /* it cannot be found by its path any more */
}

static void take_move(struct server *server, const struct hw_event *event)
{
	struct place from = { 0 }, to = { 0 };
	struct name *left = NULL, *covered = NULL;
	struct node *moved, *other;

	pthread_mutex_lock(&server->lock);
	server->events++;
	if (event->from)
		left = find_place(server, event->from, event->from_len, &from);
	if (event->path)
		covered = find_place(server, event->path, event->path_len, &to);
	moved = left ? left->node : NULL;
	other = covered && event->flags & HW_FLAG_EXCHANGE ? covered->node : NULL;
	if (left)
		name_remove(server, left);
	if (covered && covered != left)
		name_remove(server, covered);
	if (moved)
		move_name(server, moved, &to);
	if (other)
		move_name(server, other, &from);
	pthread_mutex_unlock(&server->lock);
	drop_name(server, &from);
	drop_name(server, &to);
}

static void take_event(struct server *server, const struct hw_event *event)
{
	static void (*const take[HW_KIND_END])(struct server *, const struct hw_event *) = {
		[HW_CREATE] = take_create, [HW_DELETE] = take_delete, [HW_MOVE] = take_move,
		[HW_MODIFY] = take_data,   [HW_ATTRIB] = take_data,   [HW_CLOSE_WRITE] = take_data,
	};

	if (event->kind == HW_RESCAN)
		drop_all(server);
	else
		take[event->kind](server, event);
	if (server->verbose) {
		printf("%s %.*s\n", hw_kind_name(event->kind),
		       event->path ? (int)event->path_len : 1, event->path ? event->path : "-");
		(void)fflush(stdout); /* for a test that waits for it */
	}
}

/* ---- the channel ---- */

static int connect_host(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct hw_frame_hello hello = { .role = HW_FUSE_GUEST,
					      .mask_supported = HW_FUSE_EVENTS };
	char bytes[HW_FRAME_HELLO_MAX];
	int len = hw_frame_encode_hello(bytes, sizeof(bytes), CODE, &hello);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, bytes, (size_t)len, MSG_NOSIGNAL) == len)
		return fd;
	if (fd >= 0)
		(void)close(fd); /* nothing was received */
	return -1;
}

/* From now on each change is reported, or nothing is. What was kept before is older. */
static void set_live(struct server *server, bool live)
{
	pthread_mutex_lock(&server->lock);
	server->live = live;
	pthread_mutex_unlock(&server->lock);
	drop_all(server);
	if (server->verbose) {
		puts(live ? "connected" : "disconnected");
		(void)fflush(stdout); /* as above */
	}
}

static bool must_drop(struct server *server)
{
	bool is_stale;

	pthread_mutex_lock(&server->lock);
	is_stale = server->is_stale;
	pthread_mutex_unlock(&server->lock);
	return is_stale;
}

/* Returns the number of bytes that are used up; -EBADMSG. */
static int take_frames(struct server *server, const char *bytes, size_t len)
{
	size_t at = 0;

	for (;;) {
		struct hw_frame frame;
		int n = hw_frame_decode(bytes + at, len - at, CODE, &frame, NULL);

		if (n <= 0)
			return n < 0 ? n : (int)at;
		if (frame.what == HW_FRAME_HELLO)
			set_live(server, true);
		else
			take_event(server, &frame.event);
		at += (size_t)n;
		if (must_drop(server))
			drop_all(server);
	}
}

static void receive(struct server *server, int fd)
{
	static char bytes[2 * HW_FUSE_FRAME_MAX];
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = server->wake, .events = POLLIN } };
	size_t len = 0;
	eventfd_t count;

	for (;;) {
		ssize_t n;
		int used;

		(void)poll(fds, 2, -1); /* EINTR: nothing is ready */
		(void)eventfd_read(server->wake, &count); /* EAGAIN: it was not written */
		if (must_drop(server))
			drop_all(server);
		n = recv(fd, bytes + len, sizeof(bytes) - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return;
		len += (size_t)n;
		used = take_frames(server, bytes, len);
		if (used < 0)
			return;
		len -= (size_t)used;
		memmove(bytes, bytes + used, len);
	}
}

void *follow(void *arg)
{
	struct server *server = arg;

	for (;;) {
		int fd = connect_host(server->channel);

		if (fd < 0) {
			(void)poll(NULL, 0, RETRY_MS);
			continue;
		}
		receive(server, fd);
		(void)close(fd); /* all of it was read */
		set_live(server, false);
	}
	return NULL;
}
