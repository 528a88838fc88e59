/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rehearse.h"
#include "build.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One plugin whose open() is being called. */
struct rehearsal {
	const struct hw_config *config;
	const struct hw_config_plugin *plugin;
	const struct hw_config_share *share; /* of a watcher; NULL for a sink */
	struct hw_errors mistakes;
	bool gave_reason;
};

static void add_mistake(struct rehearsal *r, unsigned line, const char *text)
{
	const char *name = r->config->file;
	char file[300], quoted[600];

	if (!line)
		line = r->plugin->line || !r->share ? r->plugin->line : r->share->watcher_line;
	hw_quote(file, sizeof(file), name, strlen(name));
	hw_quote(quoted, sizeof(quoted), text, strlen(text));
	hw_errors_add(&r->mistakes, "%s:%u: [%s %s] %s",
		      hw_quote_is_needless(name, strlen(name)) ? name : file, line,
		      r->share ? "watcher" : "sink", r->plugin->name,
		      hw_quote_is_needless(text, strlen(text)) ? text : quoted);
}

/* A failure without keys may be the consequence of any mistake in the section. */
static void take_reason(void *arg, const char *keys, const char *value, const char *text)
{
	struct rehearsal *r = arg;

	r->gave_reason = true;
	if (keys ? hw_config_knows(r->plugin, r->share, keys, value)
		 : r->plugin->unknown_count == 0)
		add_mistake(r, keys ? hw_config_setting_line(r->plugin, keys, value) : 0, text);
}

/* Reports every mistake that open() finds, not only the one that it returns. */
static int open_instance(struct hw_instance *instance, struct rehearsal *rehearsal,
			 struct hw_errors *errors)
{
	struct hw_errors *mistakes = &rehearsal->mistakes;
	int r;

	instance->on_reason = take_reason;
	instance->reason_arg = rehearsal;
	r = hw_instance_open(instance);
	instance->on_reason = NULL;
	if (r < 0 && !rehearsal->gave_reason && rehearsal->plugin->unknown_count == 0)
		add_mistake(rehearsal, 0, strerror(-r));
	for (size_t i = 0; i < mistakes->count && r < 0; i++)
		hw_errors_add(errors, "%s", mistakes->lines[i]);
	hw_errors_free(mistakes);
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
		struct rehearsal rehearsal = { .config = config,
					       .plugin = watcher,
					       .share = share };

		r = open_instance(instance, &rehearsal, errors);
		hw_instance_destroy(instance);
	}
	return r;
}

/* Passes the names of the served shares, which are all that open() may examine. */
static int rehearse_sink(struct hw_loop *loop, const struct hw_config *config,
			 const struct hw_config_plugin *described, struct hw_errors *errors)
{
	struct hw_share **shares = calloc(config->share_count + 1, sizeof(struct hw_share *));
	struct rehearsal rehearsal = { .config = config, .plugin = described };
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
		r = open_instance(hw_sink_instance(sink), &rehearsal, errors);
	hw_sink_destroy(sink);
	while (count > 0)
		hw_share_destroy(shares[--count]);
	free(shares);
	return r;
}

/* Creates an instance of each plugin with its valid settings and calls open(), which checks options
 * against each other and changes nothing. Returns 0 or -ENOMEM. */
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
