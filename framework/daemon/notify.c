/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Implemented here, because libsystemd would be loaded into a privileged process for a single
 * datagram. */
static int send_state(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size;
	int fd, r = 0;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return 0;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		r = -errno;
	(void)close(fd); /* nothing is buffered in it */
	return r;
}

static void notify(const char *state)
{
	int r = send_state(state);

	if (r < 0)
		hw_warning("cannot send %.*s to the service manager: %s", (int)strcspn(state, "\n"),
			   state, strerror(-r));
}

void hw_notify_ready(void)
{
	notify("READY=1");
}

void hw_notify_reloading(void)
{
	char state[80];
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		       (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
	notify(state);
}

void hw_notify_stopping(void)
{
	notify("STOPPING=1");
}

void hw_notify_status(const char *format, ...)
{
	char state[512] = "STATUS=";
	size_t used = strlen(state);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(state + used, sizeof(state) - used, format, ap); /* a truncated line is
									  * acceptable */
	va_end(ap);
	notify(state);
}
