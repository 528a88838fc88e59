/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "contend.h"

#include "instance.h"

#include <string.h>
#include <sys/stat.h>

/* Returns the port or path at the end of an address. Only the port is compared, because an address
 * may include all interfaces of the machine. NULL: the option is not an address. */
static const char *place_of(const struct hw_config_plugin *sink, size_t index)
{
	const struct hw_plugin *plugin = &sink->module->plugin;
	const struct hw_option_table table = { plugin->options, plugin->option_count };
	const struct hw_setting *setting = &sink->settings[index];
	const struct hw_option *option = hw_option_find(&table, setting->key);
	const char *colon = strrchr(setting->value, ':');

	if (!option || !(option->flags & HW_OPTION_ADDRESS))
		return NULL;
	return colon ? colon + 1 : setting->value;
}

/* A path can be written in several ways. */
static bool is_same_place(const char *one, const char *other)
{
	struct stat a, b;

	if (strcmp(one, other) == 0)
		return true;
	return strchr(one, '/') && strchr(other, '/') && stat(one, &a) == 0 &&
	       stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool has_place(const struct hw_config_plugin *sink, const char *place)
{
	for (size_t i = 0; i < sink->count; i++) {
		const char *its = place_of(sink, i);

		if (its && is_same_place(place, its))
			return true;
	}
	return false;
}

bool hw_sinks_contend(const struct hw_config_plugin *one, const struct hw_config_plugin *other)
{
	for (size_t i = 0; i < one->count; i++) {
		const char *place = place_of(one, i);

		if (place && has_place(other, place))
			return true;
	}
	return false;
}
