/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that make, remove and rename names. A program's call is made in the lower directory, with
 * the identity of its caller, and then in the view. The replayer's call is acknowledged: the event
 * has happened already. The view changes before the answer, so that nobody can see the event and
 * then the state before it.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 64

/* ---- the identity of the caller: new files belong to it ---- */

/* A default ACL of the directory takes the place of the umask: the lower filesystem decides. */
static void take_umask(mode_t mask)
{
	static _Thread_local bool alone;

	if (!alone)
		alone = unshare(CLONE_FS) == 0; /* threads have one umask otherwise */
	(void)umask(mask);
}

/* The calls are those of the kernel, which concern this thread only. */
static void become_caller(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	gid_t groups[GROUPS_MAX];
	int count = fuse_req_getgroups(req, GROUPS_MAX, groups);

	take_umask(ctx->umask);
	if (count > GROUPS_MAX)
		count = GROUPS_MAX;
	if (count >= 0)
		(void)syscall(SYS_setgroups, (size_t)count, groups); /* fails without privileges */
	(void)setfsgid(ctx->gid);
	(void)setfsuid(ctx->uid);
}

static void become_server(void)
{
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
	(void)syscall(SYS_setgroups, (size_t)0, NULL); /* as above */
}

/* ---- the end of an event ---- */

/* The last link of the node is gone, if nothing leads to it. */
static void mark_gone(struct hw_server *server, struct hw_node *node)
{
	struct stat st;
	int fd = hw_node_open(&server->view, node);

	if (fd == -ESTALE || (fd >= 0 && fstat(fd, &st) == 0 && !st.st_nlink))
		node->gone = true;
}

static void apply_after(struct hw_server *server, struct hw_slot *after)
{
	if (!after->parent)
		return;
	if (after->node && after->parent != &server->view.hidden)
		(void)hw_view_set(&server->view, after->parent, after->name, after->node);
	else
		hw_view_remove(&server->view, after->parent, after->name);
}

void hw_pending_commit(struct hw_server *server)
{
	struct hw_pending *pending = &server->pending;
	struct hw_node *deleted = pending->deleted;

	for (unsigned i = 0; i < HW_SLOTS; i++)
		apply_after(server, &pending->after[i]);
	if (deleted)
		mark_gone(server, deleted);
	for (unsigned i = 0; i < HW_SLOTS; i++)
		pending->slots[i].parent = pending->after[i].parent = NULL;
	pending->deleted = NULL;
	server->view.changes++;
}

/* ---- new names ---- */

static bool reply_replayed_node(fuse_req_t req)
{
	struct hw_server *server = hw_server_of(req);

	if (!hw_is_replay(req))
		return false;
	hw_view_lock(&server->view);
	if (server->pending.made) {
		struct hw_node *made = server->pending.made;

		hw_pending_commit(server);
		hw_reply_node(req, made, NULL, server->keep_s);
	} else {
		(void)fuse_reply_err(req, ENOENT);
	}
	hw_view_unlock(&server->view);
	return true;
}

static void note_made(struct hw_server *server, struct hw_node *parent, const char *name,
		      struct hw_node *node)
{
	struct hw_node *before = hw_view_find(&server->view, parent, name);
	const bool is_new = !node->names;

	if (before != node) /* open(2) without O_EXCL may find a file */
		hw_own_name(&server->view, parent, name, before, node);
	(void)hw_view_set(&server->view, parent, name, node);
	if (is_new)
		hw_own_attributes(&server->view, node);
	else
		hw_own_names_changed(&server->view, node);
	server->view.changes++;
}

static void reply_made(fuse_req_t req, struct hw_node *parent, struct hw_changing *change,
		       int result)
{
	struct hw_server *server = hw_server_of(req);
	const char *name = change->names[0];
	struct hw_node *node;
	struct stat st;
	int r = result < 0 ? -errno : 0;

	become_server();
	if (r == 0)
		r = hw_lower_find(server, parent, name, &node, &st);
	if (r < 0) {
		hw_change_refused(&server->changes, &server->view, change);
		(void)fuse_reply_err(req, -r);
		return;
	}
	hw_view_lock(&server->view);
	note_made(server, parent, name, node);
	hw_change_end(&server->changes, change);
	hw_reply_node(req, node, NULL, hw_keep_s(server, parent, name));
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

/* The calls below are bracketed by begin_change() and reply_made(). */
static void begin_change(fuse_req_t req, struct hw_changing *change)
{
	struct hw_server *server = hw_server_of(req);

	hw_change_begin(&server->changes, &server->view, change);
	become_caller(req);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode, dev_t dev)
{
	struct hw_node *parent = hw_node_of(hw_server_of(req), parent_id);
	struct hw_changing change = { .parents = { parent }, .names = { name } };

	if (reply_replayed_node(req))
		return;
	begin_change(req, &change);
	reply_made(req, parent, &change, mknodat(parent->path_fd, name, mode, dev));
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode)
{
	struct hw_node *parent = hw_node_of(hw_server_of(req), parent_id);
	struct hw_changing change = { .parents = { parent }, .names = { name } };

	if (reply_replayed_node(req))
		return;
	begin_change(req, &change);
	reply_made(req, parent, &change, mkdirat(parent->path_fd, name, mode));
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent_id, const char *name)
{
	struct hw_node *parent = hw_node_of(hw_server_of(req), parent_id);
	struct hw_changing change = { .parents = { parent }, .names = { name } };

	if (reply_replayed_node(req))
		return;
	begin_change(req, &change);
	reply_made(req, parent, &change, symlinkat(target, parent->path_fd, name));
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent_id, const char *name)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *parent = hw_node_of(server, parent_id), *node = hw_node_of(server, ino);
	struct hw_changing change = { .parents = { parent },
				      .names = { name },
				      .nodes = { NULL, node } };
	char link[40];
	int fd;

	if (reply_replayed_node(req))
		return;
	fd = hw_pin(server, node);
	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	hw_change_begin(&server->changes, &server->view, &change); /* the file has an owner */
	reply_made(req, parent, &change,
		   linkat(AT_FDCWD, link, parent->path_fd, name, AT_SYMLINK_FOLLOW));
	hw_unpin(server, node);
}

/* With no_open the kernel uses mknod from the first refusal on, and opens by itself. */
static void do_create(fuse_req_t req, fuse_ino_t parent_id, const char *name, mode_t mode,
		      struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *parent = hw_node_of(server, parent_id), *node;
	struct hw_changing change = { .parents = { parent }, .names = { name } };
	struct fuse_entry_param entry;
	struct stat st;
	int fd, r;

	if (server->no_open) {
		(void)fuse_reply_err(req, ENOSYS);
		return;
	}
	begin_change(req, &change);
	fd = openat(parent->path_fd, name,
		    (file->flags & (O_EXCL | O_TRUNC)) | O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
		    mode);
	r = fd < 0 ? -errno : 0;
	become_server();
	if (r == 0)
		r = hw_lower_find(server, parent, name, &node, &st);
	if (r < 0) {
		hw_change_refused(&server->changes, &server->view, &change);
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		(void)fuse_reply_err(req, -r);
		return;
	}
	file->fh = (uint64_t)fd;
	file->keep_cache = 1;
	hw_view_lock(&server->view);
	note_made(server, parent, name, node);
	hw_change_end(&server->changes, &change);
	r = hw_fill_entry(server, node, NULL, &entry);
	entry.entry_timeout = hw_keep_s(server, parent, name);
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
		(void)close(fd); /* as above */
	} else if (fuse_reply_create(req, &entry, file) == -ENOENT) {
		hw_node_forget(&server->view, node, 1);
		(void)close(fd); /* as above */
	}
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

/* ---- names that go ---- */

static bool reply_replayed(fuse_req_t req)
{
	struct hw_server *server = hw_server_of(req);

	if (!hw_is_replay(req))
		return false;
	hw_view_lock(&server->view);
	hw_pending_commit(server);
	hw_view_unlock(&server->view);
	(void)fuse_reply_err(req, 0);
	return true;
}

static void remove_entry(fuse_req_t req, fuse_ino_t parent_id, const char *name, int flags)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *parent = hw_node_of(server, parent_id), *node;
	struct hw_changing change = { .parents = { parent }, .names = { name } };
	int r;

	if (reply_replayed(req))
		return;
	hw_change_begin(&server->changes, &server->view, &change);
	if (unlinkat(parent->path_fd, name, flags) < 0) {
		r = errno;
		hw_change_refused(&server->changes, &server->view, &change);
		(void)fuse_reply_err(req, r);
		return;
	}
	hw_view_lock(&server->view);
	node = hw_view_find(&server->view, parent, name);
	if (node)
		hw_own_name(&server->view, parent, name, node, NULL);
	if (node)
		mark_gone(server, node);
	if (node && flags & AT_REMOVEDIR)
		node->gone = true;
	if (node && !node->gone)
		hw_own_names_changed(&server->view, node);
	hw_view_remove(&server->view, parent, name);
	server->view.changes++;
	hw_change_end(&server->changes, &change);
	hw_view_unlock(&server->view);
	(void)fuse_reply_err(req, 0);
}

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_entry(req, parent, name, 0);
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_entry(req, parent, name, AT_REMOVEDIR);
}

static void set_or_remove(struct hw_view *view, struct hw_node *parent, const char *name,
			  struct hw_node *node)
{
	if (node)
		(void)hw_view_set(view, parent, name, node);
	else
		hw_view_remove(view, parent, name);
}

static void rename_in_view(struct hw_server *server, const struct hw_slot *from,
			   const struct hw_slot *to, bool exchange)
{
	struct hw_view *view = &server->view;
	struct hw_node *moved = hw_view_find(view, from->parent, from->name);
	struct hw_node *replaced = hw_view_find(view, to->parent, to->name);

	hw_own_name(view, from->parent, from->name, moved, exchange ? replaced : NULL);
	hw_own_name(view, to->parent, to->name, replaced, moved);
	set_or_remove(view, to->parent, to->name, moved);
	set_or_remove(view, from->parent, from->name, exchange ? replaced : NULL);
	if (!exchange && replaced && replaced != moved)
		mark_gone(server, replaced);
	if (moved)
		hw_own_names_changed(view, moved);
	if (replaced)
		hw_own_names_changed(view, replaced);
	view->changes++;
}

static void do_rename(fuse_req_t req, fuse_ino_t old_id, const char *old_name, fuse_ino_t new_id,
		      const char *new_name, unsigned flags)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_slot from = { .parent = hw_node_of(server, old_id) };
	struct hw_slot to = { .parent = hw_node_of(server, new_id) };
	struct hw_changing change = { .parents = { from.parent, to.parent },
				      .names = { old_name, new_name } };
	int r;

	if (reply_replayed(req))
		return;
	hw_change_begin(&server->changes, &server->view, &change);
	if (renameat2(from.parent->path_fd, old_name, to.parent->path_fd, new_name, flags) < 0) {
		r = errno;
		hw_change_refused(&server->changes, &server->view, &change);
		(void)fuse_reply_err(req, r);
		return;
	}
	(void)snprintf(from.name, sizeof(from.name), "%s", old_name);
	(void)snprintf(to.name, sizeof(to.name), "%s", new_name);
	hw_view_lock(&server->view);
	rename_in_view(server, &from, &to, flags & RENAME_EXCHANGE);
	hw_change_end(&server->changes, &change);
	hw_view_unlock(&server->view);
	(void)fuse_reply_err(req, 0);
}

void hw_ops_names(struct fuse_lowlevel_ops *ops)
{
	ops->mknod = do_mknod;
	ops->mkdir = do_mkdir;
	ops->symlink = do_symlink;
	ops->link = do_link;
	ops->create = do_create;
	ops->unlink = do_unlink;
	ops->rmdir = do_rmdir;
	ops->rename = do_rename;
}
