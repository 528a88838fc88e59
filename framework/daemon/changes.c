/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"
#include "core_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void hw_roster_free(struct hw_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		free(roster->items[i].name);
	free(roster->items);
	*roster = (struct hw_roster){ 0 };
}

static int add(struct hw_roster *roster, const char *kind, const char *name, uint64_t serial)
{
	struct hw_running *item = &roster->items[roster->count];

	item->kind = kind;
	item->serial = serial;
	item->name = strdup(name);
	if (!item->name)
		return -ENOMEM;
	roster->count++;
	return 0;
}

int hw_roster_take(const struct hw_core *core, struct hw_roster *ret)
{
	struct hw_roster roster = { 0 };
	int r = 0;

	roster.items = calloc(core->share_count + core->sink_count + 1, sizeof(*roster.items));
	if (!roster.items)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < core->share_count; i++)
		r = add(&roster, "share", hw_share_name(core->shares[i].share),
			core->shares[i].serial);
	for (size_t i = 0; r == 0 && i < core->sink_count; i++)
		r = add(&roster, "sink", hw_sink_instance(core->sinks[i].sink)->name,
			core->sinks[i].serial);
	if (r < 0)
		hw_roster_free(&roster);
	else
		*ret = roster;
	return r;
}

static const struct hw_running *find(const struct hw_roster *roster, const struct hw_running *like)
{
	for (size_t i = 0; i < roster->count; i++) {
		const struct hw_running *item = &roster->items[i];

		if (strcmp(item->kind, like->kind) == 0 && strcmp(item->name, like->name) == 0)
			return item;
	}
	return NULL;
}

void hw_roster_compare(const struct hw_roster *before, const struct hw_roster *after,
		       hw_change_fn *fn, void *arg)
{
	for (size_t i = 0; i < after->count; i++) {
		const struct hw_running *now = &after->items[i], *old = find(before, now);

		fn(arg, now, !old ? "started" : old->serial == now->serial ? "kept" : "restarted");
	}
	for (size_t i = 0; i < before->count; i++) {
		if (!find(after, &before->items[i]))
			fn(arg, &before->items[i], "stopped");
	}
}
