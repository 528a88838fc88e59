/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch explain DIR */
#include "auto.h"
#include "clean.h"
#include "instance.h"
#include "loader.h"
#include "log.h"
#include "loop.h"
#include "mounts.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCHERS_MAX 8u

static const char usage[] = "usage: hostwatch explain DIR\n"
			    "\n"
			    "For each filesystem mounted at or below DIR: which watcher `watcher = "
			    "auto` would choose, how it\n"
			    "would watch, why those before it would not do, and which others "
			    "would.\n";

/* One watcher of auto, started or not. */
struct candidate {
	const char *name;
	struct hw_instance *instance; /* owned; NULL when it could not be loaded */
	struct hw_errors errors; /* why not */
	int error; /* of open() or start() */
	char note[1024]; /* how it would watch the filesystem of the last refusal() */
};

struct explain {
	struct candidate candidates[WATCHERS_MAX];
	size_t count;
};

static void prepare(struct candidate *candidate, struct hw_loop *loop, struct hw_loader *loader)
{
	const struct hw_module *module;

	if (hw_loader_load(loader, HW_PLUGIN_WATCHER, candidate->name, &candidate->errors,
			   &module) < 0)
		return;
	if (hw_instance_create(loop, &module->plugin, candidate->name, NULL, 0, &candidate->errors,
			       &candidate->instance) < 0)
		return;
	candidate->error = hw_instance_open(candidate->instance);
	if (candidate->error == 0)
		candidate->error = hw_instance_start(candidate->instance);
}

/* NULL when the candidate can watch there, else why not. */
static const char *refusal(struct candidate *candidate, int dirfd)
{
	struct hw_instance *instance = candidate->instance;
	int r = candidate->error;

	if (!instance)
		return candidate->errors.count ? candidate->errors.lines[0] : "not loaded";
	candidate->note[0] = '\0';
	if (r == 0)
		r = hw_instance_probe(instance, dirfd);
	if (r >= 0) {
		(void)hw_clean(candidate->note, sizeof(candidate->note), instance->reason);
		return NULL;
	}
	return *instance->reason ? instance->reason : strerror(-r);
}

static void print_candidate(const struct candidate *candidate, const char *reason, bool chosen)
{
	char clean[1024];

	if (reason)
		printf("  %-9s no: %s\n", candidate->name, hw_clean(clean, sizeof(clean), reason));
	else if (!chosen)
		printf("  %-9s would do too%s%s\n", candidate->name, *candidate->note ? ": " : "",
		       candidate->note);
	else if (*candidate->note)
		printf("  %-9s %s\n", candidate->name, candidate->note);
}

static void explain_mount(struct explain *explain, const char *path, const char *type)
{
	const char *reasons[WATCHERS_MAX];
	char quoted[512], quoted_type[64];
	const char *chosen = NULL;
	int fd;

	hw_quote(quoted, sizeof(quoted), path, strlen(path));
	hw_quote(quoted_type, sizeof(quoted_type), type, strlen(type));
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (errno !=
		    ENOTDIR) /* a single file mounted there is part of the directory around it */
			printf("%s %s: %s\n", quoted, quoted_type, strerror(errno));
		return;
	}
	for (size_t i = 0; i < explain->count; i++) {
		reasons[i] = refusal(&explain->candidates[i], fd);
		if (!reasons[i] && !chosen)
			chosen = explain->candidates[i].name;
	}
	(void)close(fd); /* O_PATH */
	printf("%s %s: %s\n", quoted, quoted_type, chosen ? chosen : "no watcher");
	for (size_t i = 0; i < explain->count; i++) {
		const struct candidate *candidate = &explain->candidates[i];

		print_candidate(candidate, reasons[i], candidate->name == chosen);
	}
}

static int on_mount(void *arg, uint64_t id, const char *path, const char *type)
{
	(void)id;
	explain_mount(arg, path, type);
	return 0;
}

static int explain_dir(struct hw_loop *loop, struct hw_loader *loader, const char *dir)
{
	struct explain explain = { 0 };
	int r;

	for (size_t i = 0; i < hw_auto_watcher_count && i < WATCHERS_MAX; i++) {
		explain.candidates[i].name = hw_auto_watchers[i];
		prepare(&explain.candidates[i], loop, loader);
		explain.count++;
	}
	r = hw_mounts_walk(dir, on_mount, &explain);
	for (size_t i = 0; i < explain.count; i++) {
		hw_instance_destroy(explain.candidates[i].instance);
		hw_errors_free(&explain.candidates[i].errors);
	}
	return r;
}

static int run(const char *dir)
{
	struct hw_loader *loader = NULL;
	struct hw_loop *loop = NULL;
	char quoted[512];
	int r;

	r = hw_loop_create(&loop);
	if (r == 0)
		r = hw_loader_create(&loader);
	if (r == 0)
		r = hw_loader_add_defaults(loader, NULL);
	if (r == 0)
		r = explain_dir(loop, loader, dir);
	if (r < 0)
		fprintf(stderr, "hostwatch explain: %s: %s\n",
			hw_quote(quoted, sizeof(quoted), dir, strlen(dir)), strerror(-r));
	hw_loop_destroy(loop);
	hw_loader_destroy(loader);
	return r < 0 ? HW_EXIT_FAILURE : EXIT_SUCCESS;
}

int tool_explain(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		fputs(usage, c == 'h' ? stdout : stderr);
		return c == 'h' ? EXIT_SUCCESS : HW_EXIT_USAGE;
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return HW_EXIT_USAGE;
	}
	return run(argv[optind]);
}
