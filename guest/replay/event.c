/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"
#include "replayer.h"
#include "rescan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A program may change the same names at the same time; then the call is made again. */
#define TRIES_MAX 100u

/* One name of an event. */
struct place {
	struct hw_node *dir; /* with a reference; NULL: there is no such name in the event */
	const char *path; /* of the directory, not NUL-terminated; borrowed from the event */
	size_t path_len;
	char name[NAME_MAX + 1];
};

struct replay {
	struct hw_server *server;
	struct place from, to; /* `from` only, if the event has one name */
	struct place outside; /* stands for one of them in the call, if it cannot be reached */
	const struct place *call_from, *call_to; /* of the call */
	struct hw_node *node, *replaced; /* with references, or NULL */
	struct hw_command command;
};

/* ---- where ---- */

/* Returns the node that has a name according to the host's events so far, with a reference. */
static int find_node(struct hw_server *server, struct hw_node *dir, const char *name,
		     struct hw_node **ret)
{
	struct hw_node *node;
	struct stat st;
	int r = 0;

	hw_view_lock(&server->view);
	if (hw_own_reported(&server->view, dir, name, &node))
		r = node ? 0 : -ENOENT;
	else
		node = hw_view_find(&server->view, dir, name);
	if (node)
		hw_node_hold(node);
	hw_view_unlock(&server->view);
	*ret = node;
	return node || r < 0 ? r : hw_lower_find(server, dir, name, ret, &st);
}

static void put_node(struct hw_server *server, struct hw_node *node)
{
	if (!node)
		return;
	hw_view_lock(&server->view);
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

/* Walks from the root to the directory at `path`. */
static int find_directory(struct hw_server *server, const char *path, size_t len,
			  struct hw_node **ret)
{
	struct hw_node *dir = &server->view.root, *next = NULL;
	const char *const end = path + len;
	char name[NAME_MAX + 1];
	int r;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const size_t name_len = (size_t)((slash ? slash : end) - path);

		r = name_len <= NAME_MAX ? 0 : -ENAMETOOLONG;
		if (r == 0) {
			memcpy(name, path, name_len);
			name[name_len] = '\0';
			r = find_node(server, dir, name, &next);
		}
		put_node(server, dir);
		if (r < 0)
			return r;
		dir = next;
		path += name_len + (slash ? 1 : 0);
	}
	*ret = dir;
	return 0;
}

static int find_place(struct hw_server *server, const char *path, uint32_t len, struct place *ret)
{
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;
	const size_t name_len = (size_t)(path + len - name);
	const size_t dir_len = slash ? (size_t)(slash - path) : 0;

	if (name_len == 0 || name_len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret->name, name, name_len);
	ret->name[name_len] = '\0';
	ret->path = path;
	ret->path_len = dir_len;
	return find_directory(server, path, dir_len, &ret->dir);
}

/* ---- the state before and after ---- */

static mode_t mode_of(uint8_t type)
{
	switch (type) {
	case HW_TYPE_DIR:
		return S_IFDIR | 0755;
	case HW_TYPE_SYMLINK:
		return S_IFLNK | 0777;
	case HW_TYPE_OTHER:
		return S_IFIFO | 0644;
	default:
		return S_IFREG | 0644;
	}
}

static bool same_type(struct hw_server *server, struct hw_node *node, mode_t mode)
{
	struct stat st;

	return hw_node_stat(&server->view, node, &st) == 0 &&
	       (S_ISDIR(st.st_mode) != 0) == (S_ISDIR(mode) != 0);
}

/* Replaces a missing node, or one of another type, by a ghost. With the lock. */
static int need_node(struct hw_server *server, struct hw_node **node, mode_t mode)
{
	if (*node && same_type(server, *node, mode))
		return 0;
	if (*node)
		hw_node_put(&server->view, *node);
	*node = hw_node_ghost(mode);
	if (!*node)
		return -ENOMEM;
	hw_node_hold(*node);
	return 0;
}

static void fill_slot(struct hw_slot *slot, const struct place *place, struct hw_node *node)
{
	slot->parent = place->dir;
	memcpy(slot->name, place->name, sizeof(slot->name));
	slot->node = node;
	slot->more_links = false;
}

static void fill_command_place(const struct replay *replay, struct hw_place *ret,
			       const struct place *place)
{
	ret->id = place->dir == &replay->server->view.hidden ? 0
							     : hw_id_of(replay->server, place->dir);
	/* else empty, as the command is: the root, outside, or too long */
	if (place->path_len > 0 && place->path_len < sizeof(ret->path))
		memcpy(ret->path, place->path, place->path_len);
	memcpy(ret->name, place->name, sizeof(ret->name));
}

/* An ordinary user can make no device. */
static bool can_make(const struct hw_server *server, mode_t mode)
{
	return !server->of_user || !(S_ISCHR(mode) || S_ISBLK(mode));
}

static int prepare_create(struct replay *replay, const struct hw_event *event)
{
	struct hw_server *server = replay->server;
	mode_t mode = mode_of(event->type);
	struct stat st;
	int r = hw_lower_find(server, replay->from.dir, replay->from.name, &replay->node, &st);

	if (r == 0 && hw_own_type(st.st_mode) == (mode & S_IFMT) && can_make(server, st.st_mode)) {
		mode = (st.st_mode & S_IFMT) | (mode & ~(mode_t)S_IFMT);
	} else if (r == 0) {
		put_node(server, replay->node);
		replay->node = NULL;
	}
	hw_view_lock(&server->view);
	r = need_node(server, &replay->node, mode);
	if (r == 0) {
		fill_slot(&server->pending.slots[0], &replay->from, NULL);
		fill_slot(&server->pending.after[0], &replay->from, replay->node);
		server->pending.made = replay->node;
	}
	hw_view_unlock(&server->view);
	replay->command.call = HW_CALL_MAKE;
	replay->command.mode = mode;
	return r;
}

static int prepare_delete(struct replay *replay, const struct hw_event *event)
{
	struct hw_server *server = replay->server;
	int r;

	hw_view_lock(&server->view);
	replay->node = hw_view_find(&server->view, replay->from.dir, replay->from.name);
	if (replay->node)
		hw_node_hold(replay->node);
	r = need_node(server, &replay->node, mode_of(event->type));
	if (r == 0) {
		fill_slot(&server->pending.slots[0], &replay->from, replay->node);
		server->pending.slots[0].more_links = true;
		fill_slot(&server->pending.after[0], &replay->from, NULL);
		server->pending.deleted = replay->node;
	}
	hw_view_unlock(&server->view);
	replay->command.call = HW_CALL_REMOVE;
	return r;
}

static void make_outside(const struct replay *replay, struct place *ret)
{
	static unsigned long count;

	ret->dir = &replay->server->view.hidden;
	(void)snprintf(ret->name, sizeof(ret->name), "%lu", ++count);
}

/* Both places of a move; one is in the hidden directory if the other half is outside. */
static int find_places(struct replay *replay, const struct hw_event *event)
{
	struct place *outside = !event->from ? &replay->from : !event->path ? &replay->to : NULL;
	int r = 0;

	if (event->from)
		r = find_place(replay->server, event->from, event->from_len, &replay->from);
	if (r == 0 && event->path)
		r = find_place(replay->server, event->path, event->path_len, &replay->to);
	if (outside)
		make_outside(replay, outside);
	return r;
}

/* The moved node: as the view has it at the old place, else as the disk has it at the new one. A
 * file that was created and moved before its create was reported is a ghost until now. */
static int find_moved(struct replay *replay, mode_t mode)
{
	struct hw_server *server = replay->server;
	struct hw_node *now = NULL, *before;
	struct stat st;

	if (replay->to.dir != &server->view.hidden &&
	    hw_lower_find(server, replay->to.dir, replay->to.name, &now, &st) < 0)
		now = NULL;
	hw_view_lock(&server->view);
	before = hw_view_find(&server->view, replay->from.dir, replay->from.name);
	if (before && before->is_ghost && now && same_type(server, now, before->ghost.st_mode)) {
		struct hw_node *used = hw_node_adopt(&server->view, before, now);

		if (used == before)
			now = NULL; /* freed */
		before = used;
	}
	if (before)
		hw_node_hold(before);
	if (now && before)
		hw_node_put(&server->view, now);
	replay->node = before ? before : now;
	hw_view_unlock(&server->view);
	return need_node(server, &replay->node, mode);
}

static void find_replaced(struct replay *replay, bool exchange, mode_t mode)
{
	struct hw_server *server = replay->server;
	struct hw_node *replaced = hw_view_find(&server->view, replay->to.dir, replay->to.name);

	if (replaced == replay->node ||
	    (replaced && !exchange && !same_type(server, replaced, mode)))
		replaced = NULL;
	if (replaced)
		hw_node_hold(replaced);
	replay->replaced = replaced;
}

static bool is_known(const struct hw_server *server, const struct hw_node *dir)
{
	return dir == &server->view.root || dir->lookups;
}

/* No system call accepts the path of a directory so deep, and the kernel has no such directory. */
static bool is_out_of_reach(const struct replay *replay, const struct place *place)
{
	return place->path_len >= HW_REPLAY_PATH_MAX && !is_known(replay->server, place->dir);
}

/* For the kernel, a place that is out of reach is outside. Returns -ENOENT if both are. */
static int choose_places(struct replay *replay)
{
	const bool from = is_out_of_reach(replay, &replay->from);
	const bool to = is_out_of_reach(replay, &replay->to);

	if (from && to)
		return -ENOENT;
	if (from || to)
		make_outside(replay, &replay->outside);
	if (from)
		replay->call_from = &replay->outside;
	if (to)
		replay->call_to = &replay->outside;
	return 0;
}

static int prepare_move(struct replay *replay, const struct hw_event *event)
{
	struct hw_server *server = replay->server;
	const bool exchange = (event->flags & HW_FLAG_EXCHANGE) != 0;
	struct hw_pending *pending = &server->pending;
	int r = choose_places(replay);

	if (r == 0)
		r = find_moved(replay, mode_of(event->type));
	if (r < 0)
		return r;
	hw_view_lock(&server->view);
	find_replaced(replay, exchange, mode_of(event->type));
	if (exchange && !replay->replaced)
		r = need_node(server, &replay->replaced, S_IFREG | 0644);
	fill_slot(&pending->slots[0], replay->call_from, replay->node);
	fill_slot(&pending->slots[1], replay->call_to, replay->replaced);
	pending->slots[1].more_links = !exchange && replay->replaced;
	fill_slot(&pending->after[0], &replay->from, exchange ? replay->replaced : NULL);
	fill_slot(&pending->after[1], &replay->to, replay->node);
	pending->deleted = exchange ? NULL : replay->replaced;
	hw_view_unlock(&server->view);
	replay->command.call = exchange ? HW_CALL_EXCHANGE : HW_CALL_RENAME;
	return r;
}

/* ---- changes of this guest ---- */

/* Drops the attributes and, unless `offset` is negative, the pages. */
static void drop_caches(struct hw_server *server, const struct hw_node *node, off_t offset)
{
	(void)fuse_lowlevel_notify_inval_inode(server->session, hw_id_of(server, node), offset, 0);
}

static mode_t type_after(const struct hw_event *event)
{
	return mode_of(event->type) & S_IFMT;
}

/* Returns whether the view agrees with the lower directory at the name. */
static bool is_as_below(struct hw_server *server, const struct hw_own_change *change)
{
	struct hw_node *node = NULL;
	struct stat st;
	bool same;
	int r;

	if (!change->parent)
		return true;
	r = hw_lower_find(server, change->parent, change->name, &node, &st);
	hw_view_lock(&server->view);
	same = (r == 0 || r == -ENOENT) &&
	       node == hw_view_find(&server->view, change->parent, change->name);
	if (node)
		hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
	return same;
}

static void fill_changes(const struct replay *replay, const struct hw_event *event,
			 struct hw_own_change changes[2])
{
	struct hw_view *view = &replay->server->view;
	const struct place *places[2] = { &replay->from, &replay->to };

	for (unsigned i = 0; i < 2; i++) {
		const bool outside = places[i]->dir == &view->hidden;

		changes[i].parent = outside ? NULL : places[i]->dir;
		changes[i].name = places[i]->name;
	}
	if (event->kind == HW_CREATE)
		changes[0].type = type_after(event);
	else if (event->flags & HW_FLAG_EXCHANGE)
		changes[0].type = hw_own_reported_type(view, replay->to.dir, replay->to.name);
	changes[1].type = type_after(event);
}

/* Returns whether the event reports a change of names that was made here. */
static bool is_own_name(const struct replay *replay, const struct hw_event *event)
{
	struct hw_server *server = replay->server;
	struct hw_own_change changes[2] = { { 0 }, { 0 } };
	const struct hw_changing names = {
		.parents = { replay->from.dir, replay->to.dir },
		.names = { replay->from.name, replay->to.name },
	};
	enum hw_own_match match;
	bool own;

	hw_view_lock(&server->view);
	hw_examine_begin(&server->changes, &server->view, &names);
	fill_changes(replay, event, changes);
	match = hw_own_match(&server->view, changes);
	hw_view_unlock(&server->view);
	own = match == HW_OWN_YES || (match == HW_OWN_IF_SAME && is_as_below(server, &changes[0]) &&
				      is_as_below(server, &changes[1]));
	hw_view_lock(&server->view);
	hw_own_pass(&server->view, changes, own);
	hw_examine_end(&server->changes);
	hw_view_unlock(&server->view);
	return own;
}

/* Finds the name that the node has in the view now: a program may have renamed it here. */
static bool find_name_now(struct replay *replay)
{
	struct hw_server *server = replay->server;
	struct hw_node *node = replay->node;
	struct hw_node *there, *reported;
	bool found = true;

	hw_view_lock(&server->view);
	there = hw_view_find(&server->view, replay->from.dir, replay->from.name);
	/* without any name it was never looked up, or a program has deleted it here */
	if (!there && !node->names) {
		found = !hw_own_reported(&server->view, replay->from.dir, replay->from.name,
					 &reported);
	} else if (there != node) {
		found = node->names;
		if (found) {
			hw_node_put(&server->view, replay->from.dir);
			replay->from.dir = node->names->parent;
			hw_node_hold(replay->from.dir);
			(void)snprintf(replay->from.name, sizeof(replay->from.name), "%s",
				       (const char *)node->names->key + sizeof(void *));
		}
	}
	hw_view_unlock(&server->view);
	return found;
}

static bool is_own_state(const struct replay *replay)
{
	struct hw_server *server = replay->server;
	const struct hw_changing changing = { .nodes = { replay->node } };
	bool own, writing;

	hw_view_lock(&server->view);
	hw_examine_begin(&server->changes, &server->view, &changing);
	writing = replay->node->own.writing;
	own = hw_own_state_is(&server->view, replay->node);
	hw_examine_end(&server->changes);
	hw_view_unlock(&server->view);
	/* the host may have written at the same time: the kernel compares, and drops old pages */
	if (writing)
		drop_caches(server, replay->node, -1);
	return own;
}

/* The host has renamed or deleted the entry since, before the kernel asked for it. The event of
 * that is yet to come and ends the ghost. A name that a program has changed here is left alone. */
static int find_gone(struct replay *replay, mode_t mode)
{
	struct hw_server *server = replay->server;
	int r = -ENOENT;

	hw_view_lock(&server->view);
	if (!hw_own_is_ahead(&server->view, replay->from.dir, replay->from.name))
		r = need_node(server, &replay->node, mode);
	if (r == 0)
		r = hw_view_set(&server->view, replay->from.dir, replay->from.name, replay->node);
	hw_view_unlock(&server->view);
	return r;
}

static int prepare_change(struct replay *replay, const struct hw_event *event)
{
	int r;

	replay->command.call = event->kind == HW_MODIFY   ? HW_CALL_MODIFY
			       : event->kind == HW_ATTRIB ? HW_CALL_ATTRIB
							  : HW_CALL_CLOSE;
	r = find_node(replay->server, replay->from.dir, replay->from.name, &replay->node);
	if (r == -ENOENT)
		return find_gone(replay, mode_of(event->type));
	if (r < 0)
		return r;
	if (is_own_state(replay))
		return -EALREADY;
	return find_name_now(replay) ? 0 : -ENOENT;
}

/* ---- the call ---- */

static void expire(struct hw_server *server, const struct place *place)
{
	if (!place->dir || place->dir == &server->view.hidden)
		return;
	hw_expire(server, hw_id_of(server, place->dir), place->name);
}

int hw_call(struct hw_server *server, const struct hw_command *command)
{
	int32_t result;

	if (send(server->commands, command, sizeof(*command), MSG_NOSIGNAL) < 0 ||
	    recv(server->commands, &result, sizeof(result), 0) != sizeof(result))
		return -EPIPE;
	return -result;
}

static bool is_conflict(int r)
{
	return r == -EEXIST || r == -ENOENT || r == -EISDIR || r == -ENOTDIR || r == -ESTALE;
}

static int call_until_done(struct replay *replay, bool names)
{
	int r;

	for (unsigned tries = 0;; tries++) {
		if (names) {
			expire(replay->server, &replay->from);
			expire(replay->server, &replay->to);
		}
		r = hw_call(replay->server, &replay->command);
		if (!names || !is_conflict(r) || tries == TRIES_MAX)
			return r;
	}
}

static int play(struct replay *replay, const struct hw_event *event)
{
	struct hw_server *server = replay->server;
	const bool names =
		event->kind == HW_CREATE || event->kind == HW_DELETE || event->kind == HW_MOVE;
	int r;

	if (event->kind != HW_CREATE)
		replay->command.mode = mode_of(event->type);
	fill_command_place(replay, &replay->command.from, replay->call_from);
	if (replay->to.dir)
		fill_command_place(replay, &replay->command.to, replay->call_to);
	if (!names)
		drop_caches(server, replay->node, event->kind == HW_ATTRIB ? -1 : 0);
	r = call_until_done(replay, names);
	if (names) {
		hw_view_lock(&server->view);
		hw_pending_commit(server); /* nothing is left of it if the call was made */
		hw_view_unlock(&server->view);
		drop_caches(server, replay->node, -1);
	}
	return r;
}

static int prepare_root(struct replay *replay)
{
	replay->command.call = HW_CALL_ATTRIB;
	replay->from.dir = replay->node = &replay->server->view.root;
	replay->from.name[0] = '.';
	return is_own_state(replay) ? -EALREADY : 0;
}

static int prepare(struct replay *replay, const struct hw_event *event)
{
	int r;

	if (event->kind == HW_MOVE) {
		r = find_places(replay, event);
		if (r == 0 && is_own_name(replay, event))
			r = -EALREADY;
		return r < 0 ? r : prepare_move(replay, event);
	}
	if (event->path_len == 0)
		return event->kind == HW_ATTRIB ? prepare_root(replay) : -ENOENT;
	r = find_place(replay->server, event->path, event->path_len, &replay->from);
	if (r < 0)
		return r;
	if (!is_known(replay->server, replay->from.dir))
		return -ENOENT; /* the kernel has no such directory, so nobody watches it */
	if ((event->kind == HW_CREATE || event->kind == HW_DELETE) && is_own_name(replay, event))
		return -EALREADY;
	if (event->kind == HW_CREATE)
		return prepare_create(replay, event);
	if (event->kind == HW_DELETE)
		return prepare_delete(replay, event);
	return prepare_change(replay, event);
}

static void finish(struct replay *replay)
{
	struct hw_server *server = replay->server;

	put_node(server, replay->node);
	put_node(server, replay->replaced);
	put_node(server, replay->from.dir);
	put_node(server, replay->to.dir);
}

int hw_event_replay(struct hw_server *server, const struct hw_event *event)
{
	static struct replay replay; /* large, and of one thread */
	int r;

	if (event->kind == HW_RESCAN)
		return hw_rescan(server);
	memset(&replay, 0, sizeof(replay));
	replay.server = server;
	replay.call_from = &replay.from;
	replay.call_to = &replay.to;
	r = prepare(&replay, event);
	if (r == 0)
		r = play(&replay, event);
	else if (r == -ENOENT || r == -ENOTDIR || r == -EALREADY)
		r = 0;
	finish(&replay);
	return r;
}
