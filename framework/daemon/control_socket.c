/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control_socket.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- its path ---- */

/* Finds the path, and whether it is in the default directory of sockets. Returns -ENAMETOOLONG, or
 * -ENOENT if that directory cannot be determined. */
static int find_path(const char *configured, char path[HW_DEFAULT_PATH_MAX], bool *ret_in_dir)
{
	char dir[HW_DEFAULT_PATH_MAX];
	int n, r;

	*ret_in_dir = !configured || configured[0] != '/';
	if (!configured)
		return hw_default_control(path);
	r = *ret_in_dir ? hw_default_runtime_dir(dir) : 0;
	if (r < 0)
		return r;
	n = snprintf(path, HW_DEFAULT_PATH_MAX, "%s%s%s", *ret_in_dir ? dir : "",
		     *ret_in_dir ? "/" : "", configured);
	return n < (int)HW_DEFAULT_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_parent(const char *path, bool in_dir)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int r = 0;

	if (!slash || slash == path)
		return 0;
	parent = strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	if (in_dir)
		r = hw_default_make_runtime_dir(parent);
	else if (mkdir(parent, 0755) == 0)
		r = hw_default_make_runtime_dir(parent); /* gives it to the user of the daemon */
	else if (errno != EEXIST)
		r = -errno;
	free(parent);
	return r;
}

/* ---- listening ---- */

static int open_at(struct hw_control_socket *s, const char *quoted, bool in_dir)
{
	static const struct hw_listen_how how = { 0600, (gid_t)-1 };
	struct hw_address address;
	const char *why; /* the table of remedies has its own texts */
	int r = hw_address_unix(s->path, &address);

	if (r == 0)
		r = make_parent(s->path, in_dir);
	if (r == 0)
		r = hw_listen(&address, &how, &s->on, &why);
	if (r == 0 && s->on.replaced)
		hw_info("control socket %s: replacing the stale socket of a hostwatchd that no "
			"longer runs",
			quoted);
	return r;
}

/* ---- errors ---- */

static const struct {
	int error;
	const char *text; /* NULL: strerror() */
	const char *remedy;
} remedies[] = {
	{ EACCES, NULL,
	  "run hostwatchd as root, or name another path with control = in [hostwatch]" },
	{ EROFS, NULL, "name another path with control = in [hostwatch]" },
	{ EPERM, "other users can change its directory", "name another path with control =" },
	{ ENOENT, "its directory does not exist",
	  "create it, or name another path with control =" },
	{ ENOTDIR, NULL, "name another path with control = in [hostwatch]" },
	{ EISDIR, "the path is a directory", "name another path with control = in [hostwatch]" },
	{ EEXIST, "the path exists and is not a socket",
	  "remove it, or name another path with control = in [hostwatch]" },
	{ ENAMETOOLONG, "the path of a socket has at most 107 bytes",
	  "name a shorter one with control = in [hostwatch]" },
	{ ESTALE, "another file took its name; other users can change its directory",
	  "name another path with control =" },
	{ EADDRINUSE, "another hostwatchd is listening there",
	  "stop it, or name another path with control = in [hostwatch]" },
};

/* If the next attempt would fail in the same way, the error is one of the configuration. */
static int report(struct hw_errors *errors, const char *quoted, int error)
{
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
		if (remedies[i].error != -error)
			continue;
		hw_errors_add(errors, "control socket %s: %s: %s", quoted,
			      remedies[i].text ? remedies[i].text : strerror(-error),
			      remedies[i].remedy);
		return error == -EADDRINUSE ? error : -EINVAL;
	}
	hw_errors_add(errors, "control socket %s: %s", quoted, strerror(-error));
	return error;
}

int hw_control_listen(struct hw_control_socket *s, const char *path, struct hw_errors *errors)
{
	char quoted[300];
	bool in_dir;
	int r;

	*s = (struct hw_control_socket){ .on = HW_LISTENING_CLOSED, .reserve = -1 };
	r = find_path(path, s->path, &in_dir);
	if (r == -ENOENT) {
		hw_errors_add(errors,
			      "control socket: XDG_RUNTIME_DIR is not set: name an "
			      "absolute path with control = in [hostwatch], and in "
			      "$HOSTWATCH_CONTROL for hostwatch status and the other commands");
		return -EINVAL;
	}
	hw_quote(quoted, sizeof(quoted), *s->path ? s->path : path,
		 strlen(*s->path ? s->path : path));
	if (r == 0)
		r = open_at(s, quoted, in_dir);
	if (r == 0 && !hw_control_keep_reserve(s))
		r = -errno;
	if (r == 0)
		return 0;
	return report(errors, quoted, r);
}

void hw_control_close(struct hw_control_socket *s)
{
	if (s->reserve >= 0)
		(void)close(s->reserve); /* nothing is buffered in it */
	s->reserve = -1;
	hw_listening_close(&s->on);
}

/* ---- peers ---- */

static int accept_one(const struct hw_control_socket *s)
{
	int fd = accept4(s->on.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		return fd;
	return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
}

bool hw_control_keep_reserve(struct hw_control_socket *s)
{
	if (s->reserve < 0)
		s->reserve = fcntl(s->on.fd, F_DUPFD_CLOEXEC, 0);
	return s->reserve >= 0;
}

static bool is_short(int error)
{
	return error == -EMFILE || error == -ENFILE;
}

int hw_control_accept(struct hw_control_socket *s)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept_one(s);

	if (is_short(fd) && s->reserve >= 0) {
		hw_warning("control socket: %s; using the descriptor that is kept back for it",
			   strerror(-fd));
		(void)close(s->reserve); /* nothing is buffered in it */
		s->reserve = -1;
		fd = accept_one(s);
	}
	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return fd;
	(void)close(fd); /* nothing was sent */
	return -EPERM;
}

void hw_control_name_peer(int fd, char *buf, size_t size)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len); /* unix sockets always have them
								     * */
	(void)snprintf(buf, size, "uid %u (pid %d)", peer.uid, peer.pid);
}
