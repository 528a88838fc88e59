/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "candidates.h"

#include "auto.h"
#include "errors.h"
#include "log.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct adding {
	struct hw_share *share;
	struct hw_loop *loop;
	struct hw_loader *loader;
	const char *interval;
};

static int add_one(const struct adding *to, const char *name)
{
	struct hw_setting interval = { .key = "interval", .value = to->interval };
	const struct hw_module *module;
	struct hw_option_table table;
	struct hw_instance *instance;
	int r = hw_loader_load(to->loader, HW_PLUGIN_WATCHER, name, NULL, &module);

	if (r < 0)
		return r;
	table = (struct hw_option_table){ module->plugin.options, module->plugin.option_count };
	r = hw_instance_create(to->loop, &module->plugin, name, &interval,
			       to->interval && hw_option_find(&table, "interval"), NULL, &instance);
	if (r < 0)
		return r;
	r = hw_share_add_watcher(to->share, instance);
	if (r < 0)
		hw_instance_destroy(instance);
	return r;
}

static int add_all(const struct adding *to)
{
	int r = 0;

	for (size_t i = 0; i < hw_auto_watcher_count && r == 0; i++)
		r = add_one(to, hw_auto_watchers[i]);
	return r;
}

int hw_candidates_load(struct hw_loader *loader, const char *list, struct hw_errors *errors)
{
	const struct hw_module *module;
	char *copy = strdup(list), *rest = NULL;
	int r = copy ? 0 : -ENOMEM;
	bool any = false;

	for (char *name = copy ? strtok_r(copy, ", ", &rest) : NULL; name && r == 0;
	     name = strtok_r(NULL, ", ", &rest)) {
		any = true;
		if (strcmp(name, "auto") != 0)
			r = hw_loader_load(loader, HW_PLUGIN_WATCHER, name, errors, &module);
	}
	if (r == 0 && !any) {
		hw_errors_add(errors, "no name is given");
		r = -ENOENT;
	}
	free(copy);
	return r;
}

int hw_candidates_add(struct hw_share *share, struct hw_loop *loop, struct hw_loader *loader,
		      const char *list, const char *interval)
{
	const struct adding to = { share, loop, loader, interval };
	const char *fallback = hw_auto_watchers[hw_auto_watcher_count - 1], *last = "";
	char *copy = strdup(list), *rest = NULL;
	int r = copy ? 0 : -ENOMEM;

	for (char *name = copy ? strtok_r(copy, ", ", &rest) : NULL; name && r == 0;
	     name = strtok_r(NULL, ", ", &rest)) {
		r = strcmp(name, "auto") == 0 ? add_all(&to) : add_one(&to, name);
		last = name;
	}
	if (r == 0 && !*last) {
		hw_error("--watcher: no name is given");
		r = -EINVAL;
	}
	if (r == 0 && strcmp(last, "auto") != 0 && strcmp(last, fallback) != 0)
		r = add_one(&to, fallback);
	free(copy);
	return r;
}
