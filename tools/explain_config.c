/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch explain: the shares of a configuration. */
#include "build.h"
#include "capabilities.h"
#include "explain.h"
#include "log.h"
#include "rehearse.h"
#include "suggest.h"
#include "tool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 256u /* shares considered for a suggestion */

static int load(struct hw_explaining *e)
{
	struct hw_errors errors = { 0 };
	int r = hw_rehearse_load(e->loop, e->settings.config, e->loader, &errors, &e->config);

	hw_errors_print(&errors, stderr);
	if (r < 0 && errors.total == 0)
		(void)hw_args_failure(&tool_explain_line, "%s", strerror(-r));
	hw_errors_free(&errors);
	return r < 0 ? HW_EXIT_CONFIG : EXIT_SUCCESS;
}

static void count_quota(struct hw_explaining *e, const struct hw_config_plugin *watcher, int dirfd)
{
	struct hw_watcher_cost cost = { .struct_size = sizeof(cost) };
	struct hw_errors errors = { 0 };
	struct hw_instance *instance;

	if (hw_build_watcher(e->loop, &e->config->shares[0], watcher, &errors, &instance) == 0) {
		if (hw_instance_open(instance) == 0 && hw_instance_start(instance) == 0)
			watcher->module->plugin.cost(instance->self, dirfd, &cost);
		(void)hw_quotas_get(&e->quotas, &cost);
		hw_instance_destroy(instance);
	}
	hw_errors_free(&errors); /* a survey reports them again */
}

/* Called before capabilities are dropped, while all processes of this user can be examined. */
static void count_quotas(struct hw_explaining *e)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < e->config->watcher_count && fd >= 0; i++)
		count_quota(e, &e->config->watchers[i], fd);
	if (fd >= 0)
		(void)close(fd); /* O_PATH */
}

static const struct hw_config_share *find_share(const struct hw_config *config, const char *name)
{
	for (size_t i = 0; i < config->share_count; i++)
		if (strcmp(config->shares[i].name, name) == 0)
			return &config->shares[i];
	return NULL;
}

static int unknown_share(const struct hw_explaining *e, const char *name)
{
	const char *names[NAMES_MAX], *meant;
	char quoted[200], file[300];
	size_t count = 0;

	for (; count < e->config->share_count && count < NAMES_MAX; count++)
		names[count] = e->config->shares[count].name;
	meant = hw_suggest(name, names, count);
	return hw_args_mistake(&tool_explain_line, "%s: no such share in %s%s%s%s",
			       hw_quote(quoted, sizeof(quoted), name, strlen(name)),
			       hw_quote(file, sizeof(file), e->settings.config,
					strlen(e->settings.config)),
			       meant ? ", did you mean " : "", meant ? meant : "",
			       meant ? "?" : "");
}

static int explain_share(struct hw_explaining *e, const struct hw_config_share *described)
{
	struct hw_explained *explained = hw_explain_add(e, described->name, described->path);
	struct hw_errors errors = { 0 };
	int r;

	if (!explained)
		return hw_args_failure(&tool_explain_line, "out of memory");
	r = hw_build_share(e->loop, e->config, described, &errors, &explained->share);
	hw_errors_print(&errors, stderr);
	hw_errors_free(&errors);
	if (r < 0)
		return hw_args_failure(&tool_explain_line, "share %s: %s", described->name,
				       strerror(-r));
	return hw_explain_survey(e, explained);
}

int hw_explain_config(struct hw_explaining *e, const char *name)
{
	const struct hw_config_share *only = NULL;
	struct hw_errors errors = { 0 };
	int status = load(e), r;

	if (status)
		return status;
	if (name) {
		only = find_share(e->config, name);
		if (!only)
			return unknown_share(e, name);
	}
	count_quotas(e);
	/* A daemon starts its shares as this user, with only these capabilities. */
	r = hw_rights_drop(e->config->user, hw_build_capabilities(e->config), &errors);
	hw_errors_print(&errors, stderr);
	hw_errors_free(&errors);
	if (r < 0)
		return HW_EXIT_FAILURE;
	for (size_t i = 0; i < e->config->share_count && !hw_explain_interrupted(); i++) {
		const struct hw_config_share *described = &e->config->shares[i];

		if ((!only || described == only) && explain_share(e, described))
			status = HW_EXIT_FAILURE;
	}
	return status;
}
