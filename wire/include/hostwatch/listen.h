/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening sockets, made in the same way by every program.
 *
 * Other users may be able to write to the directory of a unix socket, and may give its name to
 * another file at any time. No function here changes the mode or the owner of a file that it did
 * not create, or removes one, except a socket that no process listens on, or whose process has
 * ended although a child of it still has the descriptor.
 */
#ifndef HOSTWATCH_LISTEN_H
#define HOSTWATCH_LISTEN_H

#include <hostwatch/address.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hw_listening {
	int fd; /* owned: listening, non-blocking; -1: not open */
	int file_fd; /* owned: the file of a unix socket (O_PATH), -1 if there is none. Keeps its
		      * inode number from being reused */
	int dir_fd; /* owned: the directory of that file (O_PATH), or -1 */
	bool replaced; /* a stale socket was removed first */
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the file in its directory */
};

#define HW_LISTENING_CLOSED ((struct hw_listening){ .fd = -1, .file_fd = -1, .dir_fd = -1 })

struct hw_listen_how {
	mode_t mode; /* of the file of a unix socket. No peer can connect before it is set */
	gid_t group; /* of the file; (gid_t)-1: unchanged */
};

/*
 * Listens at a unix, tcp or vsock address. Replaces a unix socket that no process listens on. On
 * failure, *ret_why is a printable reason (valid until the next call of strerror()):
 * -EADDRINUSE if a process listens there, -EEXIST or -EISDIR if the path is another file, -ESTALE
 * if another file took the name meanwhile, or another -errno. *ret is closed then.
 */
int hw_listen(const struct hw_address *address, const struct hw_listen_how *how,
	      struct hw_listening *ret, const char **ret_why);

/* Returns whether the process that called listen() on the peer of this connected unix socket was
 * killed: it has ended, or has not ended yet because one of its threads is in a system call that
 * does not return. Its child may have the descriptor, and accepts no connection. False if the
 * process is unknown. */
bool hw_listener_was_killed(int fd);

/* Stops listening, and removes the file unless another file has its name. Accepts a closed one. */
void hw_listening_close(struct hw_listening *listening);

#ifdef __cplusplus
}
#endif

#endif
