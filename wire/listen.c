/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/listen.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PRIVATE_NAME_MAX 40
#define PRIVATE_TRIES 16
#define HELD "file" /* the name of a file in a private directory */
#ifndef RENAME_NOREPLACE /* musl before 1.2.6 lacks it, and renameat2() */
#define RENAME_NOREPLACE 1
#endif

static int refuse(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing is buffered in it */
	*fd = -1;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* ---- removing a file, and no other that takes its name meanwhile ---- */

/* Creates a directory that only this user can change, and opens it. */
static int make_private(int dir_fd, char name[PRIVATE_NAME_MAX])
{
	unsigned long long number;
	struct stat st;
	int fd, tries = 0;

	do {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -EIO;
		(void)snprintf(name, PRIVATE_NAME_MAX, ".hostwatch-%016llx", number);
		if (mkdirat(dir_fd, name, 0700) == 0)
			break;
	} while (errno == EEXIST && ++tries < PRIVATE_TRIES);
	fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700)
		return fd;
	close_fd(&fd);
	return -ESTALE;
}

/* Moves a file without replacing another. Not every filesystem has RENAME_NOREPLACE. */
static int move_back(int private_fd, int dir_fd, const char *name)
{
	if (syscall(SYS_renameat2, private_fd, HELD, dir_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL || linkat(private_fd, HELD, dir_fd, name, 0) < 0)
		return -errno;
	return unlinkat(private_fd, HELD, 0) < 0 ? -errno : 0;
}

/* In the private directory, nobody can exchange the file between the comparison and the removal. A
 * file that is not ours gets its name back, or the other name if a further file took it. */
static int remove_in_private(int private_fd, int dir_fd, const char *name, const char *other_name,
			     const struct stat *ours)
{
	struct stat there;

	if (renameat(dir_fd, name, private_fd, HELD) < 0)
		return -errno;
	if (fstatat(private_fd, HELD, &there, AT_SYMLINK_NOFOLLOW) == 0 && is_same(&there, ours))
		return unlinkat(private_fd, HELD, 0) < 0 ? -errno : 0;
	if (move_back(private_fd, dir_fd, name) < 0)
		(void)move_back(private_fd, dir_fd, other_name); /* it stays there, unchanged */
	return -ESTALE;
}

/* Removes the file if it is `ours`. Returns -ESTALE if another file has the name. */
static int remove_file(int dir_fd, const char *name, const struct stat *ours)
{
	char private_name[PRIVATE_NAME_MAX];
	struct stat there;
	int private_fd, r;

	if (fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!is_same(&there, ours))
		return -ESTALE;
	private_fd = make_private(dir_fd, private_name);
	if (private_fd < 0)
		return private_fd;
	r = remove_in_private(private_fd, dir_fd, name, private_name + 1, ours);
	close_fd(&private_fd);
	(void)unlinkat(dir_fd, private_name, AT_REMOVEDIR); /* fails if it still holds a file */
	return r;
}

/* ---- unix sockets ---- */

/* Opens the directory, and finds the name of the file in it. */
static int open_dir(const char *path, struct hw_listening *l)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(l->name)] = ".";

	if (slash) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	(void)snprintf(l->name, sizeof(l->name), "%s", slash ? slash + 1 : path);
	if (!*l->name)
		return -EISDIR;
	l->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return l->dir_fd < 0 ? -errno : 0;
}

/* Returns the result of connect() to this file, whatever its name is now: -ECONNREFUSED if no
 * process listens; -EAGAIN if its queue is full. */
static int try_connect(int file_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file_fd);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r == 0 && hw_listener_was_killed(fd))
		r = -ECONNREFUSED;
	(void)close(fd); /* nothing was sent */
	return r;
}

static int remove_stale(struct hw_listening *l, int file_fd, const char **ret_why)
{
	struct stat st;
	int r;

	if (fstat(file_fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return refuse(S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST,
			      "the path exists and is not a socket", ret_why);
	r = try_connect(file_fd);
	if (r == 0)
		return refuse(-EADDRINUSE, "another process is listening there", ret_why);
	if (r == -EAGAIN)
		return refuse(-EADDRINUSE,
			      "another process is listening there, or one that was killed has left "
			      "a full queue; if so, remove the file",
			      ret_why);
	if (r != -ECONNREFUSED)
		return r;
	r = remove_file(l->dir_fd, l->name, &st);
	if (r < 0 && r != -ENOENT)
		return refuse(r, "the stale socket cannot be removed", ret_why);
	l->replaced = true;
	return 0;
}

/* Makes room for bind(). */
static int clear_name(struct hw_listening *l, const char **ret_why)
{
	int r, fd = openat(l->dir_fd, l->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = remove_stale(l, fd, ret_why);
	(void)close(fd); /* O_PATH */
	return r;
}

/* The file that bind() created has no permissions yet, which no useful socket lacks. */
static bool is_new_socket(const struct stat *st)
{
	return S_ISSOCK(st->st_mode) && (st->st_mode & 07777) == 0 && st->st_uid == geteuid() &&
	       st->st_nlink == 1;
}

/* Uses a descriptor of the file, so that a file that takes the name meanwhile is not changed. */
static int set_group_and_mode(int file_fd, const struct hw_listen_how *how)
{
	char link[40];

	if (how->group != (gid_t)-1 &&
	    fchownat(file_fd, "", (uid_t)-1, how->group, AT_EMPTY_PATH) < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file_fd);
	return chmod(link, how->mode) < 0 ? -errno : 0;
}

static int take_file(struct hw_listening *l, const char **ret_why)
{
	struct stat st;
	int fd = openat(l->dir_fd, l->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && is_new_socket(&st)) {
		l->file_fd = fd;
		return 0;
	}
	close_fd(&fd);
	return refuse(-ESTALE, "another file took its name", ret_why);
}

/* The file gets its first mode from the socket: no peer can connect before mode and group are set,
 * and then the socket listens already. */
static int bind_file(struct hw_listening *l, const struct hw_address *address,
		     const struct hw_listen_how *how, const char **ret_why)
{
	int r;

	if (fchmod(l->fd, 0) < 0 || bind(l->fd, &address->to.any, address->len) < 0)
		return -errno;
	r = take_file(l, ret_why);
	if (r == 0 && listen(l->fd, SOMAXCONN) < 0)
		r = -errno;
	return r < 0 ? r : set_group_and_mode(l->file_fd, how);
}

static int listen_unix(struct hw_listening *l, const struct hw_address *address,
		       const struct hw_listen_how *how, const char **ret_why)
{
	int r = open_dir(address->to.un.sun_path, l);

	if (r == 0)
		r = clear_name(l, ret_why);
	return r < 0 ? r : bind_file(l, address, how, ret_why);
}

/* ---- any socket ---- */

static int listen_other(struct hw_listening *l, const struct hw_address *address)
{
	const int on = 1;

	if (address->transport == HW_TRANSPORT_TCP)
		(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on,
				 sizeof(on)); /* for a restart; bind() reports the error */
	if (bind(l->fd, &address->to.any, address->len) < 0 || listen(l->fd, SOMAXCONN) < 0)
		return -errno;
	return 0;
}

int hw_listen(const struct hw_address *address, const struct hw_listen_how *how,
	      struct hw_listening *ret, const char **ret_why)
{
	struct hw_listening l = HW_LISTENING_CLOSED;
	const char *why = NULL;
	int r;

	*ret = l;
	l.fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l.fd < 0)
		r = -errno;
	else if (address->transport == HW_TRANSPORT_UNIX)
		r = listen_unix(&l, address, how, &why);
	else
		r = listen_other(&l, address);
	if (r == 0) {
		*ret = l;
		return 0;
	}
	hw_listening_close(&l);
	*ret_why = why ? why : strerror(-r);
	return r;
}

void hw_listening_close(struct hw_listening *l)
{
	struct stat ours;

	close_fd(&l->fd);
	if (l->file_fd >= 0 && fstat(l->file_fd, &ours) == 0)
		(void)remove_file(l->dir_fd, l->name, &ours); /* the next start replaces it */
	close_fd(&l->file_fd);
	close_fd(&l->dir_fd);
}
