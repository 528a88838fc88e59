/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* open() is also called for sections with mistakes, with the settings that are valid, so that all
 * mistakes are reported at once. Messages of open() about omitted or replaced settings are
 * discarded. */
#include "config.h"
#include "config_private.h"
#include "instance.h"
#include "option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char stand_in[] = "?"; /* replaces a required text that is missing */

static bool is_text(const struct hw_option *option)
{
	return option->type == HW_OPTION_STRING || option->type == HW_OPTION_LIST;
}

int hw_config_unknown(struct hw_config_plugin *plugin, const char *key)
{
	const char **keys =
		reallocarray(plugin->unknown, plugin->unknown_count + 1, sizeof(*plugin->unknown));

	if (!keys)
		return -ENOMEM;
	plugin->unknown = keys;
	keys[plugin->unknown_count++] = key;
	return 0;
}

/* ---- valid settings of a section ---- */

static bool has_setting(const struct hw_config_plugin *plugin, const char *key)
{
	for (size_t i = 0; i < plugin->count; i++) {
		if (strcmp(plugin->settings[i].key, key) == 0)
			return true;
	}
	return false;
}

bool hw_config_is_unknown(const struct hw_config_plugin *plugin, const char *key)
{
	for (size_t i = 0; i < plugin->unknown_count; i++) {
		if (strcmp(plugin->unknown[i], key) == 0)
			return true;
	}
	return false;
}

/* Returns whether the setting is kept. *ret_unknown: the key whose value is unknown because of it,
 * or NULL. If a key is set twice, the first value counts. */
static bool is_right(const struct hw_option_table *table, const struct hw_config_plugin *kept,
		     const struct hw_setting *setting, const char **ret_unknown)
{
	const struct hw_option *option = hw_option_find(table, setting->key);
	char why[HW_OPTION_TEXT_MAX];
	uint64_t ignored;

	*ret_unknown = NULL;
	if (!option) {
		*ret_unknown = hw_option_suggest(table, setting->key);
		return false;
	}
	if (option->type != HW_OPTION_LIST &&
	    (has_setting(kept, option->key) || hw_config_is_unknown(kept, option->key)))
		return false;
	if (((option->flags & HW_OPTION_REQUIRED) && !*setting->value) ||
	    hw_option_parse(option, setting->value, &ignored, why) < 0) {
		*ret_unknown = option->key;
		return false;
	}
	return true;
}

static int leave_right_ones(struct hw_config_plugin *plugin, const struct hw_option_table *table)
{
	size_t count = plugin->count;
	const char *unknown;
	int r = 0;

	plugin->count = 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct hw_setting setting = plugin->settings[i];

		if (is_right(table, plugin, &setting, &unknown)) {
			plugin->settings[plugin->count] = setting;
			plugin->lines[plugin->count++] = plugin->lines[i];
		} else if (unknown) {
			r = hw_config_unknown(plugin, unknown);
		}
	}
	return r;
}

static int add_setting(struct hw_config_plugin *plugin, const char *key, const char *value)
{
	struct hw_setting *settings =
		reallocarray(plugin->settings, plugin->count + 1, sizeof(*settings));
	unsigned *lines = NULL;

	if (settings) {
		plugin->settings = settings;
		lines = reallocarray(plugin->lines, plugin->count + 1, sizeof(*lines));
	}
	if (!lines)
		return -ENOMEM;
	plugin->lines = lines;
	settings[plugin->count] = (struct hw_setting){ key, value };
	lines[plugin->count++] = plugin->line;
	return 0;
}

int hw_config_leave_right_settings(struct hw_config_plugin *plugin)
{
	const struct hw_plugin *header = &plugin->module->plugin;
	const struct hw_option_table table = { header->options, header->option_count };
	int r = leave_right_ones(plugin, &table);

	for (size_t i = 0; i < table.count && r == 0; i++) {
		const struct hw_option *option = table.options[i];

		if (!(option->flags & HW_OPTION_REQUIRED) || has_setting(plugin, option->key))
			continue;
		if (!is_text(option)) {
			plugin->opens = false;
			continue;
		}
		r = hw_config_unknown(plugin, option->key);
		if (r == 0)
			r = add_setting(plugin, option->key, stand_in);
	}
	return r;
}

/* ---- messages of open() ---- */

/* Returns whether open() received this value as an item of a list. A message about it holds,
 * whatever other items were omitted. */
static bool is_in_list(const struct hw_config_plugin *plugin, const char *key, const char *value)
{
	const struct hw_plugin *header = &plugin->module->plugin;
	const struct hw_option_table table = { header->options, header->option_count };
	const struct hw_option *option = hw_option_find(&table, key);

	if (!value || !option || option->type != HW_OPTION_LIST)
		return false;
	for (size_t i = 0; i < plugin->count; i++)
		if (strcmp(plugin->settings[i].key, key) == 0 &&
		    strcmp(plugin->settings[i].value, value) == 0)
			return true;
	return false;
}

bool hw_config_knows(const struct hw_config_plugin *plugin, const struct hw_config_share *share,
		     const char *keys, const char *value)
{
	char key[HW_CONFIG_QUOTED_MAX];
	bool first = true;
	size_t len;

	for (; *keys; keys += len + (keys[len] == ','), first = false) {
		len = strcspn(keys, ",");
		(void)snprintf(key, sizeof(key), "%.*s", (int)len, keys);
		if (first && is_in_list(plugin, key, value))
			continue;
		if (hw_config_is_unknown(plugin, key) ||
		    (share && !share->interval && strcmp(key, "interval") == 0))
			return false;
	}
	return true;
}

unsigned hw_config_setting_line(const struct hw_config_plugin *plugin, const char *keys,
				const char *value)
{
	size_t len = strcspn(keys, ",");
	unsigned line = 0;

	for (size_t i = 0; i < plugin->count; i++) {
		const struct hw_setting *setting = &plugin->settings[i];

		if (strlen(setting->key) != len || memcmp(setting->key, keys, len) != 0)
			continue;
		if (!value || strcmp(setting->value, value) == 0)
			return plugin->lines[i];
		line = line ? line : plugin->lines[i];
	}
	return line;
}
