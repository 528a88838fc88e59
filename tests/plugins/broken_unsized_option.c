/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An option without struct_size. */
#include "broken.h"

static const struct hw_option field = { .type = HW_OPTION_NUMBER,
					.key = "field",
					.help = "A field",
					.max = 1,
					.offset = offsetof(struct broken, field) };
static const struct hw_option *const options[] = { &field };
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .options = options,
							.option_count = 1 };
