/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "beside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char hw_beside_dir[] = HW_KITDIR;

static const char *const places[] = { "", "/../lib/hostwatch" };

static void try_beside(const char *name, char **argv)
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
		(void)snprintf(path, sizeof(path), "%s%s/%s", self, places[i], name);
		(void)execv(path, argv); /* returns if it does not exist */
	}
}

int hw_beside_exec(const char *name, char **argv)
{
	char path[PATH_MAX];

	try_beside(name, argv);
	(void)snprintf(path, sizeof(path), HW_KITDIR "/%s", name);
	(void)execv(path, argv); /* returns if it does not exist */
	return errno;
}
