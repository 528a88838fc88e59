/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into a program: the N-th call of one function fails. HW_FAIL=FUNCTION:N:ERRNO; openat2
 * is a function of syscall(2). Writes the address of the caller to the file HW_FAIL_FILE when the
 * call fails. Later calls work again.
 */
#include "tests/common/sanitized.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <ucontext.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static char wanted[40]; /* the function; "" until the program has started */
static unsigned long at;
static int error;
static char *fired; /* HW_FAIL_FILE, mapped: a child may have closed all descriptors */
#define FIRED_BYTES 256
static atomic_ulong calls;

/* Without any function that is interposed. */
static void note(const void *caller)
{
	Dl_info where = { 0 };

	(void)dladdr(caller, &where);
	(void)snprintf(fired, FIRED_BYTES, "%s+0x%lx\n", where.dli_fname ? where.dli_fname : "?",
		       (unsigned long)((uintptr_t)caller - (uintptr_t)where.dli_fbase));
}

/* libuv delivers signals and wake-ups through pipes and event descriptors of its own. Reads and
 * writes of these fail only if the descriptor is bad, and libuv loses the signal. */
static bool is_of_loop(const char *name, const void *caller)
{
	Dl_info where = { 0 };

	return (strcmp(name, "read") == 0 || strcmp(name, "write") == 0) &&
	       dladdr(caller, &where) && where.dli_fname && strstr(where.dli_fname, "libuv");
}

static bool fails(const char *name, const void *caller)
{
	if (*name != *wanted || strcmp(name, wanted) != 0)
		return false;
	if (is_of_loop(name, caller))
		return false;
	if (atomic_fetch_add(&calls, 1) + 1 != at)
		return false;
	note(caller);
	errno = error;
	return true;
}

/* Before the process is confined: it creates no files then. */
static char *map(const char *path)
{
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600L);
	void *bytes = MAP_FAILED;

	if (fd >= 0 && syscall(SYS_ftruncate, fd, (long)FIRED_BYTES) == 0)
		bytes = (void *)syscall(SYS_mmap, NULL, (long)FIRED_BYTES,
					(long)(PROT_READ | PROT_WRITE), (long)MAP_SHARED, fd, 0L);
	(void)syscall(SYS_close, fd);
	return bytes == MAP_FAILED ? NULL : bytes;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("HW_FAIL");
	const char *file = getenv("HW_FAIL_FILE");
	char name[sizeof(wanted)];

	if (!file)
		return;
	fired = map(file);
	if (text && fired && sscanf(text, "%39[^:]:%lu:%d", name, &at, &error) == 3)
		(void)memcpy(wanted, name, sizeof(wanted));
	(void)unsetenv("LD_PRELOAD");
}

#define CALLER __builtin_return_address(0)
#define WRAP(result, failure, name, params, args)                                                  \
	EXPORT result name params;                                                                 \
	EXPORT result name params                                                                  \
	{                                                                                          \
		static __typeof__(&name) next;                                                     \
		if (fails(#name, CALLER))                                                          \
			return failure;                                                            \
		if (!next)                                                                         \
			next = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name);              \
		return next args;                                                                  \
	}

/* ---- memory ---- */

EXPORT void *malloc(size_t size)
{
	return fails("malloc", CALLER) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	return fails("calloc", CALLER) ? NULL : __libc_calloc(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	return fails("realloc", CALLER) ? NULL : __libc_realloc(old, size);
}

WRAP(void *, MAP_FAILED, mmap, (void *a, size_t b, int c, int d, int e, off_t f),
     (a, b, c, d, e, f))
WRAP(int, -1, mprotect, (void *a, size_t b, int c), (a, b, c))
WRAP(int, -1, getcontext, (ucontext_t * a), (a))

/* ---- files ---- */

#define MODE(flags, mode)                                                                          \
	va_list ap;                                                                                \
	va_start(ap, flags);                                                                       \
	mode_t mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;                  \
	va_end(ap)

EXPORT int open(const char *path, int flags, ...)
{
	MODE(flags, mode);
	return fails("open", CALLER) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	MODE(flags, mode);
	return fails("open", CALLER) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	MODE(flags, mode);
	return fails("openat", CALLER) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

static const char *name_of(long number)
{
	return number == SYS_openat2 ? "openat2" : "syscall";
}

EXPORT HW_READS_SIX_ARGUMENTS long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (*wanted && fails(name_of(number), CALLER))
		return -1;
	if (!next)
		next = (long (*)(long, ...))(uintptr_t)dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT int fcntl(int fd, int command, ...)
{
	static int (*next)(int, int, ...);
	va_list ap;

	va_start(ap, command);
	void *arg = va_arg(ap, void *);

	va_end(ap);
	if (fails("fcntl", CALLER))
		return -1;
	if (!next)
		next = (int (*)(int, int, ...))(uintptr_t)dlsym(RTLD_NEXT, "fcntl");
	return next(fd, command, arg);
}

int ioctl(int fd, unsigned long command, ...);
EXPORT int ioctl(int fd, unsigned long command, ...)
{
	static int (*next)(int, unsigned long, ...);
	va_list ap;

	va_start(ap, command);
	void *arg = va_arg(ap, void *);

	va_end(ap);
	if (fails("ioctl", CALLER))
		return -1;
	if (!next)
		next = (int (*)(int, unsigned long, ...))(uintptr_t)dlsym(RTLD_NEXT, "ioctl");
	return next(fd, command, arg);
}

WRAP(ssize_t, -1, read, (int a, void *b, size_t c), (a, b, c))
WRAP(ssize_t, -1, write, (int a, const void *b, size_t c), (a, b, c))
WRAP(ssize_t, -1, getdents64, (int a, void *b, size_t c), (a, b, c))
WRAP(ssize_t, -1, readlink, (const char *a, char *b, size_t c), (a, b, c))
WRAP(int, -1, statx, (int a, const char *b, int c, unsigned d, struct statx *e), (a, b, c, d, e))
WRAP(int, -1, fstat, (int a, struct stat *b), (a, b))
WRAP(int, -1, fstatat, (int a, const char *b, struct stat *c, int d), (a, b, c, d))
WRAP(int, -1, stat, (const char *a, struct stat *b), (a, b))
WRAP(int, -1, fstatfs, (int a, struct statfs *b), (a, b))
WRAP(int, -1, fsync, (int a), (a))
WRAP(pid_t, -1, fork, (void), ())
WRAP(int, -1, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(int, -1, unlinkat, (int a, const char *b, int c), (a, b, c))
WRAP(int, -1, mkdirat, (int a, const char *b, mode_t c), (a, b, c))
WRAP(int, -1, renameat2, (int a, const char *b, int c, const char *d, unsigned e), (a, b, c, d, e))
WRAP(int, -1, name_to_handle_at, (int a, const char *b, struct file_handle *c, int *d, int e),
     (a, b, c, d, e))
WRAP(int, -1, open_by_handle_at, (int a, struct file_handle *b, int c), (a, b, c))
WRAP(ssize_t, -1, getrandom, (void *a, size_t b, unsigned c), (a, b, c))
WRAP(FILE *, NULL, fopen, (const char *a, const char *b), (a, b))
WRAP(FILE *, NULL, open_memstream, (char **a, size_t *b), (a, b))

/* ---- watches, sockets, the loop ---- */

WRAP(int, -1, inotify_init1, (int a), (a))
WRAP(int, -1, inotify_add_watch, (int a, const char *b, uint32_t c), (a, b, c))
WRAP(int, -1, fanotify_init, (unsigned a, unsigned b), (a, b))
WRAP(int, -1, fanotify_mark, (int a, unsigned b, uint64_t c, int d, const char *e), (a, b, c, d, e))
WRAP(int, -1, socket, (int a, int b, int c), (a, b, c))
WRAP(int, -1, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))
WRAP(int, -1, listen, (int a, int b), (a, b))
WRAP(int, -1, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))
WRAP(int, -1, getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e))
WRAP(ssize_t, -1, send, (int a, const void *b, size_t c, int d), (a, b, c, d))
WRAP(ssize_t, -1, recv, (int a, void *b, size_t c, int d), (a, b, c, d))
WRAP(int, -1, epoll_create1, (int a), (a))
WRAP(int, -1, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))
WRAP(int, -1, eventfd, (unsigned a, int b), (a, b))
WRAP(int, -1, pipe2, (int a[2], int b), (a, b))
WRAP(int, -1, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c))
WRAP(int, error, pthread_create,
     (pthread_t * a, const pthread_attr_t *b, void *(*c)(void *), void *d), (a, b, c, d))
