/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the kit: tool_plugin_check_line of tool.h, which `hostwatch` also lists. */
#ifndef HW_KIT_ARGUMENTS_H
#define HW_KIT_ARGUMENTS_H

#include "tools/tool.h"

struct hw_kit_arguments {
	const char *traces, *match, *only; /* borrowed from argv; NULL if not given */
	uint64_t rounds;
	bool verbose;
};

#endif
