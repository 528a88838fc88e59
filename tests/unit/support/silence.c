/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "silence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(int dir, const char *name, char path[300])
{
	(void)snprintf(path, 300, "/proc/self/fd/%d/%s", dir, name);
}

static int mount_as(mode_t type, int dir, const char *name)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char path[300], options[100];

	if (fuse < 0) {
		print_message("skipped: cannot open /dev/fuse: %s\n", strerror(errno));
		skip();
	}
	path_of(dir, name, path);
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0", fuse,
		       (unsigned)type);
	assert_int_equal(mount("silent", path, "fuse", 0, options), 0);
	return fuse;
}

int hw_silence_mount(int dir, const char *name)
{
	return mount_as(S_IFDIR, dir, name);
}

int hw_silence_mount_file(int dir, const char *name)
{
	return mount_as(S_IFREG, dir, name);
}

void hw_silence_unmount(int dir, const char *name)
{
	char path[300];

	path_of(dir, name, path);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}
