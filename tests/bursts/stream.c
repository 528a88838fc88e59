/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include "trail.h"

#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/conformance/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLE_NS (60 * UINT64_C(1000000000)) /* longer than any burst; a flush ends the window */

/* The state of one run. */
struct run {
	struct hw_stream *stream;
	struct hw_world world;
	struct hw_rig *rig; /* owned */
	struct hw_model *model; /* owned: replays the stream */
	const struct hw_op *last; /* borrowed: see struct hw_passing */
};

__attribute__((format(printf, 2, 3))) static void note_broken(struct run *run, const char *format,
							      ...)
{
	va_list ap;

	if (run->stream->broken)
		return;
	va_start(ap, format);
	if (vasprintf(&run->stream->broken, format, ap) < 0)
		abort();
	va_end(ap);
}

static int keep(struct hw_stream *stream, const struct hw_event *event)
{
	struct hw_burst_event *events =
		reallocarray(stream->events, stream->count + 1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	stream->events = events;
	struct hw_burst_event *e = &events[stream->count++];
	*e = (struct hw_burst_event){
		.kind = event->kind,
		.flags = event->flags,
		.path = event->path ? strndup(event->path, event->path_len) : NULL,
		.from = event->from ? strndup(event->from, event->from_len) : NULL,
		.text = hw_notation_text(event),
	};
	return e->text ? 0 : -ENOMEM;
}

static int collect(struct run *run)
{
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(run->rig, &event)) > 0) {
		r = keep(run->stream, &event);
		if (r)
			return r;
		r = hw_model_apply(run->model, &event, why, sizeof(why));
		if (r)
			note_broken(run, "not a consistent history: %s", why);
	}
	return r;
}

static void compare(struct run *run)
{
	struct hw_model *truth;
	char *text = NULL;
	size_t size;
	FILE *report = open_memstream(&text, &size);

	if (!report || hw_model_create(&truth))
		abort();
	int r = hw_model_load(truth, run->world.root);
	size_t wrong = hw_model_compare(run->model, truth, report);

	(void)fclose(report); /* memory */
	if (r || wrong)
		note_broken(run, "not what is on disk: %s", text);
	free(text);
	hw_model_destroy(truth);
}

static int run_ops(struct run *run, const struct hw_ops *ops)
{
	int r = 0;

	for (size_t i = 0; !r && i < ops->count; i++)
		r = hw_op_run(&run->world, &ops->items[i]);
	return r;
}

static int start(struct run *run, const struct hw_trace *trace,
		 const struct hw_stream_config *stream)
{
	struct hw_rig_config config = { .backend = stream->backend, .settle_ns = SETTLE_NS };
	const char *why;
	int r = hw_world_create(&run->world, stream->place);

	config.root = run->world.root;
	if (!r)
		r = run_ops(run, &trace->setup);
	if (!r)
		r = hw_census_take(&run->world, &run->stream->before);
	if (!r)
		r = hw_model_create(&run->model);
	hw_clock_tick();
	if (!r)
		r = hw_rig_start(&config, &run->rig, &why);
	return r ? r : hw_rig_snapshot(run->rig, run->model);
}

static int burst_ops(struct run *run, const struct hw_ops *ops)
{
	int r = 0;

	for (size_t i = 0; !r && i < ops->count; i++) {
		struct hw_passing passing = {
			.passages = &run->stream->passages,
			.before = &run->stream->before,
			.root = run->world.root,
			.op = &ops->items[i],
			.last = run->last,
		};

		hw_passing_begin(&passing);
		r = hw_op_run(&run->world, passing.op);
		hw_passing_end(&passing);
		run->last = passing.op;
	}
	return r;
}

static int burst(struct run *run, const struct hw_trace *trace, bool turning)
{
	int r = 0;

	for (size_t i = 0; !r && i < trace->step_count; i++) {
		r = burst_ops(run, &trace->steps[i].ops);
		if (!turning)
			continue;
		hw_rig_turn(run->rig, 0);
		run->last = NULL;
	}
	hw_clock_tick();
	if (!r)
		r = hw_rig_flush(run->rig);
	if (!r)
		r = hw_census_take(&run->world, &run->stream->after);
	hw_passages_judge(&run->stream->passages, &run->stream->before, &run->stream->after);
	return r ? r : collect(run);
}

int hw_stream_run(const struct hw_trace *trace, const struct hw_stream_config *config,
		  struct hw_stream *ret)
{
	struct run run = { .stream = ret };

	*ret = (struct hw_stream){ .backend = config->backend };
	int r = start(&run, trace, config);
	if (!r)
		r = burst(&run, trace, config->turning);
	if (!r)
		compare(&run);
	if (!r)
		hw_trail_events(ret);
	hw_rig_stop(run.rig);
	hw_model_destroy(run.model);
	hw_world_remove(&run.world);
	return r;
}

void hw_stream_release(struct hw_stream *stream)
{
	for (size_t i = 0; i < stream->count; i++) {
		free(stream->events[i].path);
		free(stream->events[i].from);
		free(stream->events[i].before);
		free(stream->events[i].after);
		free(stream->events[i].text);
	}
	free(stream->events);
	hw_census_release(&stream->before);
	hw_census_release(&stream->after);
	free(stream->broken);
	hw_passages_free(&stream->passages);
	*stream = (struct hw_stream){ 0 };
}
