/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The value of an option would be written beyond the end of the instance. */
#include "broken.h"

static const struct hw_option outside = {
	.struct_size = sizeof(struct hw_option),
	.key = "outside",
	.help = "Lies outside",
	.max = 1,
	.type = HW_OPTION_NUMBER,
	.offset = sizeof(struct broken),
};
static const struct hw_option *const options[] = { &outside };
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .options = options,
							.option_count = 1 };
