/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatchd: one process, in the foreground, until it is told to stop. */
#include "config.h"
#include "core.h"
#include "log.h"
#include "standard.h"
#include "suggest.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = { "error", "warning", "info", "debug" };

struct arguments {
	const char *file;
	int level; /* -1: as the file says */
	bool check;
};

struct daemon {
	struct hw_core *core; /* borrowed */
	int level;
	uv_signal_t signals[3];
};

static const struct {
	int number;
	bool reload;
} signals[] = { { SIGHUP, true }, { SIGTERM, false }, { SIGINT, false } };
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

static void print_help(void)
{
	printf("hostwatchd: tells guests what changes in directories that the host shares with "
	       "them\n"
	       "\n"
	       "usage: hostwatchd [-c FILE] [--check] [--log-level LEVEL]\n"
	       "\n"
	       "  -c, --config FILE      the configuration (default %s)\n"
	       "  -n, --check            read and check the configuration, then exit\n"
	       "  -l, --log-level LEVEL  error, warning, info or debug, whatever the file says\n"
	       "  -h, --help             this text\n"
	       "  -V, --version          the version\n"
	       "\n"
	       "It stays in the foreground and logs to stderr. SIGHUP reads the configuration "
	       "again; SIGTERM and SIGINT\n"
	       "stop it. Exit status: 0 stopped as asked, 1 could not run, %d mistakes in the "
	       "configuration.\n"
	       "See hostwatchd(8), hostwatch.conf(5).\n",
	       HW_CONFIG_DEFAULT, HW_EX_CONFIG);
}

static int parse_level(const char *text)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(text, level_names[i]) == 0)
			return i;
	}
	return -1;
}

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },    { "check", no_argument, NULL, 'n' },
		{ "log-level", required_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },         { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:nl:hV", options, NULL)) != -1) {
		if (c == 'c') {
			arguments->file = optarg;
		} else if (c == 'n') {
			arguments->check = true;
		} else if (c == 'l') {
			arguments->level = parse_level(optarg);
			if (arguments->level < 0) {
				fprintf(stderr, "hostwatchd: --log-level is error, warning, info "
						"or debug\n");
				return EXIT_FAILURE;
			}
		} else if (c == 'h') {
			print_help();
			return EXIT_SUCCESS;
		} else if (c == 'V') {
			printf("hostwatchd %s\n", HW_VERSION);
			return EXIT_SUCCESS;
		} else {
			return EXIT_FAILURE; /* getopt has said why */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hostwatchd: takes no arguments, only options: see --help\n");
		return EXIT_FAILURE;
	}
	return -1;
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;
	struct hw_errors errors = { 0 };

	if (number != SIGHUP) {
		hw_info("stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
		hw_core_drain(daemon->core);
		return;
	}
	(void)hw_core_reload(daemon->core, &errors); /* it logs what is wrong */
	hw_errors_free(&errors);
	if (daemon->level >= 0)
		hw_log_set_level((enum hw_log_level)daemon->level);
}

static int watch_signals(struct hw_loop *loop, struct daemon *daemon)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		int r = uv_signal_init(hw_loop_uv(loop), &daemon->signals[i]);

		if (r == 0) {
			daemon->signals[i].data = daemon;
			r = uv_signal_start(&daemon->signals[i], on_signal, signals[i].number);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Mistakes of the file are told apart from failures of the machine: a service manager need not try
 * again. */
static int exit_status(int r)
{
	if (r == 0)
		return EXIT_SUCCESS;
	return r == -EINVAL || r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EISDIR
		       ? HW_EX_CONFIG
		       : EXIT_FAILURE;
}

static int serve(struct hw_loop *loop, struct hw_core *core, const struct arguments *arguments,
		 struct hw_errors *errors)
{
	struct daemon daemon = { .core = core, .level = arguments->level };
	int r;

	/* Before the shares are armed: a stop that comes meanwhile is a stop as well. */
	r = watch_signals(loop, &daemon);
	if (r == 0)
		r = hw_core_start(core, errors);
	if (r == 0) {
		if (arguments->level >= 0)
			hw_log_set_level((enum hw_log_level)arguments->level);
		(void)hw_loop_run(loop); /* always 0 */
	}
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (daemon.signals[i].data)
			uv_close((uv_handle_t *)&daemon.signals[i], NULL);
	}
	hw_loop_turn(loop, 0); /* the handles lie in this frame */
	return r;
}

static int run(struct hw_loop *loop, const struct arguments *arguments)
{
	struct hw_errors errors = { 0 };
	struct hw_core *core;
	int r;

	r = hw_core_create(loop, arguments->file, &core);
	if (r < 0)
		return EXIT_FAILURE;
	if (arguments->check)
		r = hw_core_check(core, &errors);
	else
		r = serve(loop, core, arguments, &errors);
	if (arguments->check)
		hw_errors_print(&errors, stderr);
	else
		hw_errors_log(&errors);
	if (r < 0 && errors.total == 0)
		hw_error("%s", strerror(-r));
	hw_errors_free(&errors);
	hw_core_destroy(core);
	return exit_status(r);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .file = HW_CONFIG_DEFAULT, .level = -1 };
	struct hw_loop *loop;
	int status;

	hw_standard_begin();
	status = parse_arguments(argc, argv, &arguments);
	if (status >= 0)
		return hw_standard_end(status);
	if (arguments.level >= 0)
		hw_log_set_level((enum hw_log_level)arguments.level);
	(void)signal(SIGPIPE, SIG_IGN); /* peers that leave are errors of send() */
	(void)signal(SIGIO, SIG_IGN); /* leases that are broken */
	status = hw_loop_create(&loop);
	if (status < 0) {
		hw_error("cannot start: %s", strerror(-status));
		return EXIT_FAILURE;
	}
	status = run(loop, &arguments);
	hw_loop_destroy(loop);
	return status;
}
