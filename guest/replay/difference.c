/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "difference.h"
#include "event.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum what {
	SAME,
	GONE,
	FRESH,
	DONE, /* part of a move that was replayed */
};

/* A name in the view, or one that is not in it. */
struct entry {
	enum what what;
	bool replaces; /* FRESH: another entry of the view has the name */
	bool data, attributes; /* SAME: they have changed */
	struct hw_node *parent, *node; /* with references; `node` is the new one if FRESH */
	mode_t mode;
	size_t depth;
	char name[NAME_MAX + 1];
};

struct difference {
	struct hw_server *server;
	struct entry *entries; /* owned */
	size_t count, room;
	size_t known; /* the first ones are those of the view */
};

static struct entry *add(struct difference *difference)
{
	const size_t room = difference->room ? 2 * difference->room : 256;
	struct entry *more;

	if (difference->count < difference->room)
		return &difference->entries[difference->count++];
	more = realloc(difference->entries, room * sizeof(*more));
	if (!more)
		return NULL;
	difference->entries = more;
	difference->room = room;
	return &difference->entries[difference->count++];
}

static struct entry *add_entry(struct difference *difference, struct hw_node *parent,
			       const char *name, struct hw_node *node)
{
	struct entry *entry = add(difference);

	if (!entry)
		return NULL;
	memset(entry, 0, sizeof(*entry));
	entry->parent = parent;
	entry->node = node;
	(void)snprintf(entry->name, sizeof(entry->name), "%s", name);
	hw_node_hold(parent);
	hw_node_hold(node);
	return entry;
}

static void free_difference(struct difference *difference)
{
	struct hw_view *view = &difference->server->view;

	hw_view_lock(view);
	for (size_t i = 0; i < difference->count; i++) {
		hw_node_put(view, difference->entries[i].node);
		hw_node_put(view, difference->entries[i].parent);
	}
	hw_view_unlock(view);
	free(difference->entries);
}

/* ---- to find it ---- */

static int copy_view(struct difference *difference)
{
	struct hw_view *view = &difference->server->view;
	struct entry *entry;
	int r = 0;

	hw_view_lock(view);
	if (HASH_COUNT(view->names) > HW_DIFFERENCE_NAMES_MAX)
		r = -E2BIG;
	for (const struct hw_name *name = view->names; r == 0 && name; name = name->hh.next) {
		entry = add_entry(difference, name->parent,
				  (const char *)name->key + sizeof(void *), name->node);
		if (!entry)
			r = -ENOMEM;
		else
			entry->depth = hw_view_depth(view, name->parent);
	}
	hw_view_unlock(view);
	difference->known = difference->count;
	return r;
}

static void compare_state(struct entry *entry, const struct hw_own_state *seen,
			  const struct stat *st)
{
	if (!seen->known)
		return;
	entry->data = !S_ISDIR(st->st_mode) && hw_own_data_differs(seen, st);
	entry->attributes =
		seen->mode != st->st_mode || seen->uid != st->st_uid || seen->gid != st->st_gid;
}

static int add_fresh(struct difference *difference, struct hw_node *parent, const char *name,
		     struct hw_node *node, const struct stat *st)
{
	struct entry *fresh = add_entry(difference, parent, name, node);

	if (!fresh)
		return -ENOMEM;
	fresh->what = FRESH;
	fresh->mode = st->st_mode;
	return 0;
}

/* The name has another node now. Returns 0 or -ENOMEM. */
static int compare_replaced(struct difference *difference, size_t i, struct hw_node *node,
			    const struct stat *st)
{
	struct hw_server *server = difference->server;
	struct entry *entry = &difference->entries[i];
	int r;

	hw_view_lock(&server->view);
	r = add_fresh(difference, entry->parent, entry->name, node, st);
	hw_view_unlock(&server->view);
	if (r < 0)
		return r;
	entry = &difference->entries[i];
	entry->what = GONE;
	if (!S_ISDIR(entry->mode) && !S_ISDIR(st->st_mode))
		difference->entries[difference->count - 1].replaces = true;
	return 0;
}

static void put(struct hw_server *server, struct hw_node *node)
{
	hw_view_lock(&server->view);
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

static int compare_name(struct difference *difference, size_t i)
{
	struct hw_server *server = difference->server;
	struct entry *entry = &difference->entries[i];
	struct hw_node *node = NULL;
	struct stat st;
	int r = hw_lower_find(server, entry->parent, entry->name, &node, &st);

	entry->mode = entry->node->is_ghost  ? entry->node->ghost.st_mode
		      : entry->node->is_file ? S_IFREG
					     : S_IFDIR;
	if (r < 0) {
		entry->what = r == -ENOENT || r == -ENOTDIR ? GONE : SAME;
		return 0;
	}
	r = 0;
	if (node == entry->node)
		compare_state(entry, &node->seen, &st);
	else
		r = compare_replaced(difference, i, node, &st);
	put(server, node);
	return r;
}

static int compare_listed(struct difference *difference, struct hw_node *dir, const char *name)
{
	struct hw_server *server = difference->server;
	struct hw_node *node;
	struct stat st;
	bool known;
	int r = 0;

	hw_view_lock(&server->view);
	known = hw_view_find(&server->view, dir, name) != NULL;
	hw_view_unlock(&server->view);
	if (known || hw_lower_find(server, dir, name, &node, &st) < 0)
		return 0;
	hw_view_lock(&server->view);
	if (!hw_view_find(&server->view, dir, name))
		r = add_fresh(difference, dir, name, node, &st);
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
	return r;
}

static int list_directory(struct difference *difference, struct hw_node *node)
{
	int fd = openat(node->path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *dirent;

	if (!dir && fd >= 0)
		(void)close(fd); /* nothing was written */
	while (dir && r == 0 && (dirent = readdir(dir)))
		if (strcmp(dirent->d_name, ".") != 0 && strcmp(dirent->d_name, "..") != 0)
			r = compare_listed(difference, node, dirent->d_name);
	if (dir)
		(void)closedir(dir); /* nothing to lose */
	return r;
}

static int find_all(struct difference *difference)
{
	int r = copy_view(difference);

	for (size_t i = 0; r == 0 && i < difference->known; i++)
		r = compare_name(difference, i);
	if (r == 0 && difference->server->view.root.listed)
		r = list_directory(difference, &difference->server->view.root);
	for (size_t i = 0; r == 0 && i < difference->known; i++) {
		struct hw_node *node = difference->entries[i].node;

		if (difference->entries[i].what == SAME && node->listed)
			r = list_directory(difference, node);
	}
	return r;
}

/* ---- to replay it ---- */

static uint8_t type_of(mode_t mode)
{
	return S_ISDIR(mode)   ? HW_TYPE_DIR
	       : S_ISLNK(mode) ? HW_TYPE_SYMLINK
	       : S_ISREG(mode) ? HW_TYPE_FILE
			       : HW_TYPE_OTHER;
}

/* Writes the path that the entry has in the view now. Returns its length; 0: it has none. */
static uint32_t path_of(struct hw_server *server, const struct entry *entry,
			char buf[HW_VIEW_PATH_MAX])
{
	size_t len;

	hw_view_lock(&server->view);
	len = hw_view_path(&server->view, entry->parent, entry->name, buf);
	hw_view_unlock(&server->view);
	return (uint32_t)len;
}

/* An event that fails is missed, as one of the host that fails is. */
static int replay(struct hw_server *server, enum hw_kind kind, const struct entry *to,
		  const struct entry *from)
{
	static char path[HW_VIEW_PATH_MAX], from_path[HW_VIEW_PATH_MAX]; /* of one thread */
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = (uint8_t)kind,
		.type = type_of(to->mode),
	};

	event.path_len = path_of(server, to, path);
	event.path = path;
	if (!event.path_len)
		return 0;
	if (kind == HW_MOVE && to->replaces)
		event.flags = HW_FLAG_REPLACED;
	if (from) {
		event.from_len = path_of(server, from, from_path);
		event.from = event.from_len ? from_path : NULL;
	}
	return hw_event_replay(server, &event) == -EPIPE ? -EPIPE : 0;
}

static struct entry *find_source(struct difference *difference, const struct hw_node *node)
{
	for (size_t i = 0; i < difference->known; i++)
		if (difference->entries[i].what == GONE && difference->entries[i].node == node)
			return &difference->entries[i];
	return NULL;
}

/* A name that another entry leaves later is not free yet. */
static bool is_taken(struct hw_server *server, const struct entry *entry)
{
	bool taken;

	hw_view_lock(&server->view);
	taken = hw_view_find(&server->view, entry->parent, entry->name) != NULL;
	hw_view_unlock(&server->view);
	return taken;
}

/* Of a chain of renames, the last one has to be replayed first; in a circle, one replaces. */
static int replay_moves(struct difference *difference)
{
	int r = 0;

	for (unsigned pass = 0; pass < 3; pass++)
		for (size_t i = difference->known; r == 0 && i < difference->count; i++) {
			struct entry *to = &difference->entries[i];
			struct entry *from = to->node->names || to->replaces
						     ? find_source(difference, to->node)
						     : NULL;

			if (to->what != FRESH || (!from && !to->replaces) ||
			    (pass < 2 && is_taken(difference->server, to)))
				continue;
			to->what = DONE;
			if (from)
				from->what = DONE;
			to->replaces = is_taken(difference->server, to);
			r = replay(difference->server, HW_MOVE, to, from);
		}
	return r;
}

static int deepest_first(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return left->depth < right->depth ? 1 : left->depth > right->depth ? -1 : 0;
}

/* What a move has replaced is gone with it. */
static bool is_still_there(struct hw_server *server, const struct entry *entry)
{
	bool there;

	hw_view_lock(&server->view);
	there = hw_view_find(&server->view, entry->parent, entry->name) == entry->node;
	hw_view_unlock(&server->view);
	return there;
}

static int replay_all(struct difference *difference)
{
	struct hw_server *server = difference->server;
	struct entry *entry, *end = difference->entries + difference->count;
	int r = replay_moves(difference);

	qsort(difference->entries, difference->known, sizeof(*entry), deepest_first);
	for (entry = difference->entries; r == 0 && entry < end; entry++)
		if (entry->what == GONE && is_still_there(server, entry))
			r = replay(server, HW_DELETE, entry, NULL);
	for (entry = difference->entries; r == 0 && entry < end; entry++)
		if (entry->what == FRESH)
			r = replay(server, HW_CREATE, entry, NULL);
	for (entry = difference->entries; r == 0 && entry < end; entry++) {
		if (entry->data)
			r = replay(server, HW_MODIFY, entry, NULL);
		if (r == 0 && entry->data)
			r = replay(server, HW_CLOSE_WRITE, entry, NULL);
		if (r == 0 && entry->attributes)
			r = replay(server, HW_ATTRIB, entry, NULL);
	}
	return r;
}

int hw_difference_replay(struct hw_server *server)
{
	struct difference difference = { .server = server };
	int r = find_all(&difference);

	if (r == 0 && difference.count)
		r = replay_all(&difference);
	free_difference(&difference);
	return r;
}
