/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of --state and the files beside it: its lock, and events about them. */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the lock ---- */

static bool is_at(int fd, const char *path)
{
	struct stat open, there;

	return fstat(fd, &open) == 0 && lstat(path, &there) == 0 && open.st_ino == there.st_ino &&
	       open.st_dev == there.st_dev;
}

/* Returns the descriptor of the lock; -EAGAIN: another process has it, or has just removed the
 * file; or another -errno. */
static int try_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), error;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_at(fd, path))
		return fd;
	error = errno == EWOULDBLOCK || !is_at(fd, path) ? EAGAIN : errno;
	(void)close(fd); /* nothing was written */
	return -error;
}

int hw_tail_lock_state(struct tail *t)
{
	if (asprintf(&t->lock_path, "%s" TAIL_LOCK, t->state_path) < 0) {
		t->lock_path = NULL;
		return -ENOMEM;
	}
	t->lock = try_lock(t->lock_path);
	return t->lock < 0 ? t->lock : 0;
}

/* The file is removed while it is locked: another process sees that it has the lock of a file that
 * is gone. */
void hw_tail_unlock_state(struct tail *t)
{
	if (t->lock >= 0) {
		(void)unlink(t->lock_path);
		(void)close(t->lock); /* nothing was written */
	}
	t->lock = -1;
	free(t->lock_path);
	free(t->state_real);
	t->lock_path = t->state_real = NULL;
}

/* ---- events about the file ---- */

int hw_tail_find_state(struct tail *t)
{
	const char *slash = strrchr(t->state_path, '/');
	const char *base = slash ? slash + 1 : t->state_path;
	char *given = strndup(t->state_path, (size_t)(base - t->state_path)), *dir;
	int r;

	if (!given)
		return -ENOMEM;
	dir = realpath(*given ? given : ".", NULL);
	r = dir ? 0 : -errno;
	if (dir && asprintf(&t->state_real, "%s/%s", dir, base) < 0) {
		t->state_real = NULL;
		r = -ENOMEM;
	}
	free(given);
	free(dir);
	return r;
}

/* Returns whether the absolute path ends with a slash and this path. */
static bool ends_with(const char *absolute, size_t absolute_len, const char *path, size_t len)
{
	return len < absolute_len && absolute[absolute_len - len - 1] == '/' &&
	       memcmp(absolute + absolute_len - len, path, len) == 0;
}

static bool is_own(const struct tail *t, const char *path, size_t len)
{
	static const char *const ends[] = { "", TAIL_NEW, TAIL_LOCK };
	size_t real_len = strlen(t->state_real);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (len > end && memcmp(path + len - end, ends[i], end) == 0 &&
		    ends_with(t->state_real, real_len, path, len - end))
			return true;
	}
	return false;
}

bool hw_tail_is_own(const struct tail *t, const struct hw_event *event)
{
	return t->state_real && event->kind != HW_RESCAN && (event->from || event->path) &&
	       (!event->from || is_own(t, event->from, event->from_len)) &&
	       (!event->path || is_own(t, event->path, event->path_len));
}
