/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the program that listens on a unix socket was killed. */
#include <errno.h>
#include <hostwatch/listen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Its parent may not have waited for it, and one of its threads may be in a system call that does
 * not return. */
static bool is_dying(pid_t pid)
{
	char path[40], line[256];
	bool dying = false;
	FILE *from;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	from = fopen(path, "re");
	while (from && !dying && fgets(line, sizeof(line), from))
		dying = strncmp(line, "State:\tZ", 8) == 0 || strncmp(line, "State:\tX", 8) == 0 ||
			(strncmp(line, "SigPnd:", 7) == 0 &&
			 strtoull(line + 7, NULL, 16) >> (SIGKILL - 1) & 1);
	if (from)
		(void)fclose(from); /* read only */
	return dying;
}

bool hw_listener_was_killed(int fd)
{
	struct ucred listener = { 0 };
	socklen_t size = sizeof(listener);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0 || listener.pid <= 0)
		return false; /* not a unix socket, or in another PID namespace */
	return (kill(listener.pid, 0) < 0 && errno == ESRCH) || is_dying(listener.pid);
}
