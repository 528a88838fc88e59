/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "known.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NODE_BYTES 96u /* of malloc(3) and tsearch(3), for each entry */
#define REPEATS ((uint32_t)HW_KNOWN_REPEAT | (uint32_t)HW_KNOWN_ABSENT)

/* ---- lists ---- */

static void list_init(struct hw_list *list)
{
	list->prev = list->next = list;
}

static void list_add(struct hw_list *list, struct hw_list *item)
{
	item->prev = list->prev;
	item->next = list;
	list->prev->next = item;
	list->prev = item;
}

static void list_remove(struct hw_list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* ---- flags ---- */

void hw_known_set(struct hw_knowns *k, struct hw_known *e, uint32_t flag)
{
	if ((flag & HW_KNOWN_WATCHED) && !(e->flags & HW_KNOWN_WATCHED))
		list_add(&k->watched, &e->watched);
	if ((flag & REPEATS) && !(e->flags & REPEATS))
		k->repeats++;
	e->flags |= flag;
}

void hw_known_clear(struct hw_knowns *k, struct hw_known *e, uint32_t flag)
{
	if (flag & e->flags & HW_KNOWN_WATCHED)
		list_remove(&e->watched);
	if ((e->flags & REPEATS) && !(e->flags & ~flag & REPEATS))
		k->repeats--;
	e->flags &= ~flag;
}

void hw_known_requeue(struct hw_knowns *k, struct hw_known *e, bool first)
{
	if (!(e->flags & HW_KNOWN_WATCHED))
		return;
	list_remove(&e->watched);
	list_add(first ? k->watched.next : &k->watched, &e->watched);
}

const struct hw_list *hw_known_advance(struct hw_knowns *k, const struct hw_known *top,
				       uint32_t flags)
{
	struct hw_list *at = k->watched.prev, *last = NULL;

	while (at != &k->watched && at != last) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		at = at->prev;
		if (!(e->flags & flags) || !hw_known_is_below(e, top))
			continue;
		hw_known_requeue(k, e, true);
		if (!last)
			last = &e->watched;
	}
	return last ? last->next : k->watched.next;
}

void hw_known_differ(struct hw_knowns *k, struct hw_known *e, enum hw_pending difference)
{
	if (e->difference)
		list_remove(&e->pending);
	if (difference)
		list_add(&k->pending[difference], &e->pending);
	e->difference = difference;
}

void hw_known_set_over(struct hw_known *e, struct hw_known *over)
{
	if (e->over)
		e->over->cover = NULL;
	e->over = over;
	if (over)
		over->cover = e;
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
	const struct hw_known *x = a, *y = b;
	uint32_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->name, y->name, len);

	return r ? r : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

struct hw_known *hw_known_child(const struct hw_known *dir, const char *name, uint32_t len)
{
	const struct hw_known key = { .name = (char *)(uintptr_t)name, .name_len = len };
	struct hw_known *const *node = tfind(&key, (void *const *)&dir->names, compare_names);

	return node ? *node : NULL;
}

static int put_name(struct hw_known *dir, struct hw_known *e)
{
	return tsearch(e, &dir->names, compare_names) ? 0 : -ENOMEM;
}

static void drop_name(struct hw_known *e)
{
	if (e->parent && !(e->flags & HW_KNOWN_COVERED))
		(void)tdelete(e, &e->parent->names, compare_names);
}

static size_t bytes_of(const struct hw_known *e)
{
	return sizeof(*e) + e->name_len + NODE_BYTES;
}

static struct hw_known *new_entry(struct hw_knowns *k, const char *name, uint32_t len)
{
	struct hw_known *e;

	if (k->bytes + sizeof(*e) + len + NODE_BYTES > k->max_bytes) {
		k->full = true;
		return NULL;
	}
	e = calloc(1, sizeof(*e));
	if (e)
		e->name = malloc(len ? len : 1);
	if (!e || !e->name) {
		free(e);
		k->full = true;
		return NULL;
	}
	memcpy(e->name, name, len);
	e->name_len = len;
	list_init(&e->sibling);
	list_init(&e->watched);
	list_init(&e->pending);
	list_init(&e->children);
	k->bytes += bytes_of(e);
	return e;
}

static void free_entry(struct hw_knowns *k, struct hw_known *e)
{
	hw_known_differ(k, e, HW_PENDING_NONE);
	hw_known_clear(k, e, UINT32_MAX & ~(uint32_t)HW_KNOWN_COVERED);
	hw_known_set_over(e, NULL);
	if (e->cover)
		e->cover->over = NULL;
	if (e->mate)
		e->mate->mate = NULL;
	list_remove(&e->sibling);
	if (k->current == e)
		k->current = NULL;
	k->bytes -= bytes_of(e);
	free(e->name);
	free(e);
}

struct hw_known *hw_known_add(struct hw_knowns *k, struct hw_known *dir, const char *name,
			      uint32_t len)
{
	struct hw_known *e = new_entry(k, name, len);

	if (!e)
		return NULL;
	if (put_name(dir, e) < 0) {
		free_entry(k, e);
		k->full = true;
		return NULL;
	}
	e->parent = dir;
	list_add(&dir->children, &e->sibling);
	return e;
}

/* An entry that it replaced, and that programs know, has the name again. */
static void remove_alone(struct hw_knowns *k, struct hw_known *e)
{
	struct hw_known *over = e->over;

	drop_name(e);
	free_entry(k, e);
	if (!over)
		return;
	over->flags &= ~(uint32_t)HW_KNOWN_COVERED;
	if (put_name(over->parent, over) == 0)
		return;
	k->full = true;
	over->flags |= HW_KNOWN_COVERED;
}

static void remove_tree(struct hw_knowns *k, struct hw_known *top)
{
	struct hw_known *e = top;

	while (e) {
		struct hw_known *parent = e->parent;

		if (!hw_list_empty(&e->children)) {
			e = HW_KNOWN_OF(e->children.next, sibling);
			continue;
		}
		remove_alone(k, e);
		e = e == top ? NULL : parent;
	}
}

/* Parents exist for the path of something that is watched. Without a name, nothing needs it. */
static bool is_needed(const struct hw_known *e)
{
	return (e->flags & ~(uint32_t)HW_KNOWN_COVERED) || e->cover || e->difference ||
	       !hw_list_empty(&e->children);
}

static void prune(struct hw_knowns *k, struct hw_known *e)
{
	while (e && e->parent && !is_needed(e)) {
		struct hw_known *parent = e->parent;

		remove_alone(k, e);
		e = parent;
	}
}

void hw_known_remove(struct hw_knowns *k, struct hw_known *e)
{
	struct hw_known *parent = e->parent;

	remove_tree(k, e);
	prune(k, parent);
}

static void remove_children(struct hw_knowns *k, struct hw_known *e)
{
	while (!hw_list_empty(&e->children))
		remove_tree(k, HW_KNOWN_OF(e->children.next, sibling));
}

void hw_known_bury(struct hw_knowns *k, struct hw_known *e)
{
	struct hw_known *parent = e->parent;

	if ((e->flags & HW_KNOWN_COVERED) || !parent || !(parent->flags & HW_KNOWN_LISTED)) {
		hw_known_remove(k, e);
		return;
	}
	remove_children(k, e);
	hw_known_differ(k, e, HW_PENDING_NONE);
	hw_known_clear(k, e, UINT32_MAX);
	hw_known_set(k, e, HW_KNOWN_ABSENT);
	e->state = (struct hw_guest_seen){ 0 };
}

void hw_known_cover(struct hw_known *e)
{
	drop_name(e);
	e->flags |= HW_KNOWN_COVERED;
}

void hw_known_rename(struct hw_knowns *k, struct hw_known *e, struct hw_known *to)
{
	struct hw_known *dir = to->parent, *old = e->parent;
	uint32_t named = to->flags & (uint32_t)(HW_KNOWN_NAME | HW_KNOWN_MET);
	char *name = to->name;
	uint32_t len = to->name_len;

	/* exchanges the names, so that each is freed with its entry */
	drop_name(e);
	drop_name(to);
	k->bytes -= bytes_of(e) + bytes_of(to);
	to->name = e->name;
	to->name_len = e->name_len;
	e->name = name;
	e->name_len = len;
	k->bytes += bytes_of(e) + bytes_of(to);
	e->flags &= ~(uint32_t)HW_KNOWN_COVERED;
	if (e->cover)
		hw_known_set_over(e->cover, NULL);
	to->flags |= HW_KNOWN_COVERED; /* has no name any more */
	remove_children(k, to);
	list_remove(&e->sibling);
	e->parent = dir;
	list_add(&dir->children, &e->sibling);
	remove_alone(k, to);
	e->flags |= named;
	if (put_name(dir, e) < 0) {
		k->full = true;
		e->flags |= HW_KNOWN_COVERED;
		remove_tree(k, e);
	}
	prune(k, old);
}

static void replace_name(struct hw_knowns *k, struct hw_known *e)
{
	list_add(&e->parent->children, &e->sibling);
	if (put_name(e->parent, e) == 0)
		return;
	k->full = true;
	e->flags |= HW_KNOWN_COVERED;
	remove_tree(k, e);
}

void hw_known_exchange(struct hw_knowns *k, struct hw_known *a, struct hw_known *b)
{
	const uint32_t mask = HW_KNOWN_NAME | HW_KNOWN_MET;
	struct hw_known *parent = a->parent;
	uint32_t len = a->name_len, flags = a->flags;
	char *name = a->name;

	drop_name(a);
	drop_name(b);
	list_remove(&a->sibling);
	list_remove(&b->sibling);
	k->bytes -= bytes_of(a) + bytes_of(b);
	a->parent = b->parent;
	a->name = b->name;
	a->name_len = b->name_len;
	a->flags = (a->flags & ~mask) | (b->flags & mask);
	b->parent = parent;
	b->name = name;
	b->name_len = len;
	b->flags = (b->flags & ~mask) | (flags & mask);
	k->bytes += bytes_of(a) + bytes_of(b);
	replace_name(k, a);
	replace_name(k, b);
}

struct hw_known *hw_known_find(const struct hw_knowns *k, const char *path, uint32_t len)
{
	const char *end = path + len;
	struct hw_known *e = k->root;

	while (e && path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;

		e = hw_known_child(e, path, (uint32_t)(stop - path));
		path = slash ? slash + 1 : end;
	}
	return e;
}

struct hw_known *hw_known_get(struct hw_knowns *k, const char *path, uint32_t len)
{
	const char *end = path + len;
	struct hw_known *e = k->root;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;
		struct hw_known *child = hw_known_child(e, path, (uint32_t)(stop - path));

		if (!child)
			child = hw_known_add(k, e, path, (uint32_t)(stop - path));
		if (!child) {
			prune(k, e);
			return NULL;
		}
		e = child;
		path = slash ? slash + 1 : end;
	}
	return e;
}

bool hw_known_is_below(const struct hw_known *e, const struct hw_known *top)
{
	while (e && e != top)
		e = e->parent;
	return e;
}

bool hw_known_are_apart(const struct hw_known *a, const struct hw_known *b)
{
	return !hw_known_is_below(a, b) && !hw_known_is_below(b, a);
}

int hw_known_path(const struct hw_known *e, char *buf)
{
	size_t len = 0, at;

	for (const struct hw_known *p = e; p->parent; p = p->parent)
		len += p->name_len + (p == e ? 0u : 1u);
	if (len > HW_PATH_MAX)
		return -ENAMETOOLONG;
	at = len;
	for (const struct hw_known *p = e; p->parent; p = p->parent) {
		if (p != e)
			buf[--at] = '/';
		at -= p->name_len;
		memcpy(buf + at, p->name, p->name_len);
	}
	return (int)len;
}

/* ---- watches ---- */

void hw_known_unlist(struct hw_knowns *k, struct hw_known *dir)
{
	struct hw_list *at = dir->children.next;

	hw_known_clear(k, dir, HW_KNOWN_LISTED);
	if (k->current == dir)
		k->current = NULL;
	while (at != &dir->children) {
		struct hw_known *child = HW_KNOWN_OF(at, sibling);

		at = at->next;
		hw_known_differ(k, child, HW_PENDING_NONE);
		hw_known_clear(k, child, HW_KNOWN_NAME | HW_KNOWN_MET | REPEATS);
		hw_known_set_over(child, NULL);
		if (!(child->flags & HW_KNOWN_WATCHED) && hw_list_empty(&child->children))
			remove_alone(k, child);
	}
}

void hw_known_give_up(struct hw_knowns *k, struct hw_known *dir)
{
	hw_known_unlist(k, dir);
	hw_known_clear(k, dir, HW_KNOWN_FRESH);
	if (dir->flags & HW_KNOWN_WATCHED)
		hw_known_set(k, dir, HW_KNOWN_TOO_LARGE);
}

void hw_known_unwatch(struct hw_knowns *k, struct hw_known *e)
{
	hw_known_clear(k, e,
		       HW_KNOWN_WATCHED | HW_KNOWN_FRESH | HW_KNOWN_DUE | HW_KNOWN_STUCK |
			       HW_KNOWN_TOO_LARGE);
	if (e->flags & HW_KNOWN_LISTED)
		hw_known_unlist(k, e);
	prune(k, e);
}

int hw_knowns_init(struct hw_knowns *k, size_t max_bytes)
{
	*k = (struct hw_knowns){ .max_bytes = max_bytes };
	list_init(&k->watched);
	for (unsigned i = 0; i < HW_PENDING_END; i++)
		list_init(&k->pending[i]);
	k->root = new_entry(k, "", 0);
	return k->root ? 0 : -ENOMEM;
}

void hw_knowns_free(struct hw_knowns *k)
{
	if (k->root)
		remove_tree(k, k->root);
	k->root = NULL;
}
