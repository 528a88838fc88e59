/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 1024u

/* Returns the number of descriptors that were passed to this process. */
static unsigned listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned long count;
	char *end;

	if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	errno = 0;
	count = strtoul(fds, &end, 10);
	return errno == 0 && *end == '\0' && count <= LISTEN_FDS_MAX ? (unsigned)count : 0;
}

int hw_activation_fd(const char *name)
{
	const char *at = getenv("LISTEN_FDNAMES");
	unsigned count = listen_fds();
	size_t len = strlen(name);

	for (unsigned i = 0; at && i < count; i++) {
		size_t at_len = strcspn(at, ":");

		if (at_len == len && memcmp(at, name, len) == 0) {
			int fd = LISTEN_FDS_START + (int)i;

			return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -ENOENT : fd;
		}
		at = at[at_len] ? at + at_len + 1 : NULL;
	}
	return -ENOENT;
}
