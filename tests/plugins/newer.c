/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Built with a later header, but does not use its new members. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
extern HW_PLUGIN_EXPORT const struct longer_plugin hw_plugin_1;
const struct longer_plugin hw_plugin_1 = {
	.plugin = { SOUND, .struct_size = sizeof(struct longer_plugin), .abi_minor = 9,
		    .name = "newer" },
};
