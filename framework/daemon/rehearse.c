/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rehearse.h"
#include "build.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Text of plugins names the key first: "mode: ..." or "listen = tcp:0.0.0.0:1: ...". Of several
 * settings of that key it is the one whose value is named too. */
static unsigned line_of(const struct hw_config_plugin *plugin, const char *text, unsigned line)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	bool found = false;

	for (size_t i = 0; i < plugin->count; i++) {
		const struct hw_setting *setting = &plugin->settings[i];

		if (strlen(setting->key) != len || memcmp(setting->key, text, len) != 0)
			continue;
		if (strstr(text + len, setting->value))
			return plugin->lines[i];
		line = found ? line : plugin->lines[i];
		found = true;
	}
	return line;
}

static void tell(const struct hw_config *config, const struct hw_config_plugin *plugin,
		 const char *title, unsigned line, const char *text, struct hw_errors *errors)
{
	char file[300], quoted[600];

	hw_quote(file, sizeof(file), config->file, strlen(config->file));
	hw_quote(quoted, sizeof(quoted), text, strlen(text));
	hw_errors_add(errors, "%s:%u: [%s %s] %s",
		      hw_quote_is_needless(config->file, strlen(config->file)) ? config->file
									       : file,
		      line_of(plugin, text, line), title, plugin->name,
		      hw_quote_is_needless(text, strlen(text)) ? text : quoted);
}

/* All that open() finds wrong, and not only what it ends with. `share` of a watcher, NULL of a
 * sink. */
static int open_instance(struct hw_instance *instance, const struct hw_config *config,
			 const struct hw_config_plugin *plugin, const struct hw_config_share *share,
			 struct hw_errors *errors)
{
	const char *title = share ? "watcher" : "sink";
	unsigned line = plugin->line || !share ? plugin->line : share->watcher_line;
	struct hw_errors reasons = { 0 };
	int r;

	instance->reasons = &reasons;
	r = hw_instance_open(instance);
	instance->reasons = NULL;
	for (size_t i = 0; i < reasons.count && r < 0; i++) {
		if (!hw_config_is_doubtful(plugin, share, reasons.lines[i]))
			tell(config, plugin, title, line, reasons.lines[i], errors);
	}
	if (r < 0 && reasons.count == 0 && plugin->doubt_count == 0)
		tell(config, plugin, title, line, strerror(-r), errors);
	hw_errors_free(&reasons);
	return r == -ENOMEM ? r : 0;
}

static int rehearse_share(struct hw_loop *loop, const struct hw_config *config,
			  const struct hw_config_share *share, struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < share->watcher_count && r != -ENOMEM; i++) {
		const struct hw_config_plugin *watcher = &config->watchers[share->watchers[i]];
		struct hw_instance *instance;

		if (!watcher->opens)
			continue;
		r = hw_build_watcher(loop, share, watcher, errors, &instance);
		if (r < 0)
			continue;
		r = open_instance(instance, config, watcher, share, errors);
		hw_instance_destroy(instance);
	}
	return r;
}

/* The shares it serves, by their names: that is all of them that open() may look at. */
static int rehearse_sink(struct hw_loop *loop, const struct hw_config *config,
			 const struct hw_config_plugin *described, struct hw_errors *errors)
{
	struct hw_share **shares = calloc(config->share_count + 1, sizeof(struct hw_share *));
	struct hw_sink *sink = NULL;
	size_t count = 0;
	int r = shares ? 0 : -ENOMEM;

	for (size_t i = 0; i < config->share_count && r == 0; i++) {
		const struct hw_share_config bare = { .name = config->shares[i].name, .path = "/" };

		if (hw_config_sink_serves(described, bare.name)) {
			r = hw_share_create(loop, &bare, &shares[count]);
			count += r == 0;
		}
	}
	if (r == 0)
		r = hw_build_sink(loop, described, shares, count, errors, &sink);
	if (r == 0)
		r = open_instance(hw_sink_instance(sink), config, described, NULL, errors);
	hw_sink_destroy(sink);
	while (count > 0)
		hw_share_destroy(shares[--count]);
	free(shares);
	return r;
}

/* Makes an instance of each plugin with those of its settings that are right and calls its open(),
 * which compares options with each other and changes nothing. Returns 0 or -ENOMEM. */
static int rehearse(struct hw_loop *loop, const struct hw_config *config, struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < config->share_count && r != -ENOMEM; i++)
		r = rehearse_share(loop, config, &config->shares[i], errors);
	for (size_t i = 0; i < config->sink_count && r != -ENOMEM; i++) {
		if (config->sinks[i].opens)
			r = rehearse_sink(loop, config, &config->sinks[i], errors);
	}
	return r == -ENOMEM ? r : 0;
}

int hw_rehearse_load(struct hw_loop *loop, const char *file, struct hw_loader *loader,
		     struct hw_errors *errors, struct hw_config **ret)
{
	size_t known = errors->total;
	struct hw_config *config;
	int r = hw_config_read(file, loader, errors, &config);

	if (r < 0)
		return r;
	r = rehearse(loop, config, errors);
	hw_errors_sort(errors);
	if (r == 0 && errors->total > known)
		r = -EINVAL;
	if (r < 0)
		hw_config_free(config);
	else
		*ret = config;
	return r;
}
