/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its name is not a valid file name. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .name = "../x" };
