/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replayer.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLE_TYPE 0x81 /* of FUSE: node ID and generation */
#define HANDLE_BYTES 12u

struct replayer {
	int root; /* of the mount */
	int hidden;
};

/* The kernel finds the inode by its node ID without a request, unless it has forgotten it. */
static int open_by_id(const struct replayer *replayer, uint64_t id)
{
	union {
		struct file_handle handle;
		unsigned char room[sizeof(struct file_handle) + HANDLE_BYTES];
	} file;
	uint32_t words[3] = { (uint32_t)(id >> 32), (uint32_t)id, 0 };

	file.handle.handle_bytes = HANDLE_BYTES;
	file.handle.handle_type = HANDLE_TYPE;
	memcpy(file.handle.f_handle, words, sizeof(words));
	return open_by_handle_at(replayer->root, &file.handle, O_PATH | O_CLOEXEC);
}

static int open_by_path(const struct replayer *replayer, const char *path)
{
	return openat(replayer->root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_place(const struct replayer *replayer, const struct hw_place *place)
{
	int fd;

	if (place->id == 0)
		return dup(replayer->hidden);
	if (place->id == FUSE_ROOT_ID)
		return dup(replayer->root);
	fd = open_by_id(replayer, place->id);
	return fd >= 0 ? fd : open_by_path(replayer, place->path);
}

static int make(int dir, const struct hw_command *command)
{
	const char *name = command->from.name;

	if (S_ISDIR(command->mode))
		return mkdirat(dir, name, 0755);
	if (S_ISLNK(command->mode))
		return symlinkat("x", dir, name);
	return mknodat(dir, name, command->mode, 0);
}

static int set_times(int dir, const char *name, bool both)
{
	const struct timespec times[2] = {
		{ .tv_nsec = both ? 0 : UTIME_OMIT },
		{ .tv_nsec = 0 },
	};

	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
}

static int open_and_close(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int call_with_one_name(int dir, const struct hw_command *command)
{
	const char *name = command->from.name;

	switch (command->call) {
	case HW_CALL_MAKE:
		return make(dir, command);
	case HW_CALL_REMOVE:
		return unlinkat(dir, name, S_ISDIR(command->mode) ? AT_REMOVEDIR : 0);
	case HW_CALL_MODIFY:
		return set_times(dir, name, false);
	case HW_CALL_ATTRIB:
		return set_times(dir, name, true);
	case HW_CALL_CLOSE:
		return open_and_close(dir, name);
	default:
		break;
	}
	errno = EINVAL;
	return -1;
}

/* The kernel moves its name of a renamed directory to the place where a program found it already.
 * rename(2) has the locks that this needs: so both names are looked up first. */
static int rename_between(int from, int to, const struct hw_command *command)
{
	struct stat st;

	(void)fstatat(from, command->from.name, &st, AT_SYMLINK_NOFOLLOW);
	(void)fstatat(to, command->to.name, &st, AT_SYMLINK_NOFOLLOW);
	return renameat2(from, command->from.name, to, command->to.name,
			 command->call == HW_CALL_EXCHANGE ? RENAME_EXCHANGE : 0);
}

/* A directory that the kernel does not know has no watcher: the other half is a move out or in. */
static int call_with_two_names(const struct replayer *replayer, const struct hw_command *command)
{
	int from = open_place(replayer, &command->from), to = open_place(replayer, &command->to);
	int r = 0, error;

	if (from < 0 && to < 0)
		return 0;
	if (from < 0)
		from = dup(replayer->hidden);
	if (to < 0)
		to = dup(replayer->hidden);
	r = rename_between(from, to, command);
	error = errno;
	(void)close(from); /* as above */
	(void)close(to);
	errno = error;
	return r;
}

static int run(const struct replayer *replayer, const struct hw_command *command)
{
	int dir, r;

	if (command->call == HW_CALL_RENAME || command->call == HW_CALL_EXCHANGE)
		return call_with_two_names(replayer, command) < 0 ? errno : 0;
	dir = open_place(replayer, &command->from);
	if (dir < 0)
		return 0; /* nobody watches */
	r = call_with_one_name(dir, command) < 0 ? errno : 0;
	(void)close(dir); /* as above */
	return r;
}

_Noreturn void hw_replayer_run(int commands, const char *at)
{
	static struct hw_command command;
	struct replayer replayer = { .root = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	int32_t result;

	replayer.hidden = openat(replayer.root, HW_REPLAY_HIDDEN, O_PATH | O_DIRECTORY | O_CLOEXEC);
	result = replayer.root < 0 || replayer.hidden < 0 ? errno : 0;
	(void)umask(0);
	while (send(commands, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result)) {
		if (recv(commands, &command, sizeof(command), 0) != sizeof(command))
			break;
		result = run(&replayer, &command);
	}
	_exit(0);
}
