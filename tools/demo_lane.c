/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo_lane.h"
#include "log.h"
#include "option.h"
#include <hostwatch/wire.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The watcher must not scan by itself: a scan in the middle of an operation would report it in two
 * parts. */
#define NEVER_NS (3600 * HW_SEC)
#define NEVER_TEXT "1h"
#define JOURNAL_BYTES (1u << 20)

static int add_watcher(struct hw_demo_lane *lane, struct hw_loop *loop, struct hw_loader *loader)
{
	const struct hw_setting interval = { .key = "interval", .value = NEVER_TEXT };
	const struct hw_module *module;
	struct hw_option_table table;
	struct hw_instance *instance;
	int r = hw_loader_load(loader, HW_PLUGIN_WATCHER, lane->name, NULL, &module);

	if (r < 0)
		return r;
	lane->scans = module->plugin.flags & HW_PLUGIN_SCANS;
	table = (struct hw_option_table){ module->plugin.options, module->plugin.option_count };
	r = hw_instance_create(loop, &module->plugin, lane->name, &interval,
			       hw_option_find(&table, interval.key) != NULL, NULL, &instance);
	if (r < 0)
		return r;
	r = hw_share_add_watcher(lane->share, instance);
	if (r < 0)
		hw_instance_destroy(instance);
	return r;
}

int hw_demo_lane_start(struct hw_demo_lane *lane, struct hw_loop *loop, struct hw_loader *loader,
		       const char *root)
{
	const struct hw_share_config config = {
		.name = lane->name,
		.path = root,
		.interval_ns = NEVER_NS,
		.journal_bytes = JOURNAL_BYTES,
		.explicit_watcher = true,
	};
	struct hw_share_status status;
	int r = hw_share_create(loop, &config, &lane->share);

	if (r == 0)
		r = add_watcher(lane, loop, loader);
	if (r < 0)
		return r;
	r = hw_share_start(lane->share);
	hw_share_get_status(lane->share, &status);
	if (r < 0)
		hw_error("share %s: %s", status.name, status.why);
	return r < 0 ? r : hw_share_cursor_init(lane->share, 0, &lane->cursor);
}

static void clear(struct hw_demo_lane *lane)
{
	while (lane->count)
		free(lane->events[--lane->count].text);
}

void hw_demo_lane_stop(struct hw_demo_lane *lane)
{
	clear(lane);
	hw_share_destroy(lane->share);
	lane->share = NULL;
}

static void note_flushed(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct hw_demo_lane *lane = arg;

	(void)share;
	(void)error; /* the share is valid */
	(void)seq;
	lane->flushed = true;
}

int hw_demo_lane_flush(struct hw_demo_lane *lane)
{
	clear(lane);
	lane->flushed = false;
	return hw_share_flush(lane->share, note_flushed, lane);
}

/* ---- text ---- */

static bool is_plain(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] <= ' ' || bytes[i] > '~' || strchr("\"\\", bytes[i]))
			return false;
	return len > 0;
}

/* Marks types as `ls -F` does. */
static void put_path(FILE *to, const char *path, size_t len, uint8_t type)
{
	static const char *const marks[HW_TYPE_END] = {
		[HW_TYPE_DIR] = "/",
		[HW_TYPE_SYMLINK] = "@",
		[HW_TYPE_OTHER] = "|",
	};
	char quoted[1024];

	if (!path)
		fputs("(outside)", to);
	else if (!len)
		fputs(".", to);
	else if (is_plain(path, len))
		(void)fwrite(path, 1, len, to); /* memory */
	else
		fputs(hw_quote(quoted, sizeof(quoted), path, len), to);
	if (path && type < HW_TYPE_END && marks[type])
		fputs(marks[type], to);
}

static char *text_of(const struct hw_event *event)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, "%s ", hw_kind_name(event->kind));
	if (event->kind == HW_MOVE) {
		put_path(to, event->from, event->from_len, event->type);
		fputs(" -> ", to);
	}
	put_path(to, event->path, event->path_len, event->type);
	if (event->flags & HW_FLAG_REPLACED)
		fputs(" (replaced)", to);
	if (event->flags & HW_FLAG_EXCHANGE)
		fputs(" (exchanged)", to);
	return fclose(to) == 0 ? text : NULL;
}

int hw_demo_lane_collect(struct hw_demo_lane *lane)
{
	struct hw_event event;
	int r;

	uint64_t seq = lane->cursor.seq;

	while ((r = hw_share_cursor_next(lane->share, &lane->cursor, &event)) > 0) {
		if (event.seq != ++seq)
			return -EPROTO;
		char *text = lane->count < HW_DEMO_EVENTS_MAX ? text_of(&event) : NULL;

		if (!text)
			return lane->count < HW_DEMO_EVENTS_MAX ? -ENOMEM : -E2BIG;
		lane->events[lane->count++] = (struct hw_demo_event){ event.kind, text };
	}
	return r;
}

bool hw_demo_lane_equals(const struct hw_demo_lane *a, const struct hw_demo_lane *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = a->events[i].kind == b->events[i].kind &&
		       strcmp(a->events[i].text, b->events[i].text) == 0;
	return same;
}

bool hw_demo_lane_found_gone(const struct hw_demo_lane *lane)
{
	for (size_t i = 0; i < lane->count; i++)
		if (lane->events[i].kind != HW_DELETE)
			return false;
	return lane->scans && lane->count;
}
