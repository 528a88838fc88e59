/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "instance.h"
#include "errors.h"
#include "host.h"
#include "log.h"
#include "option.h"
#include "thread.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
	const char *name;
	struct hw_errors *errors;
};

static void report_mistake(void *arg, const struct hw_setting *setting, const char *text)
{
	struct report *report = arg;

	(void)setting; /* the text names the key */
	hw_errors_add(report->errors, "%s: %s", report->name, text);
}

int hw_instance_create(struct hw_loop *loop, const struct hw_plugin *plugin, const char *name,
		       const struct hw_setting *settings, size_t count, struct hw_errors *errors,
		       struct hw_instance **ret)
{
	const struct hw_option_table table = { plugin->options, plugin->option_count };
	struct report report = { name, errors };
	struct hw_instance *instance = calloc(1, sizeof(*instance));
	int r = -ENOMEM;

	if (!instance)
		return -ENOMEM;
	instance->plugin = plugin;
	instance->loop = loop;
	instance->name = strdup(name);
	instance->self = calloc(1, plugin->instance_size);
	if (instance->name && instance->self)
		r = hw_option_apply(&table, instance->self, settings, count, report_mistake,
				    &report, &instance->strings);
	if (r < 0) {
		hw_instance_destroy(instance);
		return r;
	}
	*ret = instance;
	return 0;
}

int hw_instance_open(struct hw_instance *instance)
{
	int r = 0;

	if (instance->state != HW_INSTANCE_NEW)
		return -EINVAL;
	instance->reason[0] = '\0';
	/* Set even if open() fails, because close() must follow in either case. */
	instance->state = HW_INSTANCE_OPEN;
	if (instance->plugin->open)
		r = instance->plugin->open(instance->self, &hw_host_services, instance);
	return r < 0 ? r : 0;
}

int hw_instance_start(struct hw_instance *instance)
{
	int r = 0;

	if (instance->state != HW_INSTANCE_OPEN)
		return -EINVAL;
	instance->reason[0] = '\0';
	instance->state = HW_INSTANCE_STARTED;
	if (instance->plugin->start)
		r = instance->plugin->start(instance->self);
	return r < 0 ? r : 0;
}

int hw_instance_probe(struct hw_instance *instance, int dirfd)
{
	int r = 0;

	instance->reason[0] = '\0';
	if (instance->plugin->probe) {
		hw_away_begin();
		r = instance->plugin->probe(instance->self, dirfd);
		hw_away_end();
	}
	return r < 0 ? r : 0;
}

int hw_instance_watch_dir(struct hw_instance *instance, hw_token dir, int dirfd)
{
	int r;

	hw_away_begin();
	r = instance->plugin->watch_dir(instance->self, dir, dirfd);
	hw_away_end();
	return r;
}

void hw_instance_complain(struct hw_instance *instance, const char *format, ...)
{
	char text[256];
	va_list ap;

	if (instance->complained)
		return;
	instance->complained = true;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	hw_warning("%s: the plugin made an invalid call, which is ignored: %s (hostwatch "
		   "plugin-check finds such calls)",
		   instance->name, text);
}

void hw_instance_close(struct hw_instance *instance)
{
	if (instance->state == HW_INSTANCE_STARTED && instance->plugin->stop)
		instance->plugin->stop(instance->self);
	if (instance->state != HW_INSTANCE_NEW && instance->plugin->close)
		instance->plugin->close(instance->self);
	instance->state = HW_INSTANCE_NEW;
}

void hw_instance_destroy(struct hw_instance *instance)
{
	if (!instance)
		return;
	hw_instance_close(instance);
	free(instance->self);
	free(instance->strings);
	free(instance->name);
	free(instance);
}
