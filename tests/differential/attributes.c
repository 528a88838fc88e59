/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations that change attributes of an entry, but not its data or names. */
#include "writer_private.h"

#include "tests/common/model.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Changes mode or owner of the file that fd refers to. Returns 0 or -1. */
typedef int change_fn(struct writer *w, int fd, const struct stat *before);

static int change_mode(struct writer *w, int fd, const struct stat *before)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	if (S_ISLNK(before->st_mode))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
	return chmod(path, (S_ISDIR(before->st_mode) ? 0700 : 0600) | hw_writer_pick(w, 64));
}

static int change_owner(struct writer *w, int fd, const struct stat *before)
{
	(void)before;
	return fchownat(fd, "", hw_writer_pick(w, 4), (gid_t)-1, AT_EMPTY_PATH);
}

/* The lock keeps the other writer out, so that the noted attributes are those directly before the
 * change. */
static int change_and_note(struct writer *w, int fd, change_fn *change)
{
	struct stat before, after;
	int r = -1;

	if (flock(w->attributes, LOCK_EX))
		return -1;
	if (!fstat(fd, &before) && !change(w, fd, &before) && !fstat(fd, &after))
		r = 0;
	const struct hw_model_attributes had = { before.st_ino, before.st_mode, before.st_uid,
						 before.st_gid };

	if (!r && (before.st_mode != after.st_mode || before.st_uid != after.st_uid) &&
	    write(w->attributes, &had, sizeof(had)) != (ssize_t)sizeof(had))
		r = -1;
	(void)flock(w->attributes, LOCK_UN); /* was locked */
	return r;
}

static int change_old(struct writer *w, char *a, change_fn *change)
{
	hw_writer_pick_old(w, "share", a);
	int fd = open(a, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = change_and_note(w, fd, change);
	(void)close(fd); /* O_PATH */
	return r;
}

int hw_writer_chmod(struct writer *w, char *a, char *b)
{
	(void)b;
	return change_old(w, a, change_mode);
}

int hw_writer_chown(struct writer *w, char *a, char *b)
{
	(void)b;
	return change_old(w, a, change_owner);
}

int hw_writer_utimens(struct writer *w, char *a, char *b)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };

	(void)b;
	hw_writer_pick_old(w, "share", a);
	if (hw_writer_pick(w, 2))
		times[1] = (struct timespec){ .tv_sec = (time_t)(1000000000 +
								 hw_writer_pick(w, 1000)) };
	int fd = open(a, O_PATH | O_NOFOLLOW | O_CLOEXEC), r = -1;

	if (fd < 0)
		return -1;
	if (!hw_writer_note_written(w, fd))
		r = utimensat(fd, "", times, AT_EMPTY_PATH);
	(void)close(fd); /* O_PATH */
	return r;
}

int hw_writer_xattr(struct writer *w, char *a, char *b)
{
	char value = (char)('0' + hw_writer_pick(w, 10));

	(void)b;
	hw_writer_pick_old(w, "share", a);
	return lsetxattr(a, "user.random", &value, 1, 0);
}
