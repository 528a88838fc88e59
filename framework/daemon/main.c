/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatchd: one process, in the foreground, until a signal ends it. */
#include "apart.h"
#include "args.h"
#include "capabilities.h"
#include "config.h"
#include "control.h"
#include "core.h"
#include "defaults.h"
#include "log.h"
#include "remote.h"
#include "standard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = { SIGHUP, SIGUSR1, SIGTERM, SIGINT };
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

struct arguments {
	const char *file;
	uint32_t level; /* enum hw_log_level, or LEVEL_OF_FILE */
	bool check;
};
#define LEVEL_OF_FILE UINT32_MAX

struct daemon {
	struct hw_core *core; /* borrowed */
	uv_signal_t signals[SIGNAL_COUNT];
};

static const struct hw_arg args[] = {
	{ .name = "config",
	  .letter = 'c',
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "The configuration. Default: " HW_SYSTEM_CONFIG ", of an ordinary user "
		  "$XDG_CONFIG_HOME/hostwatch/hostwatch.conf.",
	  .offset = offsetof(struct arguments, file),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "check",
	  .letter = 'n',
	  .help = "Check the configuration like hostwatch check, then exit.",
	  .offset = offsetof(struct arguments, check) },
	{ .name = "log-level",
	  .letter = 'l',
	  .type = HW_ARG_CHOICE,
	  .value = "LEVEL",
	  .help = "error, warning, info or debug. Overrides log_level of the configuration, from "
		  "the first line to the last.",
	  .offset = offsetof(struct arguments, level),
	  .choices = "error|warning|info|debug" },
};

static const struct hw_command_line line = {
	.program = "hostwatchd",
	.summary = "report changes in shared directories to guests and programs",
	.synopsis = "[OPTION]...",
	.about = "Watches the directories that the configuration names and sends their changes to "
		 "guests and local programs. Stays in the foreground and logs to standard error.",
	.footer = "SIGHUP reads the configuration again, SIGUSR1 logs the state of every share, "
		  "sink and receiver, SIGTERM and SIGINT end the program.\n\n"
		  "Exit status: 0 ended as asked, 1 failure, 2 wrong command line, 78 mistakes in "
		  "the configuration. See hostwatchd(8) and hostwatch.conf(5).",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.has_version = true,
};

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;
	struct hw_errors errors = { 0 };

	switch (number) {
	case SIGHUP:
		(void)hw_core_reload(daemon->core, &errors); /* it logs its errors */
		hw_errors_free(&errors);
		break;
	case SIGUSR1:
		hw_core_log_state(daemon->core);
		break;
	default:
		hw_info("stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
		hw_core_drain(daemon->core);
	}
}

/* libuv aborts if a thread, a pipe or memory that it needs is refused. The process still ends by
 * SIGABRT, so that a core is dumped. */
static void on_abort(int number)
{
	static const char text[] =
		"hostwatchd: error: aborted: the system refused a thread, a descriptor or memory, "
		"or this is a bug; see the limits of the process (TasksMax=, LimitNOFILE=, "
		"LimitAS=, MemoryMax= of the service)\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1); /* nothing else can be done */
}

static int watch_signals(struct hw_loop *loop, struct daemon *daemon)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		int r = uv_signal_init(hw_loop_uv(loop), &daemon->signals[i]);

		if (r == 0) {
			daemon->signals[i].data = daemon;
			r = uv_signal_start(&daemon->signals[i], on_signal, signals[i]);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Mistakes of the file have a different exit status than failures of the machine, so that a service
 * manager does not retry. */
static int exit_status(int r)
{
	if (r == 0)
		return EXIT_SUCCESS;
	return r == -EINVAL || r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EISDIR
		       ? HW_EXIT_CONFIG
		       : HW_EXIT_FAILURE;
}

/* The directory of sockets belongs to the user that the daemon becomes. */
static int choose_owner(const char *user)
{
	uid_t uid;
	gid_t gid;
	int r = hw_user_find(user, &uid, &gid);

	if (r > 0)
		hw_default_set_owner(uid, gid);
	return r < 0 ? r : 0; /* the user existed when the configuration was read */
}

/* The control socket comes first: a second daemon fails there, before it starts anything. */
static int start(struct hw_loop *loop, struct hw_core *core, struct hw_errors *errors,
		 struct hw_control **ret)
{
	int r = hw_core_load(core, errors);

	if (r == 0)
		r = choose_owner(hw_core_config(core)->user);
	if (r == 0)
		r = hw_control_create(loop, core, hw_core_config(core)->control, errors, ret);
	return r < 0 ? r : hw_core_start(core, errors);
}

static int serve(struct hw_loop *loop, struct hw_core *core, struct hw_errors *errors,
		 struct hw_control **ret_control)
{
	struct daemon daemon = { .core = core };
	int r;

	/* A signal to stop may arrive while the shares are arming. */
	r = watch_signals(loop, &daemon);
	if (r == 0)
		r = start(loop, core, errors, ret_control);
	if (r == 0)
		(void)hw_loop_run(loop); /* always 0 */
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (daemon.signals[i].data)
			uv_close((uv_handle_t *)&daemon.signals[i], NULL);
	}
	hw_loop_turn(loop, 0); /* closes the handles, which are on this stack frame */
	return r;
}

static int check(struct hw_core *core, struct hw_errors *errors)
{
	struct hw_errors warnings = { 0 };
	int r = hw_core_check(core, errors, &warnings);

	hw_errors_print(errors, stderr);
	hw_errors_print(&warnings, stderr);
	if (r < 0 && errors->total + warnings.total == 0)
		hw_error("%s", strerror(-r));
	hw_errors_free(&warnings);
	return r;
}

static int run(struct hw_loop *loop, const struct arguments *arguments)
{
	struct hw_errors errors = { 0 };
	struct hw_control *control = NULL;
	struct hw_core *core;
	int r;

	r = hw_core_create(loop, arguments->file, &core);
	if (r < 0) {
		hw_error("cannot start: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	if (arguments->check) {
		r = check(core, &errors);
	} else {
		hw_core_confine(core);
		r = serve(loop, core, &errors, &control);
		hw_errors_log(&errors);
		if (r < 0 && errors.total == 0)
			hw_error("%s", strerror(-r));
	}
	hw_errors_free(&errors);
	hw_core_destroy(core);
	hw_control_destroy(control);
	return exit_status(r);
}

/* Uses the default configuration unless the command line names one. Returns -1, or an exit status.
 * */
static int find_file(struct arguments *arguments, char path[HW_DEFAULT_PATH_MAX])
{
	char quoted[300];

	if (arguments->file)
		return -1;
	if (hw_default_config(path) < 0) {
		(void)hw_args_failure(&line, "no configuration: neither XDG_CONFIG_HOME nor HOME "
					     "is set; name one with -c FILE");
		return HW_EXIT_CONFIG;
	}
	arguments->file = path;
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return -1;
	(void)hw_args_failure(&line,
			      "%s: there is no such file: write one, as hostwatch.conf(5) "
			      "describes, or name another with -c FILE",
			      hw_quote(quoted, sizeof(quoted), path, strlen(path)));
	return HW_EXIT_CONFIG;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .level = LEVEL_OF_FILE };
	char path[HW_DEFAULT_PATH_MAX];
	struct hw_operands operands;
	struct hw_loop *loop;
	int status;

	hw_standard_begin();
	status = hw_args_parse(&line, argc, argv, &arguments, &operands);
	if (status >= 0)
		return hw_standard_end(status);
	if (arguments.level != LEVEL_OF_FILE)
		hw_log_fix_level((enum hw_log_level)arguments.level);
	status = find_file(&arguments, path);
	if (status >= 0)
		return status;
	(void)signal(SIGPIPE, SIG_IGN); /* send() returns an error if a peer disconnected */
	(void)signal(SIGIO, SIG_IGN); /* sent when a lease is broken */
	(void)signal(SIGUSR1, SIG_IGN); /* until the loop handles it */
	(void)signal(SIGABRT, on_abort);
	status = hw_loop_create(&loop);
	if (status < 0)
		return hw_args_failure(&line, "cannot start: %s", strerror(-status));
	status = run(loop, &arguments);
	/* A child waits for a filesystem, and shares the memory and the descriptors: thread.c. */
	if (hw_loop_has_dropped(loop) || hw_aparts_are_silent()) {
		(void)!chdir("/"); /* for the child, too, like the following */
		hw_remote_close_others();
		_exit(status); /* nothing is buffered: the log is written at once */
	}
	hw_loop_destroy(loop);
	return status;
}
