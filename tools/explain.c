/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch explain: its command line, directories, progress. */
#include "explain.h"
#include "bounds.h"
#include "candidates.h"
#include "standard.h"
#include "target.h"
#include "tool.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_NS (200 * HW_MS)
#define FIELD(field) offsetof(struct hw_explain_settings, field)

static const struct hw_arg args[] = {
	{ .name = "config",
	  .letter = 'c',
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "Explain the shares of this configuration, or one of them.",
	  .offset = FIELD(config),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "watcher",
	  .letter = 'w',
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "auto (the default), fanotify, inotify, polling, or several separated by commas, "
		  "as for 'hostwatch watch'.",
	  .offset = FIELD(watchers),
	  .complete = HW_COMPLETE_WATCHER },
	{ .name = "exclude",
	  .letter = 'x',
	  .type = HW_ARG_TEXTS,
	  .value = "GLOB",
	  .help = "Leave out names that match, as in .gitignore. May be repeated.",
	  .offset = FIELD(select.excludes) },
	{ .name = "exclude-from",
	  .type = HW_ARG_TEXTS,
	  .value = "FILE",
	  .help = "Leave out names that match a line of FILE, which has the syntax of .gitignore. "
		  "May be repeated.",
	  .offset = FIELD(select.exclude_files),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "interval",
	  .letter = 'i',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Time between two scans of polling (1s).",
	  .offset = FIELD(interval_ns),
	  .min = HW_INTERVAL_MIN_NS,
	  .max = HW_INTERVAL_MAX_NS },
	{ .name = "no-count",
	  .type = HW_ARG_FLAG,
	  .help = "Do not count directories. The answer comes at once, but limits that are too low "
		  "are not found, and the cost of scanning is not known.",
	  .offset = FIELD(no_count) },
	{ .name = "json",
	  .letter = 'j',
	  .type = HW_ARG_FLAG,
	  .help = "Print one JSON object.",
	  .offset = FIELD(json) },
};

const struct hw_command_line tool_explain_line = {
	.program = "hostwatch explain",
	.summary = "which watcher each filesystem would get, and why",
	.synopsis = "[OPTION]... DIR...\n-c FILE [OPTION]... [SHARE]",
	.about = "Prints, for each filesystem in the directories or in the shares of FILE, which "
		 "watcher 'hostwatch watch' or the daemon would use there, how, what that costs, "
		 "and why it would not use the others. The result depends on the privileges and "
		 "limits of the user who runs the command. DIR may also be a file. SIGINT ends the "
		 "counting of a large directory; what was counted so far is printed.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "DIR",
	.operands_max = UINT_MAX,
	.complete = HW_COMPLETE_DIR,
};

/* ---- signals ---- */

static atomic_int interrupted; /* any thread may get the signal */

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* The first of these signals ends the counting, and the result is printed. During printing, a
 * signal ends the program, as described for hw_standard_catch(). */
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &action, NULL); /* cannot fail: the signals exist */
	(void)sigaction(SIGTERM, &action, NULL);
}

bool hw_explain_interrupted(void)
{
	return interrupted;
}

/* ---- one share ---- */

struct progress {
	bool wanted, shown;
	uint64_t last_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

static bool step(void *arg, const struct hw_survey *survey)
{
	struct progress *progress = arg;

	if (progress->wanted && now_ns() - progress->last_ns >= PROGRESS_NS) {
		progress->last_ns = now_ns();
		progress->shown = true;
		fprintf(stderr,
			"\r\033[Khostwatch explain: counting: %" PRIu64 " directories, %" PRIu64
			" entries",
			survey->directories, survey->entries);
	}
	return !interrupted;
}

struct hw_explained *hw_explain_add(struct hw_explaining *e, const char *name, const char *path)
{
	struct hw_explained *list = reallocarray(e->list, e->count + 1, sizeof(*list));

	if (!list)
		return NULL;
	e->list = list;
	list += e->count++;
	*list = (struct hw_explained){ .name = name, .path = path };
	return list;
}

int hw_explain_survey(struct hw_explaining *e, struct hw_explained *explained)
{
	struct progress progress = { .wanted = isatty(STDERR_FILENO), .last_ns = now_ns() };
	const struct hw_survey_how how = {
		.quotas = &e->quotas,
		.count = !e->settings.no_count,
		.step = step,
		.arg = &progress,
	};
	struct hw_share_status status;
	int r = hw_survey_share(explained->share, &how, &explained->survey);

	if (progress.shown)
		fputs("\r\033[K", stderr);
	if (r == 0)
		return EXIT_SUCCESS;
	hw_share_get_status(explained->share, &status);
	explained->error = strdup(status.why); /* NULL: printed to stderr only */
	if (explained->name)
		return hw_args_failure(&tool_explain_line, "share %s: %s", explained->name,
				       status.why);
	return hw_args_failure(&tool_explain_line, "%s", status.why);
}

/* ---- directories ---- */

static int create_share(struct hw_explaining *e, const struct hw_target *target,
			struct hw_share **ret)
{
	const struct hw_explain_settings *settings = &e->settings;
	struct hw_share_config config = { .name = "explain", .path = target->dir };
	const char **excludes =
		hw_target_excludes(target, settings->select.patterns,
				   settings->select.pattern_count, &config.exclude_count);
	const char *watchers = settings->watchers ? settings->watchers : "auto";
	char interval[32];
	int r;

	if (!excludes)
		return hw_args_failure(&tool_explain_line, "out of memory");
	config.excludes = excludes;
	r = hw_share_create(e->loop, &config, ret);
	free(excludes);
	(void)snprintf(interval, sizeof(interval), "%" PRIu64 "us", settings->interval_ns / 1000);
	if (r == 0)
		r = hw_candidates_add(*ret, e->loop, e->loader, watchers,
				      settings->interval_ns ? interval : NULL);
	return r < 0 ? hw_args_failure(&tool_explain_line, "cannot start: %s", strerror(-r)) : 0;
}

static int check_watchers(const struct hw_explaining *e)
{
	struct hw_errors errors = { 0 };
	int r = e->settings.watchers ? hw_candidates_load(e->loader, e->settings.watchers, &errors)
				     : 0;
	int status = 0;

	if (r < 0)
		status = hw_args_mistake(&tool_explain_line, "--watcher: %s",
					 errors.count ? errors.lines[0] : strerror(-r));
	hw_errors_free(&errors);
	return status;
}

static int explain_target(struct hw_explaining *e, const struct hw_target *target)
{
	struct hw_explained *explained = hw_explain_add(e, NULL, target->given);
	int status;

	if (!explained)
		return hw_args_failure(&tool_explain_line, "out of memory");
	status = create_share(e, target, &explained->share);
	return status ? status : hw_explain_survey(e, explained);
}

static int explain_targets(struct hw_explaining *e, const struct hw_targets *targets)
{
	int status = EXIT_SUCCESS;

	if (hw_loader_add_defaults(e->loader, NULL) < 0)
		return hw_args_failure(&tool_explain_line, "out of memory");
	status = check_watchers(e);
	if (status)
		return status;
	for (size_t i = 0; i < targets->count && !hw_standard_caught(); i++)
		if (explain_target(e, &targets->items[i]))
			status = HW_EXIT_FAILURE;
	return status;
}

/* ---- all shares ---- */

static void print(const struct hw_explaining *e)
{
	if (e->settings.json) {
		hw_explain_print_json(e->settings.config, e->list, e->count, stdout);
		return;
	}
	for (size_t i = 0; i < e->count; i++) {
		if (i)
			putchar('\n');
		hw_explain_print(&e->list[i], stdout);
	}
}

static int run(struct hw_explaining *e, const struct hw_operands *operands)
{
	struct hw_targets targets = { 0 };
	int status = -1;

	if (!e->settings.config)
		status = hw_targets_find(&targets, &tool_explain_line, operands->items,
					 operands->count);
	catch_signals();
	if (status < 0 && (hw_loop_create(&e->loop) < 0 || hw_loader_create(&e->loader) < 0))
		status = hw_args_failure(&tool_explain_line, "cannot start");
	if (status < 0 && e->settings.config)
		status = hw_explain_config(e, operands->count ? operands->items[0] : NULL);
	else if (status < 0)
		status = explain_targets(e, &targets);
	if (e->count && hw_standard_catch() == 0)
		print(e);
	for (size_t i = 0; i < e->count; i++) {
		hw_survey_free(&e->list[i].survey);
		hw_share_destroy(e->list[i].share);
		free(e->list[i].error);
	}
	free(e->list);
	hw_config_free(e->config);
	hw_loader_destroy(e->loader);
	hw_loop_destroy(e->loop);
	hw_targets_free(&targets);
	return status;
}

/* Returns -1, or an exit status. */
static int check(const struct hw_explain_settings *settings, const struct hw_operands *operands)
{
	const struct hw_select *select = &settings->select;
	const char *needless = settings->watchers            ? "--watcher"
			       : settings->interval_ns       ? "--interval"
			       : select->excludes.count      ? "--exclude"
			       : select->exclude_files.count ? "--exclude-from"
							     : NULL;

	if (settings->config && needless)
		return hw_args_mistake(&tool_explain_line,
				       "%s: not with --config; the configuration sets this",
				       needless);
	if (settings->config && operands->count > 1)
		return hw_args_mistake(&tool_explain_line, "one share, or all of them");
	if (!settings->config && operands->count == 0)
		return hw_args_mistake(&tool_explain_line, "DIR is missing");
	return -1;
}

int tool_explain(int argc, char **argv)
{
	struct hw_explaining e = { 0 };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_explain_line, argc, argv, &e.settings, &operands);

	if (status < 0)
		status = check(&e.settings, &operands);
	if (status < 0)
		status = hw_select_prepare(&e.settings.select, &tool_explain_line);
	if (status < 0)
		status = run(&e, &operands);
	hw_select_free(&e.settings.select);
	return status;
}
