/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turns.h"

#include <errno.h>
#include <stdlib.h>

struct hw_turns_item {
	hw_turns_fn *fn; /* NULL: deleted while the list was walked */
	void *arg; /* borrowed */
};

static void compact(struct hw_turns *turns)
{
	size_t kept = 0;

	for (size_t i = 0; i < turns->count; i++) {
		if (turns->list[i].fn)
			turns->list[kept++] = turns->list[i];
	}
	turns->count = kept;
}

void hw_turns_run(struct hw_turns *turns)
{
	turns->running = true;
	for (size_t i = 0; i < turns->count; i++) {
		if (turns->list[i].fn)
			turns->list[i].fn(turns->list[i].arg);
	}
	turns->running = false;
	compact(turns);
}

int hw_turns_add(struct hw_turns *turns, hw_turns_fn *fn, void *arg)
{
	if (turns->count == turns->room) {
		size_t room = turns->room ? turns->room * 2 : 8;
		struct hw_turns_item *list = reallocarray(turns->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		turns->list = list;
		turns->room = room;
	}
	turns->list[turns->count++] = (struct hw_turns_item){ fn, arg };
	return 0;
}

void hw_turns_del(struct hw_turns *turns, hw_turns_fn *fn, void *arg)
{
	for (size_t i = 0; i < turns->count; i++) {
		if (turns->list[i].fn == fn && turns->list[i].arg == arg) {
			turns->list[i].fn = NULL;
			break;
		}
	}
	if (!turns->running)
		compact(turns);
}

void hw_turns_free(struct hw_turns *turns)
{
	free(turns->list);
}
