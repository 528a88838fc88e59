/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "config_private.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Errors of the loader have no line number. */
static void pass_on(struct hw_config_checker *checker, unsigned line, struct hw_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		hw_config_mistake(checker, line, "[%s] %s", checker->section, errors->lines[i]);
	hw_errors_free(errors);
}

/* Returns whether the host defines this key for sections of plugins. */
static bool is_our_key(const char *key, size_t kind)
{
	return strcmp(key, "plugin") == 0 || (kind == KIND_SINK && strcmp(key, "shares") == 0);
}

static int take_settings(struct hw_config_plugin *plugin, const struct hw_ini_section *section,
			 size_t kind)
{
	plugin->settings = calloc(section->count + 1, sizeof(*plugin->settings));
	plugin->lines = calloc(section->count + 1, sizeof(*plugin->lines));
	if (!plugin->settings || !plugin->lines)
		return -ENOMEM;
	for (size_t i = 0; i < section->count; i++) {
		if (is_our_key(section->settings[i].key, kind))
			continue;
		plugin->settings[plugin->count] = section->settings[i];
		plugin->lines[plugin->count++] = section->lines[i];
	}
	return 0;
}

/* Applies the settings to temporary memory, only to check them. */
static void check_plugin_settings(struct hw_config_checker *checker,
				  struct hw_config_plugin *plugin)
{
	const struct hw_plugin *header = &plugin->module->plugin;
	const struct hw_option_table table = { header->options, header->option_count };
	void *scratch = calloc(1, header->instance_size);
	char *strings = NULL;

	if (!scratch) {
		checker->error = -ENOMEM;
		return;
	}
	plugin->opens = true;
	if (hw_config_apply(checker, &table, scratch, plugin->settings, plugin->lines,
			    plugin->count, &strings) == -EINVAL &&
	    hw_config_leave_right_settings(plugin) < 0)
		checker->error = -ENOMEM;
	free(strings);
	free(scratch);
}

static void check_our_keys(struct hw_config_checker *checker, const struct hw_ini_section *section,
			   size_t kind)
{
	for (size_t i = 0; i < section->count; i++) {
		const char *key = section->settings[i].key;

		if (!is_our_key(key, kind))
			continue;
		if (!*section->settings[i].value)
			hw_config_mistake(checker, section->lines[i], "[%s] %s: must not be empty",
					  checker->section, key);
		if (hw_config_line_of(section, key) != section->lines[i])
			hw_config_mistake(checker, section->lines[i], "[%s] %s: set more than once",
					  checker->section, key);
	}
}

static struct hw_config_plugin *add_plugin(struct hw_config_checker *checker, size_t kind)
{
	struct hw_config *config = checker->config;
	struct hw_config_plugin **list = kind == KIND_SINK ? &config->sinks : &config->watchers;
	size_t *count = kind == KIND_SINK ? &config->sink_count : &config->watcher_count;
	struct hw_config_plugin *grown = reallocarray(*list, *count + 1, sizeof(*grown));

	if (!grown) {
		checker->error = -ENOMEM;
		return NULL;
	}
	*list = grown;
	grown[*count] = (struct hw_config_plugin){ 0 };
	return &grown[(*count)++];
}

static const struct hw_module *load_plugin(struct hw_config_checker *checker, size_t kind,
					   const char *name, unsigned line)
{
	const struct hw_module *module = NULL;
	struct hw_errors errors = { 0 };
	int r;

	r = hw_loader_load(checker->loader, kind == KIND_SINK ? HW_PLUGIN_SINK : HW_PLUGIN_WATCHER,
			   name, &errors, &module);
	if (r == -ENOMEM)
		checker->error = r;
	pass_on(checker, line, &errors);
	return r < 0 ? NULL : module;
}

void hw_config_read_plugin(struct hw_config_checker *checker, const struct hw_ini_section *section,
			   size_t kind)
{
	struct hw_config_plugin *plugin = add_plugin(checker, kind);
	const char *name = hw_config_value_of(section, "plugin");

	if (!plugin)
		return;
	plugin->name = section->name;
	plugin->line = section->line;
	if (take_settings(plugin, section, kind) < 0) {
		checker->error = -ENOMEM;
		return;
	}
	check_our_keys(checker, section, kind);
	if (kind == KIND_SINK) {
		plugin->shares = hw_config_value_of(section, "shares");
		plugin->shares_line = hw_config_line_of(section, "shares");
		if (plugin->shares && strcmp(plugin->shares, "*") == 0)
			plugin->shares = NULL;
	}
	plugin->module = load_plugin(checker, kind, name && *name ? name : section->name,
				     name ? hw_config_line_of(section, "plugin") : section->line);
	if (plugin->module)
		check_plugin_settings(checker, plugin);
}

int hw_config_find_watcher(const struct hw_config *config, const char *name, size_t *ret)
{
	for (size_t i = 0; i < config->watcher_count; i++) {
		if (strcmp(config->watchers[i].name, name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* Gets the watcher with this name, and creates it if it has no section. `optional`: it is a
 * candidate of auto, which may be missing. */
int hw_config_get_watcher(struct hw_config_checker *checker, const char *name, unsigned line,
			  bool optional, size_t *ret)
{
	struct hw_config *config = checker->config;
	const struct hw_module *module = NULL;
	struct hw_errors ignored = { 0 };
	struct hw_config_plugin *plugin;

	if (hw_config_find_watcher(config, name, ret) == 0)
		return config->watchers[*ret].module ? 0 : -EINVAL; /* reported with its section */
	if (optional) {
		(void)hw_loader_load(checker->loader, HW_PLUGIN_WATCHER, name, &ignored, &module);
		hw_errors_free(&ignored);
	} else {
		module = load_plugin(checker, KIND_WATCHER, name, line);
	}
	if (!module)
		return -ENOENT;
	plugin = add_plugin(checker, KIND_WATCHER);
	if (!plugin)
		return -ENOMEM;
	plugin->name = module->plugin.name;
	plugin->module = module;
	*ret = config->watcher_count - 1;
	check_plugin_settings(checker, plugin);
	return 0;
}

size_t hw_config_watcher_settings(const struct hw_config_share *share,
				  const struct hw_config_plugin *watcher,
				  struct hw_setting *settings)
{
	const struct hw_plugin *plugin = &watcher->module->plugin;
	const struct hw_option_table table = { plugin->options, plugin->option_count };
	size_t count = 0;
	bool has_interval = !hw_option_find(&table, "interval");

	for (; count < watcher->count; count++) {
		settings[count] = watcher->settings[count];
		has_interval |= strcmp(settings[count].key, "interval") == 0;
	}
	if (!has_interval && share->interval)
		settings[count++] = (struct hw_setting){ "interval", share->interval };
	return count;
}
