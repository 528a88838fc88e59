/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "negative.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void drop(struct hw_view *view, struct hw_negative *negative)
{
	HASH_DELETE(hh, view->negatives, negative);
	DL_DELETE(negative->parent->negatives, negative);
	free(negative);
}

static struct hw_negative *find(struct hw_view *view, const struct hw_node *parent,
				const char *name)
{
	struct hw_negative *found;

	HW_NAME_FIND(view->negatives, parent, name, found);
	return found;
}

bool hw_negative_note(struct hw_view *view, struct hw_node *parent, const char *name)
{
	unsigned char key[HW_NAME_KEY_MAX];
	size_t len = hw_name_key(key, parent, name);
	struct hw_negative *negative;

	if (find(view, parent, name))
		return true;
	if (!len || HASH_COUNT(view->negatives) >= HW_NEGATIVES_MAX)
		return false;
	negative = malloc(sizeof(*negative) + len + 1);
	if (!negative)
		return false;
	memset(negative, 0, sizeof(*negative));
	memcpy(negative->key, key, len + 1);
	negative->parent = parent;
	DL_APPEND(parent->negatives, negative);
	HASH_ADD_KEYPTR(hh, view->negatives, negative->key, len, negative);
	return true;
}

void hw_negative_drop(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	struct hw_negative *negative = find(view, parent, name);

	if (negative)
		drop(view, negative);
}

void hw_negative_forget(struct hw_view *view, struct hw_node *parent)
{
	while (parent->negatives)
		drop(view, parent->negatives);
}
