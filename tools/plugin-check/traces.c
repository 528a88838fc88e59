/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The traces of the event model: this watcher must report the same events as every other watcher.
 * */
#include "tap.h"

#include "tests/conformance/check.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum hw_kit_verdict check_trace(struct hw_kit *kit, const void *arg)
{
	static const enum hw_kit_verdict verdicts[] = {
		[HW_PASS] = HW_KIT_PASS,
		[HW_SKIP] = HW_KIT_SKIP,
		[HW_FAIL] = HW_KIT_FAIL,
	};
	const struct hw_rig_plugin plugin = { kit->plugin, kit->settings, kit->count };
	/* A watcher that scans cannot detect changes that were undone between two scans. */
	const char *expected = kit->plugin->flags & HW_PLUGIN_SCANS ? "polling" : "watcher";
	const struct hw_place place = { .name = "here", .path = kit->scratch };
	struct hw_trace *trace;
	enum hw_verdict verdict;

	if (hw_trace_load(arg, &trace) < 0)
		return HW_KIT_FAIL;
	verdict = hw_check_steps(trace, expected, &plugin, &place, stdout);
	hw_trace_destroy(trace);
	return verdicts[verdict];
}

static void run_trace(struct hw_kit *kit, const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	char name[256];

	(void)snprintf(name, sizeof(name), "trace %.*s", (int)(strlen(file) - strlen(".trace")),
		       file);
	if (!kit->match || fnmatch(kit->match, name + strlen("trace "), 0) == 0)
		(void)hw_tap_run(kit, name, check_trace, path);
}

void hw_check_traces(struct hw_kit *kit)
{
	char *pattern;
	glob_t found;

	if (kit->elsewhere) {
		hw_tap_skip("traces", "left out by --match none");
		return;
	}
	if (!kit->traces) {
		hw_tap_skip("traces", "none are installed: give --traces DIR");
		return;
	}
	if (asprintf(&pattern, "%s/*.trace", kit->traces) < 0)
		return;
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			run_trace(kit, found.gl_pathv[i]);
		globfree(&found);
	} else {
		hw_tap_skip("traces", "there are none in the directory");
	}
	free(pattern);
}
