/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The smallest sink: discards all events. `fail` names the callback that fails. */
#include <errno.h>
#include <hostwatch/plugin.h>

enum fail_choice { FAIL_NEVER, FAIL_OPEN, FAIL_START };

struct nowhere {
	const struct hw_host *host; /* borrowed */
	void *ctx;
	const char *address;
	const char *tags;
	uint32_t fail;
};

static const struct hw_option *const options[] = {
	&(const struct hw_option)HW_OPT_ENUM("fail", struct nowhere, fail, "never",
					     "never|open|start", "Which callback fails"),
	&(const struct hw_option)HW_OPT_STRING_FLAGS("address", struct nowhere, address, NULL,
						     HW_OPTION_REQUIRED | HW_OPTION_ADDRESS,
						     "Not used, but must be given"),
	&(const struct hw_option)HW_OPT_LIST("tag", struct nowhere, tags, "Not used"),
};

static int nowhere_open(void *self, const struct hw_host *host, void *ctx)
{
	struct nowhere *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	return sink->fail == FAIL_OPEN ? host->fail_option(ctx, "fail", "open", EINVAL, "as asked")
				       : 0;
}

static int nowhere_start(void *self)
{
	struct nowhere *sink = self;

	return sink->fail == FAIL_START ? sink->host->fail(sink->ctx, EADDRINUSE, "fail = start")
					: 0;
}

static void nowhere_ready(void *self, uint32_t share)
{
	(void)self, (void)share;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct nowhere),
	.name = "nowhere",
	.version = HW_VERSION,
	.summary = "sends events nowhere",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = nowhere_open,
	.start = nowhere_start,
	.ready = nowhere_ready,
};
