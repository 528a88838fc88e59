/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostwatch-git-fsmonitor: the fsmonitor hook of git, version 2 (githooks(5)). git calls it in the
 * top directory of the work tree.
 *
 * For git, a name with a slash invalidates all entries of the index below it, but in the untracked
 * cache only the directory that contains the name. A directory that was renamed, or moved here,
 * brings directories with it whose old contents that cache may have under the same names. So each
 * directory below such a name is walked, and a name in it is printed, which need not exist.
 */
#include "log.h"
#include "since.h"
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_NS (10 * HW_SEC)
#define INSIDE ".hostwatch" /* a name in each directory whose contents are unknown */
#define UNKNOWN "unknown" /* no token of the daemon is this text */

const struct hw_command_line tool_git_fsmonitor_line = {
	.program = "hostwatch-git-fsmonitor",
	.summary = "tell git which files changed",
	.synopsis = "VERSION TOKEN",
	.about = "A hook for git(1), which calls it after 'git config core.fsmonitor "
		 "hostwatch-git-fsmonitor'. See hostwatch(1).",
	.operand = "VERSION TOKEN",
	.operands_min = 2,
	.operands_max = 2,
};

static bool is_of_git(const char *name)
{
	return strncmp(name, ".git", 4) == 0 && (name[4] == '/' || !name[4]);
}

static int add_inside(struct since_names *names, const char *dir)
{
	char *name = NULL;
	int len = asprintf(&name, "%s%s" INSIDE, dir, *dir ? "/" : ""), r;

	if (len < 0)
		return -ENOMEM;
	r = hw_since_names_add(names, name, (size_t)len, false);
	free(name);
	return r;
}

static bool is_dir(int dirfd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Adds the directories in this one to the queue. The top is "". */
static int queue_subdirs(struct since_names *queue, const char *path)
{
	int fd = open(*path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* nothing was read */
		return 0; /* it is gone: git sees the same */
	}
	while (r == 0 && (entry = readdir(dir))) {
		char *sub = NULL;
		int len;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, ".git") == 0 || !is_dir(fd, entry))
			continue;
		len = asprintf(&sub, "%s%s%s", path, *path ? "/" : "", entry->d_name);
		r = len < 0 ? -ENOMEM : hw_since_names_add(queue, sub, (size_t)len, false);
		free(len < 0 ? NULL : sub);
	}
	(void)closedir(dir); /* it was only read */
	return r;
}

/* Adds a name in this directory and in each one below it. */
static int add_below(struct since_names *names, const char *path, size_t len)
{
	struct since_names queue = { 0 };
	int r = hw_since_names_add(&queue, path, len, false);

	for (size_t i = 0; r == 0 && i < queue.count; i++) {
		r = add_inside(names, queue.items[i]);
		if (r == 0)
			r = queue_subdirs(&queue, queue.items[i]);
	}
	hw_since_names_free(&queue);
	return r;
}

/* git takes no name with such a component, but a directory with one may be a repository, which it
 * shows in another way. With -uall, the untracked cache of the directory above says which way. */
static int add_around_git(struct since_names *names, const char *name)
{
	const char *part = name, *holder = name;
	char *dir;
	int r;

	while (strncasecmp(part, ".git", 4) != 0 && strncasecmp(part, "git~1", 5) != 0) {
		holder = part;
		part = strchr(part, '/');
		if (!part++)
			return 0;
	}
	dir = strndup(name, part == name ? 0 : (size_t)(part - name) - 1);
	r = dir ? add_inside(names, dir) : -ENOMEM;
	if (r == 0) {
		dir[holder == name ? 0 : holder - name - 1] = '\0';
		r = add_inside(names, dir);
	}
	free(dir);
	return r;
}

static int complete(struct since_names *names)
{
	size_t count = names->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		char *name = names->items[i];
		size_t len = strlen(name);

		if (is_of_git(name))
			continue;
		r = add_around_git(names, name);
		if (r == 0 && name[len - 1] == '/')
			r = add_below(names, name, len - 1);
	}
	hw_since_names_finish(names);
	return r;
}

/* ---- everything ---- */

/* Adds the first component of a path, unless it was added last. */
static int add_top(struct since_names *names, const char *path)
{
	const char *last = names->count ? names->items[names->count - 1] : "";
	size_t len = strcspn(path, "/");
	bool dir = path[len] == '/';

	if (*last && strncmp(last, path, len + dir) == 0 && !last[len + dir])
		return 0;
	return hw_since_names_add(names, path, len, dir);
}

/* A name with a slash stands for all entries of the index below it. */
static int add_index(struct since_names *names)
{
	FILE *git = popen("git -c core.fsmonitor=false ls-files -z 2>/dev/null", "re");
	char *path = NULL;
	size_t room = 0;
	int r = git ? 0 : -ENOMEM;

	while (r == 0 && getdelim(&path, &room, '\0', git) > 0)
		r = add_top(names, path);
	free(path);
	if (git && pclose(git) != 0 && r == 0)
		r = -EIO;
	return r;
}

static int add_everything(struct since_names *names)
{
	int r;

	hw_since_names_free(names);
	r = add_index(names);
	if (r == 0)
		r = add_below(names, "", 0);
	hw_since_names_finish(names);
	return r;
}

/* ---- the answer ---- */

static void print_answer(const char *token, const struct since_names *names)
{
	(void)fwrite(token, 1, strlen(token) + 1, stdout); /* checked by main() */
	for (size_t i = 0; i < names->count; i++)
		if (!is_of_git(names->items[i]))
			(void)fwrite(names->items[i], 1, strlen(names->items[i]) + 1,
				     stdout); /* as above */
}

/* Without a daemon that answers, why is on standard error. */
static int answer(struct since *since)
{
	int status = hw_since_ask(since), r;
	bool known = status < 0;

	r = known && !since->unknown ? complete(&since->names) : add_everything(&since->names);
	if (r == -ENOMEM)
		return hw_args_failure(since->line, "out of memory");
	if (r < 0)
		return known ? hw_args_failure(since->line, "git ls-files failed") : status;
	print_answer(known ? since->next : UNKNOWN, &since->names);
	return EXIT_SUCCESS;
}

int tool_git_fsmonitor(int argc, char **argv)
{
	struct since since = { .line = &tool_git_fsmonitor_line,
			       .fd = -1,
			       .timeout_ns = TIMEOUT_NS };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_git_fsmonitor_line, argc, argv, NULL, &operands);
	char *dir;

	if (status >= 0)
		return status;
	/* git tries version 1 after version 2 has failed, for which there was a message. */
	if (strcmp(operands.items[0], "2") != 0)
		return HW_EXIT_FAILURE;
	dir = realpath(".", NULL);
	if (!dir)
		return hw_args_failure(&tool_git_fsmonitor_line, "the current directory: %s",
				       errno == ENAMETOOLONG ? SINCE_TOO_LONG : strerror(errno));
	since.dir = dir;
	since.token = operands.items[1];
	status = answer(&since);
	hw_since_free(&since);
	free(dir);
	return status;
}
