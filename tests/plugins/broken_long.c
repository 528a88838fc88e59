/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims to be larger than its symbol. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .struct_size = 4096 };
