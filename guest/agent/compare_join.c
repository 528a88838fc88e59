/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the moves among what is gone and what is new. */
#include "compare.h"

#include <stdlib.h>
#include <sys/stat.h>

bool hw_found_add(struct hw_found *found, struct hw_known *e)
{
	if (found->count == found->room) {
		size_t room = 2 * found->room + 64;
		struct hw_known **entries =
			realloc(found->entries, room * sizeof(struct hw_known *));

		if (!entries)
			return false;
		found->entries = entries;
		found->room = room;
	}
	found->entries[found->count++] = e;
	return true;
}

/* Adds what is gone with a directory. */
static bool add_below(struct hw_found *found, struct hw_known *top)
{
	struct hw_known *e = top;
	bool ok = true;

	while (ok && e) {
		if (e != top && (e->flags & HW_KNOWN_NAME) && !e->difference && e->state.ino)
			ok = hw_found_add(found, e);
		if (!hw_list_empty(&e->children)) {
			e = HW_KNOWN_OF(e->children.next, sibling);
			continue;
		}
		while (e != top && e->sibling.next == &e->parent->children)
			e = e->parent;
		e = e == top ? NULL : HW_KNOWN_OF(e->sibling.next, sibling);
	}
	return ok;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct hw_known *x = *(struct hw_known *const *)a, *y = *(struct hw_known *const *)b;

	return (x->state.ino > y->state.ino) - (x->state.ino < y->state.ino);
}

/*
 * The number of a deleted inode is used again, unless the guest still has the inode, which a watch
 * guarantees. Another inode does not have the same times.
 */
static bool is_proved(const struct hw_known *gone, const struct hw_known *new)
{
	const struct hw_guest_seen *a = &gone->state, *b = &new->state;

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		return false;
	if (gone->flags & HW_KNOWN_WATCHED)
		return true;
	return a->mtime_ns == b->mtime_ns && (S_ISDIR(a->mode) || a->size == b->size);
}

bool hw_compare_can_move(const struct hw_known *gone, const struct hw_known *new)
{
	return hw_known_are_apart(gone, new) && !(new->over &&hw_known_is_below(gone, new->over));
}

void hw_compare_join(struct hw_compare *c, bool dirs_only)
{
	struct hw_found gone = { 0 };
	struct hw_list *at = c->known.pending[HW_PENDING_GONE].next;
	bool ok = true;

	for (; ok && at != &c->known.pending[HW_PENDING_GONE]; at = at->next) {
		struct hw_known *e = HW_KNOWN_OF(at, pending);

		e->mate = NULL;
		if (e->state.ino && (!dirs_only || S_ISDIR(e->state.mode)))
			ok = hw_found_add(&gone, e);
		if (ok && !dirs_only)
			ok = add_below(&gone, e);
	}
	if (gone.count)
		qsort(gone.entries, gone.count, sizeof(struct hw_known *), compare_inodes);
	at = c->known.pending[HW_PENDING_NEW].next;
	while (gone.count && at != &c->known.pending[HW_PENDING_NEW]) {
		struct hw_known *e = HW_KNOWN_OF(at, pending), *key = e, **found;

		at = at->next;
		e->mate = NULL;
		found = bsearch(&key, gone.entries, gone.count, sizeof(struct hw_known *),
				compare_inodes);
		if (!found || (*found)->mate || !is_proved(*found, e) ||
		    !hw_compare_can_move(*found, e))
			continue;
		e->mate = *found;
		(*found)->mate = e;
		hw_known_differ(&c->known, e, HW_PENDING_MOVED);
	}
	free(gone.entries);
}
