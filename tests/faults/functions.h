/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions whose calls fail, and their errors. fail.c has each of them. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <errno.h>

static const struct function {
	const char *name;
	int error;
} functions[] = {
	{ "malloc", ENOMEM },
	{ "calloc", ENOMEM },
	{ "realloc", ENOMEM },
	{ "mmap", ENOMEM },
	{ "mprotect", ENOMEM },
	{ "getcontext", EINVAL },
	{ "open", EMFILE },
	{ "openat", EMFILE },
	{ "openat2", EMFILE },
	{ "openat2", EIO },
	{ "syscall", EIO },
	{ "fcntl", EMFILE },
	{ "ioctl", EIO },
	{ "read", EIO },
	{ "write", EIO },
	{ "getdents64", EIO },
	{ "readlink", EIO },
	{ "statx", EIO },
	{ "statx", ENOMEM },
	{ "fstat", EIO },
	{ "fstatat", EIO },
	{ "stat", EIO },
	{ "fstatfs", EIO },
	{ "mkdirat", ENOSPC },
	{ "renameat", EIO },
	{ "unlinkat", EIO },
	{ "fsync", ENOSPC },
	{ "fork", EAGAIN },
	{ "renameat2", EIO },
	{ "name_to_handle_at", EIO },
	{ "open_by_handle_at", EIO },
	{ "getrandom", EIO },
	{ "fopen", EMFILE },
	{ "open_memstream", ENOMEM },
	{ "inotify_init1", EMFILE },
	{ "inotify_add_watch", ENOMEM },
	{ "fanotify_init", EMFILE },
	{ "fanotify_mark", ENOMEM },
	{ "socket", EMFILE },
	{ "bind", ENOMEM },
	{ "listen", ENOMEM },
	{ "accept4", EMFILE },
	{ "getsockopt", ENOBUFS },
	{ "send", ENOBUFS },
	{ "recv", ENOMEM },
	{ "epoll_create1", EMFILE },
	{ "epoll_ctl", ENOMEM },
	{ "eventfd", EMFILE },
	{ "pipe2", EMFILE },
	{ "poll", ENOMEM },
	{ "pthread_create", EAGAIN },
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

#endif
