/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "openat2.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int hw_openat2_check(void)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC };

	/* there is no such path, so it fails in any case */
	return syscall(SYS_openat2, -1, "", &how, sizeof(how)) < 0 &&
			       (errno == ENOSYS || errno == EPERM)
		       ? -errno
		       : 0;
}
