/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its file is not called what the plugin is called. */
#include "broken.h"

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { SOUND };
