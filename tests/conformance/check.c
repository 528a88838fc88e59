/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "ops.h"

#include "tests/common/needs.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SNAPSHOT_NS (60 * INT64_C(1000000000))
#define BURST_SETTLE_NS (60 * UINT64_C(1000000000))

/* One run of one trace under one watcher. */
struct run {
	const struct hw_trace *trace;
	const char *backend;
	FILE *report;
	struct hw_world world;
	char *state; /* owned: the directory of the state; NULL: no state is kept */
	struct hw_rig *rig; /* owned */
	struct hw_model *model; /* owned: replays the stream */
	struct hw_lines got; /* owned: since the last clear() */
	enum hw_verdict verdict;
};

static bool keeps_state;

void hw_check_keep_state(void)
{
	keeps_state = true;
}

static void clear(struct hw_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i].text);
	free(lines->items);
	*lines = (struct hw_lines){ 0 };
}

static void fail(struct run *run, unsigned line, const char *what, int error)
{
	fprintf(run->report, "%s:%u: %s: %s%s%s\n", run->trace->path, line, run->backend, what,
		error ? ": " : "", error ? strerror(-error) : "");
	run->verdict = HW_FAIL;
}

/* Runs the setup, in the lower layer if there is one. The overlayfs is mounted at the end, or
 * before an operation that opens a file or mounts something, which must happen in the merged
 * directory. */
static void set_up(struct run *run)
{
	const struct hw_ops *ops = &run->trace->setup;
	int r = 0;

	for (size_t i = 0; i < ops->count && !r; i++) {
		if (hw_op_needs_merged(&ops->items[i]))
			r = hw_world_merge(&run->world);
		if (r)
			break;
		r = hw_op_run(&run->world, &ops->items[i]);
		if (r)
			fail(run, ops->items[i].line, ops->items[i].text, r);
	}
	r = hw_world_merge(&run->world);
	if (r)
		fail(run, 0, "mounting the overlayfs", r);
}

static void run_ops(struct run *run, const struct hw_ops *ops)
{
	for (size_t i = 0; i < ops->count; i++) {
		int r = hw_op_run(&run->world, &ops->items[i]);

		if (r)
			fail(run, ops->items[i].line, ops->items[i].text, r);
	}
}

static int keep(struct hw_lines *lines, const struct hw_event *event)
{
	struct hw_line *items = reallocarray(lines->items, lines->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	lines->items = items;
	items[lines->count] = (struct hw_line){ .text = hw_notation_text(event) };
	return items[lines->count++].text ? 0 : -ENOMEM;
}

/* Reads and replays all events in the journal. */
static void collect(struct run *run, unsigned line)
{
	char why[160] = "";
	struct hw_event event;
	int r;

	while ((r = hw_rig_next(run->rig, &event)) > 0) {
		r = keep(&run->got, &event);
		if (!r)
			r = hw_model_apply(run->model, &event, why, sizeof(why));
		if (r) {
			fail(run, line, "not a consistent history", r);
			fprintf(run->report, "  %s: %s\n", run->got.items[run->got.count - 1].text,
				why);
		}
	}
	if (r < 0)
		fail(run, line, "the journal", r);
}

static void observe(struct run *run, unsigned line)
{
	hw_clock_tick();
	int r = hw_rig_flush(run->rig);

	if (r)
		fail(run, line, "flush", r);
	else
		collect(run, line);
}

static bool skips(const struct run *run, const struct hw_line *line)
{
	bool polling = !strcmp(run->backend, "polling");

	return line->where == (polling ? HW_NOT_POLLING : HW_POLLING_ONLY);
}

static bool is_expected(const struct run *run, const struct hw_lines *expected,
			const struct hw_lines *got)
{
	size_t k = 0;

	for (size_t i = 0; i < expected->count; i++) {
		if (skips(run, &expected->items[i]))
			continue;
		if (k == got->count || strcmp(expected->items[i].text, got->items[k].text))
			return false;
		k++;
	}
	return k == got->count;
}

static void show(FILE *report, const char *title, const struct hw_lines *lines)
{
	fprintf(report, "  %s:%s\n", title, lines->count ? "" : " nothing");
	for (size_t i = 0; i < lines->count; i++)
		fprintf(report, "    %s\n", lines->items[i].text);
}

static void judge(struct run *run, const struct hw_lines *expected, unsigned line, const char *what)
{
	if (is_expected(run, expected, &run->got))
		return;
	fail(run, line, what, 0);
	show(run->report, "expected", expected);
	show(run->report, "got", &run->got);
}

static void compare_with_disk(struct run *run)
{
	struct hw_model *truth;

	/* While the root does not exist, the share is offline and reports nothing. */
	if (access(run->world.root, F_OK) || hw_model_create(&truth))
		return;
	int r = hw_model_load_but(truth, run->world.root, (const char *const *)run->trace->excludes,
				  run->trace->exclude_count);
	if (r || hw_model_compare(run->model, truth, run->report))
		fail(run, 0, "the replayed stream is not what is on disk", r);
	hw_model_destroy(truth);
}

static void compare_with_share(struct run *run)
{
	struct hw_model *tree;

	if (hw_model_create(&tree))
		return;
	int r = hw_rig_snapshot(run->rig, tree);
	if (r || hw_model_compare(run->model, tree, run->report))
		fail(run, 0, "the replayed stream is not the share's own tree", r);
	hw_model_destroy(tree);
}

static const char *exception(const struct run *run, const struct hw_place *place)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s/%s", place->name, run->backend);
	for (size_t i = 0; i < run->trace->exception_count; i++)
		if (!fnmatch(run->trace->exceptions[i].pattern, name, 0) !=
		    run->trace->exceptions[i].only)
			return run->trace->exceptions[i].reason;
	return NULL;
}

/* Returns NULL, or the reason why this run is not possible at `place`. */
static const char *lacks(const struct run *run, const struct hw_place *place)
{
	const char *parent = place->path;
	const struct hw_trace *trace = run->trace;
	bool polls = !strcmp(run->backend, "polling");
	unsigned needs = trace->needs | (polls ? trace->polling_needs : 0);
	const char *reason = exception(run, place);

	if (!reason && needs & HW_TRACE_CHOWN)
		reason = hw_lacks_chown(parent);
	if (!reason && needs & HW_TRACE_MKNOD)
		reason = hw_lacks_mknod(parent);
	if (!reason && (needs & HW_TRACE_MOUNT || place->lower))
		reason = hw_lacks_mounts();
	if (!reason && needs & HW_TRACE_HANDLES)
		reason = place->lower ? "file handles of this overlayfs cannot be opened"
				      : hw_lacks_handles(parent);
	return reason;
}

/* Probes first: the probe for mounts may move this process into another mount namespace, where
 * nothing can be mounted on directories that are already open. */
static bool prepare(struct run *run, const struct hw_place *place)
{
	const char *reason = lacks(run, place);

	if (reason) {
		fprintf(run->report, "%s\n", reason);
		run->verdict = HW_SKIP;
		return false;
	}
	int r = hw_world_create(&run->world, place);

	if (!r && keeps_state) {
		run->state = hw_scratch_create(place->path);
		r = run->state ? 0 : -EIO;
	}
	if (r)
		fail(run, 0, place->path, r);
	return r == 0;
}

/* Waits for the snapshot. The process that writes it has, for a moment, the descriptors of this
 * one, so that a close of a file would not be the last one. */
static int await_state(struct run *run)
{
	int64_t deadline = hw_clock_monotonic_ns() + SNAPSHOT_NS;
	int dir = open(run->state, O_PATH | O_DIRECTORY | O_CLOEXEC), r = dir < 0 ? -errno : 0;

	while (r == 0 && faccessat(dir, "test.open", F_OK, 0) < 0) {
		if (hw_clock_monotonic_ns() > deadline)
			r = -ETIMEDOUT;
		hw_rig_turn(run->rig, 10);
	}
	if (dir >= 0)
		(void)close(dir); /* nothing was written */
	return r;
}

static bool start(struct run *run, const struct hw_rig_plugin *plugin, uint64_t settle_ns)
{
	const struct hw_rig_config config = {
		.backend = run->backend,
		.plugin = plugin,
		.root = run->world.root,
		.excludes = (const char *const *)run->trace->excludes,
		.exclude_count = run->trace->exclude_count,
		.settle_ns = settle_ns,
		.state_dir = run->state,
	};
	const char *why;
	int r = hw_model_create(&run->model);

	set_up(run);
	hw_clock_tick();
	if (!r && run->verdict == HW_PASS)
		r = hw_rig_start(&config, &run->rig, &why);
	if (!r && run->rig && run->state)
		r = await_state(run);
	if (r == -EOPNOTSUPP) {
		fprintf(run->report, "%s: %s\n", run->backend, why);
		run->verdict = HW_SKIP;
	} else if (r) {
		fail(run, 0, "start", r);
	} else if (run->verdict == HW_PASS && hw_rig_snapshot(run->rig, run->model)) {
		fail(run, 0, "snapshot", 0);
	}
	return run->verdict == HW_PASS;
}

static void finish(struct run *run)
{
	if (run->rig) {
		compare_with_share(run);
		compare_with_disk(run);
	}
	hw_rig_stop(run->rig);
	hw_model_destroy(run->model);
	hw_world_remove(&run->world);
	if (run->state)
		hw_scratch_remove(run->state);
}

static unsigned line_of(const struct hw_step *step)
{
	return step->ops.count ? step->ops.items[0].line : 0;
}

enum hw_verdict hw_check_steps(const struct hw_trace *trace, const char *backend,
			       const struct hw_rig_plugin *plugin, const struct hw_place *place,
			       FILE *report)
{
	struct run run = { .trace = trace, .backend = backend, .report = report, .world.fd = -1 };

	if (prepare(&run, place) && start(&run, plugin, trace->settle_ns))
		for (size_t i = 0; i < trace->step_count; i++) {
			const struct hw_step *step = &trace->steps[i];

			run_ops(&run, &step->ops);
			observe(&run, line_of(step));
			judge(&run, &step->events, line_of(step), "not the expected events");
			clear(&run.got);
		}
	finish(&run);
	clear(&run.got);
	return run.verdict;
}

/* ---- bursts ---- */

/* Keeps the stream in run->got. */
static void burst(struct run *run, const struct hw_place *place, bool turning)
{
	const struct hw_trace *trace = run->trace;

	if (prepare(run, place) && start(run, NULL, BURST_SETTLE_NS)) {
		for (size_t i = 0; i < trace->step_count; i++) {
			run_ops(run, &trace->steps[i].ops);
			if (turning)
				hw_rig_turn(run->rig, 0);
		}
		observe(run, 0);
	}
	finish(run);
}

static bool is_same(const struct hw_lines *a, const struct hw_lines *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = !strcmp(a->items[i].text, b->items[i].text);
	return same;
}

enum hw_verdict hw_check_burst(const struct hw_trace *trace, const struct hw_place *place,
			       bool turning, FILE *report)
{
	struct hw_lines first = { 0 };
	const char *first_backend = NULL;
	enum hw_verdict verdict = HW_SKIP;

	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct run run = { .trace = trace,
				   .backend = hw_rig_backends[i],
				   .report = report,
				   .world.fd = -1 };

		burst(&run, place, turning);
		if (run.verdict == HW_PASS && trace->has_burst)
			judge(&run, &trace->burst, 0, "not the expected burst");
		if (run.verdict != HW_SKIP && first_backend && !is_same(&first, &run.got)) {
			fail(&run, 0, "the burst is told in another way than by", 0);
			show(report, first_backend, &first);
			show(report, run.backend, &run.got);
		}
		if (run.verdict != HW_SKIP && (verdict != HW_FAIL))
			verdict = run.verdict;
		if (run.verdict != HW_SKIP && !first_backend) {
			first_backend = run.backend;
			first = run.got;
		} else {
			clear(&run.got);
		}
	}
	clear(&first);
	return verdict;
}
