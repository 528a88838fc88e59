/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

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
	bool has_new_dir; /* a directory came into the share or was made in it */
	struct arrival {
		struct statx st;
		size_t leaves_before; /* number of moves out before it */
		bool proved; /* the records prove that it is from outside */
		bool strayed; /* no record proves where it was moved */
	} * arrivals; /* owned */
	size_t arrival_count;
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

/* ---- moves out of the share, and whether records prove them ---- */

static bool is_in(const struct hw_census *census, const struct statx *st)
{
	for (size_t i = 0; i < census->count; i++)
		if (hw_census_is_same(&census->entries[i].st, st))
			return true;
	return false;
}

static bool is_op(const struct hw_op *op, const char *name)
{
	size_t len = strlen(name);

	return !op->outside && !strncmp(op->text, name, len) && op->text[len] == ' ';
}

static bool stat_arg(const struct run *run, const struct hw_bytes *path, struct statx *ret)
{
	char name[PATH_MAX];
	int len = snprintf(name, sizeof(name), "%s/%.*s", run->world.root, (int)path->len,
			   path->data);

	return len > 0 && (size_t)len < sizeof(name) &&
	       !statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, ret);
}

static void note_leave(struct run *run, const struct statx *st)
{
	struct hw_stream *stream = run->stream;
	struct hw_burst_leave *leaves =
		reallocarray(stream->leaves, stream->leave_count + 1, sizeof(*leaves));

	if (!leaves)
		abort();
	stream->leaves = leaves;
	leaves[stream->leave_count++] =
		(struct hw_burst_leave){ .st = *st, .proved = !run->has_new_dir };
}

static void note_arrival(struct run *run, const struct statx *st)
{
	struct arrival *arrivals =
		reallocarray(run->arrivals, run->arrival_count + 1, sizeof(*arrivals));

	if (!arrivals)
		abort();
	run->arrivals = arrivals;
	arrivals[run->arrival_count++] = (struct arrival){
		.st = *st,
		.leaves_before = run->stream->leave_count,
		.proved = !run->has_new_dir,
	};
}

/* Returns whether this is in a directory that was not in the share before: no watcher may know it
 * yet. */
static bool is_in_new_dir(const struct run *run, const struct hw_bytes *path)
{
	struct hw_bytes dir = *path;
	struct statx st;

	while (dir.len && dir.data[dir.len - 1] != '/')
		dir.len--;
	return stat_arg(run, &dir, &st) && !is_in(&run->stream->before, &st);
}

static void note_strayed(struct run *run, const struct statx *st)
{
	for (size_t i = 0; i < run->arrival_count; i++)
		run->arrivals[i].strayed |=
			run->arrivals[i].proved && hw_census_is_same(&run->arrivals[i].st, st);
}

/* An entry that was moved out of such a directory is like one that came from outside. */
static void note_rename(struct run *run, const struct hw_bytes *from, const struct hw_bytes *to)
{
	struct statx st;

	if (!stat_arg(run, to, &st))
		return;
	if (is_in_new_dir(run, to))
		note_strayed(run, &st);
	else if (is_in_new_dir(run, from))
		note_arrival(run, &st);
}

static void note_before(struct run *run, const struct hw_op *op)
{
	struct statx st;

	if (!is_op(op, "moveout") || !stat_arg(run, &op->args[0], &st))
		return;
	if (run->has_new_dir)
		note_strayed(run, &st);
	note_leave(run, &st);
}

static void note_after(struct run *run, const struct hw_op *op)
{
	struct statx st;

	run->has_new_dir |= is_op(op, "mkdir");
	if (is_op(op, "rename") || is_op(op, "exchange"))
		note_rename(run, &op->args[0], &op->args[1]);
	if (is_op(op, "exchange"))
		note_rename(run, &op->args[1], &op->args[0]);
	if (!is_op(op, "movein") || !stat_arg(run, &op->args[1], &st))
		return;
	note_arrival(run, &st);
	run->has_new_dir |= S_ISDIR(st.stx_mode);
}

/* An entry that arrived and was removed may be one that left before. So may one that was moved
 * away while a directory was not watched. */
static void judge_leaves(struct run *run)
{
	for (size_t i = 0; i < run->arrival_count; i++)
		for (size_t k = 0; k < run->arrivals[i].leaves_before; k++)
			if (run->arrivals[i].strayed ||
			    !is_in(&run->stream->after, &run->arrivals[i].st))
				run->stream->leaves[k].proved = false;
}

static int burst_ops(struct run *run, const struct hw_ops *ops)
{
	int r = 0;

	for (size_t i = 0; !r && i < ops->count; i++) {
		note_before(run, &ops->items[i]);
		r = hw_op_run(&run->world, &ops->items[i]);
		note_after(run, &ops->items[i]);
	}
	return r;
}

static int burst(struct run *run, const struct hw_trace *trace, bool turning)
{
	int r = 0;

	for (size_t i = 0; !r && i < trace->step_count; i++) {
		r = burst_ops(run, &trace->steps[i].ops);
		if (turning)
			hw_rig_turn(run->rig, 0);
	}
	hw_clock_tick();
	if (!r)
		r = hw_rig_flush(run->rig);
	if (!r)
		r = hw_census_take(&run->world, &run->stream->after);
	judge_leaves(run);
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
	hw_rig_stop(run.rig);
	hw_model_destroy(run.model);
	hw_world_remove(&run.world);
	free(run.arrivals);
	return r;
}

void hw_stream_release(struct hw_stream *stream)
{
	for (size_t i = 0; i < stream->count; i++) {
		free(stream->events[i].path);
		free(stream->events[i].from);
		free(stream->events[i].text);
	}
	free(stream->events);
	hw_census_release(&stream->before);
	hw_census_release(&stream->after);
	free(stream->broken);
	free(stream->leaves);
	*stream = (struct hw_stream){ 0 };
}
