/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auto.h"
#include "bounds.h"
#include "config.h"
#include "config_private.h"
#include "log.h"
#include "option.h"
#include "remote.h"
#include <hostwatch/filter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOUR (3600 * HW_SEC)

static const struct hw_option required_path =
	HW_OPT_STRING_FLAGS("path", struct hw_config_share, path, NULL, HW_OPTION_REQUIRED,
			    "Absolute path of the directory to watch");
static const struct hw_option *const share_options[] = {
	&required_path,
	&(const struct hw_option)
		HW_OPT_STRING("watcher", struct hw_config_share, watcher, "auto",
			      "auto, or watchers separated by commas, the preferred one first"),
	&(const struct hw_option)HW_OPT_DURATION(
		"interval", struct hw_config_share, interval_ns, "1s", HW_INTERVAL_MIN_NS,
		HW_INTERVAL_MAX_NS,
		"Polling interval, and how long a file must be idle before close_write is sent "
		"where the kernel does not report the close"),
	&(const struct hw_option)HW_OPT_DURATION(
		"settle", struct hw_config_share, settle_ns, "0ms", 0, HOUR,
		"Hold events until nothing changed for this long and send their net effect; 0ms "
		"sends them at once"),
	&(const struct hw_option)HW_OPT_DURATION(
		"settle_max", struct hw_config_share, settle_max_ns, "0ms", 0, 24 * HOUR,
		"Longest time events are held under steady change; 0ms means ten times settle"),
	&(const struct hw_option)HW_OPT_LIST("exclude", struct hw_config_share, exclude,
					     "Pattern of names to exclude, as in .gitignore"),
	&(const struct hw_option)
		HW_OPT_BOOL("pseudo", struct hw_config_share, pseudo, "no",
			    "Enter filesystems whose content the kernel makes, such as proc"),
	&(const struct hw_option)HW_OPT_SIZE(
		"journal", struct hw_config_share, journal_bytes, "16M", HW_JOURNAL_MIN,
		UINT64_C(4) << 30, "Memory for events that slow receivers have not read yet"),
};
const struct hw_option_table hw_config_share_options = {
	share_options,
	sizeof(share_options) / sizeof(share_options[0]),
};

static void add_watcher(struct hw_config_checker *checker, struct hw_config_share *share,
			const char *name, bool optional)
{
	size_t index;

	if (hw_config_get_watcher(checker, name, share->watcher_line, optional, &index) < 0)
		return;
	for (size_t i = 0; i < share->watcher_count; i++) {
		if (share->watchers[i] == index) {
			hw_config_mistake(checker, share->watcher_line,
					  "[%s] watcher: %s is listed twice", checker->section,
					  name);
			return;
		}
	}
	if (share->watcher_count == HW_CONFIG_WATCHERS_MAX)
		hw_config_mistake(checker, share->watcher_line,
				  "[%s] watcher: more than %u watchers", checker->section,
				  HW_CONFIG_WATCHERS_MAX);
	else
		share->watchers[share->watcher_count++] = index;
}

static void add_auto_watchers(struct hw_config_checker *checker, struct hw_config_share *share)
{
	share->automatic = true;
	for (size_t i = 0; i < hw_auto_watcher_count; i++)
		add_watcher(checker, share, hw_auto_watchers[i], true);
}

static void read_watchers(struct hw_config_checker *checker, struct hw_config_share *share)
{
	size_t told = checker->errors->total;
	const char *at = share->watcher;

	if (strcmp(at, "auto") == 0)
		add_auto_watchers(checker, share);
	while (!share->automatic && *(at += strspn(at, HW_CONFIG_SEPARATORS))) {
		size_t len = strcspn(at, HW_CONFIG_SEPARATORS);
		char *name = strndup(at, len);

		if (!name) {
			checker->error = -ENOMEM;
			return;
		}
		add_watcher(checker, share, name, false);
		free(name);
		at += len;
	}
	if (share->watcher_count == 0 && checker->errors->total == told)
		hw_config_mistake(checker, share->watcher_line, "[%s] watcher: %s",
				  checker->section,
				  share->automatic ? "no watcher plugin is installed"
						   : "must not be empty");
}

static void check_path(struct hw_config_checker *checker, const struct hw_config_share *share)
{
	char quoted[HW_CONFIG_QUOTED_MAX];
	int r = share->path[0] == '/' ? hw_remote_check_dir(share->path) : 0;

	hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path));
	if (share->path[0] != '/')
		hw_config_mistake(checker, share->path_line,
				  "[%s] path: %s is not an absolute path", checker->section,
				  quoted);
	else if (r == -ENOTDIR)
		hw_config_mistake(checker, share->path_line, "[%s] path: %s is not a directory",
				  checker->section, quoted);
	else if (r < 0 && r != -ETIMEDOUT) /* the share waits for a filesystem */
		hw_config_mistake(checker, share->path_line, "[%s] path: cannot access %s: %s",
				  checker->section, quoted, strerror(-r));
}

static void check_interval(struct hw_config_checker *checker, struct hw_config_share *share)
{
	size_t told = checker->errors->total;

	for (size_t i = 0; i < share->watcher_count; i++) {
		const struct hw_config_plugin *watcher =
			&checker->config->watchers[share->watchers[i]];
		const struct hw_plugin *plugin = &watcher->module->plugin;
		const struct hw_option_table table = { plugin->options, plugin->option_count };
		const struct hw_option *option = hw_option_find(&table, "interval");
		char why[HW_OPTION_TEXT_MAX];
		uint64_t ignored;

		if (option && hw_option_parse(option, share->interval, &ignored, why) < 0)
			hw_config_mistake(checker, share->interval_line,
					  "[%s] interval: watcher %s: %s", checker->section,
					  watcher->name, why);
	}
	if (checker->errors->total > told)
		share->interval = NULL;
}

static int split_excludes(struct hw_config_share *share)
{
	char *at;

	if (!share->exclude)
		return 0;
	share->exclude_text = strdup(share->exclude);
	share->excludes = calloc(HW_CONFIG_EXCLUDES_MAX, sizeof(*share->excludes));
	if (!share->exclude_text || !share->excludes)
		return -ENOMEM;
	at = share->exclude_text;
	while (at) {
		if (share->exclude_count == HW_CONFIG_EXCLUDES_MAX)
			return -E2BIG;
		share->excludes[share->exclude_count++] = strsep(&at, "\n");
	}
	return 0;
}

static void check_excludes(struct hw_config_checker *checker, struct hw_config_share *share,
			   const struct hw_ini_section *section)
{
	struct hw_filter filter;
	char quoted[HW_CONFIG_QUOTED_MAX];
	const char *reason = "";
	size_t bad = 0;
	int r;

	r = split_excludes(share);
	if (r == 0)
		r = hw_filter_init(&filter, share->excludes, share->exclude_count, &bad, &reason);
	if (r == 0) {
		hw_filter_free(&filter);
	} else if (r == -EINVAL) {
		size_t nth = 0;

		for (size_t i = 0; i < section->count; i++) {
			if (strcmp(section->settings[i].key, "exclude") == 0 && nth++ == bad)
				share->exclude_line = section->lines[i];
		}
		hw_config_mistake(checker, share->exclude_line, "[%s] exclude: %s: %s",
				  checker->section,
				  hw_quote(quoted, sizeof(quoted), share->excludes[bad],
					   strlen(share->excludes[bad])),
				  reason);
	} else if (r == -E2BIG) {
		hw_config_mistake(checker, share->exclude_line,
				  "[%s] exclude: more than %u patterns", checker->section,
				  HW_CONFIG_EXCLUDES_MAX);
	} else {
		checker->error = r;
	}
}

/* Checks each pattern separately, because the set was rejected. */
static void check_patterns(struct hw_config_checker *checker, const struct hw_ini_section *section)
{
	char quoted[HW_CONFIG_QUOTED_MAX];

	for (size_t i = 0; i < section->count; i++) {
		const char *pattern = section->settings[i].value, *reason = "";
		struct hw_filter filter;
		size_t bad;
		int r;

		if (strcmp(section->settings[i].key, "exclude") != 0)
			continue;
		r = hw_filter_init(&filter, &pattern, 1, &bad, &reason);
		if (r == 0)
			hw_filter_free(&filter);
		else if (r == -EINVAL)
			hw_config_mistake(checker, section->lines[i], "[%s] exclude: %s: %s",
					  checker->section,
					  hw_quote(quoted, sizeof(quoted), pattern,
						   strlen(pattern)),
					  reason);
		else
			checker->error = r;
	}
}

/* Returns whether the interval is the one that the watchers would receive. */
static bool is_interval_known(const struct hw_config_share *share,
			      const struct hw_ini_section *section)
{
	const struct hw_option *option = hw_option_find(&hw_config_share_options, "interval");
	char why[HW_OPTION_TEXT_MAX];
	uint64_t ignored;

	for (size_t i = 0; i < section->count; i++) {
		const char *key = section->settings[i].key, *meant;

		if (hw_option_find(&hw_config_share_options, key))
			continue;
		meant = hw_option_suggest(&hw_config_share_options, key);
		if (meant && strcmp(meant, option->key) == 0)
			return false;
	}
	return hw_option_parse(option, share->interval, &ignored, why) == 0;
}

/* A key is wrong, so the share will not exist. Checks the other keys nevertheless, so that all
 * mistakes are reported at once. */
static void check_the_rest(struct hw_config_checker *checker, struct hw_config_share *share,
			   const struct hw_ini_section *section)
{
	share->path = hw_config_value_of(section, "path");
	share->watcher = hw_config_value_of(section, "watcher");
	if (share->path && *share->path) /* otherwise, the mistake was already reported */
		check_path(checker, share);
	check_patterns(checker, section);
	if (share->watcher)
		read_watchers(checker, share);
	else
		add_auto_watchers(checker, share);
	if (is_interval_known(share, section))
		check_interval(checker, share);
	else
		share->interval = NULL;
}

void hw_config_read_share(struct hw_config_checker *checker, const struct hw_ini_section *section)
{
	struct hw_config *config = checker->config;
	struct hw_config_share *share;
	const char *interval = hw_config_value_of(section, "interval");

	share = reallocarray(config->shares, config->share_count + 1, sizeof(*share));
	if (!share) {
		checker->error = -ENOMEM;
		return;
	}
	config->shares = share;
	share += config->share_count++;
	*share = (struct hw_config_share){
		.name = section->name,
		.line = section->line,
		.path_line = hw_config_line_of(section, "path"),
		.watcher_line = hw_config_line_of(section, "watcher"),
		.interval_line = hw_config_line_of(section, "interval"),
		.settle_max_line = hw_config_line_of(section, "settle_max"),
		.exclude_line = hw_config_line_of(section, "exclude"),
		.interval = interval ? interval : "1s",
	};
	if (hw_config_apply(checker, &hw_config_share_options, share, section->settings,
			    section->lines, section->count, &share->strings) < 0) {
		check_the_rest(checker, share, section);
		return;
	}
	check_path(checker, share);
	check_excludes(checker, share, section);
	read_watchers(checker, share);
	check_interval(checker, share);
	if (share->settle_max_ns && share->settle_max_ns < share->settle_ns)
		hw_config_mistake(checker, share->settle_max_line,
				  "[%s] settle_max: must not be shorter than settle",
				  checker->section);
}
