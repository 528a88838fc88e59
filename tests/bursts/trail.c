/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trail.h"

#include "stream.h"

#include <hostwatch/event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns what follows `dir` in the path, from the slash; NULL if the path is not there. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/') ? path + len : NULL;
}

char *hw_trail_replace(const char *path, const char *dir, const char *to)
{
	const char *rest = below(path, dir);
	char *text;

	if (!rest)
		return NULL;
	if (asprintf(&text, "%s%s", to, rest) < 0)
		abort();
	return text;
}

static bool is_rename(const struct hw_burst_event *event)
{
	return event->kind == HW_MOVE && event->path && event->from;
}

/* Returns the path after a rename; `path` becomes invalid. */
static char *follow(char *path, const struct hw_burst_event *event, const char *from,
		    const char *to)
{
	char *now = hw_trail_replace(path, from, to);

	if (!now && event->flags & HW_FLAG_EXCHANGE)
		now = hw_trail_replace(path, to, from);
	if (!now)
		return path;
	free(path);
	return now;
}

static char *copy_of(const char *path)
{
	char *text = strdup(path);

	if (!text)
		abort();
	return text;
}

static char *path_after(const struct hw_stream *stream, size_t i)
{
	char *path = copy_of(stream->events[i].path);

	for (size_t k = i + 1; k < stream->count; k++) {
		const struct hw_burst_event *event = &stream->events[k];

		if (is_rename(event))
			path = follow(path, event, event->from, event->path);
	}
	return path;
}

/* Returns whether a directory above the path was made or came into the share by this event. */
static bool brought(const struct hw_burst_event *event, const char *path)
{
	const char *rest;

	if (event->kind != HW_CREATE && (event->kind != HW_MOVE || event->from))
		return false;
	rest = below(path, event->path);
	return rest && *rest;
}

static char *path_before(const struct hw_stream *stream, size_t i)
{
	const struct hw_burst_event *event = &stream->events[i];
	char *path = copy_of(event->from ? event->from : event->path);

	while (i-- > 0) {
		event = &stream->events[i];
		if (is_rename(event))
			path = follow(path, event, event->path, event->from);
		if (brought(event, path)) {
			free(path);
			return NULL;
		}
	}
	return path;
}

void hw_trail_events(struct hw_stream *stream)
{
	for (size_t i = 0; i < stream->count; i++) {
		struct hw_burst_event *event = &stream->events[i];

		event->before = path_before(stream, i);
		event->after = event->path ? path_after(stream, i) : NULL;
	}
}
