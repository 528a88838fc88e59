/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports the differences that a comparison found, in this order: moves, deletes (children first),
 * creates, changes. A name that is gone and a new name are a move if they are the same inode: see
 * compare_join.c. Directories are moved first, because those below them that are watched can then
 * be reached, and are compared.
 */
#include "compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLICE 256u /* events that are sent in one slice */

static uint8_t type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return HW_TYPE_FILE;
	case S_IFDIR:
		return HW_TYPE_DIR;
	case S_IFLNK:
		return HW_TYPE_SYMLINK;
	default:
		return HW_TYPE_OTHER;
	}
}

static int send(struct hw_compare *c, uint8_t kind, uint32_t mode, uint32_t len)
{
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = kind,
					.type = type_of(mode),
					.seq = 1,
					.path = c->path,
					.path_len = len };

	c->reported++;
	return c->ops->send(c->arg, &event);
}

static struct hw_known *first(const struct hw_compare *c, enum hw_pending difference)
{
	const struct hw_list *list = &c->known.pending[difference];

	return hw_list_empty(list) ? NULL : HW_KNOWN_OF(list->next, pending);
}

/* Writes the path to c->path, terminated. */
static int put_path(struct hw_compare *c, const struct hw_known *e)
{
	int len = hw_known_path(e, c->path);

	if (len >= 0)
		c->path[len] = '\0';
	return len;
}

/* Returns whether the entry's directory is no longer at its path. If that moved, it is compared
 * again under its new name. */
static bool is_dir_lost(struct hw_compare *c, const struct hw_known *e)
{
	struct hw_known *dir = e->parent;
	struct hw_guest_seen now;
	int len = dir ? hw_known_path(dir, c->from) : -1;

	if (len < 0 || !(dir->flags & HW_KNOWN_LISTED) || dir->state.ino == 0)
		return false;
	c->from[len] = '\0';
	if (hw_compare_look_below(c->root, c->from, &now) == 0 && now.ino == dir->state.ino)
		return false;
	hw_known_set(&c->known, dir, HW_KNOWN_DUE | HW_KNOWN_STUCK);
	return true;
}

/* ---- changes ---- */

/* Sends the events between the two states; the entry's path is in c->path. */
static int send_states(struct hw_compare *c, const struct hw_guest_seen *old,
		       const struct hw_guest_seen *now, uint32_t len, bool moved)
{
	enum hw_pending difference = hw_compare_states(old, now, moved);
	bool attrib = difference == HW_PENDING_ATTRIB;
	int r = 0;

	if (difference == HW_PENDING_DATA) {
		attrib = old->ino != 0 &&
			 (old->mode != now->mode || old->uid != now->uid || old->gid != now->gid);
		r = send(c, HW_MODIFY, now->mode, len);
	}
	if (r == 0 && attrib)
		r = send(c, HW_ATTRIB, now->mode, len);
	if (r == 0 && difference == HW_PENDING_DATA)
		r = send(c, HW_CLOSE_WRITE, now->mode, len);
	return r;
}

/* A new file that has the number of a deleted one looks like a changed file. */
static void may_be_new(struct hw_compare *c, struct hw_known *e)
{
	if (e->flags & HW_KNOWN_NAME)
		hw_known_set(&c->known, e, HW_KNOWN_REPEAT);
}

/* The entry was renamed, replaced or deleted since, and the event about that follows. */
static int report_change_before(struct hw_compare *c, struct hw_known *e, uint32_t len,
				enum hw_pending difference)
{
	int r;

	if (difference == HW_PENDING_ATTRIB)
		return send(c, HW_ATTRIB, e->state.mode, len);
	may_be_new(c, e);
	r = send(c, HW_MODIFY, e->state.mode, len);
	return r < 0 ? r : send(c, HW_CLOSE_WRITE, e->state.mode, len);
}

static int report_change(struct hw_compare *c, struct hw_known *e)
{
	enum hw_pending difference = e->difference;
	int len = put_path(c, e), r = 0;
	struct hw_guest_seen now;

	hw_known_differ(&c->known, e, HW_PENDING_NONE);
	if (len < 0)
		return 0;
	if (hw_compare_look_below(c->root, c->path, &now) < 0 ||
	    (e->state.ino != 0 && now.ino != 0 && e->state.ino != now.ino))
		return is_dir_lost(c, e) ? 0
					 : report_change_before(c, e, (uint32_t)len, difference);
	if (now.ino == 0)
		return 0; /* another filesystem is mounted there */
	if (difference == HW_PENDING_ATTRIB && (e->flags & HW_KNOWN_WATCHED) &&
	    !(e->flags & HW_KNOWN_LISTED) && S_ISDIR(now.mode))
		r = send(c, HW_ATTRIB, now.mode, (uint32_t)len);
	else
		r = send_states(c, &e->state, &now, (uint32_t)len, false);
	e->state = now;
	if (S_ISREG(now.mode))
		may_be_new(c, e);
	return r;
}

/* ---- creates ---- */

/* Sends the create of an entry, or its move onto the name of another one. */
static int send_new(struct hw_compare *c, const struct hw_known *e, uint32_t len)
{
	const struct hw_event move = { .struct_size = sizeof(move),
				       .kind = HW_MOVE,
				       .type = type_of(e->state.mode),
				       .flags = HW_FLAG_REPLACED,
				       .seq = 1,
				       .path = c->path,
				       .path_len = len };
	int r;

	if (e->over) {
		c->reported++;
		return c->ops->send(c->arg, &move);
	}
	r = send(c, HW_CREATE, e->state.mode, len);
	if (r == 0 && S_ISREG(e->state.mode) && e->state.size > 0)
		r = send(c, HW_MODIFY, e->state.mode, len);
	if (r == 0 && S_ISREG(e->state.mode))
		r = send(c, HW_CLOSE_WRITE, e->state.mode, len);
	return r;
}

static void is_known_now(struct hw_compare *c, struct hw_known *e)
{
	hw_known_differ(&c->known, e, HW_PENDING_NONE);
	hw_known_set(&c->known, e, HW_KNOWN_NAME | HW_KNOWN_REPEAT);
}

static void drop_over(struct hw_compare *c, struct hw_known *e)
{
	struct hw_known *over = e->over;

	hw_known_set_over(e, NULL);
	if (over)
		hw_known_remove(&c->known, over);
}

/* It is gone or replaced now, and the events about that follow. They do not concern the entry that
 * it replaced. */
static int report_lost(struct hw_compare *c, struct hw_known *e)
{
	int r = 0;

	if (!is_dir_lost(c, e) && e->over)
		r = hw_compare_report_gone(c, e->over);
	hw_known_remove(&c->known, e);
	return r;
}

static int report_new(struct hw_compare *c, struct hw_known *e)
{
	int len = put_path(c, e), r;
	struct hw_guest_seen now;

	if (len < 0 || hw_compare_look_below(c->root, c->path, &now) < 0 ||
	    (now.ino != 0 && e->state.ino != 0 && now.ino != e->state.ino))
		return report_lost(c, e);
	if (now.ino)
		e->state = now;
	r = send_new(c, e, (uint32_t)len);
	drop_over(c, e);
	is_known_now(c, e);
	return r;
}

/* ---- deletes ---- */

static struct hw_known *deepest(struct hw_known *e)
{
	while (!hw_list_empty(&e->children))
		e = HW_KNOWN_OF(e->children.next, sibling);
	return e;
}

/* Sends one delete of the tree, the deepest first. */
static int report_gone(struct hw_compare *c, struct hw_known *top)
{
	struct hw_known *e = deepest(top);
	int len = put_path(c, e), r = 0;
	bool known = (e->flags & (HW_KNOWN_NAME | HW_KNOWN_WATCHED)) && !hw_known_is_new(e) &&
		     !(e->flags & HW_KNOWN_ABSENT);

	if (len >= 0 && known)
		r = send(c, HW_DELETE, e->state.mode, (uint32_t)len);
	if (e == top)
		hw_known_bury(&c->known, e);
	else
		hw_known_remove(&c->known, e);
	return r;
}

int hw_compare_report_gone(struct hw_compare *c, struct hw_known *top)
{
	int r = 0;

	while (r == 0 && !hw_list_empty(&top->children))
		r = report_gone(c, top);
	return r < 0 ? r : report_gone(c, top);
}

/* A file that replaced another one is one move; a directory is deleted before another entry has
 * its name. */
static void separate(struct hw_compare *c)
{
	struct hw_list *at = c->known.pending[HW_PENDING_NEW].next;

	for (; at != &c->known.pending[HW_PENDING_NEW]; at = at->next) {
		struct hw_known *e = HW_KNOWN_OF(at, pending);

		if (!e->over)
			continue;
		if (S_ISDIR(e->state.mode) || S_ISDIR(e->over->state.mode))
			hw_known_set_over(e, NULL);
		else
			hw_known_differ(&c->known, e->over, HW_PENDING_NONE);
	}
}

/* ---- moves ---- */

/* The entry that has to move before this one can have its name: the one that it replaces. */
static struct hw_known *before(const struct hw_known *new)
{
	return new->over ? new->over->mate : NULL;
}

/* Events about what is below a directory have led to nothing, or will do so, if its path is not the
 * one that the host had when it sent them. */
static void compare_again(struct hw_compare *c, const struct hw_known *top)
{
	const struct hw_list *end = hw_known_advance(&c->known, top, HW_KNOWN_WATCHED);

	for (struct hw_list *at = c->known.watched.next; at != end; at = at->next) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		if (!(e->flags & HW_KNOWN_FRESH))
			hw_known_set(&c->known, e, HW_KNOWN_DUE);
	}
	hw_compare_unstick(c, top);
}

static int send_move(struct hw_compare *c, const struct hw_known *gone, const struct hw_known *new,
		     bool exchange)
{
	int from_len = hw_known_path(gone, c->from), len = put_path(c, new);
	uint16_t flags = exchange ? HW_FLAG_EXCHANGE : new->over ? HW_FLAG_REPLACED : 0;
	const struct hw_event move = { .struct_size = sizeof(move),
				       .kind = HW_MOVE,
				       .type = type_of(new->state.mode),
				       .flags = flags,
				       .seq = 1,
				       .path = c->path,
				       .from = c->from,
				       .path_len = (uint32_t)len,
				       .from_len = (uint32_t)from_len };

	if (len < 0 || from_len < 0)
		return 0;
	c->reported++;
	return c->ops->send(c->arg, &move);
}

/* Leaves a name that the host may report to be gone once more. */
static void leave_absent(struct hw_compare *c, struct hw_known *dir, const struct hw_known *old)
{
	struct hw_known *e;

	if (!(dir->flags & HW_KNOWN_LISTED) || hw_known_child(dir, old->name, old->name_len))
		return;
	e = hw_known_add(&c->known, dir, old->name, old->name_len);
	if (e)
		hw_known_set(&c->known, e, HW_KNOWN_ABSENT);
}

/* The move is reported as delete and create. */
static void part(struct hw_compare *c, struct hw_known *new)
{
	new->mate->mate = NULL;
	new->mate = NULL;
	hw_known_differ(&c->known, new, HW_PENDING_NEW);
}

/* Returns whether the new name still has the entry. If not, the move is reported as a deletion, and
 * the events about the entry follow. */
static bool is_still_there(struct hw_compare *c, struct hw_known *new)
{
	struct hw_guest_seen now;

	if (put_path(c, new) >= 0 && hw_compare_look_below(c->root, c->path, &now) == 0 &&
	    now.ino == new->state.ino) {
		if (hw_compare_can_move(new->mate, new)) /* other moves may have changed that */
			return true;
	} else {
		(void)is_dir_lost(c, new);
	}
	part(c, new);
	return false;
}

/* Programs see a directory end before another entry has its name. */
static int end_over(struct hw_compare *c, struct hw_known *new)
{
	struct hw_known *over = new->over;

	if (!over || !S_ISDIR(over->state.mode))
		return 0;
	hw_known_set_over(new, NULL);
	return hw_compare_report_gone(c, over);
}

/* Reports what else differs of an entry that has its new name, and was found with this state. */
static int report_moved(struct hw_compare *c, struct hw_known *e, const struct hw_guest_seen *found)
{
	struct hw_guest_seen was = e->state, now;
	int len = put_path(c, e), r = 0;

	e->state = *found;
	/* it may have changed since it was found */
	if (len >= 0 && hw_compare_look_below(c->root, c->path, &now) == 0 && now.ino == found->ino)
		e->state = now;
	if (len >= 0)
		r = send_states(c, &was, &e->state, (uint32_t)len, true);
	if (S_ISDIR(e->state.mode))
		compare_again(c, e);
	return r;
}

static int report_move(struct hw_compare *c, struct hw_known *new)
{
	struct hw_known *gone = new->mate, *dir = gone->parent, old = *gone;
	struct hw_guest_seen now = new->state;
	bool covered = gone->flags & HW_KNOWN_COVERED;
	char name[256];
	int r = end_over(c, new);

	if (r < 0)
		return r;
	r = send_move(c, gone, new, false);
	old.name_len = old.name_len < sizeof(name) ? old.name_len : 0;
	memcpy(name, gone->name, old.name_len);
	old.name = name;
	gone->mate = new->mate = NULL;
	drop_over(c, new);
	hw_known_differ(&c->known, gone, HW_PENDING_NONE);
	hw_known_rename(&c->known, gone, new);
	is_known_now(c, gone);
	if (!covered && old.name_len)
		leave_absent(c, dir, &old);
	return r < 0 ? r : report_moved(c, gone, &now);
}

int hw_compare_report_passage(struct hw_compare *c, struct hw_known *dir, const char *path,
			      uint32_t len)
{
	int from_len = hw_known_path(dir, c->from);
	const struct hw_event move = { .struct_size = sizeof(move),
				       .kind = HW_MOVE,
				       .type = HW_TYPE_DIR,
				       .seq = 1,
				       .path = path,
				       .from = c->from,
				       .path_len = len,
				       .from_len = (uint32_t)from_len };
	const struct hw_guest_seen seen = dir->state;
	int r;

	if (from_len < 0)
		return 0;
	c->reported++;
	r = c->ops->send(c->arg, &move);
	hw_known_follow(&c->known, &move, &seen);
	dir = hw_known_find(&c->known, path, len);
	if (dir)
		compare_again(c, dir);
	return r;
}

/* Breaks a ring of moves: of two entries it is an exchange, of more one is reported as replaced. */
static int break_ring(struct hw_compare *c, struct hw_known *new)
{
	struct hw_known *other = before(new), *a = new->mate, *b;
	struct hw_guest_seen a_now = new->state, b_now = other->state;
	int r;

	if (before(other) != new || !is_still_there(c, other) || !is_still_there(c, new) ||
	    !hw_known_are_apart(a, other->mate) || !hw_known_are_apart(new, other)) {
		if (new->mate)
			part(c, new);
		return 0;
	}
	b = other->mate;
	r = send_move(c, a, new, true);
	a->mate = b->mate = new->mate = other->mate = NULL;
	hw_known_set_over(new, NULL);
	hw_known_set_over(other, NULL);
	hw_known_differ(&c->known, a, HW_PENDING_NONE);
	hw_known_differ(&c->known, b, HW_PENDING_NONE);
	hw_known_rename(&c->known, a, new);
	hw_known_rename(&c->known, b, other);
	if (r == 0)
		r = report_moved(c, a, &a_now);
	return r < 0 ? r : report_moved(c, b, &b_now);
}

/* Reports a move, and those that have to precede it. `chain` is empty, and is so afterwards. */
static int report_chain(struct hw_compare *c, struct hw_known *new, struct hw_found *chain)
{
	int r = 0;

	for (struct hw_known *e = new; e; e = before(e)) {
		if (!hw_found_add(chain, e)) {
			part(c, e); /* without memory */
			break;
		}
		if (before(e) == new) {
			r = break_ring(c, new);
			chain->count = 0;
			return r;
		}
	}
	while (r == 0 && chain->count > 0) {
		struct hw_known *e = chain->entries[--chain->count];

		if (e->mate && is_still_there(c, e))
			r = report_move(c, e);
	}
	return r;
}

/* Reports all moves that were joined. Returns whether some were reported, or -ENODEV. */
static int report_moves(struct hw_compare *c)
{
	struct hw_found chain = { 0 };
	unsigned before_moves = c->reported;
	struct hw_known *e;
	int r = 0;

	while (r == 0 && (e = first(c, HW_PENDING_MOVED))) {
		if (e->mate)
			r = report_chain(c, e, &chain);
		else /* its other end was removed */
			hw_known_differ(&c->known, e, HW_PENDING_NEW);
	}
	free(chain.entries);
	return r < 0 ? r : c->reported != before_moves;
}

/* ---- */

static int report_rest(struct hw_compare *c)
{
	struct hw_known *e;
	unsigned end = c->reported + SLICE;
	int r = 0;

	while (r == 0 && c->reported < end) {
		if ((e = first(c, HW_PENDING_GONE)))
			r = report_gone(c, e);
		else if ((e = first(c, HW_PENDING_NEW)))
			r = report_new(c, e);
		else if ((e = first(c, HW_PENDING_DATA)) || (e = first(c, HW_PENDING_ATTRIB)))
			r = report_change(c, e);
		else
			return 0;
	}
	return r < 0 ? r : 1;
}

int hw_compare_report(struct hw_compare *c)
{
	int r;

	if (!c->joined && !hw_list_empty(&c->known.pending[HW_PENDING_NEW])) {
		hw_compare_join(c, true);
		r = report_moves(c);
		if (r != 0)
			return r < 0 ? r : 1;
		hw_compare_join(c, false);
		r = report_moves(c);
		if (r < 0)
			return r;
		separate(c);
	}
	c->joined = true;
	return report_rest(c);
}
