/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims to be smaller than the struct of the first release. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .struct_size = 64 };
