/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of the plugin differs from the name of its file. */
#include "broken.h"

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND };
