/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changing.h"

#include <string.h>
#include <utlist.h>

void hw_changes_init(struct hw_changes *changes)
{
	*changes = (struct hw_changes){ 0 };
	(void)pthread_cond_init(&changes->ended, NULL);
}

static bool same_name(const struct hw_changing *a, unsigned i, const struct hw_changing *b,
		      unsigned k)
{
	return a->parents[i] && a->parents[i] == b->parents[k] &&
	       strcmp(a->names[i], b->names[k]) == 0;
}

static bool overlap(const struct hw_changing *a, const struct hw_changing *b)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 2; k++)
			if (same_name(a, i, b, k) || (a->nodes[i] && a->nodes[i] == b->nodes[k]))
				return true;
	return false;
}

void hw_change_begin(struct hw_changes *changes, struct hw_view *view, struct hw_changing *change)
{
	hw_view_lock(view);
	for (unsigned i = 0; i < 2; i++)
		if (change->parents[i] && !change->nodes[i])
			change->nodes[i] = hw_view_find(view, change->parents[i], change->names[i]);
	while (changes->examined && overlap(changes->examined, change))
		(void)pthread_cond_wait(&changes->ended, &view->lock);
	DL_APPEND(changes->list, change);
	hw_view_unlock(view);
}

void hw_change_end(struct hw_changes *changes, struct hw_changing *change)
{
	DL_DELETE(changes->list, change);
	(void)pthread_cond_broadcast(&changes->ended);
}

void hw_change_refused(struct hw_changes *changes, struct hw_view *view, struct hw_changing *change)
{
	hw_view_lock(view);
	hw_change_end(changes, change);
	hw_view_unlock(view);
}

static bool is_in_progress(const struct hw_changes *changes, const struct hw_changing *event)
{
	const struct hw_changing *change;

	DL_FOREACH (changes->list, change)
		if (overlap(change, event))
			return true;
	return false;
}

/* New changes of the same wait from now on, so that those in progress come to an end. */
void hw_examine_begin(struct hw_changes *changes, struct hw_view *view,
		      const struct hw_changing *event)
{
	changes->examined = event;
	while (is_in_progress(changes, event))
		(void)pthread_cond_wait(&changes->ended, &view->lock);
}

void hw_examine_end(struct hw_changes *changes)
{
	changes->examined = NULL;
	(void)pthread_cond_broadcast(&changes->ended);
}
