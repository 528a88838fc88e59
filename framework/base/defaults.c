/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "defaults.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int join(char buf[HW_DEFAULT_PATH_MAX], const char *dir, int len, const char *name)
{
	int n = snprintf(buf, HW_DEFAULT_PATH_MAX, "%.*s%s", len, dir, name);

	return n < (int)HW_DEFAULT_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The XDG specification requires programs to ignore relative paths. */
static const char *directory(const char *variable)
{
	const char *dir = getenv(variable);

	return dir && dir[0] == '/' ? dir : NULL;
}

int hw_default_runtime_dir(char buf[HW_DEFAULT_PATH_MAX])
{
	const char *dir;

	if (geteuid() == 0)
		return join(buf, HW_SYSTEM_RUNTIME_DIR, (int)strlen(HW_SYSTEM_RUNTIME_DIR), "");
	dir = directory("XDG_RUNTIME_DIR");
	if (dir)
		return join(buf, dir, (int)strlen(dir), "/hostwatch");
	dir = directory("RUNTIME_DIRECTORY");
	return dir ? join(buf, dir, (int)strcspn(dir, ":"), "") : -ENOENT;
}

int hw_default_control(char buf[HW_DEFAULT_PATH_MAX])
{
	char dir[HW_DEFAULT_PATH_MAX];
	int r = hw_default_runtime_dir(dir);

	return r < 0 ? r : join(buf, dir, (int)strlen(dir), "/control.sock");
}

int hw_default_config(char buf[HW_DEFAULT_PATH_MAX])
{
	const char *dir;

	if (geteuid() == 0)
		return join(buf, HW_SYSTEM_CONFIG, (int)strlen(HW_SYSTEM_CONFIG), "");
	dir = directory("XDG_CONFIG_HOME");
	if (dir)
		return join(buf, dir, (int)strlen(dir), "/hostwatch/hostwatch.conf");
	dir = directory("HOME");
	return dir ? join(buf, dir, (int)strlen(dir), "/.config/hostwatch/hostwatch.conf")
		   : -ENOENT;
}

int hw_default_make_runtime_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, geteuid() == 0 ? 0755 : 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}
