/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes the watchers of a running share: finds and opens them by name, and logs the result. */
#include "auto.h"
#include "build.h"
#include "core_private.h"
#include "human.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX HW_SWITCH_NAMES_MAX

/* A change of watchers from its request to its end. */
struct change {
	struct hw_core *core; /* borrowed */
	hw_core_switched_fn *done;
	void *arg;
	uint64_t begun_ns;
	char share[80], from[NAMES_MAX];
	struct hw_instance *instances[HW_WATCHERS_MAX]; /* owned until the share takes them */
	size_t count;
	bool automatic;
};

/* ---- names ---- */

/* Names the watchers that watch directories, for example "fanotify, polling". */
static void name_watchers(struct hw_share *share, char names[NAMES_MAX])
{
	struct hw_share_status status = { 0 };
	size_t len = 0;

	hw_share_get_status(share, &status);
	names[0] = '\0';
	for (size_t i = 0; i < status.watcher_count && len < NAMES_MAX; i++) {
		if (status.watchers[i].directories)
			len += (size_t)snprintf(names + len, NAMES_MAX - len, "%s%s",
						len ? ", " : "", status.watchers[i].name);
	}
}

/* ---- instances ---- */

static const struct hw_config_share *find_described(const struct hw_core *core, const char *name)
{
	for (size_t i = 0; i < core->config->share_count; i++) {
		if (strcmp(core->config->shares[i].name, name) == 0)
			return &core->config->shares[i];
	}
	return NULL;
}

static int add_instance(struct change *change, const char *name, struct hw_errors *errors)
{
	struct hw_core *core = change->core;
	const struct hw_config_share *described = find_described(core, change->share);
	struct hw_config_plugin bare = { .name = name };
	const struct hw_config_plugin *watcher = &bare;
	size_t index;
	int r;

	if (!described)
		return -ENOENT;
	if (change->count == HW_WATCHERS_MAX) {
		hw_errors_add(errors, "more than %u watchers", HW_WATCHERS_MAX);
		return -E2BIG;
	}
	if (hw_config_find_watcher(core->config, name, &index) == 0) {
		watcher = &core->config->watchers[index];
	} else {
		r = hw_loader_load(core->loader, HW_PLUGIN_WATCHER, name, errors, &bare.module);
		if (r < 0)
			return r;
	}
	r = hw_build_watcher(core->loop, described, watcher, errors,
			     &change->instances[change->count]);
	if (r == 0)
		change->count++;
	return r;
}

/* Skips watchers that are not installed. */
static int add_automatic(struct change *change)
{
	change->automatic = true;
	for (size_t i = 0; i < hw_auto_watcher_count; i++) {
		struct hw_errors ignored = { 0 };
		int r = add_instance(change, hw_auto_watchers[i], &ignored);

		hw_errors_free(&ignored);
		if (r == -ENOMEM)
			return r;
	}
	return change->count ? 0 : -ENOENT;
}

static int add_listed(struct change *change, const char *names, struct hw_errors *errors)
{
	int r = 0;

	for (const char *at = names; r == 0 && *at;) {
		size_t len = strcspn(at, ",");
		char name[80];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(len < 79 ? len : 79), at);
		if (len)
			r = add_instance(change, name, errors);
		at += len + (at[len] == ',');
	}
	if (r == 0 && change->count == 0) {
		hw_errors_add(errors, "no watcher is named");
		r = -EINVAL;
	}
	return r;
}

static void free_change(struct change *change)
{
	for (size_t i = 0; i < change->count; i++)
		hw_instance_destroy(change->instances[i]);
	free(change);
}

/* ---- the end ---- */

static void add_reasons(const struct change *change, struct hw_errors *errors)
{
	for (size_t i = 0; i < change->count; i++) {
		const struct hw_instance *instance = change->instances[i];

		if (*instance->reason)
			hw_errors_add(errors, "%s cannot watch it: %s", instance->name,
				      instance->reason);
	}
}

/* Reports a failure that changed nothing. */
static int refuse(struct change *change, struct hw_errors *errors, int error)
{
	if (error == -EBUSY)
		hw_errors_add(errors,
			      "the share is being armed, or another switch is running; try again");
	else if (error == -EAGAIN)
		hw_errors_add(errors, "a filesystem of the share does not answer; the share waits "
				      "for it");
	else if (error == -E2BIG && errors->total == 0)
		hw_errors_add(errors, "too many watchers for one share");
	else
		add_reasons(change, errors);
	if (errors->total == 0)
		hw_errors_add(errors, "%s", strerror(-error));
	hw_error("share %s: cannot switch; %s stays in use:", change->share, change->from);
	hw_errors_log(errors);
	free_change(change);
	return error;
}

static void on_switched(void *arg, struct hw_share *share, const struct hw_switch_result *result)
{
	struct change *change = arg;
	struct hw_core_switched switched = { .result = result, .from = change->from };
	char to[NAMES_MAX], took[HW_HUMAN_MAX];

	(void)hw_human_duration(took, result->elapsed_ns);
	switched.to = to;
	name_watchers(share, to);
	if (result->error == 0)
		hw_info("share %s: switched from %s to %s in %s, %" PRIu64
			" entries compared, %" PRIu64 " events reported meanwhile",
			change->share, change->from, to, took, result->entries, result->events);
	else if (result->error == -ECANCELED)
		hw_info("share %s: switch from %s canceled: the share was removed", change->share,
			change->from);
	else
		hw_error("share %s: switch failed after %s; %s stays in use: %s", change->share,
			 took, to, result->reason);
	change->done(change->arg, share, &switched);
	change->count = 0; /* the share owns the instances now */
	free_change(change);
}

int hw_core_switch(struct hw_core *core, const struct hw_core_switch *request,
		   struct hw_errors *errors)
{
	struct change *change = calloc(1, sizeof(*change));
	struct hw_switch to = { .done = on_switched, .arg = change };
	int r;

	if (!change)
		return -ENOMEM;
	change->core = core;
	change->done = request->done;
	change->arg = request->arg;
	(void)snprintf(change->share, sizeof(change->share), "%s", hw_share_name(request->share));
	name_watchers(request->share, change->from);
	hw_info("share %s: switch requested by %s, from %s to %s", change->share, request->who,
		change->from, request->watchers);
	r = strcmp(request->watchers, "auto") == 0 ? add_automatic(change)
						   : add_listed(change, request->watchers, errors);
	if (r < 0)
		return refuse(change, errors, r);
	to.instances = change->instances;
	to.count = change->count;
	to.automatic = change->automatic;
	r = hw_share_switch(request->share, &to);
	return r < 0 ? refuse(change, errors, r) : 0;
}
