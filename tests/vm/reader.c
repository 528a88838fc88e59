/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-reader DIR: a program that examines names when it receives events. Watches DIR and, for each
 * event, prints "EVENT NAME SIZE CONTENT LISTED": SIZE is the result of stat(2), or - if the name
 * does not exist; CONTENT is the first word of a file, or -; LISTED is yes if readdir(3) returns
 * the name. First line: "Watches established".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	uint32_t mask;
	const char *name;
} events[] = {
	{ IN_CREATE, "CREATE" },         { IN_DELETE, "DELETE" },
	{ IN_MODIFY, "MODIFY" },         { IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_MOVED_FROM, "MOVED_FROM" }, { IN_MOVED_TO, "MOVED_TO" },
	{ IN_ATTRIB, "ATTRIB" },         { IN_Q_OVERFLOW, "Q_OVERFLOW" },
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

static void print_size(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		(void)printf(" -");
	else
		(void)printf(" %lld", (long long)st.st_size);
}

static void print_content(int dir, const char *name)
{
	char text[256];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		(void)close(fd); /* only read from */
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, " \n")] = '\0';
	(void)printf(" %s", text[0] ? text : "-");
}

static bool is_listed(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = strcmp(entry->d_name, name) == 0;
	if (dir)
		(void)closedir(dir); /* only read from */
	return found;
}

static void look(const char *path, int dir, const struct inotify_event *event)
{
	const char *name = event->len ? event->name : ".";

	for (size_t i = 0; i < EVENTS; i++)
		if (event->mask & events[i].mask)
			(void)printf("%s ", events[i].name);
	(void)printf("%s", name);
	print_size(dir, name);
	print_content(dir, name);
	(void)printf(" %s\n", is_listed(path, name) ? "yes" : "no");
}

int main(int argc, char **argv)
{
	static _Alignas(8) char buf[65536];
	int fd, dir;

	if (argc != 2)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = inotify_init1(IN_CLOEXEC);
	if (dir < 0 || fd < 0 ||
	    inotify_add_watch(fd, argv[1],
			      IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE |
				      IN_ATTRIB) < 0) {
		perror(argv[1]);
		return 1;
	}
	(void)puts("Watches established");
	for (;;) {
		ssize_t len = read(fd, buf, sizeof(buf));

		if (len < 0 && errno != EINTR)
			return 1;
		for (char *at = buf; len > 0 && at < buf + len;) {
			const struct inotify_event *event = (const void *)at;

			look(argv[1], dir, event);
			at += sizeof(*event) + event->len;
		}
	}
}
