/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An option uses a member of a later ABI. */
#include "broken.h"

struct longer_option {
	struct hw_option option;
	uint64_t later;
};

static const struct longer_option field = {
	.option = { .struct_size = sizeof(struct longer_option),
		    .type = HW_OPTION_NUMBER,
		    .key = "field",
		    .help = "A field",
		    .max = 1,
		    .offset = offsetof(struct broken, field) },
	.later = 1,
};
static const struct hw_option *const options[] = { &field.option };
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .options = options,
							.option_count = 1 };
