/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock of a state. It belongs to the process, but a child that shares its descriptors
 * (thread.h) and waits for a filesystem which does not answer keeps it, also after the process has
 * ended. So the file names the process that locked it last: while that runs, the state is its own;
 * what is left of those that have ended never uses it again. */
#include "keep.h"
#include "keep_calls.h"
#include "share_private.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define TRIES 30
#define REST_MS 10

/* Bytes of the file that are locked. Each process needs one that is free. */
#define PLACES 16
#define GATE PLACES /* while a process looks whether it may have the state */

/* The contents of the file. Another version may have written it, so all of it must fit. */
struct owner {
	uint8_t boot[HW_STATE_BOOT];
	uint64_t space; /* inode of its PID namespace */
	uint64_t begun; /* start of the process, in the unit of /proc/PID/stat */
	uint64_t pid;
};

static int lock_bytes(int fd, short type, off_t from, off_t count)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = count
	};
	int r = away_lock(fd, F_SETLK, &lock);

	return r == 0 ? 0 : errno == EACCES ? -EAGAIN : -errno;
}

/* Returns whether another process, or a child that one has left, has a place. */
static bool is_held(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = PLACES };

	return away_lock(fd, F_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

/* ---- processes ---- */

/* Returns 0 if it is unknown. */
static uint64_t begun_of(pid_t pid)
{
	char path[40], text[1024];
	const char *at;
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strrchr(text, ')'); /* of field 2, the name */
	for (unsigned field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static bool has_ended(const struct owner *owner)
{
	struct pollfd process = { .events = POLLIN };
	uint64_t begun;
	bool ended;

	process.fd = (int)syscall(SYS_pidfd_open, (pid_t)owner->pid, 0);
	if (process.fd < 0)
		return errno == ESRCH;
	begun = begun_of((pid_t)owner->pid);
	ended = poll(&process, 1, 0) > 0 || (begun && begun != owner->begun);
	(void)close(process.fd);
	return ended;
}

/* Returns whether another process can find out later whether this one has ended. */
static bool describe_this(const struct hw_keep *keep, struct owner *ret)
{
	pid_t pid = hw_thread_process();
	struct stat space;

	if (stat("/proc/self/ns/pid", &space) < 0)
		return false;
	memcpy(ret->boot, keep->boot, sizeof(ret->boot));
	ret->space = space.st_ino;
	ret->begun = begun_of(pid);
	ret->pid = (uint64_t)pid;
	return ret->begun;
}

/* ---- the file ---- */

/* Returns whether this process locked the file last, or one that has certainly ended: then those
 * that others have locked before are left over. Of a process of another system or PID namespace, it
 * is unknown whether it has ended. */
static bool are_left_over(int fd, const struct owner *this)
{
	struct owner last = { .pid = 0 };

	return HW_KEEP_AWAY(ssize_t, pread(fd, &last, sizeof(last), 0)) == sizeof(last) &&
	       memcmp(last.boot, this->boot, sizeof(last.boot)) == 0 && last.space == this->space &&
	       (memcmp(&last, this, sizeof(last)) == 0 || has_ended(&last));
}

/* Nobody must be named rather than another one. */
static int name_owner(int fd, const struct owner *owner)
{
	if (owner->begun &&
	    HW_KEEP_AWAY(ssize_t, pwrite(fd, owner, sizeof(*owner), 0)) == sizeof(*owner))
		return 0;
	return HW_KEEP_AWAY(int, ftruncate(fd, 0)) < 0 ? -errno : 0;
}

/* No other process does this at the same time. */
static int lock_place(const struct hw_keep *keep, int fd, bool is_local)
{
	struct owner this = { .begun = 0 };
	bool known = is_local && describe_this(keep, &this);
	int r = -EAGAIN;

	if (is_held(fd) && !(known && are_left_over(fd, &this)))
		return -EAGAIN;
	for (off_t place = 0; place < PLACES && r == -EAGAIN; place++)
		r = lock_bytes(fd, F_WRLCK, place, 1);
	return r < 0 || !is_local ? r : name_owner(fd, &this);
}

static int try_lock(const struct hw_keep *keep, int fd, bool is_local)
{
	int r = lock_bytes(fd, F_WRLCK, GATE, 1);

	if (r < 0)
		return r;
	r = lock_place(keep, fd, is_local);
	(void)lock_bytes(fd, F_UNLCK, GATE, 1); /* cannot fail for a lock of this process */
	return r;
}

int hw_keep_lock(const struct hw_keep *keep, int fd, bool is_local)
{
	int tries = TRIES, r;

	while ((r = try_lock(keep, fd, is_local)) == -EAGAIN && --tries)
		(void)poll(NULL, 0, REST_MS); /* another one may be about to end */
	return r;
}
