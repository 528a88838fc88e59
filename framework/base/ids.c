/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ids.h"

#include <errno.h>
#include <stdlib.h>

int hw_ids_add(struct hw_ids *ids, uint32_t id)
{
	if (ids->count == ids->room) {
		uint32_t room = ids->room ? ids->room * 2 : 16;
		uint32_t *list = realloc(ids->ids, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		ids->ids = list;
		ids->room = room;
	}
	ids->ids[ids->count++] = id;
	return 0;
}

void hw_ids_free(struct hw_ids *ids)
{
	free(ids->ids);
	*ids = (struct hw_ids){ 0 };
}

int hw_compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}
