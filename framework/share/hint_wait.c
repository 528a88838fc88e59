/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hint_wait.h"

#include "share_private.h"

#include <stdlib.h>
#include <string.h>

static const void *copy(void *into, const void *from, size_t len)
{
	if (len)
		memcpy(into, from, len);
	return into;
}

static bool fits(const struct hw_hint *hint)
{
	return hint->name_len <= HW_NAME_MAX && hint->to_name_len <= HW_NAME_MAX &&
	       hint->handle_len <= HW_HINT_HANDLE_MAX;
}

bool hw_waiting_add(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_waiting *waiting = &watcher->share->hints.waiting;
	struct hw_waiting_hint *last;

	if (!waiting->list)
		waiting->list = calloc(HW_HINTS_WAIT_MAX, sizeof(*waiting->list));
	if (!waiting->list || waiting->count == HW_HINTS_WAIT_MAX || !fits(hint))
		return false;
	last = &waiting->list[waiting->count++];
	last->hint = *hint;
	last->hint.name = copy(last->name, hint->name, hint->name_len);
	last->hint.to_name = copy(last->to_name, hint->to_name, hint->to_name_len);
	last->hint.handle = copy(last->handle, hint->handle, hint->handle_len);
	last->serial = watcher->serial;
	last->watcher = (uint8_t)(watcher - watcher->share->watchers.list);
	return true;
}

struct hw_watcher *hw_waiting_watcher(struct hw_share *share, const struct hw_waiting_hint *waiting)
{
	struct hw_watcher *watcher = &share->watchers.list[waiting->watcher];

	return watcher->serial == waiting->serial && watcher->state == HW_WATCHER_RUNNING ? watcher
											  : NULL;
}

void hw_waiting_free(struct hw_waiting *waiting)
{
	free(waiting->list);
	*waiting = (struct hw_waiting){ 0 };
}
