/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

enum place { OUTSIDE, ABOVE, INSIDE };

/* Returns whether `path` is `dir` or below it. */
static bool is_within(const char *path, uint32_t len, const char *dir, uint32_t dir_len)
{
	if (!dir_len)
		return true;
	return len >= dir_len && memcmp(path, dir, dir_len) == 0 &&
	       (len == dir_len || path[dir_len] == '/');
}

static enum place find_place(const char *path, uint32_t len, const char *below, uint32_t below_len)
{
	if (!path)
		return OUTSIDE;
	if (is_within(path, len, below, below_len))
		return INSIDE;
	return is_within(below, below_len, path, len) ? ABOVE : OUTSIDE;
}

void hw_event_make_rescan(struct hw_event *event, const char *path, uint32_t len)
{
	event->kind = HW_RESCAN;
	event->type = HW_TYPE_NONE;
	event->flags = 0;
	event->from = NULL;
	event->from_len = 0;
	event->path = path;
	event->path_len = len;
}

static int tell_leave(struct hw_event *event, const char *from, uint32_t len)
{
	event->from = from;
	event->from_len = len;
	event->path = NULL;
	event->path_len = 0;
	event->flags = 0;
	return 1;
}

static int tell_enter(struct hw_event ret[HW_BELOW_MAX], uint16_t flags)
{
	ret[0].from = NULL;
	ret[0].from_len = 0;
	ret[0].flags = flags;
	if (ret[0].type != HW_TYPE_DIR)
		return 1;
	ret[1] = ret[0];
	hw_event_make_rescan(&ret[1], ret[0].path, ret[0].path_len);
	return 2;
}

static int cross_exchange(struct hw_event ret[HW_BELOW_MAX], enum place from, const char *below,
			  uint32_t below_len)
{
	if (from == INSIDE)
		hw_event_make_rescan(&ret[0], ret[0].from, ret[0].from_len);
	else
		hw_event_make_rescan(&ret[0], below, below_len);
	return 1;
}

static int filter_move(struct hw_event ret[HW_BELOW_MAX], const char *below, uint32_t below_len)
{
	enum place from = find_place(ret[0].from, ret[0].from_len, below, below_len);
	enum place to = find_place(ret[0].path, ret[0].path_len, below, below_len);
	bool exchange = ret[0].flags & HW_FLAG_EXCHANGE;

	if (from == INSIDE && to == INSIDE)
		return 1;
	if (from == OUTSIDE && to == OUTSIDE)
		return 0;
	if (to == INSIDE && from == OUTSIDE && ret[0].from)
		return tell_enter(ret, ret[0].flags ? HW_FLAG_REPLACED : 0);
	if (to == INSIDE && from == OUTSIDE)
		return 1; /* from outside the share: creates report its contents */
	if (exchange)
		return cross_exchange(ret, from, below, below_len);
	if (to == ABOVE && !ret[0].from)
		return 0; /* creates also report its contents */
	if (to == ABOVE) {
		hw_event_make_rescan(&ret[0], below, below_len);
		return 1;
	}
	if (from == ABOVE)
		return tell_leave(&ret[0], below, below_len);
	return tell_leave(&ret[0], ret[0].from, ret[0].from_len);
}

int hw_event_below(const struct hw_event *event, const char *below, uint32_t below_len,
		   struct hw_event ret[HW_BELOW_MAX])
{
	enum place place;

	ret[0] = *event;
	if (!below_len)
		return 1;
	if (event->kind == HW_MOVE)
		return filter_move(ret, below, below_len);
	place = find_place(event->path, event->path_len, below, below_len);
	if (place == ABOVE && event->kind == HW_RESCAN)
		hw_event_make_rescan(&ret[0], below, below_len);
	else if (place != INSIDE)
		return 0;
	return 1;
}

static bool component_valid(const char *name, size_t len)
{
	return len && !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

bool hw_below_valid(const char *below, size_t len)
{
	const char *end = below + len;

	if (!len)
		return true;
	if (len > HW_PATH_MAX || memchr(below, '\0', len))
		return false;
	for (const char *slash; below <= end; below = slash + 1) {
		slash = memchr(below, '/', (size_t)(end - below));
		if (!slash)
			slash = end;
		if (!component_valid(below, (size_t)(slash - below)))
			return false;
	}
	return true;
}

int hw_subscribe_check(const struct hw_subscribe *subscribe, const char **ret_error)
{
	const char *error = NULL;

	if (subscribe->below && !hw_below_valid(subscribe->below, subscribe->below_len))
		error = "below must be a relative path without empty, \".\" or \"..\" components";
	else if (subscribe->resume && subscribe->snapshot)
		error = "after and snapshot exclude each other";
	else if (subscribe->resume && !subscribe->epoch)
		error = "epoch must not be 0";
	else if (subscribe->events >> HW_KIND_END || subscribe->events & 1)
		error = "events contains an unknown event";
	else if (subscribe->exclude_count > HW_SUBSCRIBE_EXCLUDES)
		error = "there are too many exclude patterns";
	if (!error)
		return 0;
	*ret_error = error;
	return -EINVAL;
}

int hw_ask_check(const struct hw_ask *ask, const char **ret_error)
{
	const char *path = ask->text;

	if (ask->what != HW_ASK_WHERE ||
	    (ask->text_len > 1 && ask->text_len <= HW_WHERE_MAX && path[0] == '/' &&
	     hw_below_valid(path + 1, ask->text_len - 1)) ||
	    (ask->text_len == 1 && path[0] == '/'))
		return 0;
	*ret_error = "where must be an absolute path without empty, \".\" or \"..\" components";
	return -EINVAL;
}
