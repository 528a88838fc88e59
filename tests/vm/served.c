/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-served DIR: serves a FUSE filesystem with one file at DIR, binds a device to it, and watches
 * the file. From then on its server answers no request for attributes. A program that writes to the
 * file must continue, and so must one that ends a watch of another filesystem. Prints differences,
 * and then exits with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/guest.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_NODE 2
#define DEADLINE_S 20

/* Shared with the server. */
static struct {
	volatile bool silent; /* requests for attributes have no answer */
	volatile bool asked; /* there was one since */
} * shared;
static char file_path[256];

/* ---- the server ---- */

static void answer(int fd, const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + len),
				       .error = -error,
				       .unique = in->unique };
	const struct iovec parts[] = { { &out, sizeof(out) }, { (void *)data, len } };

	(void)writev(fd, parts, len ? 2 : 1); /* an interrupted request has no answer */
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void serve_lookup(int fd, const struct fuse_in_header *in, const char *name)
{
	const struct fuse_entry_out entry = { .nodeid = FILE_NODE,
					      .entry_valid = 1000,
					      .attr = attr_of(FILE_NODE) };

	if (strcmp(name, "file") == 0)
		answer(fd, in, 0, &entry, sizeof(entry));
	else
		answer(fd, in, ENOENT, NULL, 0);
}

static void serve(int fd, const struct fuse_in_header *in, const void *data)
{
	const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
					    .minor = FUSE_KERNEL_MINOR_VERSION,
					    .max_write = 4096 };
	const struct fuse_attr_out attr = { .attr = attr_of(in->nodeid) };
	const struct fuse_open_out opened = { .fh = 1 };
	struct fuse_write_out written = { 0 };

	switch (in->opcode) {
	case FUSE_INIT:
		return answer(fd, in, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return serve_lookup(fd, in, data);
	case FUSE_GETATTR:
		shared->asked = shared->silent;
		return shared->silent ? (void)0 : answer(fd, in, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(fd, in, 0, &opened, sizeof(opened));
	case FUSE_WRITE:
		written.size = ((const struct fuse_write_in *)data)->size;
		return answer(fd, in, 0, &written, sizeof(written));
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return answer(fd, in, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return answer(fd, in, ENOSYS, NULL, 0);
	}
}

static void run_server(int fd)
{
	static _Alignas(struct fuse_in_header) char request[1 << 17];

	for (;;) {
		ssize_t n = read(fd, request, sizeof(request));

		if (n < 0 && errno == ENODEV)
			_exit(0);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			serve(fd, (const struct fuse_in_header *)request,
			      request + sizeof(struct fuse_in_header));
	}
}

static pid_t start_server(const char *dir)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];
	pid_t server;

	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || mount("served", dir, "fuse", 0, options) < 0)
		return -1;
	server = fork();
	if (server == 0)
		run_server(fd);
	(void)close(fd); /* it is the server's: the mount ends with it */
	return server;
}

/* ---- what must not wait for it ---- */

static int write_file(void)
{
	int fd = open(file_path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	shared->silent = true;
	return write(fd, "x", 1) == 1 ? 0 : 1;
}

/* The kernel frees a mark when no handler of any event runs that began before. */
static int end_watch(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	return inotify_add_watch(fd, "/tmp", IN_ATTRIB) < 0 || close(fd) < 0 ? 1 : 0;
}

static pid_t start(int (*act)(void))
{
	pid_t child = fork();

	if (child == 0)
		_exit(act());
	return child;
}

/* Returns whether the child ended with success before the deadline. */
static bool ends(const char *what, pid_t child)
{
	const struct timespec second = { .tv_sec = 1 };
	time_t end = time(NULL) + DEADLINE_S;
	sigset_t set;
	int status;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	do {
		if (waitpid(child, &status, WNOHANG) == child) {
			if (status != 0)
				(void)printf("%s: status %#x\n", what, status);
			return status == 0;
		}
		(void)sigtimedwait(&set, NULL, &second);
	} while (time(NULL) < end);
	(void)printf("%s waits for the server\n", what);
	return false;
}

static bool bind_and_watch(const char *dir)
{
	int device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	__s32 root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return ioctl(device, HW_BIND, &root) == 0 && close(root) == 0 &&
	       inotify_add_watch(inotify_init1(IN_CLOEXEC), file_path, IN_MODIFY) >= 0;
}

int main(int argc, char **argv)
{
	siginfo_t info = { 0 };
	pid_t server, writer;
	sigset_t set;
	bool good;

	if (argc != 2)
		return 2;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(file_path, sizeof(file_path), "%s/file", argv[1]);
	server = start_server(argv[1]);
	if (server < 0 || !bind_and_watch(argv[1])) {
		perror(argv[1]);
		return 1;
	}
	writer = start(write_file);
	while (!shared->asked &&
	       waitid(P_PID, (id_t)writer, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0)
		(void)sched_yield();
	good = ends("the end of a watch", start(end_watch));
	good = ends("a program that writes", writer) && good;
	(void)kill(server, SIGKILL); /* this ends the mount and all its requests */
	(void)umount2(argv[1], MNT_DETACH);
	return good ? 0 : 1;
}
