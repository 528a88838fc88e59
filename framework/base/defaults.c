/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "defaults.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

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

/* Set by hw_default_set_owner(). */
static bool has_owner;
static uid_t owner_uid;
static gid_t owner_gid;

void hw_default_set_owner(uid_t uid, gid_t gid)
{
	has_owner = true;
	owner_uid = uid;
	owner_gid = gid;
}

static bool is_system(void)
{
	return has_owner || geteuid() == 0;
}

int hw_default_runtime_dir(char buf[HW_DEFAULT_PATH_MAX])
{
	const char *dir;

	if (is_system())
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

	if (is_system())
		return join(buf, HW_SYSTEM_CONFIG, (int)strlen(HW_SYSTEM_CONFIG), "");
	dir = directory("XDG_CONFIG_HOME");
	if (dir)
		return join(buf, dir, (int)strlen(dir), "/hostwatch/hostwatch.conf");
	dir = directory("HOME");
	return dir ? join(buf, dir, (int)strlen(dir), "/.config/hostwatch/hostwatch.conf")
		   : -ENOENT;
}

static int check_dir(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	if (st.st_uid == (has_owner ? owner_uid : geteuid()))
		return 0;
	/* of the user that the last daemon became, or of root */
	if (geteuid() != 0)
		return -EPERM;
	return fchown(fd, has_owner ? owner_uid : 0, has_owner ? owner_gid : 0) < 0 ? -errno : 0;
}

static int make_dir(const char *path, mode_t mode)
{
	int fd, r;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_dir(fd);
	close(fd);
	return r;
}

int hw_default_make_runtime_dir(const char *path)
{
	return make_dir(path, is_system() ? 0755 : 0700);
}

int hw_default_make_private_dir(const char *path)
{
	return make_dir(path, 0700);
}

int hw_default_state_dir(const char *configured, char buf[HW_DEFAULT_PATH_MAX])
{
	const char *dir = configured ? configured : directory("STATE_DIRECTORY");

	if (!dir || !*dir)
		return -ENOENT;
	return join(buf, dir, (int)(configured ? strlen(dir) : strcspn(dir, ":")), "");
}

int hw_default_log_dir(const char *configured, const char *state_dir, char buf[HW_DEFAULT_PATH_MAX])
{
	char dir[HW_DEFAULT_PATH_MAX], name[32];
	int r;

	if (configured && *configured)
		return join(buf, configured, (int)strlen(configured), "");
	r = hw_default_runtime_dir(dir);
	/* Daemons with different directories of states may share the directory of sockets. */
	(void)snprintf(name, sizeof(name), "/state-%016" PRIx64,
		       (uint64_t)XXH3_64bits(state_dir, strlen(state_dir)));
	return r < 0 ? r : join(buf, dir, (int)strlen(dir), name);
}
