/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo_step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPS_MAX 4u

struct op {
	int (*run)(int dir, const char *a, const char *b);
	const char *a, *b; /* names, relative to the share */
};

/* Each function returns 0, or -1 with errno. */

static int put(int dir, const char *name, const char *text, int flags)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	if (close(fd) < 0 || written < 0)
		return -1;
	return (size_t)written == strlen(text) ? 0 : (errno = ENOSPC, -1);
}

static int op_write(int dir, const char *a, const char *b)
{
	return put(dir, a, b, O_TRUNC);
}

static int op_append(int dir, const char *a, const char *b)
{
	return put(dir, a, b, O_APPEND);
}

static int op_truncate(int dir, const char *a, const char *b)
{
	(void)b;
	return put(dir, a, "", O_TRUNC);
}

static int op_mkdir(int dir, const char *a, const char *b)
{
	(void)b;
	return mkdirat(dir, a, 0755);
}

static int op_fifo(int dir, const char *a, const char *b)
{
	(void)b;
	return mkfifoat(dir, a, 0644);
}

static int op_rename(int dir, const char *a, const char *b)
{
	return renameat(dir, a, dir, b);
}

static int op_exchange(int dir, const char *a, const char *b)
{
	int r = renameat2(dir, a, dir, b, RENAME_EXCHANGE);

	if (r < 0 && (errno == EINVAL || errno == ENOSYS))
		errno = EOPNOTSUPP;
	return r;
}

static int op_link(int dir, const char *a, const char *b)
{
	return linkat(dir, a, dir, b, 0);
}

static int op_symlink(int dir, const char *a, const char *b)
{
	return symlinkat(b, dir, a);
}

static int op_chmod(int dir, const char *a, const char *b)
{
	return fchmodat(dir, a, (mode_t)strtoul(b, NULL, 8), 0);
}

static int op_touch(int dir, const char *a, const char *b)
{
	(void)b;
	return utimensat(dir, a, NULL, 0);
}

static int op_unlink(int dir, const char *a, const char *b)
{
	(void)b;
	return unlinkat(dir, a, 0);
}

static int op_remove(int dir, const char *a, const char *b);

static int remove_entry(int dir, const struct dirent *entry)
{
	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	if (unlinkat(dir, entry->d_name, 0) == 0)
		return 0;
	return errno == EISDIR ? op_remove(dir, entry->d_name, NULL) : -1;
}

/* Removes a directory as rm -r does; recursion is limited by the depth of the demonstration's tree.
 * */
static int op_remove(int dir, const char *a, const char *b)
{
	int fd = openat(dir, a, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	(void)b;
	if (!list) {
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return -1;
	}
	while (r == 0 && (entry = readdir(list)))
		r = remove_entry(fd, entry);
	(void)closedir(list); /* nothing was written */
	return r == 0 ? unlinkat(dir, a, AT_REMOVEDIR) : r;
}

static const struct step {
	const char *title, *note;
	struct op ops[OPS_MAX];
} steps[] = {
	{ "echo hello > notes.txt", "", { { op_write, "notes.txt", "hello\n" } } },
	{ "echo more >> notes.txt", "", { { op_append, "notes.txt", "more\n" } } },
	{ "touch empty.txt", "", { { op_append, "empty.txt", "" } } },
	{ "mkdir docs", "", { { op_mkdir, "docs", NULL } } },
	{ "mv notes.txt docs/",
	  "one event with both names",
	  { { op_rename, "notes.txt", "docs/notes.txt" } } },
	{ "mv docs/notes.txt docs/readme.txt",
	  "",
	  { { op_rename, "docs/notes.txt", "docs/readme.txt" } } },
	{ "mv ../outside/report.txt .",
	  "in from outside",
	  { { op_rename, "../outside/report.txt", "report.txt" } } },
	{ "mv empty.txt ../outside/",
	  "out of the share",
	  { { op_rename, "empty.txt", "../outside/empty.txt" } } },
	{ "echo v2 > docs/readme.tmp",
	  "an editor saves ...",
	  { { op_write, "docs/readme.tmp", "v2\n" } } },
	{ "mv docs/readme.tmp docs/readme.txt",
	  "... over the old file",
	  { { op_rename, "docs/readme.tmp", "docs/readme.txt" } } },
	{ "mv --exchange report.txt docs/readme.txt",
	  "",
	  { { op_exchange, "report.txt", "docs/readme.txt" } } },
	{ "mkdir -p src/lib/deep",
	  "",
	  { { op_mkdir, "src", NULL },
	    { op_mkdir, "src/lib", NULL },
	    { op_mkdir, "src/lib/deep", NULL } } },
	{ "echo 'int x;' > src/lib/deep/x.c",
	  "",
	  { { op_write, "src/lib/deep/x.c", "int x;\n" } } },
	{ "mv src code", "a directory with all below it", { { op_rename, "src", "code" } } },
	{ "echo 'int y;' >> code/lib/deep/x.c",
	  "reported under its new path",
	  { { op_append, "code/lib/deep/x.c", "int y;\n" } } },
	{ "mv code/lib ../outside/",
	  "all below it leaves with it",
	  { { op_rename, "code/lib", "../outside/lib" } } },
	{ "mv ../outside/lib code/vendor",
	  "all that it contains is new",
	  { { op_rename, "../outside/lib", "code/vendor" } } },
	{ "mv --exchange docs code",
	  "two directories trade places",
	  { { op_exchange, "docs", "code" } } },
	{ "ln report.txt same.txt", "", { { op_link, "report.txt", "same.txt" } } },
	{ "echo more >> same.txt",
	  "reported for both of its names",
	  { { op_append, "same.txt", "more\n" } } },
	{ "chmod 600 report.txt", "", { { op_chmod, "report.txt", "600" } } },
	{ "chmod 700 docs", "", { { op_chmod, "docs", "700" } } },
	{ "touch report.txt", "", { { op_touch, "report.txt", NULL } } },
	{ ": > report.txt", "emptied", { { op_truncate, "report.txt", NULL } } },
	{ "ln -s docs latest", "", { { op_symlink, "latest", "docs" } } },
	{ "mkfifo pipe", "", { { op_fifo, "pipe", NULL } } },
	{ "touch $'two\\nlines'", "", { { op_append, "two\nlines", "" } } },
	{ "rm same.txt", "", { { op_unlink, "same.txt", NULL } } },
	{ "rm latest pipe", "", { { op_unlink, "latest", NULL }, { op_unlink, "pipe", NULL } } },
	{ "rm -r docs", "children first", { { op_remove, "docs", NULL } } },
};
const size_t hw_demo_step_count = sizeof(steps) / sizeof(steps[0]);

const char *hw_demo_step_title(size_t step, const char **ret_note)
{
	*ret_note = steps[step].note;
	return steps[step].title;
}

bool hw_demo_step_leaves(size_t step)
{
	const struct op *op = &steps[step].ops[0];

	return op->run == op_rename && strncmp(op->b, "../", 3) == 0;
}

int hw_demo_step_run(const struct hw_demo_ground *ground, size_t step)
{
	const struct op *ops = steps[step].ops;

	for (size_t i = 0; i < OPS_MAX && ops[i].run; i++)
		if (ops[i].run(ground->share_fd, ops[i].a, ops[i].b) < 0)
			return -errno;
	return 0;
}

int hw_demo_ground_make(struct hw_demo_ground *ground, const char *parent)
{
	char *path = NULL;

	*ground = (struct hw_demo_ground){ .share_fd = -1 };
	if (asprintf(&path, "%s/hostwatch-demo-XXXXXX", parent) < 0)
		return -ENOMEM;
	if (!mkdtemp(path)) {
		int error = -errno;

		free(path);
		return error;
	}
	ground->path = path;
	if (asprintf(&ground->share, "%s/share", path) < 0) {
		ground->share = NULL;
		return -ENOMEM;
	}
	if (mkdir(ground->share, 0755) < 0)
		return -errno;
	ground->share_fd = open(ground->share, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ground->share_fd < 0 || op_mkdir(ground->share_fd, "../outside", NULL) < 0 ||
	    op_write(ground->share_fd, "../outside/report.txt", "report\n") < 0)
		return -errno;
	return 0;
}

void hw_demo_ground_remove(struct hw_demo_ground *ground)
{
	if (ground->share_fd >= 0)
		(void)close(ground->share_fd); /* nothing was written */
	if (ground->path && op_remove(AT_FDCWD, ground->path, NULL) < 0)
		fprintf(stderr, "hostwatch demo: cannot remove %s: %s\n", ground->path,
			strerror(errno));
	free(ground->share);
	free(ground->path);
}
