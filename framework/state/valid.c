/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "valid.h"

#include "names.h"

#include <string.h>

bool hw_state_is_name(const char *name, size_t len)
{
	return len && len <= HW_NAME_MAX && !memchr(name, '/', len) && !memchr(name, '\0', len) &&
	       !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

bool hw_state_is_path(const char *path, uint32_t len)
{
	const char *end = path + len, *slash;

	if (len > HW_PATH_MAX)
		return false;
	for (; (slash = memchr(path, '/', (size_t)(end - path))); path = slash + 1)
		if (!hw_state_is_name(path, (size_t)(slash - path)))
			return false;
	return hw_state_is_name(path, (size_t)(end - path));
}

/* Either path may be absent, but is not the root. */
static bool is_move(const struct hw_event *e)
{
	if ((!e->path && !e->from) || (e->flags & HW_FLAG_REPLACED && !e->path) ||
	    (e->flags & HW_FLAG_EXCHANGE && !(e->path && e->from)))
		return false;
	return (!e->path || hw_state_is_path(e->path, e->path_len)) &&
	       (!e->from || hw_state_is_path(e->from, e->from_len));
}

static bool is_change(const struct hw_event *e)
{
	bool root = e->kind == HW_RESCAN || (e->kind == HW_ATTRIB && e->type == HW_TYPE_DIR);

	if (!e->path || e->from || e->flags)
		return false;
	return e->path_len ? hw_state_is_path(e->path, e->path_len) : root;
}

bool hw_state_is_event(const struct hw_event *event)
{
	if (event->kind < HW_CREATE || event->kind >= HW_KIND_END || event->type >= HW_TYPE_END ||
	    (event->kind == HW_RESCAN) != (event->type == HW_TYPE_NONE) ||
	    event->flags & ~HW_FLAG_ALL || event->flags == HW_FLAG_ALL)
		return false;
	return event->kind == HW_MOVE ? is_move(event) : is_change(event);
}
