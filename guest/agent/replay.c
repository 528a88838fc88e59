/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inject = replay: passes events to hostwatch-guest-replay, which mounts a passthrough of the share
 * at another place and makes the kernel report them there. It is a program of its own, because it
 * needs libfuse3; it answers each event when it has been reported.
 */
#include "inject.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/replay.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000

struct replay {
	struct hw_inject inject;
	const struct hw_mount *mount; /* borrowed */
	struct hw_mountinfo info; /* of the share's mount */
	pid_t pid;
	int fd; /* owned */
	int said; /* the error that was logged last, which is not repeated */
	uint64_t events, failed;
	bool live; /* the program knows that events come */
};

/* Where the program is, as seen from the agent's: as built, as installed. */
static const char *const places[] = { "", "/../lib/hostwatch" };

#define PLACES (sizeof(places) / sizeof(places[0]))
#define PLACE_MAX (PATH_MAX + 64u)

static void make_path(char ret[PLACE_MAX], size_t place)
{
	char self[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	(void)snprintf(ret, PLACE_MAX, "%s%s/%s", self, places[place], HW_REPLAY_PROGRAM);
}

static const char not_installed[] =
	HW_REPLAY_PROGRAM " is not installed; it needs libfuse3: install the package "
			  "hostwatch-guest, or libfuse3-dev before make install-guest";

bool hw_replay_works(char why[HW_INJECT_WHY_MAX])
{
	char path[PLACE_MAX];
	bool found = false;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), error = errno;

	for (size_t i = 0; i < PLACES && !found; i++) {
		make_path(path, i);
		found = access(path, X_OK) == 0;
	}
	if (fd >= 0)
		(void)close(fd); /* opened as a test only */
	if (!found)
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", not_installed);
	else if (fd < 0)
		(void)snprintf(why, HW_INJECT_WHY_MAX, "cannot open /dev/fuse: %s%s",
			       strerror(error), error == ENOENT ? "; modprobe fuse" : "");
	return found && fd >= 0;
}

static void exec_program(const struct hw_mount *mount, int fd)
{
	char path[PLACE_MAX], number[16];

	(void)snprintf(number, sizeof(number), "%d", fd);
	for (size_t i = 0; i < PLACES; i++) {
		make_path(path, i);
		(void)execl(path, HW_REPLAY_PROGRAM, mount->path, mount->at, number,
			    NULL); /* returns if it does not exist */
	}
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct replay *replay, char why[HW_INJECT_WHY_MAX])
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "cannot make a socket: %s", strerror(errno));
		return -errno;
	}
	replay->pid = fork();
	if (replay->pid == 0) {
		if (fcntl(pair[1], F_SETFD, 0) == 0)
			exec_program(replay->mount, pair[1]);
		_exit(126);
	}
	(void)close(pair[1]); /* the child's */
	replay->fd = pair[0];
	if (replay->pid > 0)
		return 0;
	(void)snprintf(why, HW_INJECT_WHY_MAX, "cannot start %s: %s", HW_REPLAY_PROGRAM,
		       strerror(errno));
	(void)close(pair[0]); /* nothing was sent */
	return -EAGAIN;
}

/* The mount goes with the program, at the end of the socket. */
static void stop(struct replay *replay)
{
	(void)close(replay->fd); /* as above */
	while (waitpid(replay->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Returns the answer to the last message, a positive error number or 0; -EPIPE. */
static int answer_of(const struct replay *replay, int timeout_ms)
{
	struct pollfd pollfd = { .fd = replay->fd, .events = POLLIN };
	int32_t answer;
	int r;

	do
		r = poll(&pollfd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return ETIMEDOUT;
	if (recv(replay->fd, &answer, sizeof(answer), 0) != sizeof(answer))
		return -EPIPE;
	return answer;
}

static int explain_start(const struct replay *replay, int r, char why[HW_INJECT_WHY_MAX])
{
	int status = 0;

	if (r == ETIMEDOUT) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s does not answer", HW_REPLAY_PROGRAM);
		return -EAGAIN;
	}
	(void)waitpid(replay->pid, &status, WNOHANG);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", not_installed);
		return -ENOENT;
	}
	(void)snprintf(why, HW_INJECT_WHY_MAX, "%s could not mount %s; its message is above",
		       HW_REPLAY_PROGRAM, replay->mount->at);
	return -EAGAIN;
}

static int open_replay(const struct hw_mount *mount, struct hw_inject **ret,
		       char why[HW_INJECT_WHY_MAX])
{
	struct hw_mountinfo info;
	struct replay *replay;
	int r = hw_mountinfo_get(mount->path, &info);

	if (r < 0) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "waiting for the mount: %s", strerror(-r));
		return -EAGAIN;
	}
	replay = calloc(1, sizeof(*replay));
	if (!replay) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	*replay = (struct replay){
		.inject = { &hw_inject_replay }, .mount = mount, .info = info, .pid = -1
	};
	r = start(replay, why);
	if (r == 0) {
		r = answer_of(replay, START_MS);
		if (r) {
			r = explain_start(replay, r, why);
			stop(replay);
		}
	}
	if (r < 0) {
		free(replay);
		return r;
	}
	hw_info("[mount %s] inject = replay: programs that use %s receive the events of %s",
		mount->name, mount->at, mount->path);
	*ret = &replay->inject;
	return 0;
}

static int tell_replay(struct hw_inject *inject, const struct hw_told *told)
{
	struct replay *replay = (struct replay *)inject;
	int r;

	if (send(replay->fd, told->bytes, told->len, MSG_NOSIGNAL) < 0)
		return -ENODEV;
	r = answer_of(replay, -1);
	if (r < 0)
		return -ENODEV;
	replay->events++;
	if (r == 0)
		return 0;
	replay->failed++;
	if (r != replay->said)
		hw_warning("[mount %s] cannot deliver event %llu: %s", replay->mount->name,
			   (unsigned long long)told->event->seq, strerror(r));
	replay->said = r;
	return 0;
}

/* While events come, the kernel may keep what it knows of the mount. */
static int work_replay(struct hw_inject *inject, bool live, uint64_t now_ms, uint64_t *ret_due_ms)
{
	struct replay *replay = (struct replay *)inject;
	const unsigned char byte = live ? HW_REPLAY_LIVE : HW_REPLAY_LOST;

	(void)now_ms;
	*ret_due_ms = UINT64_MAX;
	if (replay->live == live)
		return 0;
	if (send(replay->fd, &byte, 1, MSG_NOSIGNAL) < 0 || answer_of(replay, -1) < 0)
		return -ENODEV;
	replay->live = live;
	return 0;
}

static void describe_replay(struct hw_inject *inject, char *buf, size_t size)
{
	const struct replay *replay = (const struct replay *)inject;

	(void)snprintf(buf, size, "replay: %llu events, %llu failed",
		       (unsigned long long)replay->events, (unsigned long long)replay->failed);
}

static bool replay_is_there(struct hw_inject *inject)
{
	const struct replay *replay = (const struct replay *)inject;
	struct pollfd pollfd = { .fd = replay->fd };

	return poll(&pollfd, 1, 0) == 0 && hw_mountinfo_same(replay->mount->path, &replay->info);
}

static void close_replay(struct hw_inject *inject)
{
	struct replay *replay = (struct replay *)inject;

	stop(replay);
	free(replay);
}

const struct hw_inject_ops hw_inject_replay = {
	.open = open_replay,
	.event = tell_replay,
	.work = work_replay,
	.describe = describe_replay,
	.is_there = replay_is_there,
	.close = close_replay,
};
