/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options: the plugin must accept any value, or refuse it with a reason. */
#include "guard.h"
#include "log.h"
#include "option.h"
#include "scene.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_BYTES 5000u
#define TEXT_BYTES 64u

/* Values for any type: the host refuses most of them, the plugin gets the rest. */
static const char *const odd[] = {
	"",
	" ",
	"0",
	"-1",
	"1",
	"18446744073709551615",
	"18446744073709551616",
	"1.5",
	"10ms",
	"1h",
	"4K",
	"yes",
	"no",
	"nothing",
	"%s%n%s%n",
	"/",
	"/nonexistent/directory/file",
	"unix:",
	"unix:/nonexistent/directory/socket",
	"tcp:",
	"tcp:127.0.0.1:99999",
	":::",
	"\xff\xfe",
	"a\tb",
	"\x1b[2J",
	"../../x",
	"fd:nobody",
	"vsock:any:1",
	"netlink:0",
};

/* Returns whether the host refuses the value before the plugin gets it. */
static bool is_refused(const struct hw_option *option, const struct hw_setting *setting)
{
	char why[HW_OPTION_TEXT_MAX];
	uint64_t number;

	return hw_option_parse(option, setting->value, &number, why) < 0 ||
	       (!*setting->value && option->flags & HW_OPTION_REQUIRED);
}

static int try_watcher(struct hw_kit *kit, const struct hw_setting *setting)
{
	struct hw_instance *instance;
	struct hw_loop *loop;
	int r = hw_loop_create(&loop);

	if (r < 0)
		return r;
	instance = hw_kit_instance(kit, loop, setting);
	if (!instance) {
		hw_loop_destroy(loop);
		return -EINVAL;
	}
	r = hw_instance_open(instance);
	if (r == 0)
		r = hw_instance_start(instance);
	if (r < 0 && r != -ENOMEM && !*instance->reason)
		hw_guard_fault("it fails without a reason: %s", strerror(-r));
	hw_loop_turn(loop, 0);
	hw_instance_destroy(instance);
	hw_loop_destroy(loop);
	return 0;
}

static int try_sink(struct hw_kit *kit, const struct hw_setting *setting)
{
	struct hw_scene scene;
	int r = hw_scene_init(&scene, kit, setting);

	if (r == 0 && (r = hw_sink_start(scene.sink)) < 0) {
		if (r != -ENOMEM && !*hw_sink_instance(scene.sink)->reason)
			hw_guard_fault("it fails without a reason: %s", strerror(-r));
		r = 0;
	} else if (r == 0) {
		r = hw_scene_feed(&scene, 2, NULL, NULL);
	}
	hw_scene_fini(&scene);
	return r;
}

static int try_value(struct hw_kit *kit, const struct hw_option *option, const char *value)
{
	const struct hw_setting setting = { option->key, value };
	char quoted[128];
	unsigned faults = hw_guard_faults();
	int r;

	if (is_refused(option, &setting))
		return 0;
	r = kit->plugin->kind == HW_PLUGIN_SINK ? try_sink(kit, &setting)
						: try_watcher(kit, &setting);
	if (r < 0 || hw_guard_faults() > faults)
		printf("with %s = %s\n", option->key,
		       hw_quote(quoted, sizeof(quoted), value, strlen(value)));
	return r;
}

static int try_range(struct hw_kit *kit, const struct hw_option *option)
{
	char text[TEXT_BYTES];
	int r = 0;

	if (option->type != HW_OPTION_NUMBER && option->type != HW_OPTION_DURATION &&
	    option->type != HW_OPTION_SIZE)
		return 0;
	r = try_value(kit, option, hw_option_format(option, option->min, text, sizeof(text)));
	if (r == 0)
		r = try_value(kit, option,
			      hw_option_format(option, option->max, text, sizeof(text)));
	return r;
}

static int try_choices(struct hw_kit *kit, const struct hw_option *option)
{
	const char *at = option->choices;
	char text[TEXT_BYTES];
	int r = 0;

	while (at && *at && r == 0) {
		size_t len = strcspn(at, "|");

		(void)snprintf(text, sizeof(text), "%.*s", (int)len, at);
		r = try_value(kit, option, text);
		at += len + (at[len] == '|');
	}
	return r;
}

static int try_long(struct hw_kit *kit, const struct hw_option *option)
{
	char *text = calloc(1, LONG_BYTES + 1);
	int r;

	if (!text)
		return -ENOMEM;
	memset(text, 'x', LONG_BYTES);
	r = try_value(kit, option, text);
	free(text);
	return r;
}

static enum hw_kit_verdict check_option(struct hw_kit *kit, const void *arg)
{
	const struct hw_option *option = arg;
	int r = try_range(kit, option);

	if (r == 0)
		r = try_choices(kit, option);
	if (r == 0)
		r = try_long(kit, option);
	for (size_t i = 0; r == 0 && i < sizeof(odd) / sizeof(odd[0]); i++)
		r = try_value(kit, option, odd[i]);
	return r < 0 ? HW_KIT_FAIL : HW_KIT_PASS;
}

void hw_check_options(struct hw_kit *kit)
{
	const struct hw_plugin *plugin = kit->plugin;
	char name[96];

	for (uint32_t i = 0; i < plugin->option_count; i++) {
		(void)snprintf(name, sizeof(name), "option %.64s: any value",
			       plugin->options[i]->key);
		(void)hw_tap_run(kit, name, check_option, plugin->options[i]);
	}
}
