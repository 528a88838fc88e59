/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"
#include "print.h"
#include "watch.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX (HW_PATH_MAX + 65536u) /* maximum length of a displayed path */

int hw_watch_print_init(struct watch *w)
{
	w->colour = !w->settings.json && hw_print_in_colour(stdout);
	w->path = HW_BUF_GROWING(SHOWN_MAX);
	w->from = HW_BUF_GROWING(SHOWN_MAX);
	w->text = open_memstream(&w->text_bytes, &w->text_size);
	return w->text ? 0 : hw_args_failure(w->line, "out of memory");
}

void hw_watch_print_free(struct watch *w)
{
	if (w->text)
		(void)fclose(w->text); /* in memory */
	free(w->text_bytes);
	hw_buf_free(&w->path);
	hw_buf_free(&w->from);
}

static int show(const struct hw_target *target, struct hw_buf *buf, const char **path,
		uint32_t *len)
{
	int r;

	if (!*path)
		return 0;
	buf->len = 0;
	r = hw_target_show(target, buf, *path, *len);
	*path = buf->data;
	*len = (uint32_t)buf->len;
	return r;
}

static int print_line(struct watch *w, const struct watched *watched, const struct hw_event *event)
{
	struct hw_event shown = *event;
	int r = show(watched->target, &w->path, &shown.path, &shown.path_len);

	if (r == 0)
		r = show(watched->target, &w->from, &shown.from, &shown.from_len);
	if (r < 0)
		return r;
	rewind(w->text);
	hw_print_event(w->text, &shown, NULL, w->colour);
	if (fflush(w->text) != 0)
		return -ENOMEM;
	return hw_buf_append(&w->output.buf, w->text_bytes, (size_t)ftell(w->text));
}

int hw_watch_print_event(struct watch *w, const struct watched *watched,
			 const struct hw_event *event)
{
	int r = w->settings.json
			? hw_json_put_next_event(&w->head, &w->output.buf, watched->name, event)
			: print_line(w, watched, event);

	HW_PROBE2(encode, event->seq, w->output.buf.len);
	return r;
}

/* ---- at the start ---- */

static void print_watcher(struct watch *w, const struct watched *watched)
{
	struct hw_share_status status;
	const char *dir = watched->target->dir;
	char quoted[300];

	hw_share_get_status(watched->share, &status);
	fprintf(stderr, "%shostwatch: %s watches %s (%s), %lu entr%s in %lu director%s\n",
		w->progress_shown ? "\r\033[K" : "", status.backend,
		hw_quote(quoted, sizeof(quoted), dir, strlen(dir)), status.why,
		(unsigned long)status.entries, status.entries == 1 ? "y" : "ies",
		(unsigned long)status.directories, status.directories == 1 ? "y" : "ies");
	w->progress_shown = false;
}

static int put_hello(struct watch *w)
{
	size_t count = w->targets.count;
	struct hw_share_info *infos = calloc(count, sizeof(*infos));
	int r;

	if (!infos)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct hw_share *share = w->shares[i].share;

		infos[i] = (struct hw_share_info){
			.struct_size = sizeof(infos[i]),
			.state = hw_share_state(share),
			.name = w->shares[i].name,
			.epoch = hw_share_epoch(share),
			.seq = hw_share_seq(share),
		};
	}
	r = hw_json_put_hello(&w->output.buf, HW_VERSION, infos, (uint32_t)count);
	free(infos);
	return r;
}

void hw_watch_print_hello(struct watch *w)
{
	for (size_t i = 0; i < w->targets.count; i++)
		print_watcher(w, &w->shares[i]);
	if (w->settings.json && hw_watch_prints(w) && put_hello(w) < 0)
		hw_watch_stop(w, hw_args_failure(w->line, "out of memory"));
	hw_output_flush(&w->output);
}

void hw_watch_print_progress(struct watch *w)
{
	unsigned long armed = 0, entries = 0;

	for (size_t i = 0; i < w->targets.count; i++) {
		struct hw_share_status status;

		hw_share_get_status(w->shares[i].share, &status);
		armed += status.armed;
		entries += status.entries;
	}
	fprintf(stderr, "\r\033[Khostwatch: arming: %lu directories, %lu entries", armed, entries);
	w->progress_shown = true;
}
