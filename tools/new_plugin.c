/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch new-plugin watcher|sink NAME */
#include "log.h"
#include "skeleton.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 31u

static const char usage[] =
	"usage: hostwatch new-plugin watcher|sink NAME\n"
	"\n"
	"Makes a directory NAME with the smallest plugin of this kind: a source, a Makefile that "
	"builds it\n"
	"outside of hostwatch's tree, a README. It works, and passes `hostwatch plugin-check`.\n"
	"\n"
	"  -h, --help  this text\n";

/* As the loader wants names, but not one that would be taken for an option. */
static bool is_sound(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len <= NAME_MAX_BYTES && !name[len] && name[0] != '-';
}

static const struct hw_skeleton *find_skeleton(const char *kind)
{
	for (size_t i = 0; i < hw_skeleton_count; i++)
		if (!strcmp(hw_skeletons[i].kind, kind))
			return &hw_skeletons[i];
	return NULL;
}

/* The text with the example's name replaced. Errors stay in the stream. */
static void write_text(FILE *to, const struct hw_skeleton_file *file, const char *old,
		       const char *name)
{
	size_t len = strlen(old);
	const char *at = file->text, *found;

	while ((found = memmem(at, (size_t)(file->end - at), old, len))) {
		(void)fwrite(at, 1, (size_t)(found - at), to);
		(void)fputs(name, to);
		at = found + len;
	}
	(void)fwrite(at, 1, (size_t)(file->end - at), to);
}

static int write_file(int dir, const struct hw_skeleton *skeleton,
		      const struct hw_skeleton_file *file, const char *name)
{
	char path[NAME_MAX_BYTES + 3];
	FILE *to;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.c", name);
	fd = openat(dir, file->name ? file->name : path,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	to = fdopen(fd, "w");
	if (!to) {
		(void)close(fd); /* nothing was written */
		return -ENOMEM;
	}
	errno = EIO;
	write_text(to, file, skeleton->name, name);
	bool failed = ferror(to) != 0;
	return fclose(to) || failed ? -errno : 0;
}

static int write_all(const struct hw_skeleton *skeleton, const char *name)
{
	int dir, r = 0;

	if (mkdir(name, 0777) < 0)
		return -errno;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < skeleton->count; i++)
		r = write_file(dir, skeleton, &skeleton->files[i], name);
	(void)close(dir); /* read only */
	return r;
}

static int make_plugin(const char *kind, const char *name)
{
	const struct hw_skeleton *skeleton = find_skeleton(kind);
	char quoted[128];
	int r;

	if (!skeleton) {
		fprintf(stderr, "hostwatch new-plugin: %s is neither watcher nor sink\n",
			hw_quote(quoted, sizeof(quoted), kind, strlen(kind)));
		return HW_EXIT_USAGE;
	}
	if (!is_sound(name)) {
		fprintf(stderr,
			"hostwatch new-plugin: %s is no name for a plugin: a-z, 0-9 and -, at "
			"most %u\n",
			hw_quote(quoted, sizeof(quoted), name, strlen(name)), NAME_MAX_BYTES);
		return HW_EXIT_USAGE;
	}
	r = write_all(skeleton, name);
	if (r < 0) {
		fprintf(stderr, "hostwatch new-plugin: %s: %s\n", name, strerror(-r));
		return HW_EXIT_FAILURE;
	}
	printf("%s/%s.c is the %s: `make -C %s check` builds and checks it\n", name, name, kind,
	       name);
	return EXIT_SUCCESS;
}

int tool_new_plugin(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c = getopt_long(argc, argv, "h", options, NULL);

	if (c != -1) {
		fputs(usage, c == 'h' ? stdout : stderr);
		return c == 'h' ? EXIT_SUCCESS : HW_EXIT_USAGE;
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return HW_EXIT_USAGE;
	}
	return make_plugin(argv[optind], argv[optind + 1]);
}
