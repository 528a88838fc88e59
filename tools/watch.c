/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch watch: directories, without a daemon and a configuration. */
#include "watch.h"
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS (200 * HW_MS)
#define TIME_MAX (24 * 3600 * HW_SEC)

/* ---- the command line ---- */

#define FIELD(name) offsetof(struct watch_settings, name)

static const struct hw_arg args[] = {
	{ .name = "watcher",
	  .letter = 'w',
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "auto (the default), fanotify, inotify, polling, or several separated by commas: "
		  "each filesystem gets the first that works there.",
	  .offset = FIELD(watchers),
	  .complete = HW_COMPLETE_WATCHER },
	{ .name = "json",
	  .letter = 'j',
	  .type = HW_ARG_FLAG,
	  .help = "Print JSON lines. The first, hello, is printed when everything is watched.",
	  .offset = FIELD(json) },
	HW_SELECT_ARGS(struct watch_settings, select, "End after COUNT events."),
	{ .name = "settle",
	  .letter = 's',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Hold events back until nothing has changed for TIME, then print their net "
		  "effect. Off by default.",
	  .offset = FIELD(settle_ns),
	  .min = HW_MS,
	  .max = TIME_MAX },
	{ .name = "interval",
	  .letter = 'i',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Time between two scans of polling, and how long a file must stay unchanged to "
		  "count as closed if its close cannot be detected (1s).",
	  .offset = FIELD(interval_ns),
	  .min = HW_MS,
	  .max = TIME_MAX },
	{ .name = "exit-after-idle",
	  .letter = 'e',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "End with exit status 3 when no event was printed for TIME.",
	  .offset = FIELD(idle_ns),
	  .min = HW_MS,
	  .max = TIME_MAX },
};

const struct hw_command_line tool_watch_line = {
	.program = "hostwatch watch",
	.summary = "print the events of directories, without a daemon",
	.synopsis = "[OPTION]... DIR...",
	.about = "Prints each change in the directories and everything below them, until it is "
		 "interrupted. DIR may also be a file.",
	.footer = "TIME is a number with a unit (500us, 50ms, 1s, 2m); without a unit it is in "
		  "seconds.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "DIR",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.complete = HW_COMPLETE_FILE,
};

/* ---- events ---- */

void hw_watch_stop(struct watch *w, int status)
{
	w->status = status;
	hw_loop_stop(w->loop);
}

static bool is_wanted(const struct watch *w, const struct watched *watched,
		      const struct hw_event *event)
{
	/* The directory of files that are watched is not one of them. */
	if (watched->place->is_file && event->kind != HW_RESCAN && event->path && !event->path_len)
		return false;
	return hw_select_wants(&w->settings.select, event->kind);
}

/* 1 for an event that was printed or is not wanted, 0: it has no room. */
static int take_event(struct watch *w, struct watched *watched, const struct hw_event *event)
{
	if (!is_wanted(w, watched, event))
		return 1;
	if (hw_watch_print_event(w, watched, event) < 0)
		return 0;
	w->printed++;
	if (w->settings.idle_ns)
		hw_timer_set(w->idle, w->settings.idle_ns);
	if (w->printed == w->settings.select.count)
		hw_watch_stop(w, EXIT_SUCCESS);
	return 1;
}

static bool is_done(const struct watch *w)
{
	return w->settings.select.count && w->printed >= w->settings.select.count;
}

/* Standard output was too slow for longer than the journal holds. */
static void take_rescan(struct watch *w, struct watched *watched)
{
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_RESCAN,
		.seq = hw_share_seq(watched->share),
		.path = "",
	};

	/* The end is always there, and the buffer has room: it is not full. */
	(void)hw_share_cursor_init(watched->share, event.seq, &watched->cursor);
	(void)take_event(w, watched, &event);
}

/* Until the journal is read or the output is full. */
static void read_journal(struct watch *w, struct watched *watched)
{
	struct hw_event event;
	int r = 1;

	while (r > 0 && !is_done(w) && !hw_output_is_full(&w->output)) {
		struct hw_journal_cursor before = watched->cursor;

		r = hw_share_cursor_next(watched->share, &watched->cursor, &event);
		if (r < 0) {
			take_rescan(w, watched);
			r = 1;
		} else if (r > 0 && !take_event(w, watched, &event)) {
			watched->cursor = before;
			break;
		}
	}
}

static void check_output(struct watch *w)
{
	int error = -w->output.error;

	if (!error)
		return;
	if (error == EPIPE)
		hw_watch_stop(w, EXIT_SUCCESS);
	else
		hw_watch_stop(w, hw_args_failure(w->line, "standard output: %s", strerror(error)));
}

static void pull(void *arg)
{
	struct watch *w = arg;
	bool again = w->online;

	/* Once more where a flush made room again. */
	while (again && !w->output.error) {
		for (size_t i = 0; i < w->places.count; i++)
			read_journal(w, &w->shares[i]);
		again = hw_output_is_full(&w->output) && !is_done(w);
		hw_output_flush(&w->output);
		again = again && !hw_output_is_full(&w->output);
	}
	check_output(w);
}

static bool all_online(const struct watch *w)
{
	for (size_t i = 0; i < w->places.count; i++) {
		if (!w->shares[i].share || hw_share_state(w->shares[i].share) != HW_SHARE_ONLINE)
			return false;
	}
	return true;
}

static void begin(struct watch *w)
{
	w->online = true;
	hw_timer_set(w->progress, 0);
	for (size_t i = 0; i < w->places.count; i++) {
		struct watched *watched = &w->shares[i];

		(void)hw_share_cursor_init(watched->share, hw_share_seq(watched->share),
					   &watched->cursor); /* the end is always there */
	}
	hw_watch_print_hello(w);
	if (w->settings.idle_ns)
		hw_timer_set(w->idle, w->settings.idle_ns);
}

static void on_ready(void *arg, struct hw_share *share)
{
	struct watched *watched = arg;
	struct watch *w = watched->watch;

	(void)share;
	if (!w->online && all_online(w))
		begin(w);
	pull(w);
}

/* ---- timers and signals ---- */

static void idle_fired(void *arg, struct hw_timer *timer)
{
	(void)timer;
	hw_watch_stop(arg, HW_EXIT_IDLE);
}

static void progress_fired(void *arg, struct hw_timer *timer)
{
	hw_watch_print_progress(arg);
	hw_timer_set(timer, PROGRESS_NS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	hw_watch_stop(handle->data, EXIT_SUCCESS);
}

static int watch_signals(struct watch *w)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	int r = 0;

	for (size_t i = 0; i < 2 && r == 0; i++) {
		r = uv_signal_init(hw_loop_uv(w->loop), &w->signals[i]);
		w->signals[i].data = w;
		if (r == 0)
			r = uv_signal_start(&w->signals[i], on_signal, numbers[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that left is an error of write(2) */
	return r;
}

/* ---- life ---- */

static int make_loop(struct watch *w)
{
	int r = hw_loop_create(&w->loop);

	if (r == 0)
		r = watch_signals(w);
	if (r == 0)
		r = hw_timer_add(w->loop, idle_fired, w, &w->idle);
	if (r == 0)
		r = hw_timer_add(w->loop, progress_fired, w, &w->progress);
	return r == 0 ? 0 : hw_args_failure(w->line, "cannot start: %s", strerror(-r));
}

/* 0, or an exit status. */
static int start(struct watch *w)
{
	int status = make_loop(w), r;

	if (status)
		return status;
	r = hw_output_init(&w->output, w->loop, pull, w);
	if (r < 0)
		return hw_args_failure(w->line, "standard output: %s", strerror(-r));
	status = hw_watch_print_init(w);
	if (!status)
		status = hw_watch_start_shares(w, on_ready);
	if (!status && isatty(STDERR_FILENO))
		hw_timer_set(w->progress, PROGRESS_NS);
	return status;
}

static void end(struct watch *w)
{
	if (w->output.loop)
		hw_output_free(&w->output);
	hw_watch_stop_shares(w);
	hw_watch_print_free(w);
	hw_timer_del(w->idle);
	hw_timer_del(w->progress);
	hw_loop_destroy(w->loop);
}

/* -1 to go on, else an exit status. */
static int prepare(struct watch *w, int argc, char **argv)
{
	struct hw_operands operands;
	int status = hw_args_parse(&tool_watch_line, argc, argv, &w->settings, &operands);

	if (status < 0)
		status = hw_select_prepare(&w->settings.select, &tool_watch_line);
	if (status < 0)
		status = hw_places_find(&w->places, &tool_watch_line, operands.items,
					operands.count);
	return status;
}

int tool_watch(int argc, char **argv)
{
	struct watch w = { .line = &tool_watch_line, .settings = { .watchers = "auto" } };
	int status = prepare(&w, argc, argv);

	if (status < 0) {
		w.status = start(&w);
		if (!w.status)
			(void)hw_loop_run(w.loop);
		end(&w);
		status = w.status;
	}
	hw_places_free(&w.places);
	hw_select_free(&w.settings.select);
	return status;
}
