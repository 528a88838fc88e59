/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uses a member that this host does not know. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
extern HW_PLUGIN_EXPORT const struct longer_plugin hw_plugin_1;
const struct longer_plugin hw_plugin_1 = {
	.plugin = { SOUND, .struct_size = sizeof(struct longer_plugin) },
	.later = 1,
};
