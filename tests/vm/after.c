/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-after DIR NAME MS COMMAND...: waits for the next change of DIR/NAME, and runs the command
 * after MS milliseconds. */
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static bool names(const char *buf, ssize_t len, const char *name)
{
	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const void *)(buf + at);

		if (event->len && strcmp(event->name, name) == 0)
			return true;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return false;
}

int main(int argc, char **argv)
{
	const uint32_t mask = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_TO;
	char buf[4096] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (argc < 5 || inotify_add_watch(fd, argv[1], mask) < 0)
		return 2;
	do {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return 1;
	} while (!names(buf, n, argv[2]));
	/* this delay is under test */
	(void)poll(NULL, 0, atoi(argv[3]));
	execvp(argv[4], argv + 4);
	return 127;
}
