/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch watch: watches directories without a daemon and a configuration. */
#include "watch.h"
#include "bounds.h"
#include "pool.h"
#include "stage.h"
#include "tool.h"
#include "watch_run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_SETTLE_NS (50 * HW_MS)
#define KILL_AFTER_NS (5 * HW_SEC)
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
	HW_SELECT_ARGS(struct watch_settings, select,
		       "End after COUNT events, or with a command after COUNT runs."),
	{ .name = "settle",
	  .letter = 's',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Hold events back until nothing has changed for TIME, then print their net "
		  "effect. Off by default; 50ms with a command.",
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
	  .min = HW_INTERVAL_MIN_NS,
	  .max = HW_INTERVAL_MAX_NS },
	{ .name = "exit-after-idle",
	  .letter = 'e',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "End with exit status 3 when no event was printed, and no command ran, for TIME.",
	  .offset = FIELD(idle_ns),
	  .min = HW_MS,
	  .max = TIME_MAX },
	{ .name = "restart",
	  .letter = 'r',
	  .type = HW_ARG_FLAG,
	  .help = "Stop the command that runs and start it again, instead of waiting for its end.",
	  .offset = FIELD(restart) },
	{ .name = "kill-after",
	  .letter = 'k',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Send SIGKILL to a command that has not ended TIME after SIGTERM (5s).",
	  .offset = FIELD(kill_after_ns),
	  .min = HW_MS,
	  .max = TIME_MAX },
	{ .name = "initial",
	  .type = HW_ARG_FLAG,
	  .help = "Also run the command once at the start.",
	  .offset = FIELD(initial) },
	{ .name = "verbose",
	  .letter = 'v',
	  .type = HW_ARG_FLAG,
	  .help = "Print the events even if there is a command.",
	  .offset = FIELD(verbose) },
};

const struct hw_command_line tool_watch_line = {
	.program = "hostwatch watch",
	.summary = "print the events of directories, without a daemon",
	.synopsis = "[OPTION]... DIR...\n[OPTION]... DIR... -- COMMAND [ARGUMENT]...",
	.about =
		"Prints each change in the directories and everything below them, until it is "
		"interrupted. DIR may also be a file.\n\n"
		"With a COMMAND, runs it after each burst of changes instead: {} in it becomes the "
		"names that changed, $HOSTWATCH_EVENTS_FILE has the events. It does not run again "
		"for changes that it makes itself.",
	.footer = "TIME is a number with a unit (500us, 50ms, 1s, 2m); without a unit it is in "
		  "seconds.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "DIR",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.complete = HW_COMPLETE_FILE,
	.takes_command = true,
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
	/* The directory of watched files is not itself watched. */
	if (watched->target->is_file && event->kind != HW_RESCAN && event->path && !event->path_len)
		return false;
	return hw_select_wants(&w->settings.select, event->kind);
}

static bool is_done(const struct watch *w)
{
	return !w->runner && w->settings.select.count && w->printed >= w->settings.select.count;
}

/* Returns 1 if the event was taken or is not selected, 0 if there is no room. */
static int take_event(struct watch *w, struct watched *watched, const struct hw_event *event)
{
	if (!is_wanted(w, watched, event))
		return 1;
	HW_STAGE(HW_STAGE_ENCODE);
	if (hw_watch_prints(w) && hw_watch_print_event(w, watched, event) < 0)
		return 0;
	w->printed++;
	if (w->runner)
		hw_runner_take(w->runner, watched, event);
	else if (w->settings.idle_ns)
		hw_timer_set(w->idle, w->settings.idle_ns);
	if (is_done(w))
		hw_watch_stop(w, EXIT_SUCCESS);
	return 1;
}

/* Called if the output was so slow that the journal overwrote events. */
static void take_rescan(struct watch *w, struct watched *watched)
{
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_RESCAN,
		.seq = hw_share_seq(watched->share),
		.path = "",
	};

	/* The end of the journal always exists, and the buffer has room because it is not full. */
	(void)hw_share_cursor_init(watched->share, event.seq, &watched->cursor);
	(void)take_event(w, watched, &event);
}

/* Reads until the end of the journal, or until the output is full. */
static void read_journal(struct watch *w, struct watched *watched)
{
	struct hw_event event;
	int r = 1;

	while (r > 0 && !is_done(w) && !hw_output_is_full(&w->output) && !w->output.error) {
		struct hw_journal_cursor before = watched->cursor;

		r = hw_share_cursor_next(watched->share, &watched->cursor, &event);
		if (r < 0) {
			take_rescan(w, watched);
			r = 1;
		} else if (r > 0 && !take_event(w, watched, &event)) {
			watched->cursor = before;
			break;
		}
		hw_output_may_flush(&w->output);
	}
}

/* As hw_watch_stop(), but ends the command first. */
static void finish(struct watch *w, int status, int number)
{
	w->status = status;
	if (!w->runner || !hw_runner_end(w->runner, number))
		hw_watch_stop(w, status);
}

static void check_output(struct watch *w)
{
	int error = -w->output.error, status = EXIT_SUCCESS;

	if (!error || w->output_failed)
		return;
	w->output_failed = true;
	if (error != EPIPE)
		status = hw_args_failure(w->line, "standard output: %s", strerror(error));
	finish(w, status, SIGTERM);
}

void hw_watch_pull(struct watch *w)
{
	bool again = w->online;

	/* Repeats if a flush made room. */
	while (again && !w->output.error) {
		for (size_t i = 0; i < w->targets.count; i++)
			read_journal(w, &w->shares[i]);
		hw_watch_sync_answer(w);
		again = hw_output_is_full(&w->output) && !is_done(w);
		hw_output_flush(&w->output);
		again = again && !hw_output_is_full(&w->output);
	}
	check_output(w);
	if (w->online && w->runner)
		hw_runner_advance(w->runner);
}

static void on_drained(void *arg)
{
	hw_watch_pull(arg);
}

static bool all_online(const struct watch *w)
{
	for (size_t i = 0; i < w->targets.count; i++) {
		if (!w->shares[i].share || hw_share_state(w->shares[i].share) != HW_SHARE_ONLINE)
			return false;
	}
	return true;
}

static void begin(struct watch *w)
{
	w->online = true;
	hw_timer_set(w->progress, 0);
	for (size_t i = 0; i < w->targets.count; i++) {
		struct watched *watched = &w->shares[i];

		(void)hw_share_cursor_init(watched->share, hw_share_seq(watched->share),
					   &watched->cursor); /* the end always exists */
	}
	hw_watch_print_hello(w);
	if (w->settings.idle_ns)
		hw_timer_set(w->idle, w->settings.idle_ns);
	if (w->runner)
		hw_runner_begin(w->runner);
}

static void on_ready(void *arg, struct hw_share *share)
{
	struct watched *watched = arg;
	struct watch *w = watched->watch;

	(void)share;
	if (!w->online && all_online(w))
		begin(w);
	hw_watch_pull(w);
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
	finish(handle->data, EXIT_SUCCESS, number);
}

static int watch_signals(struct watch *w)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction hangup;
	int r = 0;

	(void)sigaction(SIGHUP, NULL, &hangup); /* valid arguments cannot fail */
	for (size_t i = 0; i < 3 && r == 0; i++) {
		if (numbers[i] == SIGHUP && hangup.sa_handler == SIG_IGN)
			continue; /* ignored, as by nohup(1) */
		r = uv_signal_init(hw_loop_uv(w->loop), &w->signals[i]);
		w->signals[i].data = w;
		if (r == 0)
			r = uv_signal_start(&w->signals[i], on_signal, numbers[i]);
	}
	return r;
}

/* ---- life ---- */

static int make_loop(struct watch *w)
{
	int r = hw_loop_create(&w->loop);

	if (r == 0)
		r = hw_pool_start(hw_loop_uv(w->loop)); /* libuv aborts if it cannot do it later */
	if (r == 0)
		r = watch_signals(w);
	if (r == 0)
		r = hw_watch_sync_init(w);
	if (r == 0)
		r = hw_timer_add(w->loop, idle_fired, w, &w->idle);
	if (r == 0)
		r = hw_timer_add(w->loop, progress_fired, w, &w->progress);
	return r == 0 ? 0 : hw_args_failure(w->line, "cannot start: %s", strerror(-r));
}

static int make_runner(struct watch *w)
{
	w->runner = calloc(1, sizeof(*w->runner));
	return w->runner ? hw_runner_init(w->runner, w, w->command, w->operands)
			 : hw_args_failure(w->line, "out of memory");
}

/* Returns 0, or an exit status. */
static int start(struct watch *w)
{
	int status = make_loop(w), r;

	if (status)
		return status;
	r = hw_output_init(&w->output, w->loop, on_drained, w);
	if (r < 0)
		return hw_args_failure(w->line, "standard output: %s", strerror(-r));
	status = hw_watch_print_init(w);
	if (!status && w->command)
		status = make_runner(w);
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
	if (w->runner)
		hw_runner_stop(w->runner);
	hw_watch_stop_shares(w);
	if (w->runner)
		hw_runner_free(w->runner);
	hw_watch_print_free(w);
	hw_timer_del(w->idle);
	hw_timer_del(w->progress);
	hw_loop_destroy(w->loop);
	free(w->runner);
}

/* Checks options that need a command, and sets defaults that differ with one. */
static int check_command(struct watch *w)
{
	const struct {
		bool given;
		const char *name;
	} options[] = {
		{ w->settings.restart, "restart" },
		{ w->settings.kill_after_ns, "kill-after" },
		{ w->settings.initial, "initial" },
		{ w->settings.verbose, "verbose" },
	};

	for (size_t i = 0; !w->command && i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].given)
			return hw_args_mistake(w->line, "--%s needs a command: DIR... -- COMMAND",
					       options[i].name);
	}
	if (w->command && !w->settings.settle_ns)
		w->settings.settle_ns = COMMAND_SETTLE_NS;
	if (!w->settings.kill_after_ns)
		w->settings.kill_after_ns = KILL_AFTER_NS;
	return -1;
}

static int copy_operands(struct watch *w, const struct hw_operands *operands)
{
	size_t count = (size_t)operands->count;

	w->command = operands->command;
	w->operands = calloc(count + 1, sizeof(*w->operands));
	if (!w->operands)
		return hw_args_failure(w->line, "out of memory");
	memcpy(w->operands, operands->items, count * sizeof(*w->operands));
	return -1;
}

/* Returns -1 to continue, else an exit status. */
static int prepare(struct watch *w, int argc, char **argv)
{
	struct hw_operands operands;
	int status = hw_args_parse(&tool_watch_line, argc, argv, &w->settings, &operands);

	if (status < 0)
		status = copy_operands(w, &operands);
	if (status < 0)
		status = check_command(w);
	if (status < 0)
		status = hw_select_prepare(&w->settings.select, &tool_watch_line);
	if (status < 0)
		status = hw_targets_find(&w->targets, &tool_watch_line, operands.items,
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
	hw_targets_free(&w.targets);
	hw_select_free(&w.settings.select);
	free(w.operands);
	return status;
}
