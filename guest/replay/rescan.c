/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rescan.h"
#include "event.h"
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
	char name[NAME_MAX + 1];
};

static size_t copy_names(struct hw_server *server, struct known **ret)
{
	struct hw_name *name;
	size_t count = 0;

	hw_view_lock(&server->view);
	*ret = calloc(HASH_COUNT(server->view.names) + 1, sizeof(**ret));
	if (*ret) {
		for (name = server->view.names; name; name = name->hh.next) {
			struct known *known = &(*ret)[count++];

			known->parent = hw_id_of(server, name->parent);
			known->node = hw_id_of(server, name->node);
			known->is_directory = !name->node->is_ghost && !name->node->is_file;
			memcpy(known->name, name->key + sizeof(void *),
			       name->len - sizeof(void *) + 1);
		}
	}
	hw_view_unlock(&server->view);
	return count;
}

/* The view follows the lower directory from now on. */
static void begin_again(struct hw_server *server)
{
	hw_view_lock(&server->view);
	hw_own_free(&server->view);
	hw_view_make_old(&server->view);
	server->view.changes++;
	hw_view_unlock(&server->view);
}

static void drop_caches(struct hw_server *server, const struct known *known)
{
	hw_expire(server, known->parent, known->name);
	(void)fuse_lowlevel_notify_inval_inode(server->session, known->node, 0, 0);
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

int hw_rescan(struct hw_server *server)
{
	struct known *names;
	size_t count = copy_names(server, &names);
	int r = 0;

	if (!names)
		return -ENOMEM;
	begin_again(server);
	(void)fuse_lowlevel_notify_inval_inode(server->session, FUSE_ROOT_ID, 0, 0);
	for (size_t i = 0; i < count; i++)
		drop_caches(server, &names[i]);
	r = report_directory(server, FUSE_ROOT_ID, ".");
	for (size_t i = 0; r == 0 && i < count; i++)
		if (names[i].is_directory)
			r = report_directory(server, names[i].parent, names[i].name);
	free(names);
	return r;
}
