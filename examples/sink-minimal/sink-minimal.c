/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sink-minimal: a sink that appends one line for each event to a file. The events are in the host's
 * journal. A sink reads them through cursors, one for each receiver, at the speed of that receiver.
 * hostwatch-plugin(3) has the contract of every callback.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The host allocates and zeroes one instance for each section, and writes the options into it. */
struct sink {
	const char *path; /* borrowed */

	const struct hw_host *host; /* borrowed */
	void *ctx;
	FILE *file; /* owned: NULL until start() */
	struct hw_cursor **cursors; /* owned: one for each share */
	uint32_t count;
};

static const struct hw_option option_path =
	HW_OPT_STRING_FLAGS("path", struct sink, path, NULL, HW_OPTION_REQUIRED,
			    "File to which the lines are appended");
static const struct hw_option *const options[] = { &option_path };

/* Names are bytes. Bytes that could end a line or control a terminal are written as \xHH. */
static void write_path(FILE *file, const char *path, uint32_t len)
{
	(void)putc(' ', file); /* fflush() reports errors */
	for (uint32_t i = 0; path && i < len; i++) {
		if (path[i] > ' ' && path[i] < 0x7f && path[i] != '\\')
			(void)putc(path[i], file);
		else
			(void)fprintf(file, "\\x%02x", (unsigned char)path[i]);
	}
	if (!path)
		(void)putc('-', file);
}

static void write_event(struct sink *sink, const char *share, const struct hw_event *event)
{
	static const char *const words[HW_KIND_END] = {
		[HW_CREATE] = "create",           [HW_DELETE] = "delete", [HW_MOVE] = "move",
		[HW_MODIFY] = "modify",           [HW_ATTRIB] = "attrib", [HW_RESCAN] = "rescan",
		[HW_CLOSE_WRITE] = "close_write",
	};

	if (event->kind >= HW_KIND_END)
		return; /* from a newer host */
	(void)fprintf(sink->file, "%s %s", share, words[event->kind]);
	if (event->kind == HW_MOVE)
		write_path(sink->file, event->from, event->from_len);
	write_path(sink->file, event->path, event->path_len);
	(void)putc('\n', sink->file);
}

static void sink_ready(void *self, uint32_t share)
{
	struct hw_share_info info = { .struct_size = sizeof(info) };
	struct hw_event event = { .struct_size = sizeof(event) };
	struct sink *sink = self;
	int r;

	if (sink->host->share_info(sink->ctx, share, &info) < 0)
		return;
	while ((r = sink->host->cursor_next(sink->ctx, sink->cursors[share], &event)) != 0) {
		if (r < 0) {
			/* The journal has overwritten the next events: report rescan, continue at
			 * its end. */
			event = (struct hw_event){ .kind = HW_RESCAN, .path = "" };
			event.seq = sink->host->cursor_seek(sink->ctx, sink->cursors[share]);
		}
		write_event(sink, info.name, &event);
		sink->host->cursor_done(sink->ctx, sink->cursors[share], event.seq);
		event.struct_size = sizeof(event);
	}
	if (fflush(sink->file))
		sink->host->log(sink->ctx, HW_LOG_ERROR, "cannot write: %s", strerror(errno));
}

static int sink_open(void *self, const struct hw_host *host, void *ctx)
{
	struct sink *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	return *sink->path ? 0 : host->fail_option(ctx, "path", NULL, EINVAL, "must not be empty");
}

static int open_file(struct sink *sink)
{
	/* Writing to a FIFO or device could block. */
	int fd = open(sink->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		      0644);

	if (fd < 0)
		return -errno;
	sink->file = fdopen(fd, "a");
	if (sink->file)
		return 0;
	(void)close(fd); /* nothing was written */
	return -ENOMEM;
}

static int sink_start(void *self)
{
	struct sink *sink = self;
	uint32_t count = sink->host->share_count(sink->ctx);
	int r = open_file(sink);

	if (r < 0)
		return sink->host->fail(sink->ctx, r, "cannot open the file: %s", strerror(-r));
	sink->cursors = calloc(count ? count : 1, sizeof(*sink->cursors));
	if (!sink->cursors)
		return -ENOMEM;
	for (; sink->count < count; sink->count++) {
		r = sink->host->cursor_open(sink->ctx, sink->count, 0, 0,
					    &sink->cursors[sink->count]);
		if (r < 0)
			return sink->host->fail(sink->ctx, r, "no cursor: %s", strerror(-r));
	}
	return 0;
}

/* Also called after start() has failed. */
static void sink_stop(void *self)
{
	struct sink *sink = self;

	while (sink->count)
		sink->host->cursor_close(sink->ctx, sink->cursors[--sink->count]);
	free(sink->cursors);
	sink->cursors = NULL;
	if (sink->file)
		(void)fclose(sink->file); /* ready() has flushed it */
	sink->file = NULL;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct sink),
	.name = "sink-minimal",
	.version = "1",
	.summary = "adds a line for each event to a file",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = sink_open,
	.start = sink_start,
	.stop = sink_stop,
	.ready = sink_ready,
};
