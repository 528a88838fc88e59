/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build.h"
#include "defaults.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int hw_build_watcher(struct hw_loop *loop, const struct hw_config_share *share,
		     const struct hw_config_plugin *watcher, struct hw_errors *errors,
		     struct hw_instance **ret)
{
	struct hw_setting *settings = calloc(watcher->count + 1, sizeof(*settings));
	size_t count;
	int r;

	if (!settings)
		return -ENOMEM;
	count = hw_config_watcher_settings(share, watcher, settings);
	r = hw_instance_create(loop, &watcher->module->plugin, watcher->name, settings, count,
			       errors, ret);
	free(settings);
	return r;
}

static int add_watchers(struct hw_loop *loop, const struct hw_config *config,
			const struct hw_config_share *described, struct hw_errors *errors,
			struct hw_share *share)
{
	for (size_t i = 0; i < described->watcher_count; i++) {
		struct hw_instance *instance;
		int r;

		r = hw_build_watcher(loop, described, &config->watchers[described->watchers[i]],
				     errors, &instance);
		if (r < 0)
			return r;
		r = hw_share_add_watcher(share, instance);
		if (r < 0) {
			hw_instance_destroy(instance);
			return r;
		}
	}
	return 0;
}

int hw_build_share(struct hw_loop *loop, const struct hw_config *config,
		   const struct hw_config_share *described, struct hw_errors *errors,
		   struct hw_share **ret)
{
	char state_dir[HW_DEFAULT_PATH_MAX], log_dir[HW_DEFAULT_PATH_MAX];
	bool keeps = hw_default_state_dir(config->state_dir, state_dir) == 0 &&
		     hw_default_log_dir(config->state_log_dir, state_dir, log_dir) == 0;
	const struct hw_share_config share_config = {
		.name = described->name,
		.path = described->path,
		.excludes = (const char *const *)described->excludes,
		.exclude_count = described->exclude_count,
		.interval_ns = described->interval_ns,
		.settle_ns = described->settle_ns,
		.settle_max_ns = described->settle_max_ns,
		.journal_bytes = described->journal_bytes,
		.state_dir = keeps ? state_dir : NULL,
		.state_log_dir = keeps ? log_dir : NULL,
		.pseudo = described->pseudo,
		.explicit_watcher = !described->automatic,
	};
	struct hw_share *share;
	int r;

	r = hw_share_create(loop, &share_config, &share);
	if (r < 0)
		return r;
	r = add_watchers(loop, config, described, errors, share);
	if (r < 0) {
		hw_share_destroy(share);
		return r;
	}
	*ret = share;
	return 0;
}

uint64_t hw_build_capabilities(const struct hw_config *config)
{
	/* Needed for directories that are not readable by this user, and for leases on files of
	 * other owners. */
	uint64_t keep = UINT64_C(1) << CAP_DAC_READ_SEARCH | UINT64_C(1) << CAP_LEASE;

	for (size_t i = 0; i < config->watcher_count; i++)
		keep |= config->watchers[i].module->plugin.capabilities;
	for (size_t i = 0; i < config->sink_count; i++)
		keep |= config->sinks[i].module->plugin.capabilities;
	return keep;
}

int hw_build_sink(struct hw_loop *loop, const struct hw_config_plugin *described,
		  struct hw_share *const *shares, size_t count, struct hw_errors *errors,
		  struct hw_sink **ret)
{
	struct hw_instance *instance;
	int r;

	r = hw_instance_create(loop, &described->module->plugin, described->name,
			       described->settings, described->count, errors, &instance);
	if (r < 0)
		return r;
	r = hw_sink_create(instance, shares, (uint32_t)count, ret);
	if (r < 0)
		hw_instance_destroy(instance);
	return r;
}

/* ---- signatures ---- */

/* A sink reads the file of its secret when it is created: if the file was changed, it is created
 * again. */
static void sign_secret(FILE *to, const struct hw_setting *setting)
{
	struct stat st;

	if (strcmp(setting->key, "secret") != 0 || setting->value[0] != '/' ||
	    stat(setting->value, &st) < 0)
		return;
	fprintf(to, "%ju %ju %jd %jd.%09ld %jd.%09ld\n", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
		(intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		(intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static void sign_plugin(FILE *to, const struct hw_config_plugin *plugin)
{
	fprintf(to, "[%s]\n%s\n", plugin->name, plugin->module->path);
	for (size_t i = 0; i < plugin->count; i++) {
		fprintf(to, "%s=%s\n", plugin->settings[i].key, plugin->settings[i].value);
		sign_secret(to, &plugin->settings[i]);
	}
}

/* An error of the stream is kept until it is closed. */
static char *finish(FILE *to, char **text)
{
	bool bad = ferror(to) != 0;

	if (fclose(to) == 0 && !bad)
		return *text;
	free(*text);
	return NULL;
}

char *hw_build_share_signature(const struct hw_config *config, const struct hw_config_share *share)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, "%s\n%s\n", config->state_dir ? config->state_dir : "default",
		config->state_log_dir ? config->state_log_dir : "default");
	fprintf(to, "%s\n%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d\n", share->path,
		share->interval_ns, share->settle_ns, share->settle_max_ns, share->journal_bytes,
		share->automatic, share->pseudo);
	for (size_t i = 0; i < share->exclude_count; i++)
		fprintf(to, "%s\n", share->excludes[i]);
	for (size_t i = 0; i < share->watcher_count; i++)
		sign_plugin(to, &config->watchers[share->watchers[i]]);
	return finish(to, &text);
}

char *hw_build_sink_signature(const struct hw_config *config, const struct hw_config_plugin *sink)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	sign_plugin(to, sink);
	for (size_t i = 0; i < config->share_count; i++) {
		if (hw_config_sink_serves(sink, config->shares[i].name))
			fprintf(to, "%s\n", config->shares[i].name);
	}
	return finish(to, &text);
}
