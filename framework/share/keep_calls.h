/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System calls about the files of a state, which may wait for ever: thread.h. They set errno as
 * usual. */
#ifndef HW_KEEP_CALLS_H
#define HW_KEEP_CALLS_H

#include "keep.h"
#include "thread.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HW_KEEP_AWAY(type, call)                                                                   \
	({                                                                                         \
		hw_away_begin();                                                                   \
		type hw_keep_result = (call);                                                      \
		hw_away_end();                                                                     \
		hw_keep_result;                                                                    \
	})

static inline int away_open(const char *path, int flags)
{
	return HW_KEEP_AWAY(int, open(path, flags));
}

static inline int away_openat(int dir, const char *name, int flags)
{
	return HW_KEEP_AWAY(int, openat(dir, name, flags, 0600));
}

static inline int away_fstat(int fd, struct stat *ret)
{
	return HW_KEEP_AWAY(int, fstat(fd, ret));
}

static inline int away_lstat(int dir, const char *name, struct stat *ret)
{
	return HW_KEEP_AWAY(int, fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW));
}

static inline int away_lock(int fd, int command, struct flock *lock)
{
	return HW_KEEP_AWAY(int, fcntl(fd, command, lock));
}

static inline int away_fsync(int fd)
{
	return HW_KEEP_AWAY(int, fsync(fd));
}

/* The end of a file may be a request to the server; that of a directory is not. */
static inline int away_close(int fd)
{
	return HW_KEEP_AWAY(int, close(fd));
}

/* A file that is open while a call does not return must stay open: keep_worker.h. */
static inline int away_open_file(struct hw_keep *keep, int dir, const char *name, int flags)
{
	int fd = away_openat(dir, name, flags);

	atomic_store(&keep->file, fd);
	return fd;
}

static inline void away_close_file(struct hw_keep *keep, int fd)
{
	if (fd >= 0)
		(void)away_close(fd);
	atomic_store(&keep->file, -1);
}

static inline int away_renameat(int dir, const char *from, const char *to)
{
	return HW_KEEP_AWAY(int, renameat(dir, from, dir, to));
}

static inline int away_unlinkat(int dir, const char *name)
{
	return HW_KEEP_AWAY(int, unlinkat(dir, name, 0));
}

static inline struct dirent *away_readdir(DIR *stream)
{
	return HW_KEEP_AWAY(struct dirent *, readdir(stream));
}

#endif
