/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch bench: checks the command line and runs the script bench/run with it. */
#include "beside.h"
#include "log.h"
#include "suggest.h"
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT "bench/run"
#define SINKS "print|socket|virtiofs"
#define PERF "none|stat|record"
#define WORDS_MAX 64u /* of the script's command line */
#define COUNT_MAX 10000000u

static const char *const scenarios[] = {
	"drain",   "storm",  "fill",     "append",   "rename",  "race",     "replay",
	"latency", "leave",  "idle",     "overflow", "arm",     "sizes",    "depths",
	"poll",    "fanout", "snapshot", "resume",   "restart", "recovery", "shares",
};
#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

struct settings {
	const char *watchers, *readers, *peers, *dir, *json, *plots, *cold;
	struct hw_words plugins, workloads;
	uint32_t sinks, perf;
	uint64_t rounds, files, changes, idle; /* 0: the default of the script */
	bool quick, where;
};
#define AT(field) .offset = offsetof(struct settings, field)

static const struct hw_arg args[] = {
	{ "watchers", 'w', HW_ARG_TEXT, "LIST",
	  "Watchers to measure, separated by commas (inotify,fanotify,polling).", AT(watchers),
	  .complete = HW_COMPLETE_WATCHER },
	{ "watcher", 'W', HW_ARG_TEXTS, "FILE",
	  "Also measure the watcher in this plugin file. May be repeated.", AT(plugins),
	  .complete = HW_COMPLETE_FILE },
	{ "sinks", 0, HW_ARG_SET, "LIST",
	  "The way of the events: print (the default) is hostwatch watch --json; socket is "
	  "hostwatchd with a subscriber on a unix socket; virtiofs is hostwatchd with a reader of "
	  "frames in the place of a guest.",
	  AT(sinks), .choices = SINKS },
	{ "peers", 'p', HW_ARG_TEXT, "LIST",
	  "Other programs to measure: auto (the default) takes those that are installed, none "
	  "takes none, or names of them separated by commas.",
	  AT(peers) },
	{ "readers", 0, HW_ARG_TEXT, "LIST",
	  "Minimal readers of the kernel's interfaces to measure: count, print, stat, nap, or none "
	  "(all of them; print with --quick).",
	  AT(readers) },
	{ "rounds", 'r', HW_ARG_NUMBER, "N", "Rounds (6); fewer than 6 give no verdict.",
	  AT(rounds), 1, 1000 },
	{ "dir", 'd', HW_ARG_TEXT, "DIR",
	  "Measure in a new directory below DIR, which is removed at the end (.).", AT(dir),
	  .complete = HW_COMPLETE_DIR },
	{ "json", 'j', HW_ARG_TEXT, "FILE", "Also write all results to FILE.", AT(json),
	  .complete = HW_COMPLETE_FILE },
	{ "plots", 0, HW_ARG_TEXT, "DIR", "Also draw the results with gnuplot, into DIR.",
	  AT(plots), .complete = HW_COMPLETE_DIR },
	{ "perf", 0, HW_ARG_CHOICE, "MODE",
	  "stat: count cycles, system calls and other events of each program with perf(1). record: "
	  "record where it spends its time. none (the default).",
	  AT(perf), .choices = PERF },
	{ "workload", 0, HW_ARG_TEXTS, "FILE",
	  "Replay this recorded workload instead of those that are installed. May be repeated.",
	  AT(workloads), .complete = HW_COMPLETE_FILE },
	{ "files", 0, HW_ARG_NUMBER, "N",
	  "Files of the large tree: arm, poll, idle, recovery and others (100000).", AT(files), 100,
	  COUNT_MAX },
	{ "changes", 0, HW_ARG_NUMBER, "N", "Changes of each scenario that makes many (20000).",
	  AT(changes), 100, COUNT_MAX },
	{ "idle", 0, HW_ARG_NUMBER, "SECONDS", "Time of scenario idle (10).", AT(idle), 1, 60 },
	{ "cold", 0, HW_ARG_TEXT, "COMMAND",
	  "A shell command that makes the caches cold: arm and poll are also measured after it.",
	  AT(cold) },
	{ "quick", 'q', HW_ARG_FLAG, NULL,
	  "One round with small numbers and without other programs, less than a minute.",
	  AT(quick) },
	{ "where", 0, HW_ARG_FLAG, NULL,
	  "Instead of scenarios: where the time from the kernel's queue to the output goes, and "
	  "the system calls for each event.",
	  AT(where) },
};

const struct hw_command_line tool_bench_line = {
	.program = "hostwatch bench",
	.summary = "measure the cost of watching, and what gets lost",
	.synopsis = "[OPTION]... [SCENARIO]...",
	.about = "Measures how much CPU time, latency and memory it costs to watch a directory, "
		 "with "
		 "the watchers of hostwatch, with other programs, and with minimal readers of the "
		 "kernel's interfaces (raw-inotify, raw-fanotify) as the limit. Prints beside each "
		 "cost how many changes were not reported, and how many reports were wrong.\n\n"
		 "The scenarios are drain, storm, fill, append, rename, race, replay, latency, "
		 "leave, idle, "
		 "overflow, arm, sizes, depths, poll, fanout, snapshot, resume, restart, recovery "
		 "and shares; the default is all of them.",
	.footer = "The exit status is 1 if hostwatch lost a change. hostwatch-bench(1) describes "
		  "the scenarios and the results.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "SCENARIO",
	.operands_max = UINT_MAX,
	.choices = "drain|storm|fill|append|rename|race|replay|latency|leave|idle|overflow|arm|"
		   "poll|fanout|"
		   "snapshot|resume|restart|recovery|sizes|depths|shares",
};

struct words {
	char *items[WORDS_MAX + 1]; /* owned; ends with NULL */
	size_t count;
};

/* Adds "KEY=VALUE". */
static int add_text(struct words *words, const char *key, const char *value)
{
	if (words->count == WORDS_MAX)
		return -E2BIG;
	if (asprintf(&words->items[words->count], "%s=%s", key, value) < 0) {
		words->items[words->count] = NULL;
		return -ENOMEM;
	}
	words->count++;
	return 0;
}

static int add_number(struct words *words, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return value ? add_text(words, key, text) : 0;
}

/* Adds the word of choices with this number. */
static int add_choice(struct words *words, const char *key, const char *choices, uint32_t number)
{
	char text[32];

	while (number--)
		choices = strchr(choices, '|') + 1;
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(choices, "|"), choices);
	return add_text(words, key, text);
}

static int add_settings(struct words *words, const struct settings *settings)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "watchers", settings->watchers }, { "peers", settings->peers },
		{ "dir", settings->dir },           { "json", settings->json },
		{ "plots", settings->plots },       { "readers", settings->readers },
		{ "cold", settings->cold },
	};
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "rounds", settings->rounds },   { "files", settings->files },
		{ "changes", settings->changes }, { "quick", settings->quick },
		{ "where", settings->where },     { "idle", settings->idle },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = texts[i].value ? add_text(words, texts[i].key, texts[i].value) : 0;
	for (size_t i = 0; r == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		r = add_number(words, numbers[i].key, numbers[i].value);
	for (uint32_t bit = 0; r == 0 && settings->sinks >> bit; bit++)
		r = settings->sinks >> bit & 1 ? add_choice(words, "sink", SINKS, bit) : 0;
	for (size_t i = 0; r == 0 && i < settings->plugins.count; i++)
		r = add_text(words, "plugin", settings->plugins.items[i]);
	for (size_t i = 0; r == 0 && i < settings->workloads.count; i++)
		r = add_text(words, "workload", settings->workloads.items[i]);
	return r < 0 ? r : add_choice(words, "perf", PERF, settings->perf);
}

static int add_scenarios(struct words *words, const struct hw_operands *operands)
{
	int r = 0;

	for (int i = 0; r == 0 && i < operands->count; i++)
		r = add_text(words, "scenario", operands->items[i]);
	return r;
}

/* Returns -1 if all scenarios exist, else the exit status. */
static int check_scenarios(const struct hw_operands *operands)
{
	for (int i = 0; i < operands->count; i++) {
		const char *name = operands->items[i], *meant;
		char quoted[100];
		size_t at = 0;

		while (at < SCENARIO_COUNT && strcmp(scenarios[at], name) != 0)
			at++;
		if (at < SCENARIO_COUNT)
			continue;
		meant = hw_suggest(name, scenarios, SCENARIO_COUNT);
		return hw_args_mistake(&tool_bench_line, "%s: no such scenario%s%s%s",
				       hw_quote(quoted, sizeof(quoted), name, strlen(name)),
				       meant ? ", did you mean " : "", meant ? meant : "",
				       meant ? "?" : "");
	}
	return -1;
}

/* Returns the exit status, as it only returns if the script does not run. */
static int run_script(struct words *words)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0)
		return hw_args_failure(&tool_bench_line, "cannot read /proc/self/exe: %s",
				       strerror(errno));
	self[len] = '\0';
	if (setenv("HOSTWATCH_BENCH_PROGRAM", self, 1) < 0)
		return hw_args_failure(&tool_bench_line, "%s", strerror(errno));
	return hw_args_failure(&tool_bench_line, "cannot run " SCRIPT ": %s",
			       strerror(hw_beside_exec(SCRIPT, words->items)));
}

static int run_bench(const struct settings *settings, const struct hw_operands *operands)
{
	struct words words = { 0 };
	int status = check_scenarios(operands), r;

	if (status >= 0)
		return status;
	r = add_text(&words, "hostwatch bench", HW_VERSION);
	if (r == 0)
		r = add_settings(&words, settings);
	if (r == 0)
		r = add_scenarios(&words, operands);
	status = r < 0 ? hw_args_failure(&tool_bench_line, "%s", strerror(-r)) : run_script(&words);
	for (size_t i = 0; i < words.count; i++)
		free(words.items[i]);
	return status;
}

int tool_bench(int argc, char **argv)
{
	struct settings settings = { 0 };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_bench_line, argc, argv, &settings, &operands);

	if (status < 0)
		status = run_bench(&settings, &operands);
	hw_words_free(&settings.plugins);
	hw_words_free(&settings.workloads);
	return status;
}
