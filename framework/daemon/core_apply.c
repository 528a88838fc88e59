/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build.h"
#include "capabilities.h"
#include "confine.h"
#include "contend.h"
#include "core_private.h"
#include "defaults.h"
#include "log.h"
#include "notify.h"
#include "pool.h"
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- readiness ---- */

void hw_core_announce(struct hw_core *core)
{
	size_t online = 0;
	char text[100];

	for (size_t i = 0; i < core->share_count; i++) {
		const struct hw_share *share = core->shares[i].share;
		enum hw_share_state state = hw_share_state(share);
		/* It may not answer for ever. */
		bool arming = state == HW_SHARE_ARMING && !hw_share_silent_ns(share);

		if (!core->shares[i].started || arming)
			return;
		online += state == HW_SHARE_ONLINE;
	}
	if (core->announced)
		return;
	core->announced = true;
	(void)snprintf(text, sizeof(text), "%zu of %zu share%s online, %zu sink%s", online,
		       core->share_count, core->share_count == 1 ? "" : "s", core->sink_count,
		       core->sink_count == 1 ? "" : "s"); /* always fits */
	hw_notify_status("%s", text);
	hw_notify_ready();
	hw_info("ready: %s", text);
}

static void on_share(void *arg, struct hw_share *share)
{
	struct hw_core *core = arg;

	(void)share;
	if (!core->announced)
		hw_core_announce(core);
}

/* ---- ending ---- */

static void end_sink(struct core_sink *sink)
{
	hw_sink_destroy(sink->sink);
	free(sink->signature);
}

static void end_share(struct hw_core *core, struct core_share *share)
{
	hw_share_unlisten(share->share, on_share, core);
	hw_share_destroy(share->share);
	free(share->signature);
}

static void end_sinks(struct hw_core *core, bool yielding_only)
{
	size_t left = 0;

	for (size_t i = 0; i < core->sink_count; i++) {
		struct core_sink *sink = &core->sinks[i];

		if (sink->keep || (yielding_only && !sink->yields)) {
			core->sinks[left++] = *sink;
		} else {
			core->interrupted |= !sink->fresh;
			end_sink(sink);
		}
	}
	core->sink_count = left;
}

static void end_shares(struct hw_core *core)
{
	size_t left = 0;

	for (size_t i = 0; i < core->share_count; i++) {
		if (core->shares[i].keep) {
			core->shares[left++] = core->shares[i];
		} else {
			core->interrupted |= !core->shares[i].fresh;
			end_share(core, &core->shares[i]);
		}
	}
	core->share_count = left;
}

/* Sinks first, because they borrow shares. */
void hw_core_end_unkept(struct hw_core *core)
{
	end_sinks(core, false);
	end_shares(core);
}

/* Ends the new shares and sinks; the old ones stay. */
static void end_fresh(struct hw_core *core)
{
	for (size_t i = 0; i < core->sink_count; i++)
		core->sinks[i].keep = !core->sinks[i].fresh;
	for (size_t i = 0; i < core->share_count; i++)
		core->shares[i].keep = !core->shares[i].fresh;
	hw_core_end_unkept(core);
}

void hw_core_keep_nothing(struct hw_core *core)
{
	for (size_t i = 0; i < core->sink_count; i++)
		core->sinks[i].keep = false;
	for (size_t i = 0; i < core->share_count; i++)
		core->shares[i].keep = false;
}

/* ---- old and new shares and sinks ---- */

/* Two shares may have the same name while one replaces the other. */
static struct core_share *find_share(const struct hw_core *core, const char *name, bool keep)
{
	for (size_t i = 0; i < core->share_count; i++) {
		if (core->shares[i].keep == keep &&
		    strcmp(hw_share_name(core->shares[i].share), name) == 0)
			return &core->shares[i];
	}
	return NULL;
}

static struct core_sink *find_sink(const struct hw_core *core, const char *name, bool keep)
{
	for (size_t i = 0; i < core->sink_count; i++) {
		if (core->sinks[i].keep == keep &&
		    strcmp(hw_sink_instance(core->sinks[i].sink)->name, name) == 0)
			return &core->sinks[i];
	}
	return NULL;
}

static int mark_shares(struct hw_core *core, const struct hw_config *config)
{
	for (size_t i = 0; i < config->share_count; i++) {
		struct core_share *share = find_share(core, config->shares[i].name, false);
		char *signature;

		if (!share)
			continue;
		signature = hw_build_share_signature(config, &config->shares[i]);
		if (!signature)
			return -ENOMEM;
		share->keep = strcmp(share->signature, signature) == 0 &&
			      !hw_share_is_elsewhere(share->share);
		free(signature);
	}
	return 0;
}

/* A sink is restarted if one of its shares is. */
static bool shares_are_kept(const struct hw_core *core, const struct hw_config *config,
			    const struct hw_config_plugin *sink)
{
	for (size_t i = 0; i < config->share_count; i++) {
		const char *name = config->shares[i].name;

		if (hw_config_sink_serves(sink, name) && !find_share(core, name, true))
			return false;
	}
	return true;
}

static int mark_sinks(struct hw_core *core, const struct hw_config *config)
{
	for (size_t i = 0; i < config->sink_count; i++) {
		struct core_sink *sink = find_sink(core, config->sinks[i].name, false);
		char *signature;

		if (!sink || !shares_are_kept(core, config, &config->sinks[i]))
			continue;
		signature = hw_build_sink_signature(config, &config->sinks[i]);
		if (!signature)
			return -ENOMEM;
		sink->keep = strcmp(sink->signature, signature) == 0;
		free(signature);
	}
	return 0;
}

/* ---- building ---- */

static int add_share(struct hw_core *core, const struct hw_config *config,
		     const struct hw_config_share *described, struct hw_errors *errors)
{
	struct core_share *shares, share = { .keep = true, .fresh = true };
	int r;

	shares = reallocarray(core->shares, core->share_count + 1, sizeof(*shares));
	if (!shares)
		return -ENOMEM;
	core->shares = shares;
	share.waits = find_share(core, described->name, false) != NULL;
	share.signature = hw_build_share_signature(config, described);
	if (!share.signature)
		return -ENOMEM;
	r = hw_build_share(core->loop, config, described, errors, &share.share);
	if (r < 0) {
		free(share.signature);
		return r;
	}
	r = hw_share_listen(share.share, on_share, core);
	if (r < 0) {
		end_share(core, &share);
		return r;
	}
	share.serial = ++core->serials;
	core->shares[core->share_count++] = share;
	return 0;
}

static int build_sink(struct hw_core *core, const struct hw_config *config,
		      const struct hw_config_plugin *described, struct hw_errors *errors,
		      struct hw_sink **ret)
{
	struct hw_share **shares = calloc(config->share_count + 1, sizeof(struct hw_share *));
	size_t count = 0;
	int r;

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < config->share_count; i++) {
		struct core_share *share = find_share(core, config->shares[i].name, true);

		if (share && hw_config_sink_serves(described, config->shares[i].name))
			shares[count++] = share->share;
	}
	r = hw_build_sink(core->loop, described, shares, count, errors, ret);
	free(shares);
	return r;
}

/* Returns whether it must wait until a running sink has ended. Logs each such sink. */
static bool must_wait(struct hw_core *core, const struct hw_config_plugin *described)
{
	bool waits = false;

	for (size_t i = 0; i < core->config->sink_count; i++) {
		const struct hw_config_plugin *old = &core->config->sinks[i];
		struct core_sink *sink = find_sink(core, old->name, false);

		if (sink && hw_sinks_contend(old, described))
			waits = sink->yields = true;
	}
	return waits;
}

static int add_sink(struct hw_core *core, const struct hw_config *config,
		    const struct hw_config_plugin *described, struct hw_errors *errors)
{
	struct core_sink *sinks, sink = { .keep = true, .fresh = true };
	int r;

	sinks = reallocarray(core->sinks, core->sink_count + 1, sizeof(*sinks));
	if (!sinks)
		return -ENOMEM;
	core->sinks = sinks;
	sink.waits = must_wait(core, described);
	sink.signature = hw_build_sink_signature(config, described);
	if (!sink.signature)
		return -ENOMEM;
	r = build_sink(core, config, described, errors, &sink.sink);
	if (r < 0) {
		free(sink.signature);
		return r;
	}
	sink.serial = ++core->serials;
	core->sinks[core->sink_count++] = sink;
	return 0;
}

static int add_missing(struct hw_core *core, const struct hw_config *config,
		       struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < config->share_count && r == 0; i++) {
		if (!find_share(core, config->shares[i].name, true))
			r = add_share(core, config, &config->shares[i], errors);
	}
	for (size_t i = 0; i < config->sink_count && r == 0; i++) {
		if (!find_sink(core, config->sinks[i].name, true))
			r = add_sink(core, config, &config->sinks[i], errors);
	}
	return r;
}

/* ---- starting ---- */

#define CONFINED                                                                                   \
	" (Landlock lets hostwatchd create sockets in the directories of its first configuration " \
	"only, and write no files: restart it; a plugin that writes files needs landlock = no in " \
	"[hostwatch])"

static int start_sink(const struct hw_core *core, struct core_sink *sink, struct hw_errors *errors)
{
	const struct hw_instance *instance = hw_sink_instance(sink->sink);
	int r = hw_sink_start(sink->sink);

	if (r < 0)
		hw_errors_add(errors, "sink %s: %s%s", instance->name,
			      *instance->reason ? instance->reason : strerror(-r),
			      core->confined && r == -EACCES ? CONFINED : "");
	sink->started = r == 0;
	return r;
}

static int start_share(struct core_share *share, struct hw_errors *errors)
{
	int r = hw_share_start(share->share);
	struct hw_share_status status;

	hw_share_get_status(share->share, &status);
	if (r < 0)
		hw_errors_add(errors, "share %s: %s", status.name, status.why);
	share->started = r == 0;
	return r;
}

/* Starts the sinks that wait for the end of another one, or those that do not. */
static int start_sinks(struct hw_core *core, bool waiting, struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < core->sink_count && r == 0; i++) {
		struct core_sink *sink = &core->sinks[i];

		if (sink->fresh && sink->waits == waiting)
			r = start_sink(core, sink, errors);
	}
	return r;
}

static int start_shares(struct hw_core *core, bool waiting, struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < core->share_count && r == 0; i++) {
		struct core_share *share = &core->shares[i];

		if (share->fresh && share->waits == waiting)
			r = start_share(share, errors);
	}
	return r;
}

/* A share says later why its state is not kept. */
static int make_state_dirs(void *arg)
{
	const struct hw_config *config = arg;
	char dir[HW_DEFAULT_PATH_MAX], log_dir[HW_DEFAULT_PATH_MAX],
		runtime_dir[HW_DEFAULT_PATH_MAX];

	if (hw_default_state_dir(config->state_dir, dir) < 0 ||
	    hw_default_log_dir(config->state_log_dir, dir, log_dir) < 0)
		return 0;
	(void)hw_default_make_private_dir(dir);
	if (!config->state_log_dir && hw_default_runtime_dir(runtime_dir) == 0)
		(void)hw_default_make_runtime_dir(runtime_dir);
	(void)hw_default_make_private_dir(log_dir);
	return 0;
}

/* libuv aborts the process if it cannot make them later. */
static int start_threads(struct hw_core *core, struct hw_errors *errors)
{
	int r = hw_pool_start(hw_loop_uv(core->loop));

	if (r < 0)
		hw_errors_add(
			errors,
			"cannot create the %u threads that read directories: %s; raise the "
			"limits of the process (TasksMax=, LimitNPROC=, LimitAS=, MemoryMax= of "
			"the service), or set UV_THREADPOOL_SIZE=1 in its environment",
			hw_pool_size(), strerror(-r));
	return r;
}

static int confine(struct hw_core *core, const struct hw_config *config, struct hw_errors *errors)
{
	int r;

	if (!core->confines || !config->landlock)
		return 0;
	r = hw_confine_daemon(config);
	core->confined = r > 0;
	if (r < 0)
		hw_errors_add(errors,
			      "cannot restrict the daemon with Landlock: %s; landlock = no in "
			      "[hostwatch] starts it without",
			      strerror(-r));
	return r < 0 ? r : 0;
}

/* Call before the shares start: their listings are the first users of the thread pool, whose
 * threads inherit the remaining capabilities. */
static int drop_rights(struct hw_core *core, const struct hw_config *config,
		       struct hw_errors *errors)
{
	int r;

	if (core->dropped)
		return 0;
	(void)hw_remote_call(make_state_dirs, (void *)(uintptr_t)config);
	r = hw_rights_drop(config->user, hw_build_capabilities(config), errors);
	core->dropped = r == 0;
	if (r == 0)
		r = confine(core, config, errors);
	return r < 0 ? r : start_threads(core, errors);
}

static int mark(struct hw_core *core, const struct hw_config *config)
{
	int r;

	hw_core_keep_nothing(core);
	for (size_t i = 0; i < core->sink_count; i++)
		core->sinks[i].fresh = core->sinks[i].yields = false;
	for (size_t i = 0; i < core->share_count; i++)
		core->shares[i].fresh = false;
	r = mark_shares(core, config);
	return r < 0 ? r : mark_sinks(core, config);
}

static int start_beside(struct hw_core *core, const struct hw_config *config,
			struct hw_errors *errors)
{
	int r = start_sinks(core, false, errors);

	if (r == 0)
		r = drop_rights(core, config, errors);
	return r < 0 ? r : start_shares(core, false, errors);
}

/* Two instances of a share at a time would need twice the kernel's watches. */
static int take_places(struct hw_core *core, struct hw_errors *errors)
{
	int r;

	end_sinks(core, true);
	r = start_sinks(core, true, errors);
	if (r < 0)
		return r;
	hw_core_end_unkept(core);
	return start_shares(core, true, errors);
}

int hw_core_apply(struct hw_core *core, const struct hw_config *config, struct hw_errors *errors)
{
	int r = mark(core, config);

	core->interrupted = false;
	if (r == 0)
		r = add_missing(core, config, errors);
	if (r == 0)
		r = start_beside(core, config, errors);
	if (r == 0)
		r = take_places(core, errors);
	if (r < 0)
		end_fresh(core);
	return r;
}

/* ---- restoring ---- */

/* Removes the share that was added last. */
static void drop_last_share(struct hw_core *core)
{
	end_share(core, &core->shares[--core->share_count]);
}

static void drop_last_sink(struct hw_core *core)
{
	end_sink(&core->sinks[--core->sink_count]);
}

/* Shares first: a sink can run without a share that fails to start. */
void hw_core_restore(struct hw_core *core, struct hw_errors *errors)
{
	const struct hw_config *config = core->config;

	for (size_t i = 0; i < config->share_count; i++) {
		if (find_share(core, config->shares[i].name, true) ||
		    add_share(core, config, &config->shares[i], errors) < 0)
			continue;
		if (start_share(&core->shares[core->share_count - 1], errors) < 0)
			drop_last_share(core);
	}
	for (size_t i = 0; i < config->sink_count; i++) {
		if (find_sink(core, config->sinks[i].name, true) ||
		    add_sink(core, config, &config->sinks[i], errors) < 0)
			continue;
		if (start_sink(core, &core->sinks[core->sink_count - 1], errors) < 0)
			drop_last_sink(core);
	}
}
