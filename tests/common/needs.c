/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "needs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define REASON_ROOM 4352u /* longer than any path */

static char reason[REASON_ROOM];

static const char *lacks(const char *what, const char *remedy)
{
	int error = errno;

	(void)snprintf(reason, sizeof(reason), "%s: %s%s", what, strerror(error),
		       error == EPERM || error == EACCES ? remedy : "");
	return reason;
}

/* A function that is tried in a child process. Returns NULL or a reason, like the functions of the
 * header. */
typedef const char *attempt_fn(const void *arg);

/* The child sends the reason through a pipe. */
static const char *try_in_child(attempt_fn *attempt, const void *arg)
{
	int ends[2], status = 0;
	size_t len = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		return lacks("no pipe", "");
	pid_t pid = fork();
	if (pid == 0) {
		const char *said = attempt(arg);

		if (said && write(ends[1], said, strlen(said)) < 0)
			_exit(2);
		_exit(said ? 1 : 0);
	}
	(void)close(ends[1]); /* used by the child only */
	while (pid > 0 && len < sizeof(reason) - 1 &&
	       (n = read(ends[0], reason + len, sizeof(reason) - 1 - len)) > 0)
		len += (size_t)n;
	reason[len] = '\0';
	(void)close(ends[0]); /* only read */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return lacks("no child process", "");
	if (status && !len)
		(void)snprintf(reason, sizeof(reason), "the probe ended with status %d", status);
	return status ? reason : NULL;
}

/* ---- nobody ---- */

int hw_become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(HW_NOBODY, HW_NOBODY, HW_NOBODY) ||
	    setresuid(HW_NOBODY, HW_NOBODY, HW_NOBODY))
		return -errno;
	return 0;
}

/* Returns NULL, or the reason why this process cannot use `path`: names the first directory on the
 * way that it cannot enter, or the file itself. */
static const char *cannot_reach(const char *path)
{
	char part[4096];

	for (size_t len = 1; len < sizeof(part) && len <= strlen(path); len++) {
		bool last = path[len] == '\0';

		if (path[len] != '/' && !last)
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, path);
		struct stat st;
		bool is_dir = !stat(part, &st) && S_ISDIR(st.st_mode);

		if (access(part, is_dir ? X_OK : R_OK | X_OK) == 0)
			continue;
		(void)snprintf(reason, sizeof(reason), "%s cannot be %s by nobody (uid %u)", part,
			       is_dir ? "entered" : "used", HW_NOBODY);
		return reason;
	}
	return NULL;
}

static const char *reach_as_nobody(const void *arg)
{
	const char *const *paths = arg, *said = NULL;
	int r = hw_become_nobody();

	errno = -r;
	if (r)
		return lacks("this process cannot become another user",
			     " (CAP_SETUID, CAP_SETGID)");
	while (*paths && !said)
		said = cannot_reach(*paths++);
	return said;
}

const char *hw_lacks_nobody(const char *const *paths)
{
	return try_in_child(reach_as_nobody, paths);
}

/* ---- files ---- */

/* Makes a directory for a test; leave_scratch() removes it. Returns -1 if that fails. */
static int enter_scratch(const char *dir, char *path, size_t room)
{
	(void)snprintf(path, room, "%s/hwneeds-XXXXXX", dir);
	return mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void leave_scratch(int fd, const char *path)
{
	int error = errno;

	(void)unlinkat(fd, "x", 0); /* may not exist */
	(void)close(fd); /* only read */
	(void)rmdir(path); /* it remains if it cannot be removed */
	errno = error;
}

const char *hw_lacks_scratch(const char *dir)
{
	char path[4096];
	int fd = enter_scratch(dir, path, sizeof(path));

	if (fd < 0) {
		(void)snprintf(path, sizeof(path), "nothing can be made in %s", dir);
		return lacks(path, "");
	}
	leave_scratch(fd, path);
	return NULL;
}

const char *hw_lacks_chown(const char *dir)
{
	char path[4096];
	int fd = enter_scratch(dir, path, sizeof(path));

	if (fd < 0)
		return lacks(dir, "");
	int r = mknodat(fd, "x", S_IFREG | 0600, 0);
	if (!r)
		r = fchownat(fd, "x", 1000, 1000, 0);
	if (!r)
		r = fchownat(fd, "x", 1001, 1001, 0);
	leave_scratch(fd, path);
	return r ? lacks("files cannot be given to another user", " (CAP_CHOWN)") : NULL;
}

const char *hw_lacks_mknod(const char *dir)
{
	char path[4096];
	int fd = enter_scratch(dir, path, sizeof(path));

	if (fd < 0)
		return lacks(dir, "");
	int r = mknodat(fd, "x", S_IFCHR | 0600, makedev(1, 3));
	leave_scratch(fd, path);
	return r ? lacks("device nodes cannot be made", " (CAP_MKNOD)") : NULL;
}

const char *hw_lacks_handles(const char *dir)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, opened = -1;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return lacks(dir, "");
	if (name_to_handle_at(fd, "", &u.handle, &mount_id, AT_EMPTY_PATH) == 0)
		opened = open_by_handle_at(fd, &u.handle, O_RDONLY | O_CLOEXEC);
	int error = errno;
	(void)close(fd); /* only read */
	if (opened >= 0)
		(void)close(opened); /* only read */
	errno = error;
	return opened < 0 ? lacks("file handles cannot be opened", " (CAP_DAC_READ_SEARCH)") : NULL;
}

const char *hw_lacks_writing(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return lacks(path, "");
	(void)close(fd); /* nothing was written */
	return NULL;
}

const char *hw_lacks_capability(unsigned number, const char *name)
{
	unsigned long long mask = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");

	if (!file)
		return lacks("/proc/self/status", "");
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "CapEff: %llx", &mask); /* other lines do not match */
	(void)fclose(file); /* only read */
	(void)snprintf(reason, sizeof(reason), "uid %u has no %s", geteuid(), name);
	return mask >> number & 1 ? NULL : reason;
}

/* ---- namespaces ---- */

/* "/" of a chroot is not a mount point. In that case, the mounts are made private from the root of
 * the mount namespace, to which setns(2) leads. */
static int make_mounts_private(void)
{
	if (!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0;
	if (errno != EINVAL)
		return -errno;
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int space = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int r = root < 0 || here < 0 || space < 0 || setns(space, CLONE_NEWNS) ? -errno : 0;

	if (!r) {
		r = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno : 0;
		if (fchdir(root) || chroot(".") || fchdir(here))
			abort(); /* cannot return to the root of the caller */
	}
	if (root >= 0)
		(void)close(root); /* O_PATH */
	if (here >= 0)
		(void)close(here); /* O_PATH */
	if (space >= 0)
		(void)close(space); /* only read */
	return r;
}

const char *hw_lacks_mounts(void)
{
	static enum { UNKNOWN, PRIVATE, IMPOSSIBLE } state;
	static int error;

	if (state == UNKNOWN) {
		int r = unshare(CLONE_NEWNS) ? -errno : make_mounts_private();

		error = -r;
		state = r ? IMPOSSIBLE : PRIVATE;
	}
	errno = error;
	return state == PRIVATE ? NULL : lacks("filesystems cannot be mounted", " (CAP_SYS_ADMIN)");
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		(void)close(fd); /* already written */
	errno = error;
	return written;
}

/* Only a mount point has a line with "/" as its target. */
static bool is_chroot(void)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[8192], target[4096];
	bool found = false;

	if (!mounts)
		return false;
	while (!found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %4095s", target) == 1 && !strcmp(target, "/");
	(void)fclose(mounts); /* only read */
	return !found;
}

const char *hw_enter_user_limit(const char *limit, unsigned value)
{
	char path[128], text[64], group[64];

	(void)snprintf(text, sizeof(text), "0 %u 1", geteuid());
	(void)snprintf(group, sizeof(group), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER))
		return is_chroot() ? "a chroot cannot make user namespaces"
				   : lacks("no user namespace can be made", "");
	if (!write_text("/proc/self/setgroups", "deny") ||
	    !write_text("/proc/self/uid_map", text) || !write_text("/proc/self/gid_map", group))
		return lacks("no user can be mapped into a user namespace", "");
	(void)snprintf(path, sizeof(path), "/proc/sys/user/%s", limit);
	(void)snprintf(text, sizeof(text), "%u", value);
	return write_text(path, text) ? NULL : lacks(path, "");
}

static const char *try_user_limit(const void *limit)
{
	return hw_enter_user_limit(limit, 1);
}

const char *hw_lacks_user_limit(const char *limit)
{
	return try_in_child(try_user_limit, limit);
}
