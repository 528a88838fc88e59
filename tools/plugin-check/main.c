/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-plugin-check: the program behind `hostwatch plugin-check`. */
#include "guard.h"
#include "kit.h"
#include "log.h"
#include "option.h"
#include "tap.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define ROUNDS 200u
#define ROUNDS_MAX 1000000u

static const char usage[] =
	"usage: hostwatch plugin-check [OPTION]... FILE [KEY=VALUE]...\n"
	"\n"
	"Runs the conformance kit on a plugin with these settings and prints "
	"what came of it (TAP).\n"
	"\n"
	"  -t, --traces DIR   where the traces of the event model are\n"
	"  -m, --match GLOB   only traces with such a name\n"
	"  -o, --only GLOB    only checks with such a name, besides the first three\n"
	"  -r, --rounds N     how often it is started and stopped (200)\n"
	"  -v, --verbose      what each check prints, also when it passes\n"
	"  -h, --help         this text\n";

enum hw_kit_verdict hw_kit_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vprintf(format, ap); /* to memory */
	va_end(ap);
	(void)putchar('\n');
	return HW_KIT_FAIL;
}

struct hw_instance *hw_kit_instance(const struct hw_kit *kit, struct hw_loop *loop,
				    const struct hw_setting *extra)
{
	struct hw_setting settings[HW_KIT_SETTINGS_MAX + 1];
	struct hw_errors errors = { 0 };
	struct hw_instance *instance = NULL;
	size_t count = 0;

	for (size_t i = 0; i < kit->count; i++)
		if (!extra || strcmp(kit->settings[i].key, extra->key) != 0)
			settings[count++] = kit->settings[i];
	if (extra)
		settings[count++] = *extra;
	if (hw_instance_create(loop, kit->plugin, kit->plugin->name, settings, count, &errors,
			       &instance) < 0)
		hw_errors_print(&errors, stdout);
	hw_errors_free(&errors);
	return instance;
}

/* ---- settings ---- */

static int add_setting(struct hw_kit *kit, const char *key, const char *value)
{
	if (kit->count == HW_KIT_SETTINGS_MAX) {
		fprintf(stderr, "hostwatch plugin-check: more than %u settings\n",
			HW_KIT_SETTINGS_MAX);
		return -E2BIG;
	}
	kit->settings[kit->count++] = (struct hw_setting){ key, value };
	return 0;
}

static int parse_setting(struct hw_kit *kit, char *text)
{
	char *equals = strchr(text, '=');
	char quoted[128];

	if (!equals || equals == text || strlen(text) > HW_KIT_SETTING_MAX) {
		fprintf(stderr, "hostwatch plugin-check: %s is no KEY=VALUE\n",
			hw_quote(quoted, sizeof(quoted), text, strlen(text)));
		return -EINVAL;
	}
	*equals = '\0';
	return add_setting(kit, text, equals + 1);
}

static bool has_setting(const struct hw_kit *kit, const char *key)
{
	for (size_t i = 0; i < kit->count; i++)
		if (!strcmp(kit->settings[i].key, key))
			return true;
	return false;
}

static bool has_option(const struct hw_kit *kit, const char *key, uint32_t type)
{
	const struct hw_option_table table = { kit->plugin->options, kit->plugin->option_count };
	const struct hw_option *option = hw_option_find(&table, key);

	return option && option->type == type;
}

/* Sinks that can listen do, so that receivers can come. */
static int add_defaults(struct hw_kit *kit)
{
	static char address[PATH_MAX + 16];
	int r = 0;

	(void)snprintf(address, sizeof(address), "unix:%s/sock", kit->scratch);
	if (kit->plugin->kind != HW_PLUGIN_SINK)
		return 0;
	if (has_option(kit, "listen", HW_OPTION_LIST) && !has_setting(kit, "listen") &&
	    !has_setting(kit, "connect"))
		return add_setting(kit, "listen", address);
	if (has_option(kit, "channel", HW_OPTION_STRING) && !has_setting(kit, "channel")) {
		r = add_setting(kit, "channel", address);
		if (r == 0 && has_option(kit, "listen", HW_OPTION_BOOL) &&
		    !has_setting(kit, "listen"))
			r = add_setting(kit, "listen", "yes");
	}
	return r;
}

static enum hw_kit_verdict check_settings(struct hw_kit *kit, const void *arg)
{
	struct hw_instance *instance;
	struct hw_loop *loop;
	int r;

	(void)arg;
	if (hw_loop_create(&loop) < 0)
		return HW_KIT_FAIL;
	instance = hw_kit_instance(kit, loop, NULL);
	if (!instance)
		return hw_kit_fail("give KEY=VALUE behind the file's name");
	r = hw_instance_open(instance);
	if (r < 0)
		printf("open() refuses them: %s\n", instance->reason);
	hw_instance_destroy(instance);
	hw_loop_destroy(loop);
	return r < 0 ? HW_KIT_FAIL : HW_KIT_PASS;
}

/* ---- places ---- */

static char *find_traces(const char *given)
{
	char self[PATH_MAX], path[PATH_MAX + 16];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (given)
		return realpath(given, NULL);
	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	(void)snprintf(path, sizeof(path), "%s/conformance", self);
	return realpath(path, NULL);
}

static int prepare(struct hw_kit *kit, const char *file, const char *traces)
{
	const char *parent = getenv("TMPDIR");
	char quoted[256];

	kit->path = realpath(file, NULL);
	if (!kit->path) {
		fprintf(stderr, "hostwatch plugin-check: %s: %s\n",
			hw_quote(quoted, sizeof(quoted), file, strlen(file)), strerror(errno));
		return -errno;
	}
	kit->traces = find_traces(traces);
	if (traces && !kit->traces) {
		fprintf(stderr, "hostwatch plugin-check: %s: %s\n",
			hw_quote(quoted, sizeof(quoted), traces, strlen(traces)), strerror(errno));
		return -errno;
	}
	kit->scratch = hw_scratch_create(parent && *parent == '/' ? parent : "/tmp");
	return kit->scratch && chdir(kit->scratch) == 0 ? 0 : -EIO;
}

/* ---- the run ---- */

static void run_checks(struct hw_kit *kit, const char *only)
{
	hw_check_symbols(kit);
	if (!kit->module)
		return;
	kit->plugin = hw_guard_wrap(&kit->module->plugin);
	printf("# %s %s, a %s for ABI %u.%u\n", kit->plugin->name, kit->plugin->version,
	       hw_plugin_kind_name(kit->plugin->kind), kit->plugin->abi_major,
	       kit->plugin->abi_minor);
	if (add_defaults(kit) < 0 ||
	    hw_tap_run(kit, "takes the settings given", check_settings, NULL) != HW_KIT_PASS)
		return;
	kit->only = only;
	hw_check_options(kit);
	hw_check_life(kit);
	hw_check_failures(kit);
	if (kit->plugin->kind == HW_PLUGIN_SINK)
		hw_check_flood(kit);
	else
		hw_check_traces(kit);
}

static int run(struct hw_kit *kit, const char *file, const char *traces, const char *only)
{
	unsigned failed = 1;

	if (prepare(kit, file, traces) == 0) {
		hw_tap_begin();
		run_checks(kit, only);
		failed = hw_tap_end();
	}
	if (kit->scratch && chdir("/") == 0)
		hw_scratch_remove(kit->scratch);
	hw_module_free(kit->module);
	free((char *)(uintptr_t)kit->path);
	free((char *)(uintptr_t)kit->traces);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int parse_rounds(const char *text, unsigned *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value || value > ROUNDS_MAX) {
		fprintf(stderr, "hostwatch plugin-check: --rounds is 1 to %u\n", ROUNDS_MAX);
		return -EINVAL;
	}
	*ret = (unsigned)value;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "match", required_argument, NULL, 'm' },
		{ "only", required_argument, NULL, 'o' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "traces", required_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	struct hw_kit kit = { .rounds = ROUNDS };
	const char *traces = NULL, *only = NULL;
	int c;

	(void)signal(SIGPIPE, SIG_IGN); /* readers that leave are errors of write() */
	while ((c = getopt_long(argc, argv, "+hm:o:r:t:v", options, NULL)) != -1) {
		if (c == 'm')
			kit.match = optarg;
		else if (c == 'o')
			only = optarg;
		else if (c == 't')
			traces = optarg;
		else if (c == 'v')
			kit.verbose = true;
		else if (c != 'r' || parse_rounds(optarg, &kit.rounds) < 0) {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		}
	}
	if (optind >= argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	for (int i = optind + 1; i < argc; i++)
		if (parse_setting(&kit, argv[i]) < 0)
			return EXIT_USAGE;
	return run(&kit, argv[optind], traces, only);
}
