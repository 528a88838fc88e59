/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "config_private.h"
#include "log.h"
#include "suggest.h"
#include "user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct hw_option *const global_options[] = {
	&(const struct hw_option)HW_OPT_STRING("plugin_path", struct hw_config, plugin_path, NULL,
					       "Plugin directories, separated by colons, searched "
					       "before the installed ones"),
	&(const struct hw_option)HW_OPT_STRING("control", struct hw_config, control, NULL,
					       "Path of the control socket, for hostwatch status, "
					       "switch, sync, reload and metrics; empty for none. "
					       "A relative path is below /run/hostwatch, or below "
					       "$XDG_RUNTIME_DIR/hostwatch for an ordinary user. "
					       "Default: control.sock"),
	&(const struct hw_option)HW_OPT_STRING("user", struct hw_config, user, NULL,
					       "User that a daemon started by root becomes, with "
					       "the capabilities that it needs; root to stay root. "
					       "Default: hostwatch if that user exists"),
	&(const struct hw_option)HW_OPT_STRING("state_dir", struct hw_config, state_dir, NULL,
					       "Directory in which the state of shares outlives "
					       "hostwatchd: after a restart, receivers get the "
					       "events that they have missed; empty for none. "
					       "Default: the first directory of $STATE_DIRECTORY, "
					       "which the service sets"),
	&(const struct hw_option)HW_OPT_STRING("state_log_dir", struct hw_config, state_log_dir,
					       NULL,
					       "Directory of the logs that belong to the states, "
					       "which should be in memory (tmpfs). Default: a "
					       "directory below /run/hostwatch"),
	&(const struct hw_option)HW_OPT_BOOL("landlock", struct hw_config, landlock, "yes",
					     "Deny the daemon to write files, to run programs and "
					     "to mount; it may only create sockets and write "
					     "states, in the directories of the first "
					     "configuration"),
	&(const struct hw_option)HW_OPT_ENUM("log_level", struct hw_config, log_level, "info",
					     "error|warning|info|debug",
					     "Most verbose level that is logged"),
};
const struct hw_option_table hw_config_global_options = {
	global_options,
	sizeof(global_options) / sizeof(global_options[0]),
};

/* ---- reporting mistakes ---- */

void hw_config_mistake(struct hw_config_checker *checker, unsigned line, const char *format, ...)
{
	char text[HW_ERRORS_LINE_MAX], quoted[HW_CONFIG_QUOTED_MAX];
	const char *file = checker->config->file;
	size_t len = strlen(file);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	/* A name that needs no escapes is not quoted, so that editors can jump to FILE:LINE. */
	hw_quote(quoted, sizeof(quoted), file, len);
	hw_errors_add(checker->errors, "%s:%u: %s", strlen(quoted) == len + 2 ? file : quoted, line,
		      text);
}

static void option_mistake(void *arg, const struct hw_setting *setting, const char *text)
{
	struct hw_config_checker *checker = arg;
	unsigned line = checker->line;

	if (setting && checker->lines)
		line = checker->lines[setting - checker->settings];
	hw_config_mistake(checker, line, "[%s] %s", checker->section, text);
}

int hw_config_apply(struct hw_config_checker *checker, const struct hw_option_table *table,
		    void *self, const struct hw_setting *settings, const unsigned *lines,
		    size_t count, char **ret_strings)
{
	int r;

	checker->settings = settings;
	checker->lines = lines;
	r = hw_option_apply(table, self, settings, count, option_mistake, checker, ret_strings);
	if (r == -ENOMEM)
		checker->error = r;
	return r;
}

unsigned hw_config_line_of(const struct hw_ini_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++) {
		if (strcmp(section->settings[i].key, key) == 0)
			return section->lines[i];
	}
	return section->line;
}

const char *hw_config_value_of(const struct hw_ini_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++) {
		if (strcmp(section->settings[i].key, key) == 0)
			return section->settings[i].value;
	}
	return NULL;
}

/* ---- sections ---- */

static const char *const kinds[] = { "hostwatch", "share", "watcher", "sink" };

static size_t kind_of(const struct hw_ini_section *section)
{
	size_t kind = 0;

	while (kind < KIND_END && strcmp(section->kind, kinds[kind]) != 0)
		kind++;
	return kind;
}

static const struct hw_ini_section *find_before(const struct hw_ini *ini, size_t index)
{
	const struct hw_ini_section *section = &ini->sections[index];

	for (size_t i = 0; i < index; i++) {
		if (strcmp(ini->sections[i].kind, section->kind) == 0 &&
		    strcmp(ini->sections[i].name, section->name) == 0)
			return &ini->sections[i];
	}
	return NULL;
}

/* Returns whether the section is to be read. */
static bool check_section(struct hw_config_checker *checker, size_t index)
{
	const struct hw_ini *ini = &checker->config->ini;
	const struct hw_ini_section *section = &ini->sections[index], *first;
	size_t kind = kind_of(section);

	if (kind == KIND_END) {
		const char *meant = hw_suggest(section->kind, kinds, KIND_END);

		hw_config_mistake(checker, section->line, "unknown section [%s]%s%s%s",
				  section->kind, meant ? ", did you mean [" : "; expected ",
				  meant ? meant
					: "[hostwatch], [share NAME], [watcher NAME] or "
					  "[sink NAME]",
				  meant ? "]?" : "");
		return false;
	}
	if (kind == KIND_GLOBAL ? *section->name : !*section->name) {
		hw_config_mistake(checker, section->line,
				  kind == KIND_GLOBAL ? "section [%s] takes no name"
						      : "section [%s] needs a name: [%s NAME]",
				  section->kind, section->kind);
		return false;
	}
	first = find_before(ini, index);
	if (first) {
		hw_config_mistake(checker, section->line,
				  "duplicate section [%s%s%s], first defined on line %u",
				  section->kind, *section->name ? " " : "", section->name,
				  first->line);
		return false;
	}
	return true;
}

static const struct hw_ini_section *enter(struct hw_config_checker *checker, char *title,
					  size_t size, size_t index)
{
	const struct hw_ini_section *section = &checker->config->ini.sections[index];

	(void)snprintf(title, size, "%s%s%s", section->kind, *section->name ? " " : "",
		       section->name);
	checker->section = title;
	checker->line = section->line;
	return section;
}

/* ---- the whole file ---- */

static void check_user(struct hw_config_checker *checker, const struct hw_ini_section *section)
{
	const char *user = checker->config->user;
	char quoted[HW_CONFIG_QUOTED_MAX];

	if (user && !hw_user_named(user))
		hw_config_mistake(checker, hw_config_line_of(section, "user"),
				  "[%s] user: there is no user %s", checker->section,
				  hw_quote(quoted, sizeof(quoted), user, strlen(user)));
}

static void read_global(struct hw_config_checker *checker, const struct hw_ini_section *section)
{
	(void)hw_config_apply(checker, &hw_config_global_options, checker->config,
			      section->settings, section->lines, section->count,
			      &checker->config->strings); /* reported in errors */
	check_user(checker, section);
}

static void read_sections(struct hw_config_checker *checker, const bool *sound, size_t kind)
{
	const struct hw_ini *ini = &checker->config->ini;

	for (size_t i = 0; i < ini->count && checker->error == 0; i++) {
		char title[2 * HW_INI_NAME_MAX + 2];
		const struct hw_ini_section *section = enter(checker, title, sizeof(title), i);

		if (!sound[i] || kind_of(section) != kind)
			continue;
		if (kind == KIND_GLOBAL)
			read_global(checker, section);
		else if (kind == KIND_SHARE)
			hw_config_read_share(checker, section);
		else
			hw_config_read_plugin(checker, section, kind);
	}
}

static int apply_global_defaults(struct hw_config_checker *checker)
{
	char *strings = NULL;
	int r;

	checker->section = "hostwatch";
	r = hw_config_apply(checker, &hw_config_global_options, checker->config, NULL, NULL, 0,
			    &strings);
	if (r == 0)
		checker->config->strings = strings;
	return r;
}

static bool has_global(const struct hw_ini *ini)
{
	for (size_t i = 0; i < ini->count; i++) {
		if (kind_of(&ini->sections[i]) == KIND_GLOBAL)
			return true;
	}
	return false;
}

static int check(struct hw_config_checker *checker)
{
	struct hw_config *config = checker->config;
	bool *sound = calloc(config->ini.count + 1, sizeof(*sound));
	int r;

	if (!sound)
		return -ENOMEM;
	for (size_t i = 0; i < config->ini.count; i++)
		sound[i] = check_section(checker, i);
	r = has_global(&config->ini) ? 0 : apply_global_defaults(checker);
	read_sections(checker, sound, KIND_GLOBAL);
	if (r == 0)
		r = hw_loader_add_defaults(checker->loader, config->plugin_path);
	/* Watchers are read first, because shares refer to them. */
	for (size_t kind = KIND_WATCHER; kind < KIND_END && r == 0; kind++)
		read_sections(checker, sound, kind);
	if (r == 0)
		read_sections(checker, sound, KIND_SHARE);
	for (size_t i = 0; i < config->sink_count; i++)
		hw_config_check_sink(checker, &config->sinks[i]);
	free(sound);
	if (r == 0 && config->share_count == 0 && checker->errors->total == 0)
		hw_config_mistake(checker, 1, "no [share NAME] section: there is nothing to watch");
	return r < 0 ? r : checker->error;
}

int hw_config_read(const char *file, struct hw_loader *loader, struct hw_errors *errors,
		   struct hw_config **ret)
{
	struct hw_config *config = calloc(1, sizeof(*config));
	struct hw_config_checker checker = {
		.config = config,
		.loader = loader,
		.errors = errors,
	};
	char quoted[HW_CONFIG_QUOTED_MAX];
	FILE *stream;
	int r;

	if (!config)
		return -ENOMEM;
	config->file = strdup(file);
	stream = config->file ? fopen(file, "re") : NULL;
	if (!stream) {
		r = config->file ? -errno : -ENOMEM;
		hw_errors_add(errors, "cannot open %s: %s",
			      hw_quote(quoted, sizeof(quoted), file, strlen(file)), strerror(-r));
		hw_config_free(config);
		return r;
	}
	r = hw_ini_read(stream, file, errors, &config->ini);
	(void)fclose(stream); /* read only */
	if (r == 0 || r == -EINVAL)
		r = check(&checker);
	if (r < 0) {
		hw_config_free(config);
		return r;
	}
	*ret = config;
	return 0;
}

static void free_plugins(struct hw_config_plugin *plugins, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(plugins[i].settings);
		free(plugins[i].lines);
		free(plugins[i].unknown);
	}
	free(plugins);
}

void hw_config_free(struct hw_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->share_count; i++) {
		free(config->shares[i].strings);
		free(config->shares[i].exclude_text);
		free(config->shares[i].excludes);
	}
	free(config->shares);
	free_plugins(config->watchers, config->watcher_count);
	free_plugins(config->sinks, config->sink_count);
	hw_ini_free(&config->ini);
	free(config->strings);
	free(config->file);
	free(config);
}
