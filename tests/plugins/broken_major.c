/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Built for another major ABI. */
#include "broken.h"

#pragma GCC diagnostic ignored "-Woverride-init"
HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND, .abi_major = HW_ABI_MAJOR + 1 };
