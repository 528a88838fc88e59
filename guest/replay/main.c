/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostwatch-guest-replay LOWER AT FD: mounts the passthrough of LOWER at AT and replays the event
 * frames that come from the socket FD, each as one message. A message of one byte says whether
 * events come: HW_REPLAY_LIVE or HW_REPLAY_LOST, which is so at first. hostwatch-guest(8) runs it.
 * It answers with an int32_t, 0 or an error number, when the mount is there and after each message,
 * and ends when the socket is closed.
 */
#include "event.h"
#include "replayer.h"
#include "rescan.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/replay.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_MS 200

static int fail(const char *what, int error)
{
	(void)fprintf(stderr, "hostwatch-guest-replay: %s: %s\n", what, strerror(error));
	return 1;
}

/* ---- the session ---- */

static void init_connection(void *user, struct fuse_conn_info *conn)
{
	struct hw_server *server = user;
	const unsigned wanted =
		FUSE_CAP_ASYNC_READ | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
		FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
		FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_POSIX_ACL |
		FUSE_CAP_DONT_MASK | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE;

	conn->want = conn->capable & wanted;
	if (server->of_user)
		conn->want &= ~(unsigned)FUSE_CAP_POSIX_ACL; /* the lower filesystem decides */
	server->no_open = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT &&
			  conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	if (server->no_open)
		conn->want |= FUSE_CAP_NO_OPEN_SUPPORT;
	else
		conn->want &= ~(unsigned)FUSE_CAP_NO_OPENDIR_SUPPORT;
	server->expires = conn->capable & FUSE_CAP_EXPIRE_ONLY;
	conn->time_gran = 1;
}

#define NAMES "fsname=hostwatch,subtype=hostwatch"

/* fusermount3(1) allows an ordinary user to mount. His mount is for himself, and all calls are made
 * with his rights: the lower filesystem checks them. The replayer reports events of files of other
 * users, too, and must not be checked. */
static int make_session(struct hw_server *server)
{
	char *argv[] = { "hostwatch-guest-replay", "-o",
			 server->of_user ? NAMES : NAMES ",allow_other,default_permissions", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_lowlevel_ops ops = { .init = init_connection };

	hw_ops_lookup(&ops);
	hw_ops_names(&ops);
	hw_ops_data(&ops);
	hw_ops_directory(&ops);
	hw_ops_xattr(&ops);
	server->session = fuse_session_new(&args, &ops, sizeof(ops), server);
	fuse_opt_free_args(&args);
	return server->session ? 0 : -EINVAL;
}

static void *serve(void *arg)
{
	struct hw_server *server = arg;
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	if (config) {
		fuse_loop_cfg_set_clone_fd(config, 0);
		(void)fuse_session_loop_mt(server->session, config);
		fuse_loop_cfg_destroy(config);
	}
	/* unmounted by somebody: the end of events is the end of this */
	(void)shutdown(server->commands, SHUT_RDWR);
	return NULL;
}

/* Takes the state of files soon after a program has written, before the host changes them, and
 * closes them for writing when that was some time ago. */
static void *settle(void *arg)
{
	struct hw_server *server = arg;
	struct hw_view *view = &server->view;
	struct timespec until;
	bool open;

	hw_view_lock(view);
	for (;;) {
		open = hw_own_settle(view, IDLE_MS);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += open ? 0 : 3600;
		until.tv_nsec += IDLE_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&view->wrote, &view->lock, &until);
	}
	return NULL;
}

/* ---- processes ---- */

/* Closes all descriptors but one: none of /dev/fuse may be left. */
static void keep_only(int fd)
{
	(void)dup2(fd, 3);
	(void)close_range(4, ~0u, 0);
}

static int start_replayer(struct hw_server *server)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	server->replayer = fork();
	if (server->replayer < 0)
		return -errno;
	if (server->replayer == 0) {
		(void)prctl(PR_SET_NAME, "replayer");
		keep_only(pair[1]);
		hw_replayer_run(3, server->at);
	}
	(void)close(pair[1]); /* the child's */
	server->commands = pair[0];
	return 0;
}

/* An ordinary user needs fusermount3(1), which knows mounts by their place. */
static void end_mount_of_user(const char *at)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", at, NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Only this mount: there may be another one at its place already. */
static void end_mount(const struct hw_server *server, int fd, int flags)
{
	char link[40];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (umount2(link, flags) < 0 && errno == EPERM && flags & MNT_DETACH)
		end_mount_of_user(server->at);
}

/* Waits for the end of the thread that has made this process, and ends the mount. */
static _Noreturn void guard(const struct hw_server *server, pid_t parent)
{
	sigset_t signals;
	int which;

	(void)prctl(PR_SET_NAME, "guard");
	keep_only(server->mount);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() == parent)
		(void)sigwait(&signals, &which);
	end_mount(server, 3, MNT_FORCE);
	end_mount(server, 3, MNT_DETACH);
	_exit(0);
}

static void *keep_guard(void *arg)
{
	const struct hw_server *server = arg;
	const pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		guard(server, parent);
	if (pid < 0)
		exit(fail("cannot start the guard", errno));
	for (;;)
		(void)pause(); /* until the process ends */
	return NULL;
}

/* A thread of the server may wait in the kernel for a lock that a program has which waits for the
 * server. If the server is killed then, that thread lives on, with its descriptor of /dev/fuse, and
 * both wait for ever unless somebody aborts the connection. So the guard is the child of a thread
 * that waits for nothing: its end is that of the server. */
static int start_guard(struct hw_server *server)
{
	pthread_t thread;

	return -pthread_create(&thread, NULL, keep_guard, server);
}

static int wait_for_replayer(const struct hw_server *server)
{
	int32_t result;

	if (recv(server->commands, &result, sizeof(result), 0) != sizeof(result))
		return -EPIPE;
	return -result;
}

/* ---- events ---- */

static int replay_frames(struct hw_server *server, int events)
{
	static unsigned char bytes[HW_FUSE_FRAME_MAX];
	struct hw_frame frame;
	int32_t answer;
	int r;

	for (;;) {
		ssize_t len = recv(events, bytes, sizeof(bytes), 0);

		if (len <= 0)
			return 0;
		r = -EBADMSG;
		if (len == 1)
			r = hw_keep(server, bytes[0] == HW_REPLAY_LIVE);
		else if (hw_frame_decode(bytes, (size_t)len, HW_FUSE_NOTIFY_FSNOTIFY, &frame,
					 NULL) > 0 &&
			 frame.what == HW_FRAME_EVENT)
			r = hw_event_replay(server, &frame.event);
		if (r == -EPIPE)
			return r;
		answer = -r;
		if (send(events, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			return 0;
	}
}

/* A directory or file that the kernel knows takes one descriptor; root may have as many as one
 * process can. Returns the limit. */
static unsigned raise_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	struct rlimit limit;
	unsigned long most = 0;

	if (file && fscanf(file, "%lu", &most) != 1)
		most = 0;
	if (file)
		(void)fclose(file); /* only read */
	limit.rlim_cur = limit.rlim_max = most;
	if (most && setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return (unsigned)most;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return (unsigned)limit.rlim_max;
}

static int run(struct hw_server *server, int events)
{
	const int32_t answer = 0;
	pthread_t thread;
	int r;

	server->mount = open(server->at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (server->mount < 0)
		return -errno;
	r = start_guard(server);
	if (r < 0)
		return r;
	r = start_replayer(server);
	if (r < 0)
		return r;
	r = -pthread_create(&thread, NULL, serve, server);
	if (r == 0)
		r = -pthread_create(&thread, NULL, settle, server);
	if (r < 0)
		return r;
	r = wait_for_replayer(server);
	if (r == 0 && send(events, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer))
		r = replay_frames(server, events);
	end_mount(server, server->mount, MNT_DETACH);
	return r;
}

/* virtiofs has the same number. */
static bool is_fuse(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == FUSE_SUPER_MAGIC;
}

int main(int argc, char **argv)
{
	static struct hw_server server = { .keep_s = HW_KEEP_SHORT_S };
	unsigned descriptors;
	int r;

	if (argc != 4)
		return fail("usage: hostwatch-guest-replay LOWER AT FD", EINVAL);
	descriptors = raise_limit();
	server.at = argv[2];
	server.of_user = geteuid() != 0;
	server.lower = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (server.lower < 0)
		return fail(argv[1], errno);
	server.lower_is_fuse = is_fuse(server.lower);
	hw_changes_init(&server.changes);
	r = hw_view_init(&server.view, server.lower, descriptors);
	if (r == 0)
		r = make_session(&server);
	if (r < 0)
		return fail("cannot begin", -r);
	if (fuse_session_mount(server.session, server.at) < 0)
		return fail(server.at, errno);
	r = run(&server, atoi(argv[3]));
	return r < 0 ? fail("cannot replay", -r) : 0;
}
