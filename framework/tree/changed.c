/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changed.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 4096u

static bool make_room(struct hw_changed *changed, uint32_t id)
{
	uint32_t room = changed->room ? changed->room : FIRST;

	while (room <= id && room <= UINT32_MAX / 2)
		room *= 2;
	if (room <= id)
		return false;
	uint64_t *marks = realloc(changed->marks, room / 8);

	if (!marks)
		return false;
	memset((char *)marks + changed->room / 8, 0, (room - changed->room) / 8);
	changed->marks = marks;
	changed->room = room;
	return true;
}

void hw_changed_add(struct hw_changed *changed, uint32_t id)
{
	changed->unmarked = true;
	if (id >= changed->room && !make_room(changed, id)) {
		changed->lost = true;
		return;
	}
	uint64_t bit = UINT64_C(1) << (id & 63u);

	if (changed->marks[id >> 6] & bit)
		return;
	if (hw_ids_add(&changed->list, id) < 0)
		changed->lost = true;
	else
		changed->marks[id >> 6] |= bit;
}

void hw_changed_clear(struct hw_changed *changed)
{
	for (uint32_t i = 0; i < changed->list.count; i++)
		changed->marks[changed->list.ids[i] >> 6] = 0;
	changed->list.count = 0;
	changed->lost = false;
}

void hw_changed_free(struct hw_changed *changed)
{
	free(changed->marks);
	hw_ids_free(&changed->list);
	*changed = (struct hw_changed){ 0 };
}
