/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch watch: one directory, no daemon, no configuration. */
#include "candidates.h"
#include "loader.h"
#include "log.h"
#include "option.h"
#include "output.h"
#include "print.h"
#include "share.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXCLUDES_MAX 4096u
#define PROGRESS_NS (200 * HW_MS)
/* Room for what a comparison with the disk tells at once: half a million events. Pages are used
 * when they are needed. */
#define JOURNAL_BYTES (UINT64_C(64) << 20)

static const char usage[] =
	"usage: hostwatch watch [OPTION]... DIR\n"
	"\n"
	"Prints what happens to a directory and all below it, until interrupted.\n"
	"\n"
	"  -w, --watcher NAME         auto (default), fanotify, inotify, polling, or a list: the "
	"first that works\n"
	"  -j, --json                 one JSON object a line; the first, hello, once everything is "
	"watched\n"
	"  -s, --settle TIME          hold events until nothing happened for TIME, tell their net "
	"effect (off)\n"
	"  -i, --interval TIME        between polls, and how long a file is quiet before "
	"close_write (1s)\n"
	"  -x, --exclude GLOB         leave out what matches, as in .gitignore; may be repeated\n"
	"  -e, --exit-after-idle TIME end when nothing happened for TIME\n"
	"  -h, --help\n"
	"\n"
	"TIME is a number with a unit: 500us, 50ms, 1s, 2m.\n";

struct watch {
	struct hw_loop *loop;
	struct hw_loader *loader;
	struct hw_share *share;
	struct hw_output output;
	struct hw_journal_cursor cursor;
	struct hw_timer *idle, *progress; /* owned */
	FILE *text; /* owned: where a line for people is written before it goes to the output */
	char *text_bytes; /* owned: its memory */
	size_t text_size;
	uv_signal_t signals[2];
	bool json, colour, online, progress_shown;
	uint64_t idle_ns;
	int status;
	/* the command line */
	const char *dir, *watchers, *interval;
	const char *excludes[EXCLUDES_MAX];
	size_t exclude_count;
	uint64_t interval_ns, settle_ns;
};

/* ---- events ---- */

static void stop(struct watch *w, int status)
{
	w->status = status;
	hw_loop_stop(w->loop);
}

static int put_event(struct watch *w, const struct hw_event *event)
{
	if (w->json)
		return hw_json_put_event(&w->output.buf, hw_share_name(w->share), event);
	rewind(w->text);
	hw_print_event(w->text, event, NULL, w->colour);
	if (fflush(w->text) != 0)
		return -ENOMEM;
	return hw_buf_append(&w->output.buf, w->text_bytes, (size_t)ftell(w->text));
}

/* Standard output was too slow for longer than the journal holds. */
static void put_rescan(struct watch *w)
{
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_RESCAN,
		.seq = hw_share_seq(w->share),
		.path = "",
	};

	(void)hw_share_cursor_init(w->share, event.seq, &w->cursor); /* the end is always there */
	(void)put_event(w, &event); /* the buffer has room: it is not full */
}

static void check_output(struct watch *w)
{
	if (!w->output.error)
		return;
	if (w->output.error != -EPIPE)
		hw_error("standard output: %s", strerror(-w->output.error));
	stop(w, w->output.error == -EPIPE ? 0 : HW_EXIT_FAILURE);
}

static void pull(void *arg)
{
	struct watch *w = arg;
	struct hw_event event;
	int r = 1;

	while (w->online && r > 0 && !w->output.error) {
		while (!hw_output_is_full(&w->output) &&
		       (r = hw_share_cursor_next(w->share, &w->cursor, &event)) != 0) {
			if (r < 0)
				put_rescan(w);
			else if (put_event(w, &event) < 0)
				break;
		}
		hw_output_flush(&w->output);
		if (hw_output_is_full(&w->output))
			break;
	}
	check_output(w);
}

static void put_hello(struct watch *w)
{
	struct hw_share_info info = {
		.struct_size = sizeof(info),
		.state = hw_share_state(w->share),
		.name = hw_share_name(w->share),
		.epoch = hw_share_epoch(w->share),
		.seq = hw_share_seq(w->share),
	};

	if (w->json)
		(void)hw_json_put_hello(&w->output.buf, HW_VERSION, &info,
					1); /* the buffer is empty */
	hw_output_flush(&w->output);
}

static void say_who_watches(struct watch *w)
{
	struct hw_share_status status;
	char quoted[300];

	hw_share_get_status(w->share, &status);
	fprintf(stderr, "%shostwatch: %s watches %s (%s), %lu entries in %lu directories\n",
		w->progress_shown ? "\r\033[K" : "", status.backend,
		hw_quote(quoted, sizeof(quoted), w->dir, strlen(w->dir)), status.why,
		(unsigned long)status.entries, (unsigned long)status.directories);
}

static void on_ready(void *arg, struct hw_share *share)
{
	struct watch *w = arg;

	if (!w->online && hw_share_state(share) == HW_SHARE_ONLINE) {
		w->online = true;
		hw_timer_set(w->progress, 0);
		(void)hw_share_cursor_init(share, hw_share_seq(share),
					   &w->cursor); /* the end is always there */
		say_who_watches(w);
		put_hello(w);
	}
	if (w->idle_ns && w->online)
		hw_timer_set(w->idle, w->idle_ns);
	pull(w);
}

/* ---- timers and signals ---- */

static void idle_fired(void *arg, struct hw_timer *timer)
{
	(void)timer;
	stop(arg, 0);
}

static void progress_fired(void *arg, struct hw_timer *timer)
{
	struct watch *w = arg;
	struct hw_share_status status;

	hw_share_get_status(w->share, &status);
	fprintf(stderr, "\r\033[Khostwatch: arming: %lu directories, %lu entries",
		(unsigned long)status.armed, (unsigned long)status.entries);
	w->progress_shown = true;
	hw_timer_set(timer, PROGRESS_NS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data, 0);
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

/* ---- the share ---- */

static int make_share(struct watch *w)
{
	struct hw_share_config config = {
		.name = "watch",
		.path = w->dir,
		.excludes = w->excludes,
		.exclude_count = w->exclude_count,
		.interval_ns = w->interval_ns,
		.settle_ns = w->settle_ns,
		.journal_bytes = JOURNAL_BYTES,
		.explicit_watcher = strcmp(w->watchers, "auto") != 0,
	};
	int r = hw_share_create(w->loop, &config, &w->share);

	if (r == 0)
		r = hw_candidates_add(w->share, w->loop, w->loader, w->watchers, w->interval);
	if (r == 0)
		r = hw_share_listen(w->share, on_ready, w);
	return r;
}

static int start_share(struct watch *w)
{
	char quoted[300];
	int r = hw_share_start(w->share);

	if (r < 0 && r != -ENODEV) /* which was logged with its reasons */
		hw_error("%s: %s", hw_quote(quoted, sizeof(quoted), w->dir, strlen(w->dir)),
			 strerror(-r));
	if (r == 0 && isatty(STDERR_FILENO))
		hw_timer_set(w->progress, PROGRESS_NS);
	return r;
}

static int make_output(struct watch *w)
{
	int r = hw_output_init(&w->output, w->loop, pull, w);

	if (r < 0)
		hw_error("standard output: %s", strerror(-r));
	return r;
}

static int make(struct watch *w)
{
	int r = hw_loop_create(&w->loop);

	if (r < 0)
		hw_error("cannot start: %s", strerror(-r));
	if (r == 0)
		r = watch_signals(w);
	if (r == 0)
		r = make_output(w);
	if (r == 0)
		r = hw_timer_add(w->loop, idle_fired, w, &w->idle);
	if (r == 0)
		r = hw_timer_add(w->loop, progress_fired, w, &w->progress);
	if (r == 0) {
		w->text = open_memstream(&w->text_bytes, &w->text_size);
		r = w->text ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = hw_loader_create(&w->loader);
	if (r == 0)
		r = hw_loader_add_defaults(w->loader, NULL);
	if (r == 0)
		r = make_share(w);
	return r == 0 ? start_share(w) : r;
}

static void unmake(struct watch *w)
{
	if (w->output.loop)
		hw_output_free(&w->output);
	hw_share_destroy(w->share);
	hw_loader_destroy(w->loader);
	hw_timer_del(w->idle);
	hw_timer_del(w->progress);
	hw_loop_destroy(w->loop);
	if (w->text)
		(void)fclose(w->text); /* memory */
	free(w->text_bytes);
}

/* ---- the command line ---- */

static int parse_time(const char *name, const char *text, uint64_t *ret)
{
	const struct hw_option option = {
		.key = name,
		.type = HW_OPTION_DURATION,
		.min = HW_MS,
		.max = 24 * 3600 * HW_SEC,
	};
	char why[HW_OPTION_TEXT_MAX];

	if (hw_option_parse(&option, text, ret, why) == 0)
		return 0;
	fprintf(stderr, "hostwatch watch: --%s: %s\n", option.key, why);
	return -1;
}

static int take_option(struct watch *w, int c)
{
	switch (c) {
	case 'w':
		w->watchers = optarg;
		return 0;
	case 'j':
		w->json = true;
		return 0;
	case 's':
		return parse_time("settle", optarg, &w->settle_ns);
	case 'i':
		w->interval = optarg;
		return parse_time("interval", optarg, &w->interval_ns);
	case 'e':
		return parse_time("exit-after-idle", optarg, &w->idle_ns);
	case 'x':
		if (w->exclude_count == EXCLUDES_MAX) {
			fprintf(stderr, "hostwatch watch: more than %u --exclude\n", EXCLUDES_MAX);
			return -1;
		}
		w->excludes[w->exclude_count++] = optarg;
		return 0;
	default:
		fputs("Try 'hostwatch watch --help'.\n", stderr);
		return -1;
	}
}

/* -1, or the exit status when there is nothing to watch. */
static int parse(struct watch *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "watcher", required_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ "settle", required_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ "exclude", required_argument, NULL, 'x' },
		{ "exit-after-idle", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	w->watchers = "auto";
	while ((c = getopt_long(argc, argv, "w:js:i:x:e:h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (take_option(w, c) < 0)
			return HW_EXIT_USAGE;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "hostwatch watch: %s\n%s",
			optind == argc ? "which directory?" : "one directory only", usage);
		return HW_EXIT_USAGE;
	}
	w->dir = argv[optind];
	return -1;
}

int tool_watch(int argc, char **argv)
{
	static struct watch w; /* large */
	int r = parse(&w, argc, argv);

	if (r >= 0)
		return r;
	w.colour = !w.json && hw_print_in_colour(stdout);
	r = make(&w);
	if (r == 0)
		(void)hw_loop_run(w.loop);
	else
		w.status = HW_EXIT_FAILURE;
	unmake(&w);
	return w.status;
}
