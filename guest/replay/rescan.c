/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rescan.h"
#include "difference.h"
#include "event.h"
#include "negative.h"
#include "replayer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A name in the view. Copied, since a notification may wait for a request that needs the lock. */
struct known {
	fuse_ino_t parent, node;
	bool is_directory;
	bool is_listed; /* the view has all its entries */
	char name[NAME_MAX + 1];
};

static void copy_name(struct known *ret, const struct hw_server *server, const struct hw_name *name)
{
	ret->is_listed = name->node->listed;
	ret->parent = hw_id_of(server, name->parent);
	ret->node = hw_id_of(server, name->node);
	ret->is_directory = !name->node->is_ghost && !name->node->is_file;
	memcpy(ret->name, name->key + sizeof(void *), name->len - sizeof(void *) + 1);
}

static void copy_negative(struct known *ret, const struct hw_server *server,
			  const struct hw_negative *negative)
{
	ret->parent = hw_id_of(server, negative->parent);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", hw_negative_name(negative));
}

/* Returns their number; *ret is NULL without memory. With the lock. */
static size_t copy_names(struct hw_server *server, struct known **ret)
{
	struct hw_view *view = &server->view;
	size_t count = 0;

	*ret = calloc((size_t)HASH_COUNT(view->names) + HASH_COUNT(view->negatives) + 1,
		      sizeof(**ret));
	if (!*ret)
		return 0;
	for (const struct hw_name *name = view->names; name; name = name->hh.next)
		copy_name(&(*ret)[count++], server, name);
	for (const struct hw_negative *name = view->negatives; name; name = name->hh.next)
		copy_negative(&(*ret)[count++], server, name);
	return count;
}

static void forget_changes(struct hw_server *server)
{
	hw_view_lock(&server->view);
	hw_own_free(&server->view);
	server->view.changes++;
	hw_view_unlock(&server->view);
}

/* The view follows the lower directory from now on. */
static void begin_again(struct hw_server *server)
{
	hw_view_lock(&server->view);
	hw_view_make_old(&server->view);
	server->view.changes++;
	hw_view_unlock(&server->view);
}

/* `offset`: as for fuse_lowlevel_notify_inval_inode(); negative: pages are kept. */
static void drop_caches(struct hw_server *server, const struct known *known, off_t offset)
{
	hw_expire(server, known->parent, known->name);
	if (known->node)
		(void)fuse_lowlevel_notify_inval_inode(server->session, known->node, offset, 0);
}

/* The kernel compares the times of a file with those of its pages when it asks for them. */
int hw_keep(struct hw_server *server, bool live)
{
	struct known *names = NULL;
	size_t count = 0;

	hw_view_lock(&server->view);
	server->keep_s = live ? HW_KEEP_S : HW_KEEP_SHORT_S;
	if (!live)
		count = copy_names(server, &names);
	hw_view_unlock(&server->view);
	if (live)
		return 0;
	if (!names)
		return -ENOMEM;
	(void)fuse_lowlevel_notify_inval_inode(server->session, FUSE_ROOT_ID, -1, 0);
	for (size_t i = 0; i < count; i++)
		drop_caches(server, &names[i], -1);
	free(names);
	return 0;
}

static int report_directory(struct hw_server *server, fuse_ino_t parent, const char *name)
{
	static struct hw_command command; /* large, and of one thread */
	int r;

	memset(&command, 0, sizeof(command));
	command.call = HW_CALL_ATTRIB;
	command.mode = S_IFDIR;
	command.from.id = parent;
	(void)snprintf(command.from.name, sizeof(command.from.name), "%s", name);
	r = hw_call(server, &command);
	return r == -EPIPE ? r : 0; /* it may be gone */
}

static bool root_is_listed(struct hw_server *server)
{
	bool listed;

	hw_view_lock(&server->view);
	listed = server->view.root.listed;
	hw_view_unlock(&server->view);
	return listed;
}

/* Directories of which a program has seen all entries need no report, unless `all`. */
static int report_directories(struct hw_server *server, const struct known *names, size_t count,
			      bool all)
{
	int r = 0;

	if (all || !root_is_listed(server))
		r = report_directory(server, FUSE_ROOT_ID, ".");
	for (size_t i = 0; r == 0 && i < count; i++)
		if (names[i].is_directory && (all || !names[i].is_listed))
			r = report_directory(server, names[i].parent, names[i].name);
	return r;
}

int hw_rescan(struct hw_server *server)
{
	struct known *names;
	size_t count;
	int r;

	hw_view_lock(&server->view);
	count = copy_names(server, &names);
	hw_view_unlock(&server->view);
	if (!names)
		return -ENOMEM;
	forget_changes(server);
	(void)fuse_lowlevel_notify_inval_inode(server->session, FUSE_ROOT_ID, 0, 0);
	for (size_t i = 0; i < count; i++)
		drop_caches(server, &names[i], 0);
	r = hw_difference_replay(server);
	if (r == -E2BIG || r == -ENOMEM)
		begin_again(server);
	if (r != -EPIPE)
		r = report_directories(server, names, count, r < 0);
	free(names);
	return r;
}
