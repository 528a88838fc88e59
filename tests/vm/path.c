/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-path FILE: does the same as PathChanged= of systemd.path(5): watches the file and the
 * directories above it, and after each event adds all watches again, because the path may refer to
 * another file, and stats the file. Prints "path" and the state of the file whenever it differs.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define OF_FILE                                                                                    \
	(IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE | IN_DELETE |      \
	 IN_MOVED_FROM | IN_MOVED_TO)
#define OF_PARENT (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* Uses a new descriptor for each round, which drops stale watches. Returns the watch of the
 * file. */
static int arm(const char *path, int *ret_fd)
{
	char parent[PATH_MAX];

	*ret_fd = inotify_init1(IN_CLOEXEC);
	(void)snprintf(parent, sizeof(parent), "%s", path);
	for (char *slash; (slash = strrchr(parent, '/')) && slash != parent;) {
		*slash = '\0';
		if (inotify_add_watch(*ret_fd, parent, OF_PARENT) < 0)
			continue;
	}
	return inotify_add_watch(*ret_fd, path, OF_FILE);
}

/* Returns whether an event is about the file itself, or about its name. */
static bool concerns(const struct inotify_event *event, int wd, const char *name)
{
	if (event->wd == wd)
		return !(event->mask & IN_IGNORED);
	return event->len && strcmp(event->name, name) == 0;
}

static bool wait_for_change(int fd, int wd, const char *name)
{
	char buf[4096] __attribute__((aligned(8)));
	bool ret = false;
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buf + at);

		ret = ret || concerns(event, wd, name);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (n <= 0)
		exit(1);
	return ret;
}

int main(int argc, char **argv)
{
	const char *name = argc == 2 ? strrchr(argv[1], '/') : NULL;

	if (!name)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (long long seen = -2;;) {
		struct stat st;
		int fd, wd = arm(argv[1], &fd);
		long long size = stat(argv[1], &st) == 0 ? (long long)st.st_size : -1;

		if (size != seen)
			(void)printf(size < 0 ? "path gone\n" : "path %lld bytes\n", size);
		seen = size;
		while (!wait_for_change(fd, wd, name + 1))
			;
		(void)close(fd);
	}
}
