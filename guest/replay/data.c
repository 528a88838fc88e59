/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Data of files. With no_open the kernel opens files by itself, asks for nothing, and keeps pages;
 * a file of the lower directory is then opened at the first read or write. The replayer opens files
 * for the sake of the kernel's events only.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define REPLAYED UINT64_MAX /* file handle of the replayer */

static int reopen(struct hw_server *server, struct hw_node *node, int flags)
{
	char link[40];
	int fd = hw_pin(server, node);

	if (fd < 0)
		return fd;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	fd = open(link, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	hw_unpin(server, node);
	return fd;
}

/* Gives the descriptor to the node, unless it has one that serves. With the lock. */
static void keep_data(struct hw_view *view, struct hw_node *node, int fd, bool writable)
{
	if (node->data_fd < 0) {
		hw_node_set_data(view, node, fd, writable);
		return;
	}
	/* others may be reading by the old number, which stays */
	if (writable && !node->data_writable && dup3(fd, node->data_fd, O_CLOEXEC) >= 0)
		node->data_writable = true;
	(void)close(fd); /* nothing was written */
}

int hw_node_data(struct hw_server *server, struct hw_node *node, bool writes)
{
	bool there;
	int fd = -1;

	hw_view_lock(&server->view);
	there = node->data_fd >= 0 && (node->data_writable || !writes);
	node->data_users++;
	hw_node_hold(node); /* the kernel may forget it as soon as it has the answer */
	hw_view_unlock(&server->view);
	/* opening for writing would make the lower filesystem report a close after writing */
	if (!there)
		fd = reopen(server, node, writes ? O_RDWR : O_RDONLY);
	hw_view_lock(&server->view);
	if (!there && fd >= 0)
		keep_data(&server->view, node, fd, writes);
	if (there || fd >= 0)
		fd = node->data_fd;
	if (fd >= 0 && writes) {
		node->data_writers++;
		hw_own_write(&server->view, node);
	}
	if (fd < 0) {
		node->data_users--;
		hw_node_put(&server->view, node);
	}
	hw_view_unlock(&server->view);
	return fd;
}

void hw_node_data_done(struct hw_server *server, struct hw_node *node)
{
	hw_view_lock(&server->view);
	node->data_users--;
	if (node->own.writing && !node->data_users)
		(void)pthread_cond_signal(&server->view.wrote);
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

/* With no_open the node's own descriptor, else that of the open file. */
static int data_of(fuse_req_t req, fuse_ino_t ino, const struct fuse_file_info *file, bool writes)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);

	if (server->no_open)
		return hw_node_data(server, node, writes);
	if (writes) {
		hw_view_lock(&server->view);
		hw_own_write(&server->view, node);
		hw_view_unlock(&server->view);
	}
	return (int)file->fh;
}

static void done_with(fuse_req_t req, fuse_ino_t ino)
{
	struct hw_server *server = hw_server_of(req);

	if (server->no_open)
		hw_node_data_done(server, hw_node_of(server, ino));
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	int flags = file->flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND), fd;

	if (server->no_open) {
		(void)fuse_reply_err(req, ENOSYS);
		return;
	}
	file->keep_cache = 1;
	file->noflush = 1;
	if (hw_is_replay(req)) {
		file->direct_io = 1;
		file->fh = REPLAYED;
		(void)fuse_reply_open(req, file);
		return;
	}
	if ((flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR; /* the kernel reads the rest of a page */
	fd = reopen(server, hw_node_of(server, ino), flags);
	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	file->fh = (uint64_t)fd;
	if (fuse_reply_open(req, file) == -ENOENT)
		(void)close(fd); /* nothing was written */
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	if (!hw_server_of(req)->no_open && file->fh != REPLAYED)
		(void)close((int)file->fh); /* write(2) has reported its errors */
	(void)fuse_reply_err(req, 0);
}

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	(void)fuse_reply_err(req, hw_server_of(req)->no_open ? ENOSYS : 0);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	int fd = data_of(req, ino, file, false), r;

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	r = (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? errno : 0;
	done_with(req, ino);
	(void)fuse_reply_err(req, r);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);
	int fd = data_of(req, ino, file, false);

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = fd;
	buf.buf[0].pos = offset;
	(void)fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
	if (server->no_open)
		hw_node_data_done(server, node);
}

/* Ends a change of the file: its state is known before the program goes on, so that a change by the
 * host after that is another state. */
static void done_changing(fuse_req_t req, fuse_ino_t ino, int fd, off_t end)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	struct stat st;
	uint32_t writes;
	bool alone;

	if (!server->no_open)
		return;
	hw_view_lock(&server->view);
	writes = node->own.writes;
	alone = node->data_writers == 1; /* a read may not have ended that was answered */
	hw_view_unlock(&server->view);
	alone = alone && hw_fresh_stat(fd, &st) == 0;
	hw_view_lock(&server->view);
	if (alone)
		hw_own_wrote(node, &st, end, writes);
	node->data_writers--;
	hw_view_unlock(&server->view);
	hw_node_data_done(server, node);
}

static void do_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
			 struct fuse_file_info *file)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	int fd = data_of(req, ino, file, true);
	ssize_t n;

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = fd;
	out.buf[0].pos = offset;
	n = fuse_buf_copy(&out, in, 0);
	done_changing(req, ino, fd, offset + (n > 0 ? n : 0));
	if (n < 0)
		(void)fuse_reply_err(req, (int)-n);
	else
		(void)fuse_reply_write(req, (size_t)n);
}

static void do_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
			 struct fuse_file_info *file)
{
	int fd, r;

	if (hw_is_replay(req)) {
		(void)fuse_reply_err(req, 0);
		return;
	}
	fd = data_of(req, ino, file, true);
	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	r = fallocate(fd, mode, offset, length) < 0 ? errno : 0;
	done_changing(req, ino, fd, mode & FALLOC_FL_KEEP_SIZE ? 0 : offset + length);
	(void)fuse_reply_err(req, r);
}

static void do_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *file)
{
	int fd = data_of(req, ino, file, false);
	off_t found;
	int error;

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	found = lseek(fd, offset, whence); /* reads and writes give their own offsets */
	error = errno;
	done_with(req, ino);
	if (found < 0)
		(void)fuse_reply_err(req, error);
	else
		(void)fuse_reply_lseek(req, found);
}

void hw_ops_data(struct fuse_lowlevel_ops *ops)
{
	ops->open = do_open;
	ops->release = do_release;
	ops->flush = do_flush;
	ops->fsync = do_fsync;
	ops->read = do_read;
	ops->write_buf = do_write_buf;
	ops->fallocate = do_fallocate;
	ops->lseek = do_lseek;
}
