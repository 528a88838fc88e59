/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listings, with the attributes of what they name. */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An open listing; with no_open each request has its own. */
static DIR *open_listing(const struct hw_node *node)
{
	DIR *dir;
	int fd;

	if (node->path_fd < 0) {
		errno = ENOENT;
		return NULL;
	}
	fd = openat(node->path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		(void)close(fd); /* nothing was written */
	return dir;
}

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	DIR *dir;

	if (server->no_open) {
		(void)fuse_reply_err(req, ENOSYS);
		return;
	}
	dir = open_listing(hw_node_of(server, ino));
	if (!dir) {
		(void)fuse_reply_err(req, errno);
		return;
	}
	file->fh = (uint64_t)(uintptr_t)dir;
	file->cache_readdir = 1;
	file->keep_cache = 1;
	if (fuse_reply_open(req, file) == -ENOENT)
		(void)closedir(dir); /* nothing to lose */
}

static void do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	if (!hw_server_of(req)->no_open)
		(void)closedir((DIR *)(uintptr_t)file->fh); /* as above */
	(void)fuse_reply_err(req, 0);
}

struct listing {
	fuse_req_t req;
	struct hw_server *server;
	struct hw_node *dir;
	uint64_t changes; /* of the view, before the directory was read */
	bool plus;
	bool gaps; /* the view does not have all entries that were read */
	char *buf;
	size_t used, size;
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Fills the entry as a lookup does, unless an event about it is replayed, or may have been since:
 * the kernel then looks it up. */
static void fill_plus(struct listing *listing, const struct dirent *dirent,
		      struct fuse_entry_param *ret)
{
	struct hw_server *server = listing->server;
	struct hw_node *node = NULL, *known;
	struct stat st;

	if (is_dot(dirent->d_name))
		return;
	listing->gaps = true;
	if (hw_lower_find(server, listing->dir, dirent->d_name, &node, &st) < 0)
		return;
	hw_view_lock(&server->view);
	known = NULL;
	if (hw_view_has(&server->view, listing->dir, dirent->d_name))
		known = hw_view_find(&server->view, listing->dir, dirent->d_name);
	if (listing->changes != server->view.changes || (known && known != node) ||
	    hw_slot_find(server, listing->dir, dirent->d_name) ||
	    hw_fill_entry(server, node, &st, ret) < 0)
		ret->ino = 0;
	else if (!known)
		(void)hw_view_set(&server->view, listing->dir, dirent->d_name, node);
	listing->gaps = !ret->ino;
	ret->entry_timeout = hw_keep_s(server, listing->dir, dirent->d_name);
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

/* Returns whether there was room. */
static bool add_entry(struct listing *listing, const struct dirent *dirent, off_t next)
{
	struct fuse_entry_param entry = { .attr = { .st_ino = dirent->d_ino,
						    .st_mode = (mode_t)DTTOIF(dirent->d_type) } };
	char *at = listing->buf + listing->used;
	size_t room = listing->size - listing->used, need;

	if (!listing->plus) {
		need = fuse_add_direntry(listing->req, at, room, dirent->d_name, &entry.attr, next);
	} else {
		if (fuse_add_direntry_plus(listing->req, NULL, 0, dirent->d_name, NULL, 0) > room)
			return false;
		fill_plus(listing, dirent, &entry);
		need = fuse_add_direntry_plus(listing->req, at, room, dirent->d_name, &entry, next);
	}
	if (need > room)
		return false;
	listing->used += need;
	return true;
}

static void reply_listing(fuse_req_t req, struct listing *listing)
{
	(void)fuse_reply_buf(req, listing->buf, listing->used);
	free(listing->buf);
}

/* A listing has several requests, each with a part of the entries. */
static void note_listing(struct listing *listing, off_t offset, bool gaps, bool end)
{
	struct hw_server *server = listing->server;
	struct hw_node *dir = listing->dir;

	hw_view_lock(&server->view);
	if (offset == 0)
		dir->listing = true;
	if (gaps || (!listing->plus && listing->used))
		dir->listing = dir->listed = false;
	if (end && dir->listing)
		dir->listed = true;
	hw_view_unlock(&server->view);
}

static void list(fuse_req_t req, struct listing *listing, off_t offset, DIR *dir)
{
	const struct dirent *dirent;
	bool gaps = false;

	seekdir(dir, (long)offset);
	if (offset == 0)
		rewinddir(dir);
	do {
		errno = 0;
		dirent = readdir(dir);
		gaps = gaps || listing->gaps;
	} while (dirent && add_entry(listing, dirent, telldir(dir)));
	note_listing(listing, offset, gaps, !dirent && !errno);
	if (!dirent && errno && !listing->used) {
		(void)fuse_reply_err(req, errno);
		free(listing->buf);
		return;
	}
	reply_listing(req, listing);
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, struct listing *listing, off_t offset,
			   const struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	DIR *dir;

	listing->req = req;
	listing->server = server;
	listing->dir = hw_node_of(server, ino);
	listing->buf = malloc(listing->size);
	if (!listing->buf) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	hw_view_lock(&server->view);
	listing->changes = server->view.changes;
	hw_view_unlock(&server->view);
	dir = server->no_open ? open_listing(listing->dir) : (DIR *)(uintptr_t)file->fh;
	if (!dir) {
		(void)fuse_reply_err(req, errno);
		free(listing->buf);
		return;
	}
	list(req, listing, offset, dir);
	if (server->no_open)
		(void)closedir(dir); /* nothing to lose */
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	struct listing listing = { .size = size };

	read_directory(req, ino, &listing, offset, file);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *file)
{
	struct listing listing = { .size = size, .plus = true };

	read_directory(req, ino, &listing, offset, file);
}

static void do_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	DIR *dir = open_listing(hw_node_of(hw_server_of(req), ino));
	int error = 0;

	(void)data_only;
	(void)file;
	if (!dir || fsync(dirfd(dir)) < 0)
		error = errno;
	if (dir)
		(void)closedir(dir); /* as above */
	(void)fuse_reply_err(req, error);
}

void hw_ops_directory(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = do_opendir;
	ops->releasedir = do_releasedir;
	ops->readdir = do_readdir;
	ops->readdirplus = do_readdirplus;
	ops->fsyncdir = do_fsyncdir;
}
