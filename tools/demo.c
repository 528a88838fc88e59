/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch demo: shows that all watchers report the same events for one directory. */
#include "auto.h"
#include "demo_lane.h"
#include "demo_step.h"
#include "demo_view.h"
#include "log.h"
#include "standard.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LANES_MAX 8u
#define DEADLINE_NS (30 * HW_SEC) /* time limit for reporting one step */
#define TICK_DEADLINE_NS (100 * HW_MS) /* clocks of file times advance every 1 to 10 ms */
#define PACE_NS (300 * HW_MS) /* on a terminal */

struct settings {
	uint64_t pace_ns;
};

static const struct hw_arg args[] = {
	{ .name = "pace",
	  .letter = 'p',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Wait between steps (300ms on a terminal, else 0).",
	  .offset = offsetof(struct settings, pace_ns),
	  .max = 60 * HW_SEC },
};

const struct hw_command_line tool_demo_line = {
	.program = "hostwatch demo",
	.summary = "change a directory under all watchers and compare them",
	.synopsis = "[OPTION]... [DIR]",
	.about = "Changes a new directory below DIR ($TMPDIR, or /tmp) while every watcher watches "
		 "it, and shows side by side the events that each reports. Exits 0 when all of "
		 "them report the same events.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operands_max = 1,
	.complete = HW_COMPLETE_DIR,
};

struct demo {
	struct hw_loop *loop; /* owned */
	struct hw_io *caught; /* owned: wakes the loop when a signal ends the program */
	struct hw_loader *loader; /* owned */
	struct hw_demo_ground ground;
	struct hw_demo_lane lanes[LANES_MAX]; /* the working ones come first */
	size_t lane_count;
	const char *absent[LANES_MAX]; /* watchers that do not work on this system */
	size_t absent_count;
	struct hw_demo_view view;
	size_t shown, events, different, blind;
	/* the command line */
	const char *parent;
	uint64_t pace_ns;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* cannot fail: the clocks exist */
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* ---- waiting, while the loop runs ---- */

static int turn_for(struct demo *demo, uint64_t wait_ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + wait_ns, now;

	while (!hw_standard_caught() && (now = clock_ns(CLOCK_MONOTONIC)) < end)
		hw_loop_turn(demo->loop, (unsigned)((end - now) / HW_MS + 1));
	return hw_standard_caught() ? -EINTR : 0;
}

/* Waits until file times advance, so that the next change has a new time. */
static int wait_tick(struct demo *demo)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + TICK_DEADLINE_NS;
	uint64_t start = clock_ns(CLOCK_REALTIME_COARSE);

	while (clock_ns(CLOCK_REALTIME_COARSE) == start && clock_ns(CLOCK_MONOTONIC) < deadline)
		hw_loop_turn(demo->loop, 1);
	return hw_standard_caught() ? -EINTR : 0;
}

static bool all_online(const struct demo *demo)
{
	for (size_t i = 0; i < demo->lane_count; i++)
		if (hw_share_state(demo->lanes[i].share) != HW_SHARE_ONLINE)
			return false;
	return true;
}

static bool all_flushed(const struct demo *demo)
{
	for (size_t i = 0; i < demo->lane_count; i++)
		if (!demo->lanes[i].flushed)
			return false;
	return true;
}

static int wait_for(struct demo *demo, bool (*done)(const struct demo *))
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + DEADLINE_NS;

	while (!done(demo)) {
		if (hw_standard_caught())
			return -EINTR;
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return -ETIMEDOUT;
		hw_loop_turn(demo->loop, 50);
	}
	return 0;
}

/* ---- steps ---- */

static int observe(struct demo *demo)
{
	int r = wait_tick(demo);

	for (size_t i = 0; i < demo->lane_count && r == 0; i++)
		r = hw_demo_lane_flush(&demo->lanes[i]);
	if (r == 0)
		r = wait_for(demo, all_flushed);
	for (size_t i = 0; i < demo->lane_count && r == 0; i++)
		r = hw_demo_lane_collect(&demo->lanes[i]);
	return r;
}

/* Polling distinguishes a move out of the share from a deletion by opening the entry by its file
 * handle. If this is not permitted, the difference is a documented one and does not count. */
static bool is_blind(const struct hw_demo_lane *lane, size_t step)
{
	return hw_demo_step_leaves(step) && hw_demo_lane_found_gone(lane);
}

static void judge(struct demo *demo, size_t step)
{
	const struct hw_demo_lane *lanes = demo->lanes;
	bool same = true, blind = false;

	for (size_t i = 1; i < demo->lane_count; i++) {
		if (hw_demo_lane_equals(&lanes[0], &lanes[i]))
			continue;
		if (is_blind(&lanes[i], step))
			blind = true;
		else
			same = false;
	}
	demo->shown += same && !blind;
	demo->events += same && !blind ? lanes[0].count : 0;
	demo->blind += same && blind;
	demo->different += !same;
	if (!same)
		hw_demo_view_remark(&demo->view, HW_DEMO_BAD, "^ not the same");
	else if (blind)
		hw_demo_view_remark(&demo->view, HW_DEMO_NOTE,
				    "^ deleted, or moved out? a scan can tell only with file "
				    "handles and CAP_DAC_READ_SEARCH");
}

static int run_step(struct demo *demo, size_t step)
{
	const char *note, *title = hw_demo_step_title(step, &note);
	int r;

	hw_demo_view_heading(&demo->view, step + 1, title, note);
	r = hw_standard_flush();
	if (r == 0)
		r = turn_for(demo, demo->pace_ns);
	if (r < 0)
		return r;
	r = hw_demo_step_run(&demo->ground, step);
	if (r == -EOPNOTSUPP) {
		hw_demo_view_remark(&demo->view, HW_DEMO_NOTE,
				    "skipped: this filesystem does not support it");
		return 0;
	}
	if (r < 0) {
		hw_error("%s: %s", title, strerror(-r));
		return -ECANCELED;
	}
	r = observe(demo);
	if (r < 0)
		return r;
	hw_demo_view_events(&demo->view);
	judge(demo, step);
	return hw_standard_flush();
}

static int run_steps(struct demo *demo)
{
	int r = 0;

	for (size_t i = 0; i < hw_demo_step_count && r == 0; i++)
		r = run_step(demo, i);
	return r;
}

/* ---- the result ---- */

static void put_names(const struct demo *demo, FILE *to)
{
	for (size_t i = 0; i < demo->lane_count; i++)
		fprintf(to, "%s%s",
			!i                         ? ""
			: i + 1 < demo->lane_count ? ", "
						   : " and ",
			demo->lanes[i].name);
}

static int show_verdict(struct demo *demo)
{
	bool good = !demo->different && demo->shown;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return -ENOMEM;
	put_names(demo, to);
	if (good)
		fprintf(to, " reported the same %zu events in %zu steps.", demo->events,
			demo->shown);
	else
		fprintf(to, " did NOT report the same events: %zu steps differ, %zu do not.",
			demo->different, demo->shown);
	if (fclose(to) == 0) {
		putchar('\n');
		hw_demo_view_text(&demo->view, good ? HW_DEMO_GOOD : HW_DEMO_BAD, text);
	}
	free(text);
	return good ? EXIT_SUCCESS : HW_EXIT_FAILURE;
}

static void show_limits(struct demo *demo)
{
	char text[200];

	if (!demo->different && demo->shown && demo->blind) {
		(void)snprintf(text, sizeof(text),
			       "In %zu more steps something left the share, which a scan cannot "
			       "tell from a deletion here.",
			       demo->blind);
		hw_demo_view_text(&demo->view, HW_DEMO_PLAIN, text);
	}
	for (size_t i = 0; i < demo->absent_count; i++) {
		(void)snprintf(text, sizeof(text), "%s was not compared: it does not work here.",
			       demo->absent[i]);
		hw_demo_view_text(&demo->view, HW_DEMO_PLAIN, text);
	}
}

/* ---- creation and end ---- */

/* A watcher that does not work here has logged the reason; one that cannot be loaded means a broken
 * installation. */
static int start_lanes(struct demo *demo)
{
	for (size_t i = 0; i < hw_auto_watcher_count && i < LANES_MAX; i++) {
		struct hw_demo_lane *lane = &demo->lanes[demo->lane_count];
		int r;

		lane->name = hw_auto_watchers[i];
		r = hw_demo_lane_start(lane, demo->loop, demo->loader, demo->ground.share);
		if (r == 0) {
			demo->lane_count++;
			continue;
		}
		hw_demo_lane_stop(lane);
		if (r != -ENODEV)
			return -ECANCELED;
		demo->absent[demo->absent_count++] = lane->name;
	}
	if (demo->lane_count >= 2)
		return 0;
	hw_error("fewer than two watchers work here: there is nothing to compare");
	return -ECANCELED;
}

static int make_ground(struct demo *demo)
{
	char quoted[300];
	int r = hw_demo_ground_make(&demo->ground, demo->parent);

	if (r == 0)
		return 0;
	hw_error("%s: %s", hw_quote(quoted, sizeof(quoted), demo->parent, strlen(demo->parent)),
		 strerror(-r));
	return -ECANCELED;
}

/* The state is in the flag: hw_standard_caught(). */
static int on_caught(void *arg, struct hw_io *io, uint32_t events, uint32_t budget)
{
	(void)arg, (void)io, (void)events, (void)budget;
	return 1;
}

static int make(struct demo *demo)
{
	int r = make_ground(demo);

	if (r == 0)
		r = hw_loop_create(&demo->loop);
	if (r == 0)
		r = hw_io_add(demo->loop, hw_standard_caught_fd(), HW_IO_READ, on_caught, NULL,
			      &demo->caught);
	if (r == 0)
		r = hw_loader_create(&demo->loader);
	if (r == 0)
		r = hw_loader_add_defaults(demo->loader, NULL);
	if (r == 0)
		r = wait_tick(demo);
	if (r == 0)
		r = start_lanes(demo);
	if (r == 0)
		r = wait_for(demo, all_online);
	return r;
}

static void unmake(struct demo *demo)
{
	for (size_t i = 0; i < demo->lane_count; i++)
		hw_demo_lane_stop(&demo->lanes[i]);
	hw_loader_destroy(demo->loader);
	if (demo->caught)
		hw_io_del(demo->caught);
	hw_loop_destroy(demo->loop);
	hw_demo_ground_remove(&demo->ground);
}

static int show_beginning(struct demo *demo)
{
	const char *share = demo->ground.share;
	size_t size = 4 * strlen(share) + 3; /* each byte as \xHH, quotes */
	char *quoted = malloc(size), *text = NULL;

	if (quoted && asprintf(&text,
			       "%zu watchers watch %s. After each step, each of them reports what "
			       "it saw.",
			       demo->lane_count, hw_quote(quoted, size, share, strlen(share))) < 0)
		text = NULL;
	free(quoted);
	if (!text)
		return -ENOMEM;
	hw_demo_view_text(&demo->view, HW_DEMO_PLAIN, text);
	free(text);
	if (demo->view.width)
		putchar('\n');
	hw_demo_view_names(&demo->view);
	return 0;
}

/* Returns -ECANCELED for an error that is already logged. */
static int run(struct demo *demo)
{
	int r = make(demo);

	if (r < 0)
		return r;
	hw_demo_view_init(&demo->view, stdout, demo->lanes, demo->lane_count);
	r = show_beginning(demo);
	if (r == 0)
		r = run_steps(demo);
	if (r < 0)
		return r;
	r = show_verdict(demo);
	show_limits(demo);
	return r;
}

/* The end by a signal is not a failure; a failure of the output is reported at exit. */
static int exit_status(int r)
{
	if (r >= 0 || hw_standard_caught() || ferror(stdout))
		return r < 0 ? EXIT_SUCCESS : r;
	if (r != -ECANCELED)
		return hw_args_failure(&tool_demo_line, "demonstration aborted: %s", strerror(-r));
	return HW_EXIT_FAILURE;
}

/* ---- the command line ---- */

/* Returns -1, or the exit status if there is nothing to do. */
static int parse(struct demo *demo, int argc, char **argv)
{
	struct settings settings = { .pace_ns = isatty(STDOUT_FILENO) ? PACE_NS : 0 };
	const char *parent = getenv("TMPDIR");
	struct hw_operands operands;
	int status = hw_args_parse(&tool_demo_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	demo->parent = operands.count ? operands.items[0] : parent && *parent ? parent : "/tmp";
	demo->pace_ns = settings.pace_ns;
	return -1;
}

/* Wraps messages to the width of the terminal. */
static void log_line(const char *line)
{
	struct hw_demo_view view;

	hw_demo_view_init(&view, stderr, NULL, 0);
	hw_demo_view_text(&view, HW_DEMO_PLAIN, line);
}

int tool_demo(int argc, char **argv)
{
	static struct demo demo; /* large */
	int r, status = parse(&demo, argc, argv);

	if (status >= 0)
		return status;
	/* If a file size limit is reached, write() returns an error, as for a full disk. */
	(void)signal(SIGXFSZ, SIG_IGN);
	demo.ground.share_fd = -1;
	hw_log_set_fn(log_line);
	r = hw_standard_catch();
	if (r == 0)
		r = run(&demo);
	status = exit_status(r);
	unmake(&demo);
	return status;
}
