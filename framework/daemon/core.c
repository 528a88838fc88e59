/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "core_private.h"
#include "foresee.h"
#include "log.h"
#include "notify.h"
#include "rehearse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_STEP_NS (10 * HW_MS)

void hw_core_confine(struct hw_core *core)
{
	core->confines = true;
}

int hw_core_create(struct hw_loop *loop, const char *file, struct hw_core **ret)
{
	struct hw_core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	core->loop = loop;
	core->file = strdup(file);
	if (!core->file || hw_loader_create(&core->loader) < 0) {
		hw_core_destroy(core);
		return -ENOMEM;
	}
	*ret = core;
	return 0;
}

void hw_core_destroy(struct hw_core *core)
{
	if (!core)
		return;
	hw_timer_del(core->drain_timer);
	hw_core_keep_nothing(core);
	hw_core_end_unkept(core);
	free(core->sinks);
	free(core->shares);
	hw_config_free(core->config);
	hw_loader_destroy(core->loader);
	free(core->file);
	free(core);
}

static int load(struct hw_core *core, struct hw_errors *errors, struct hw_config **ret)
{
	char quoted[300];

	hw_debug("reading the configuration %s",
		 hw_quote(quoted, sizeof(quoted), core->file, strlen(core->file)));
	return hw_rehearse_load(core->loop, core->file, core->loader, errors, ret);
}

int hw_core_check(struct hw_core *core, struct hw_errors *errors, struct hw_errors *warnings)
{
	struct hw_config *config;
	int r = load(core, errors, &config);

	if (r < 0)
		return r;
	if (warnings)
		r = hw_foresee(core->loop, config, warnings);
	hw_config_free(config);
	return r;
}

int hw_core_load(struct hw_core *core, struct hw_errors *errors)
{
	int r = load(core, errors, &core->config);

	if (r == 0)
		hw_log_set_level((enum hw_log_level)core->config->log_level);
	return r;
}

int hw_core_start(struct hw_core *core, struct hw_errors *errors)
{
	int r = hw_core_apply(core, core->config, errors);

	if (r == 0)
		hw_core_announce(core); /* a share that is already online does not call a listener
					 * */
	return r;
}

static void go_back(struct hw_core *core)
{
	struct hw_errors errors = { 0 };

	hw_core_restore(core, &errors);
	if (errors.total) {
		hw_error("cannot restore all of the previous configuration:");
		hw_errors_log(&errors);
	}
	hw_errors_free(&errors);
}

static int change(struct hw_core *core, struct hw_config *config, struct hw_errors *errors)
{
	int r = hw_core_apply(core, config, errors);

	if (r < 0 && core->interrupted)
		go_back(core);
	return r;
}

int hw_core_reload(struct hw_core *core, struct hw_errors *errors)
{
	char quoted[300];
	struct hw_config *config;
	int r;

	hw_notify_reloading();
	core->announced = false; /* READY must end RELOADING even if nothing changes */
	core->interrupted = false;
	r = load(core, errors, &config);
	core->refused = r < 0 && r != -ENOMEM;
	if (r == 0) {
		r = change(core, config, errors);
		hw_config_free(r < 0 ? config : core->config);
		core->config = r < 0 ? core->config : config;
	}
	if (r < 0) {
		hw_error("cannot reload %s; the previous configuration %s:",
			 hw_quote(quoted, sizeof(quoted), core->file, strlen(core->file)),
			 core->interrupted ? "was restarted" : "stays in effect");
		hw_errors_log(errors);
	} else {
		hw_log_set_level((enum hw_log_level)core->config->log_level);
		hw_info("configuration reloaded: %zu share%s, %zu sink%s", core->share_count,
			core->share_count == 1 ? "" : "s", core->sink_count,
			core->sink_count == 1 ? "" : "s");
	}
	hw_core_announce(core);
	return r;
}

bool hw_core_refused(const struct hw_core *core)
{
	return core->refused;
}

/* ---- stopping ---- */

static bool is_draining(struct hw_core *core)
{
	bool more = false;

	for (size_t i = 0; i < core->sink_count; i++) {
		struct hw_instance *instance = hw_sink_instance(core->sinks[i].sink);

		if (core->sinks[i].started && instance->plugin->drain)
			more |= instance->plugin->drain(instance->self) > 0;
	}
	return more;
}

static void drain(void *arg, struct hw_timer *timer)
{
	struct hw_core *core = arg;

	if (is_draining(core) && hw_loop_now_ns(core->loop) < core->drain_until_ns)
		hw_timer_set(timer, DRAIN_STEP_NS);
	else
		hw_loop_stop(core->loop);
}

void hw_core_drain(struct hw_core *core)
{
	if (core->drain_timer)
		return; /* already draining */
	hw_notify_stopping();
	core->drain_until_ns = hw_loop_now_ns(core->loop) + HW_DRAIN_MAX_NS;
	if (hw_timer_add(core->loop, drain, core, &core->drain_timer) < 0)
		hw_loop_stop(core->loop);
	else
		drain(core, core->drain_timer);
}

/* ---- running shares and sinks ---- */

const char *hw_core_file(const struct hw_core *core)
{
	return core->file;
}

const struct hw_config *hw_core_config(const struct hw_core *core)
{
	return core->config;
}

struct hw_share *hw_core_share(const struct hw_core *core, size_t index)
{
	return index < core->share_count ? core->shares[index].share : NULL;
}

struct hw_sink *hw_core_sink(const struct hw_core *core, size_t index)
{
	return index < core->sink_count ? core->sinks[index].sink : NULL;
}

struct hw_share *hw_core_find_share(const struct hw_core *core, const char *name)
{
	for (size_t i = 0; i < core->share_count; i++) {
		if (strcmp(hw_share_name(core->shares[i].share), name) == 0)
			return core->shares[i].share;
	}
	return NULL;
}
