/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sections with mistakes are handed to open() as well, so that all mistakes are told at once: what
 * is left of their settings, and what open() says of them that does not come of what was left out.
 */
#include "config.h"
#include "config_private.h"
#include "instance.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES "abcdefghijklmnopqrstuvwxyz0123456789_"

static const char stand_in[] = "?"; /* for a text that must be given */

static bool is_text(const struct hw_option *option)
{
	return option->type == HW_OPTION_STRING || option->type == HW_OPTION_LIST;
}

int hw_config_doubt(struct hw_config_plugin *plugin, const char *key)
{
	const char **keys =
		reallocarray(plugin->doubts, plugin->doubt_count + 1, sizeof(*plugin->doubts));

	if (!keys)
		return -ENOMEM;
	plugin->doubts = keys;
	keys[plugin->doubt_count++] = key;
	return 0;
}

/* ---- what is left of a section ---- */

static bool has_setting(const struct hw_config_plugin *plugin, const char *key)
{
	for (size_t i = 0; i < plugin->count; i++) {
		if (strcmp(plugin->settings[i].key, key) == 0)
			return true;
	}
	return false;
}

bool hw_config_is_doubted(const struct hw_config_plugin *plugin, const char *key)
{
	for (size_t i = 0; i < plugin->doubt_count; i++) {
		if (strcmp(plugin->doubts[i], key) == 0)
			return true;
	}
	return false;
}

/* Does it stay? *ret_doubt: the key whose value is not known because of it, NULL when none is. Of
 * one that is given twice it is the first. */
static bool is_right(const struct hw_option_table *table, const struct hw_config_plugin *kept,
		     const struct hw_setting *setting, const char **ret_doubt)
{
	const struct hw_option *option = hw_option_find(table, setting->key);
	char why[HW_OPTION_TEXT_MAX];
	uint64_t ignored;

	*ret_doubt = NULL;
	if (!option) {
		*ret_doubt = hw_option_suggest(table, setting->key);
		return false;
	}
	if (option->type != HW_OPTION_LIST &&
	    (has_setting(kept, option->key) || hw_config_is_doubted(kept, option->key)))
		return false;
	if (((option->flags & HW_OPTION_REQUIRED) && !*setting->value) ||
	    hw_option_parse(option, setting->value, &ignored, why) < 0) {
		*ret_doubt = option->key;
		return false;
	}
	return true;
}

static int leave_right_ones(struct hw_config_plugin *plugin, const struct hw_option_table *table)
{
	size_t count = plugin->count;
	const char *doubt;
	int r = 0;

	plugin->count = 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct hw_setting setting = plugin->settings[i];

		if (is_right(table, plugin, &setting, &doubt)) {
			plugin->settings[plugin->count] = setting;
			plugin->lines[plugin->count++] = plugin->lines[i];
		} else if (doubt) {
			r = hw_config_doubt(plugin, doubt);
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
		r = hw_config_doubt(plugin, option->key);
		if (r == 0)
			r = add_setting(plugin, option->key, stand_in);
	}
	return r;
}

/* ---- what open() says ---- */

/* As a word. */
static bool mentions(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (*(text += strcspn(text, KEY_BYTES))) {
		size_t word = strspn(text, KEY_BYTES);

		if (word == len && memcmp(text, key, len) == 0)
			return true;
		text += word;
	}
	return false;
}

/* A text that begins with a setting that was left is about that one: what stands behind it. */
static const char *behind_subject(const struct hw_config_plugin *plugin, const char *text)
{
	size_t len = strspn(text, KEY_BYTES);
	const char *rest = text;

	for (size_t i = 0; i < plugin->count; i++) {
		const struct hw_setting *setting = &plugin->settings[i];
		size_t value_len = strlen(setting->value);

		if (setting->value == stand_in || strlen(setting->key) != len ||
		    memcmp(setting->key, text, len) != 0)
			continue;
		rest = text + len;
		if (strncmp(rest, " = ", 3) == 0 &&
		    strncmp(rest + 3, setting->value, value_len) == 0)
			return rest + 3 + value_len;
	}
	return rest;
}

bool hw_config_is_doubtful(const struct hw_config_plugin *plugin,
			   const struct hw_config_share *share, const char *text)
{
	const char *rest = behind_subject(plugin, text);

	if (share && !share->interval && mentions(rest, "interval"))
		return true;
	for (size_t i = 0; i < plugin->doubt_count; i++) {
		if (mentions(rest, plugin->doubts[i]))
			return true;
	}
	return false;
}
