/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows events: see known.h. */
#include "known.h"

#include <string.h>
#include <sys/stat.h>

static const char *last_slash(const char *path, uint32_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? path + len - 1 : NULL;
}

/* Returns the directory of the path if it is stored, and the name. */
static struct hw_known *find_dir(const struct hw_knowns *k, const char *path, uint32_t len,
				 const char **ret_name)
{
	const char *slash = last_slash(path, len);

	*ret_name = slash ? slash + 1 : path;
	return slash ? hw_known_find(k, path, (uint32_t)(slash - path)) : k->root;
}

/* Returns the entry that the name has now: a new one, unless programs know the name. */
static struct hw_known *get_name(struct hw_knowns *k, const char *path, uint32_t len)
{
	const char *name;
	struct hw_known *dir = find_dir(k, path, len, &name), *e;

	if (!dir || !(dir->flags & HW_KNOWN_LISTED))
		return dir ? hw_known_child(dir, name, (uint32_t)(path + len - name)) : NULL;
	e = hw_known_child(dir, name, (uint32_t)(path + len - name));
	if (!e)
		e = hw_known_add(k, dir, name, (uint32_t)(path + len - name));
	if (!e)
		hw_known_give_up(k, dir);
	return e;
}

static void is_there(struct hw_knowns *k, struct hw_known *e, const struct hw_guest_seen *seen)
{
	/* an entry that it replaced is replaced now */
	if (e->over) {
		struct hw_known *over = e->over;

		hw_known_set_over(e, NULL);
		hw_known_remove(k, over);
	}
	/* watched objects below the name were below another inode */
	if (e->difference == HW_PENDING_GONE || (e->state.ino && e->state.ino != seen->ino))
		hw_known_unlist(k, e);
	hw_known_differ(k, e, HW_PENDING_NONE);
	hw_known_clear(k, e, HW_KNOWN_REPEAT | HW_KNOWN_ABSENT);
	if (e->parent && (e->parent->flags & HW_KNOWN_LISTED))
		hw_known_set(k, e, HW_KNOWN_NAME | HW_KNOWN_MET);
	e->state = *seen;
}

static void follow_create(struct hw_knowns *k, const struct hw_event *event,
			  const struct hw_guest_seen *seen)
{
	struct hw_known *e = get_name(k, event->path, event->path_len);

	if (e)
		is_there(k, e, seen);
}

static void follow_delete(struct hw_knowns *k, const struct hw_event *event)
{
	struct hw_known *e = hw_known_find(k, event->path, event->path_len);
	struct hw_known *over = e ? e->over : NULL;

	if (!e || !e->parent)
		return;
	/* of the two, programs know the replaced one */
	if (over) {
		hw_known_set_over(e, NULL);
		hw_known_remove(k, over);
		return;
	}
	hw_known_remove(k, e);
}

static bool has_same_data(const struct hw_guest_seen *a, const struct hw_guest_seen *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static void take_owner(struct hw_guest_seen *state, const struct hw_guest_seen *from)
{
	state->mode = from->mode;
	state->uid = from->uid;
	state->gid = from->gid;
}

/* Takes the part of the new state of which this kind of event notifies programs. */
static void take_state(struct hw_known *e, uint8_t kind, const struct hw_guest_seen *seen)
{
	struct hw_guest_seen old = e->state;

	/* the name has another inode since, about which further events follow */
	if (seen->ino == 0 || old.ino != seen->ino)
		return;
	if (kind == HW_MOVE) {
		e->state.ctime_ns = seen->ctime_ns;
		e->state.nlink = seen->nlink;
		return;
	}
	if (kind == HW_ATTRIB && !S_ISDIR(seen->mode) && !has_same_data(&old, seen)) {
		take_owner(&e->state, seen);
		return;
	}
	e->state = *seen;
	if (kind != HW_ATTRIB)
		take_owner(&e->state, &old);
}

static void follow_change(struct hw_knowns *k, const struct hw_event *event,
			  const struct hw_guest_seen *seen)
{
	struct hw_known *e = hw_known_find(k, event->path, event->path_len);

	if (!e || !(e->flags & (HW_KNOWN_NAME | HW_KNOWN_WATCHED)) || hw_known_is_new(e) ||
	    e->difference == HW_PENDING_GONE)
		return;
	if (!(e->flags & HW_KNOWN_NAME) && (e->flags & HW_KNOWN_FRESH))
		return; /* no state to update */
	if (e->difference && e->difference != HW_PENDING_ATTRIB)
		hw_known_differ(k, e, HW_PENDING_NONE);
	e->flags |= HW_KNOWN_MET;
	take_state(e, event->kind, seen);
}

static void move_away(struct hw_knowns *k, const struct hw_event *event)
{
	const struct hw_event gone = { .path = event->from, .path_len = event->from_len };

	follow_delete(k, &gone);
}

/* After an exchange, programs know both names. What is not known of the entry is reported. */
static void is_exchanged(struct hw_knowns *k, struct hw_known *e, bool is_known)
{
	struct hw_known *over = e->over;

	is_known = is_known && (e->flags & HW_KNOWN_NAME) && !over && !e->difference;
	hw_known_set_over(e, NULL);
	if (over)
		hw_known_remove(k, over);
	hw_known_clear(k, e, HW_KNOWN_REPEAT | HW_KNOWN_ABSENT);
	if (e->parent && (e->parent->flags & HW_KNOWN_LISTED))
		hw_known_set(k, e, HW_KNOWN_NAME | HW_KNOWN_MET);
	if (is_known)
		return;
	e->state.ino = 0;
	hw_known_differ(k, e, HW_PENDING_DATA);
}

static void follow_exchange(struct hw_knowns *k, const struct hw_event *event)
{
	struct hw_known *a, *b;
	bool both;

	(void)get_name(k, event->from, event->from_len);
	b = get_name(k, event->path, event->path_len);
	/* without memory, that removed other names of the directory */
	a = hw_known_find(k, event->from, event->from_len);
	both = a && b && hw_known_are_apart(a, b);
	/* if one of them is not stored, the state of the other one is not known */
	if (a)
		is_exchanged(k, a, both);
	if (b)
		is_exchanged(k, b, both);
	if (both)
		hw_known_exchange(k, a, b);
}

/* Programs know the entry that was replaced under the name, whichever of the two was moved. */
static struct hw_known *what_is_known(struct hw_knowns *k, struct hw_known *e,
				      const struct hw_guest_seen *seen)
{
	struct hw_known *over = e->over;
	bool is_new = seen->ino != 0 && seen->ino == e->state.ino;

	if (!over)
		return e;
	hw_known_set_over(e, NULL);
	if (is_new) {
		hw_known_remove(k, e);
		over->state.ino = 0; /* its new data has to be reported */
	}
	return over;
}

static void follow_move(struct hw_knowns *k, const struct hw_event *event,
			const struct hw_guest_seen *seen)
{
	struct hw_known *e, *to;

	if (event->flags & HW_FLAG_EXCHANGE) {
		follow_exchange(k, event);
		return;
	}
	if (!event->path) {
		move_away(k, event);
		return;
	}
	to = get_name(k, event->path, event->path_len);
	/* without memory, that removed other names of the directory */
	e = event->from ? hw_known_find(k, event->from, event->from_len) : NULL;
	if (e && to && !hw_known_are_apart(e, to)) {
		hw_known_remove(k, e);
		return;
	}
	if (e)
		e = what_is_known(k, e, seen);
	if (e && (hw_known_is_new(e) || (e->flags & HW_KNOWN_ABSENT) || !e->parent)) {
		if (e->parent)
			hw_known_remove(k, e);
		e = NULL;
	}
	if (!e) {
		if (to)
			is_there(k, to, seen);
		return;
	}
	/* a watched directory keeps its names under a name that no watched directory has */
	if (!to && !(e->flags & HW_KNOWN_WATCHED) && hw_list_empty(&e->children)) {
		hw_known_remove(k, e);
		return;
	}
	if (!to)
		to = hw_known_get(k, event->path, event->path_len);
	if (!to || !hw_known_are_apart(e, to)) {
		hw_known_remove(k, e);
		return;
	}
	/* a comparison may have found it under the new name, and reported its state there */
	if ((to->flags & HW_KNOWN_REPEAT) && to->state.ino != 0 && to->state.ino == e->state.ino)
		e->state = to->state;
	is_there(k, to, seen);
	hw_known_clear(k, e, HW_KNOWN_NAME | HW_KNOWN_REPEAT);
	hw_known_differ(k, e, HW_PENDING_NONE);
	hw_known_rename(k, e, to);
	take_state(e, HW_MOVE, seen);
}

void hw_known_follow(struct hw_knowns *k, const struct hw_event *event,
		     const struct hw_guest_seen *seen)
{
	switch (event->kind) {
	case HW_CREATE:
		follow_create(k, event, seen);
		break;
	case HW_DELETE:
		follow_delete(k, event);
		break;
	case HW_MOVE:
		follow_move(k, event, seen);
		break;
	case HW_RESCAN:
		break;
	default:
		follow_change(k, event, seen);
	}
}

/* ---- events that repeat what a comparison reported ---- */

static bool forget_repeat(struct hw_knowns *k, const char *path, uint32_t len, uint32_t flag)
{
	struct hw_known *e = path ? hw_known_find(k, path, len) : NULL;

	if (!e || !(e->flags & flag))
		return false;
	if (flag == HW_KNOWN_ABSENT)
		hw_known_remove(k, e);
	else
		hw_known_clear(k, e, flag);
	return true;
}

static bool is_marked(const struct hw_knowns *k, const char *path, uint32_t len, uint32_t flag)
{
	const struct hw_known *e = path ? hw_known_find(k, path, len) : NULL;

	return !path || (e && (e->flags & flag));
}

static bool has_mark(const struct hw_knowns *k, const char *path, uint32_t len)
{
	const struct hw_known *e = path ? hw_known_find(k, path, len) : NULL;

	return e && (e->flags & (HW_KNOWN_REPEAT | HW_KNOWN_ABSENT));
}

bool hw_known_may_repeat(const struct hw_knowns *k, const struct hw_event *event)
{
	bool is_name =
		event->kind == HW_CREATE || event->kind == HW_DELETE || event->kind == HW_MOVE;

	return k->repeats > 0 && is_name &&
	       (has_mark(k, event->path, event->path_len) ||
		has_mark(k, event->from, event->from_len));
}

bool hw_known_is_repeat(struct hw_knowns *k, const struct hw_event *event)
{
	if (k->repeats == 0)
		return false;
	if (event->kind == HW_CREATE)
		return forget_repeat(k, event->path, event->path_len, HW_KNOWN_REPEAT);
	if (event->kind == HW_DELETE)
		return forget_repeat(k, event->path, event->path_len, HW_KNOWN_ABSENT);
	if (event->kind != HW_MOVE || (event->flags & HW_FLAG_EXCHANGE) ||
	    !is_marked(k, event->path, event->path_len, HW_KNOWN_REPEAT) ||
	    !is_marked(k, event->from, event->from_len, HW_KNOWN_ABSENT))
		return false;
	(void)forget_repeat(k, event->path, event->path_len, HW_KNOWN_REPEAT);
	(void)forget_repeat(k, event->from, event->from_len, HW_KNOWN_ABSENT);
	return true;
}
