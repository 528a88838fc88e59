/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch plugin-check FILE [KEY=VALUE]...: a separate program, because it replaces malloc(). */
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KIT "hostwatch-plugin-check"

/* Searched in this order: next to this program, as in a build tree; below the same prefix; and the
 * configured directory. */
static const char *const places[] = { "", "/../lib/hostwatch" };

static void try_beside(char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len <= 0)
		return;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s/" KIT, self, places[i]);
		(void)execv(path, argv); /* returns if it does not exist */
	}
}

int tool_plugin_check(int argc, char **argv)
{
	(void)argc;
	try_beside(argv);
	(void)execv(HW_KITDIR "/" KIT, argv); /* returns if it does not exist */
	return hw_args_failure(&tool_plugin_check_line, "cannot run " HW_KITDIR "/" KIT ": %s",
			       strerror(errno));
}
