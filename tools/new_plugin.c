/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch new-plugin watcher|sink NAME */
#include "log.h"
#include "skeleton.h"
#include "suggest.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 31u
#define FILE_NAME_MAX (NAME_MAX_BYTES + 3)

const struct hw_command_line tool_new_plugin_line = {
	.program = "hostwatch new-plugin",
	.summary = "create the sources of a new watcher or sink",
	.synopsis = "watcher|sink NAME",
	.about = "Creates a directory NAME with a minimal plugin of this kind: a source file, a "
		 "Makefile that builds it outside of hostwatch's source tree, and a README. The "
		 "plugin works, and passes the conformance kit (hostwatch plugin-check).",
	.operand = "watcher|sink NAME",
	.choices = "watcher|sink",
	.operands_min = 2,
	.operands_max = 2,
};

/* Accepts names that the loader accepts, except those that look like an option. */
static bool is_sound(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len <= NAME_MAX_BYTES && !name[len] && name[0] != '-';
}

/* Returns whether this is the name of a plugin of hostwatch, or the word "auto". */
static bool is_taken(const char *name)
{
	static const char *const words[] = { "auto",    "fanotify", "inotify",
					     "polling", "socket",   "virtiofs" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

static const struct hw_skeleton *find_skeleton(const char *kind)
{
	for (size_t i = 0; i < hw_skeleton_count; i++)
		if (!strcmp(hw_skeletons[i].kind, kind))
			return &hw_skeletons[i];
	return NULL;
}

/* Writes the text with the example's name replaced. Errors are kept in the stream. */
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

static const char *name_file(const struct hw_skeleton_file *file, const char *name,
			     char buf[FILE_NAME_MAX])
{
	(void)snprintf(buf, FILE_NAME_MAX, "%s.c", name);
	return file->name ? file->name : buf;
}

static int write_file(int dir, const struct hw_skeleton *skeleton,
		      const struct hw_skeleton_file *file, const char *name)
{
	char path[FILE_NAME_MAX];
	FILE *to;
	int fd;

	fd = openat(dir, name_file(file, name, path),
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

/* Removes incomplete files after a failure. */
static void remove_all(int dir, const struct hw_skeleton *skeleton, const char *name)
{
	char path[FILE_NAME_MAX];

	for (size_t i = 0; i < skeleton->count; i++)
		(void)unlinkat(dir, name_file(&skeleton->files[i], name, path), 0);
	(void)rmdir(name); /* fails if another process has put a file there */
}

static int write_all(const struct hw_skeleton *skeleton, const char *name)
{
	int dir, r = 0;

	if (mkdir(name, 0777) < 0)
		return -errno;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		r = -errno;
		(void)rmdir(name); /* it is empty */
		return r;
	}
	for (size_t i = 0; r == 0 && i < skeleton->count; i++)
		r = write_file(dir, skeleton, &skeleton->files[i], name);
	if (r < 0)
		remove_all(dir, skeleton, name);
	(void)close(dir); /* read only */
	return r;
}

static int refuse_kind(const char *kind)
{
	const char *kinds[] = { "watcher", "sink" }, *meant = hw_suggest(kind, kinds, 2);
	char quoted[128];

	return hw_args_mistake(&tool_new_plugin_line, "%s is neither watcher nor sink%s%s%s",
			       hw_quote(quoted, sizeof(quoted), kind, strlen(kind)),
			       meant ? ", did you mean " : "", meant ? meant : "",
			       meant ? "?" : "");
}

static int make_plugin(const char *kind, const char *name)
{
	const struct hw_skeleton *skeleton = find_skeleton(kind);
	char quoted[128];
	int r;

	if (!skeleton)
		return refuse_kind(kind);
	if (!is_sound(name))
		return hw_args_mistake(&tool_new_plugin_line,
				       "%s is not a valid plugin name: expected at most %u of a-z, "
				       "0-9 and -, not beginning with -",
				       hw_quote(quoted, sizeof(quoted), name, strlen(name)),
				       NAME_MAX_BYTES);
	if (is_taken(name))
		return hw_args_mistake(&tool_new_plugin_line,
				       "%s is reserved by hostwatch: choose another name", name);
	r = write_all(skeleton, name);
	if (r < 0)
		return hw_args_failure(&tool_new_plugin_line,
				       "cannot create the directory %s: %s%s", name, strerror(-r),
				       r == -EEXIST ? "; choose another name" : "");
	printf("%s/%s.c is the %s: `make -C %s check` builds and checks it\n", name, name, kind,
	       name);
	return EXIT_SUCCESS;
}

int tool_new_plugin(int argc, char **argv)
{
	struct hw_operands operands;
	int status = hw_args_parse(&tool_new_plugin_line, argc, argv, NULL, &operands);

	return status >= 0 ? status : make_plugin(operands.items[0], operands.items[1]);
}
