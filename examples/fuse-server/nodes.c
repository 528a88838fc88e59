/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int compare_nodes(const void *left, const void *right)
{
	const struct node *a = left, *b = right;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static int compare_names(const void *left, const void *right)
{
	const struct name *a = left, *b = right;

	if (a->parent != b->parent)
		return (uintptr_t)a->parent < (uintptr_t)b->parent ? -1 : 1;
	return strcmp(a->text, b->text);
}

/* ---- nodes ---- */

struct node *node_find(struct server *server, const struct stat *st)
{
	const struct node key = { .dev = st->st_dev, .ino = st->st_ino };
	struct node **found = tfind(&key, &server->nodes_by_inode, compare_nodes);

	if (st->st_dev == server->root.dev && st->st_ino == server->root.ino)
		return &server->root;
	return found ? *found : NULL;
}

struct node *node_get(struct server *server, int fd, const struct stat *st)
{
	struct node *node = node_find(server, st);

	if (node) {
		(void)close(fd); /* O_PATH: nothing to lose */
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (node)
		*node = (struct node){ .fd = fd, .dev = st->st_dev, .ino = st->st_ino };
	if (node && tsearch(node, &server->nodes_by_inode, compare_nodes))
		return node;
	free(node);
	(void)close(fd); /* as above */
	return NULL;
}

void node_forget(struct server *server, struct node *node, uint64_t lookups)
{
	node->lookups -= lookups < node->lookups ? lookups : node->lookups;
	if (node->lookups || node == &server->root)
		return;
	while (!LIST_EMPTY(&node->names))
		name_remove(server, LIST_FIRST(&node->names));
	while (!LIST_EMPTY(&node->children))
		name_remove(server, LIST_FIRST(&node->children));
	(void)tdelete(node, &server->nodes_by_inode, compare_nodes);
	(void)close(node->fd); /* O_PATH: nothing to lose */
	free(node);
}

bool node_is_followed(const struct server *server, const struct node *node)
{
	while (node != &server->root) {
		if (LIST_EMPTY(&node->names))
			return false;
		node = LIST_FIRST(&node->names)->parent;
	}
	return true;
}

/* ---- names ---- */

static struct name *make_name(struct node *parent, const char *text, size_t len)
{
	struct name *name = malloc(sizeof(*name) + len + 1);

	if (!name)
		return NULL;
	*name = (struct name){ .parent = parent };
	memcpy(name->text, text, len);
	name->text[len] = '\0';
	return name;
}

struct name *name_find(struct server *server, struct node *parent, const char *text, size_t len)
{
	struct name *key = make_name(parent, text, len);
	struct name **found = key ? tfind(key, &server->names_by_parent, compare_names) : NULL;

	free(key);
	return found ? *found : NULL;
}

void name_remove(struct server *server, struct name *name)
{
	(void)tdelete(name, &server->names_by_parent, compare_names);
	server->name_count--;
	LIST_REMOVE(name, of_node);
	LIST_REMOVE(name, of_parent);
	LIST_REMOVE(name, of_server);
	free(name);
}

bool name_set(struct server *server, struct node *parent, const char *text, size_t len,
	      struct node *node)
{
	struct name *name = name_find(server, parent, text, len);

	if (name && name->node == node)
		return true;
	if (name) {
		server->is_stale = true;
		(void)eventfd_write(server->wake, 1); /* fails if it was written very often */
		name_remove(server, name);
	}
	name = make_name(parent, text, len);
	if (!name || !tsearch(name, &server->names_by_parent, compare_names)) {
		free(name);
		return false;
	}
	server->name_count++;
	name->node = node;
	LIST_INSERT_HEAD(&node->names, name, of_node);
	LIST_INSERT_HEAD(&parent->children, name, of_parent);
	LIST_INSERT_HEAD(&server->names, name, of_server);
	return true;
}
