/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/filter.h>
#include <hostwatch/wire.h>
#include <string.h>

bool hw_filter_excludes(const struct hw_filter *filter, const char *path, size_t len, bool is_dir)
{
	const char *end = path + len;

	if (!len || !filter->count)
		return false; /* the root is never excluded */
	for (const char *at = path; (at = memchr(at, '/', (size_t)(end - at))); at++) {
		if (hw_filter_matches(filter, path, (size_t)(at - path), true))
			return true;
	}
	return hw_filter_matches(filter, path, len, is_dir);
}

static int hide_from(struct hw_event ret[HW_EXCLUDE_MAX])
{
	bool exchange = ret[0].flags & HW_FLAG_EXCHANGE;

	ret[0].from = NULL;
	ret[0].from_len = 0;
	if (exchange)
		ret[0].flags = HW_FLAG_REPLACED;
	if (ret[0].type != HW_TYPE_DIR)
		return 1;
	ret[1] = ret[0];
	hw_event_make_rescan(&ret[1], ret[0].path, ret[0].path_len);
	return 2;
}

static int hide_to(struct hw_event *event)
{
	if (event->flags & HW_FLAG_EXCHANGE) {
		/* The type of the entry that is now at `from` is unknown. */
		hw_event_make_rescan(event, event->from, event->from_len);
		return 1;
	}
	event->path = NULL;
	event->path_len = 0;
	event->flags = 0;
	return 1;
}

static int apply_to_move(const struct hw_filter *filter, struct hw_event ret[HW_EXCLUDE_MAX])
{
	bool is_dir = ret[0].type == HW_TYPE_DIR;
	bool from =
		ret[0].from && !hw_filter_excludes(filter, ret[0].from, ret[0].from_len, is_dir);
	bool to = ret[0].path && !hw_filter_excludes(filter, ret[0].path, ret[0].path_len, is_dir);

	if (!from && !to)
		return 0;
	if (to && !from && ret[0].from)
		return hide_from(ret);
	if (from && !to && ret[0].path)
		return hide_to(&ret[0]);
	return 1;
}

int hw_event_exclude(const struct hw_event *event, const struct hw_filter *filter,
		     struct hw_event ret[HW_EXCLUDE_MAX])
{
	ret[0] = *event;
	if (!filter->count)
		return 1;
	if (event->kind == HW_MOVE)
		return apply_to_move(filter, ret);
	/* A rescan refers to a directory. */
	return hw_filter_excludes(filter, event->path, event->path_len,
				  event->kind == HW_RESCAN || event->type == HW_TYPE_DIR)
		       ? 0
		       : 1;
}
