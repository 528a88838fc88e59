/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-plugin-check: the program behind `hostwatch plugin-check`. */
#include "arguments.h"
#include "guard.h"
#include "kit.h"
#include "log.h"
#include "option.h"
#include "standard.h"
#include "tap.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 200u
#define SOCKET_DIR_MAX 102u /* bytes of a directory, so that DIR/sock fits into sun_path */

enum hw_kit_verdict hw_kit_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vprintf(format, ap); /* writes to memory */
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

static bool add_setting(struct hw_kit *kit, const char *key, const char *value)
{
	if (kit->count == HW_KIT_SETTINGS_MAX)
		return false;
	kit->settings[kit->count++] = (struct hw_setting){ key, value };
	return true;
}

/* Returns -1, or an exit status. */
static int parse_setting(struct hw_kit *kit, char *text)
{
	char *equals = strchr(text, '=');
	char quoted[128];

	if (!equals || equals == text || strlen(text) > HW_KIT_SETTING_MAX)
		return hw_args_mistake(&tool_plugin_check_line, "expected KEY=VALUE, got %s",
				       hw_quote(quoted, sizeof(quoted), text, strlen(text)));
	*equals = '\0';
	if (!add_setting(kit, text, equals + 1))
		return hw_args_mistake(&tool_plugin_check_line, "more than %u settings",
				       HW_KIT_SETTINGS_MAX);
	return -1;
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

/* Makes sinks listen if they can, so that receivers can connect. Returns false if there are too
 * many settings. */
static bool add_defaults(struct hw_kit *kit)
{
	static char address[PATH_MAX + 16];

	(void)snprintf(address, sizeof(address), "unix:%s/sock", kit->scratch);
	if (kit->plugin->kind != HW_PLUGIN_SINK)
		return true;
	if (has_option(kit, "listen", HW_OPTION_LIST) && !has_setting(kit, "listen") &&
	    !has_setting(kit, "connect"))
		return add_setting(kit, "listen", address);
	if (!has_option(kit, "channel", HW_OPTION_STRING) || has_setting(kit, "channel"))
		return true;
	if (has_option(kit, "listen", HW_OPTION_BOOL) && !has_setting(kit, "listen") &&
	    !add_setting(kit, "listen", "yes"))
		return false;
	return add_setting(kit, "channel", address);
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
		return hw_kit_fail("give KEY=VALUE after FILE");
	r = hw_instance_open(instance);
	if (r < 0)
		printf("open() refuses them: %s\n", instance->reason);
	if (r < 0 && strlen(kit->scratch) > SOCKET_DIR_MAX)
		printf("the kit runs in %s, which is too long for the address of a socket: set "
		       "TMPDIR to a shorter path\n",
		       kit->scratch);
	hw_instance_destroy(instance);
	hw_loop_destroy(loop);
	return r < 0 ? HW_KIT_FAIL : HW_KIT_PASS;
}

/* ---- files ---- */

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

static int complain(const char *path, const char *advice)
{
	char quoted[256];
	int error = errno;

	(void)hw_args_failure(&tool_plugin_check_line, "%s: %s%s",
			      hw_quote(quoted, sizeof(quoted), path, strlen(path)), strerror(error),
			      advice);
	return -error;
}

/* Returns -errno after printing an error. */
static int prepare(struct hw_kit *kit, const char *file, const char *traces)
{
	const char *parent = getenv("TMPDIR");

	kit->path = realpath(file, NULL);
	if (!kit->path)
		return complain(file, strchr(file, '/') ? "" : "; FILE is the path of a plugin");
	kit->traces = find_traces(traces);
	if (traces && !kit->traces)
		return complain(traces, "");
	if (!parent || !*parent)
		parent = "/tmp";
	kit->scratch = hw_scratch_try(parent);
	if (!kit->scratch || chdir(kit->scratch) < 0)
		return complain(parent, "; set TMPDIR to a directory that you may write to");
	return 0;
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
	if (!add_defaults(kit) ||
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
		/* If a file size limit is reached, write() returns an error, as for a full disk. */
		(void)signal(SIGXFSZ, SIG_IGN);
		(void)umask(022); /* the traces expect the resulting file modes */
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

static int check(int argc, char **argv)
{
	struct hw_kit_arguments arguments = { .rounds = ROUNDS };
	struct hw_operands operands;
	struct hw_kit kit = { 0 };
	int status = hw_args_parse(&tool_plugin_check_line, argc, argv, &arguments, &operands);

	for (int i = 1; status < 0 && i < operands.count; i++)
		status = parse_setting(&kit, operands.items[i]);
	if (status >= 0)
		return status;
	kit.match = arguments.match;
	kit.elsewhere = kit.match && strcmp(kit.match, "none") == 0;
	kit.rounds = (unsigned)arguments.rounds;
	kit.verbose = arguments.verbose;
	if (hw_standard_catch() < 0)
		return hw_args_failure(&tool_plugin_check_line, "%s", strerror(errno));
	return run(&kit, operands.items[0], arguments.traces, arguments.only);
}

int main(int argc, char **argv)
{
	hw_standard_begin();
	return hw_standard_end(check(argc, argv));
}
