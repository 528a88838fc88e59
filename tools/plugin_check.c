/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch plugin-check FILE [KEY=VALUE]...: a separate program, because it replaces malloc(). */
#include "beside.h"
#include "tool.h"

#include <string.h>

#define KIT "hostwatch-plugin-check"

int tool_plugin_check(int argc, char **argv)
{
	int error = hw_beside_exec(KIT, argv);

	(void)argc;
	return hw_args_failure(&tool_plugin_check_line, "cannot run %s/" KIT ": %s", hw_beside_dir,
			       strerror(error));
}
