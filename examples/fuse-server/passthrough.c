/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-server [-v] DIR MOUNTPOINT unix:PATH: mounts a read-only passthrough of DIR. The requests
 * are those of any server, but for keep_s(): how long the kernel may keep an answer.
 */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROC_FD_MAX 32

static struct server *server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/*
 * An answer is kept if the next change of it will be reported: events arrive, the node is found by
 * its path, and no event came since `events`, when the disk was not yet read. The answer is sent
 * before the lock is released, so a later event is applied by the kernel after it.
 */
static double keep_s(const struct server *server, const struct node *node, uint64_t events)
{
	return server->live && server->events == events && node_is_followed(server, node) ? KEEP_S
											  : 0;
}

static uint64_t events_now(struct server *server)
{
	uint64_t events;

	pthread_mutex_lock(&server->lock);
	events = server->events;
	pthread_mutex_unlock(&server->lock);
	return events;
}

/* ---- names and attributes ---- */

/* No notification drops all absent names of the root at once, so they are not kept. */
static void reply_absent(fuse_req_t req, const struct node *parent, uint64_t events)
{
	struct server *server = server_of(req);
	struct fuse_entry_param entry = { 0 };

	if (parent != &server->root)
		entry.entry_timeout = keep_s(server, parent, events);
	fuse_reply_entry(req, &entry);
}

/* Takes over fd. */
static void reply_node(fuse_req_t req, struct node *parent, const char *text, int fd,
		       uint64_t events)
{
	struct server *server = server_of(req);
	struct fuse_entry_param entry = { 0 };
	struct node *node = NULL;

	if (fstat(fd, &entry.attr) < 0)
		(void)close(fd); /* O_PATH: nothing to lose */
	else
		node = node_get(server, fd, &entry.attr);
	if (!node || !name_set(server, parent, text, strlen(text), node)) {
		if (node)
			node_forget(server, node, 0);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	node->lookups++;
	entry.ino = id_of(server, node);
	entry.entry_timeout = entry.attr_timeout = keep_s(server, node, events);
	if (fuse_reply_entry(req, &entry) == -ENOENT)
		node_forget(server, node, 1); /* interrupted: the kernel did not take it */
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent_id, const char *text)
{
	struct server *server = server_of(req);
	struct node *parent = node_of(server, parent_id);
	uint64_t events = events_now(server);
	int fd = openat(parent->fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int error = errno;

	pthread_mutex_lock(&server->lock);
	if (fd >= 0)
		reply_node(req, parent, text, fd, events);
	else if (error == ENOENT)
		reply_absent(req, parent, events);
	else
		fuse_reply_err(req, error);
	pthread_mutex_unlock(&server->lock);
}

static void do_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct server *server = server_of(req);

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < count; i++)
		node_forget(server, node_of(server, forgets[i].ino), forgets[i].nlookup);
	pthread_mutex_unlock(&server->lock);
	fuse_reply_none(req);
}

static void do_forget(fuse_req_t req, fuse_ino_t id, uint64_t lookups)
{
	struct fuse_forget_data forget = { .ino = id, .nlookup = lookups };

	do_forget_multi(req, 1, &forget);
}

static void do_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	struct server *server = server_of(req);
	struct node *node = node_of(server, id);
	uint64_t events = events_now(server);
	struct stat st;

	(void)file; /* every node has a descriptor */
	if (fstat(node->fd, &st) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	pthread_mutex_lock(&server->lock);
	fuse_reply_attr(req, &st, keep_s(server, node, events));
	pthread_mutex_unlock(&server->lock);
}

static void do_readlink(fuse_req_t req, fuse_ino_t id)
{
	char text[PATH_MAX];
	ssize_t len = readlinkat(node_of(server_of(req), id)->fd, "", text, sizeof(text) - 1);

	if (len < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	text[len] = '\0';
	fuse_reply_readlink(req, text);
}

/* ---- data ---- */

static int open_node(fuse_req_t req, fuse_ino_t id, int flags)
{
	char path[PROC_FD_MAX];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", node_of(server_of(req), id)->fd);
	return open(path, flags | O_CLOEXEC);
}

static void do_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	int fd = open_node(req, id, O_RDONLY);

	if (fd < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	file->fh = (uint64_t)fd;
	file->keep_cache = 1; /* pages stay until an event drops them */
	if (fuse_reply_open(req, file) == -ENOENT)
		(void)close(fd); /* interrupted: nobody uses it */
}

static void do_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);

	(void)id; /* the file is open */
	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = (int)file->fh;
	data.buf[0].pos = offset;
	fuse_reply_data(req, &data, FUSE_BUF_SPLICE_MOVE);
}

static void do_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	(void)id;
	(void)close((int)file->fh); /* only read from */
	fuse_reply_err(req, 0);
}

static void do_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	int fd = open_node(req, id, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		fuse_reply_err(req, errno);
		return;
	}
	file->fh = (uint64_t)(uintptr_t)dir;
	file->cache_readdir = file->keep_cache = 1; /* as above */
	if (fuse_reply_open(req, file) == -ENOENT)
		(void)closedir(dir); /* as above */
}

static void do_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	DIR *dir = (DIR *)(uintptr_t)file->fh;
	char *list = malloc(size);
	struct dirent *entry;
	size_t used = 0;

	(void)id; /* the directory is open */
	if (!list) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	seekdir(dir, offset);
	while ((entry = readdir(dir))) {
		struct stat st = { .st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12 };
		size_t len = fuse_add_direntry(req, list + used, size - used, entry->d_name, &st,
					       entry->d_off);

		if (len > size - used)
			break;
		used += len;
	}
	fuse_reply_buf(req, list, used);
	free(list);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	(void)id;
	(void)closedir((DIR *)(uintptr_t)file->fh); /* only read from */
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = do_lookup,
	.forget = do_forget,
	.forget_multi = do_forget_multi,
	.getattr = do_getattr,
	.readlink = do_readlink,
	.open = do_open,
	.read = do_read,
	.release = do_release,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.releasedir = do_releasedir,
};

/* ---- start ---- */

static int fail(const char *what)
{
	(void)fprintf(stderr, "fuse-server: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Each node has a descriptor. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer nodes then */
}

static int open_root(struct server *server, const char *path)
{
	struct stat st;

	server->root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (server->root.fd < 0 || fstat(server->root.fd, &st) < 0)
		return -1;
	server->root.dev = st.st_dev;
	server->root.ino = st.st_ino;
	server->root.lookups = 1;
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return server->wake < 0 ? -1 : 0;
}

static int serve(struct server *server, const char *at)
{
	char own[] = "ro,default_permissions,fsname=fuse-server";
	char all[] = "ro,default_permissions,fsname=fuse-server,allow_other";
	char *argv[] = { "fuse-server", "-o", geteuid() == 0 ? all : own, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	pthread_t thread;
	int r;

	server->session = fuse_session_new(&args, &operations, sizeof(operations), server);
	fuse_opt_free_args(&args);
	if (!server->session || fuse_set_signal_handlers(server->session) < 0 ||
	    fuse_session_mount(server->session, at) < 0)
		return 1; /* libfuse has printed the reason */
	errno = pthread_create(&thread, NULL, follow, server);
	if (errno)
		return fail("thread");
	r = fuse_session_loop(server->session);
	fuse_session_unmount(server->session);
	return r < 0;
}

int main(int argc, char **argv)
{
	static struct server server = { .lock = PTHREAD_MUTEX_INITIALIZER };

	server.verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	argc -= server.verbose;
	argv += server.verbose;
	if (argc != 4 || strncmp(argv[3], "unix:", 5) != 0) {
		(void)fprintf(stderr, "usage: fuse-server [-v] DIR MOUNTPOINT unix:PATH\n");
		return 2;
	}
	server.channel = argv[3] + 5;
	raise_limit();
	if (open_root(&server, argv[1]) < 0)
		return fail(argv[1]);
	return serve(&server, argv[2]);
}
