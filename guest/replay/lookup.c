/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and attributes. */
#include "negative.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The lower filesystem may have the name, or its absence, in a cache for a time of its own. A link
 * between mounts is refused, but only after the target was looked up, and this lookup never takes
 * an answer from the cache. */
static bool refresh_name(int dir, const char *name)
{
	return linkat(AT_FDCWD, "/proc", dir, name, 0) < 0 && errno == EEXIST;
}

/* A lookup of FUSE brings the attributes. */
static int stat_found(struct hw_server *server, int fd, bool refreshed, struct stat *ret)
{
	if (refreshed && server->lower_is_fuse && fstat(fd, ret) == 0 &&
	    ret->st_dev == server->view.root.key.dev)
		return 0;
	return hw_fresh_stat(fd, ret);
}

int hw_lower_find(struct hw_server *server, struct hw_node *parent, const char *name,
		  struct hw_node **ret, struct stat *ret_stat)
{
	struct hw_node *node;
	bool refreshed;
	int fd, error;

	if (parent->path_fd < 0)
		return -ENOENT;
	refreshed = refresh_name(parent->path_fd, name);
	fd = openat(parent->path_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = stat_found(server, fd, refreshed, ret_stat);
	if (error < 0) {
		(void)close(fd); /* O_PATH: nothing to lose */
		return error;
	}
	hw_view_lock(&server->view);
	node = hw_node_get(&server->view, fd, ret_stat);
	if (node)
		hw_node_hold(node);
	hw_view_unlock(&server->view);
	*ret = node;
	return node ? 0 : -ENOMEM;
}

double hw_keep_s(struct hw_server *server, const struct hw_node *parent, const char *name)
{
	return hw_own_is_ahead(&server->view, parent, name) ? HW_KEEP_SHORT_S : server->keep_s;
}

int hw_fill_entry(struct hw_server *server, struct hw_node *node, const struct stat *st,
		  struct fuse_entry_param *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (st) {
		ret->attr = *st;
		hw_node_keep_link(node, &ret->attr);
	} else {
		r = hw_node_stat(&server->view, node, &ret->attr);
		if (r < 0)
			return r;
	}
	if (!node->is_ghost)
		hw_own_seen(node, &ret->attr);
	ret->ino = hw_id_of(server, node);
	ret->attr_timeout = ret->entry_timeout = node->is_ghost ? 0 : server->keep_s;
	node->lookups++;
	return 0;
}

int hw_pin(struct hw_server *server, struct hw_node *node)
{
	int fd;

	hw_view_lock(&server->view);
	fd = hw_node_open(&server->view, node);
	if (fd >= 0) {
		node->path_users++;
		hw_node_hold(node); /* the kernel may forget it as soon as it has the answer */
	}
	hw_view_unlock(&server->view);
	return fd;
}

void hw_unpin(struct hw_server *server, struct hw_node *node)
{
	hw_view_lock(&server->view);
	node->path_users--;
	hw_node_put(&server->view, node);
	hw_view_unlock(&server->view);
}

void hw_expire(struct hw_server *server, fuse_ino_t parent, const char *name)
{
	const size_t len = strlen(name);

	/* -ENOENT: the kernel does not have it */
	if (server->expires)
		(void)fuse_lowlevel_notify_expire_entry(server->session, parent, name, len,
							FUSE_LL_EXPIRE_ONLY);
	else
		(void)fuse_lowlevel_notify_inval_entry(server->session, parent, name, len);
}

static void reply_with(fuse_req_t req, struct hw_node *node, struct fuse_entry_param *entry)
{
	struct hw_server *server = hw_server_of(req);

	if (fuse_reply_entry(req, entry) == -ENOENT)
		hw_node_forget(&server->view, node, 1); /* interrupted: nobody got it */
}

void hw_reply_node(fuse_req_t req, struct hw_node *node, const struct stat *st, double keep_s)
{
	struct fuse_entry_param entry;
	int r = hw_fill_entry(hw_server_of(req), node, st, &entry);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
		return;
	}
	if (!node->is_ghost)
		entry.entry_timeout = keep_s;
	reply_with(req, node, &entry);
}

struct hw_slot *hw_slot_find(struct hw_server *server, const struct hw_node *parent,
			     const char *name)
{
	for (unsigned i = 0; i < HW_SLOTS; i++) {
		struct hw_slot *slot = &server->pending.slots[i];

		if (slot->parent == parent && strcmp(slot->name, name) == 0)
			return slot;
	}
	return NULL;
}

/* Answers with the entry that the name has after the event, if there is one. */
static bool reply_after(fuse_req_t req, const struct hw_slot *slot)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = server->pending.after[slot - server->pending.slots].node;
	struct fuse_entry_param entry;

	if (!node || node->is_ghost || hw_fill_entry(server, node, NULL, &entry) < 0)
		return false;
	entry.entry_timeout = entry.attr_timeout = 0;
	reply_with(req, node, &entry);
	return true;
}

/* While an event is replayed, its names have the state before it, for which the replayer makes its
 * call. Programs may have seen the state after it already, so that a name that appears is there for
 * them. The kernel does not keep those answers. */
static void reply_slot(fuse_req_t req, const struct hw_slot *slot)
{
	struct hw_server *server = hw_server_of(req);
	struct fuse_entry_param entry;
	int r;

	if (!hw_is_replay(req) && reply_after(req, slot))
		return;
	if (!slot->node) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	r = hw_fill_entry(server, slot->node, NULL, &entry);
	if (r < 0) {
		(void)fuse_reply_err(req, -r);
		return;
	}
	/* with the last link gone, the kernel would report the inode's end before the delete */
	if (slot->more_links && !slot->node->is_ghost && !S_ISDIR(entry.attr.st_mode)) {
		struct stat st;

		if (fstat(hw_node_open(&server->view, slot->node), &st) == 0 && st.st_nlink)
			entry.attr.st_nlink = st.st_nlink + 1;
	}
	if (!hw_is_replay(req))
		entry.entry_timeout = entry.attr_timeout = 0;
	reply_with(req, slot->node, &entry);
}

static bool reply_hidden(fuse_req_t req, const struct hw_node *parent, const char *name)
{
	struct hw_server *server = hw_server_of(req);
	struct fuse_entry_param entry = { 0 };

	if (parent != &server->view.hidden &&
	    (parent != &server->view.root || strcmp(name, HW_REPLAY_HIDDEN) != 0))
		return false;
	if (!hw_is_replay(req) || parent == &server->view.hidden) {
		(void)fuse_reply_err(req, ENOENT);
		return true;
	}
	entry.ino = hw_id_of(server, &server->view.hidden);
	entry.attr = server->view.hidden.ghost;
	server->view.hidden.lookups++;
	(void)fuse_reply_entry(req, &entry); /* the node is permanent */
	return true;
}

/* The lower directory does not have a ghost, which only the replayer may see. With the lock. */
static bool hides_slot(fuse_req_t req, const struct hw_slot *slot)
{
	return slot && !hw_is_replay(req) && slot->node && slot->node->is_ghost;
}

/* Answers from what is known; returns whether it could. With the lock held. */
static bool reply_known(fuse_req_t req, struct hw_node *parent, const char *name)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_slot *slot = hw_slot_find(server, parent, name);
	struct hw_node *node;

	if (slot && !hides_slot(req, slot)) {
		reply_slot(req, slot);
		return true;
	}
	if (reply_hidden(req, parent, name))
		return true;
	if (!hw_is_replay(req) || !hw_view_has(&server->view, parent, name))
		return false;
	node = hw_view_find(&server->view, parent, name);
	hw_reply_node(req, node, NULL, server->keep_s);
	return true;
}

/* With the lock held. */
static void reply_absent(fuse_req_t req, struct hw_node *parent, const char *name, int error)
{
	struct hw_server *server = hw_server_of(req);
	struct fuse_entry_param entry = { .entry_timeout = HW_KEEP_SHORT_S };

	if (error != ENOENT || hw_slot_find(server, parent, name)) {
		(void)fuse_reply_err(req, error);
		return;
	}
	if (server->keep_s > HW_KEEP_SHORT_S && hw_negative_note(&server->view, parent, name))
		entry.entry_timeout = server->keep_s;
	(void)fuse_reply_entry(req, &entry); /* a negative entry */
}

/* What the lower directory has. The kernel does not keep it while an event of the name is replayed.
 * With the lock held. */
static void reply_found(fuse_req_t req, struct hw_node *parent, const char *name,
			struct hw_node *node, const struct stat *st)
{
	struct hw_server *server = hw_server_of(req);

	if (hw_slot_find(server, parent, name)) {
		hw_reply_node(req, node, st, 0);
		return;
	}
	if (!hw_view_has(&server->view, parent, name))
		(void)hw_view_set(&server->view, parent, name, node);
	hw_reply_node(req, node, st, hw_keep_s(server, parent, name));
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent_id, const char *name)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *parent = hw_node_of(server, parent_id), *node;
	const struct hw_slot *slot;
	struct stat st;
	uint64_t changes;
	bool done;
	int r;

	for (;;) {
		hw_view_lock(&server->view);
		changes = server->view.changes;
		done = reply_known(req, parent, name);
		hw_view_unlock(&server->view);
		if (done)
			return;
		node = NULL;
		r = hw_lower_find(server, parent, name, &node, &st);
		hw_view_lock(&server->view);
		slot = hw_slot_find(server, parent, name);
		/* the answer may be older than an event that was replayed meanwhile */
		if (changes == server->view.changes && (!slot || hides_slot(req, slot)))
			break;
		if (node)
			hw_node_put(&server->view, node);
		hw_view_unlock(&server->view);
	}
	if (r < 0) {
		reply_absent(req, parent, name, -r);
	} else {
		reply_found(req, parent, name, node, &st);
		hw_node_put(&server->view, node);
	}
	hw_view_unlock(&server->view);
}

static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	struct hw_server *server = hw_server_of(req);

	hw_view_lock(&server->view);
	hw_node_forget(&server->view, hw_node_of(server, ino), lookups);
	hw_view_unlock(&server->view);
	fuse_reply_none(req);
}

static void do_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct hw_server *server = hw_server_of(req);

	hw_view_lock(&server->view);
	for (size_t i = 0; i < count; i++)
		hw_node_forget(&server->view, hw_node_of(server, forgets[i].ino),
			       forgets[i].nlookup);
	hw_view_unlock(&server->view);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, struct hw_node *node)
{
	struct hw_server *server = hw_server_of(req);
	int fd = hw_pin(server, node), r = 0;
	struct stat st;
	double keep_s;

	if (fd >= 0) {
		r = hw_fresh_stat(fd, &st); /* others go on meanwhile */
		hw_unpin(server, node);
	}
	hw_view_lock(&server->view);
	if (fd < 0)
		r = hw_node_stat(&server->view, node, &st);
	else if (r == 0)
		hw_node_keep_link(node, &st);
	if (r == 0)
		hw_own_seen(node, &st);
	keep_s = server->keep_s;
	hw_view_unlock(&server->view);
	if (r < 0)
		(void)fuse_reply_err(req, -r);
	else
		(void)fuse_reply_attr(req, &st, keep_s);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)file;
	reply_attr(req, hw_node_of(hw_server_of(req), ino));
}

static struct timespec time_to_set(int to_set, int flag, int now_flag, struct timespec time)
{
	if (!(to_set & flag))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (to_set & now_flag)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return time;
}

static int set_times(const char *link, const struct stat *st, int to_set)
{
	const struct timespec times[2] = {
		time_to_set(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, st->st_atim),
		time_to_set(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, st->st_mtim),
	};

	return utimensat(AT_FDCWD, link, times, 0);
}

/* The link follows to the object itself, also if that is a symlink. */
static int set_attributes(int fd, const struct stat *st, int to_set)
{
	const uid_t uid = to_set & FUSE_SET_ATTR_UID ? st->st_uid : (uid_t)-1;
	const gid_t gid = to_set & FUSE_SET_ATTR_GID ? st->st_gid : (gid_t)-1;
	char link[40];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (to_set & FUSE_SET_ATTR_MODE && chmod(link, st->st_mode) < 0)
		return -errno;
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) &&
	    fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (to_set & FUSE_SET_ATTR_SIZE && truncate(link, st->st_size) < 0)
		return -errno;
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) && set_times(link, st, to_set) < 0)
		return -errno;
	return 0;
}

/* Programs' calls change the lower file. Those of the replayer only make the kernel report. */
static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		       struct fuse_file_info *file)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	struct hw_changing change = { .nodes = { node } };
	int r = 0;

	(void)file;
	if (!hw_is_replay(req)) {
		hw_change_begin(&server->changes, &server->view, &change);
		r = hw_pin(server, node);
		if (r >= 0) {
			r = set_attributes(r, st, to_set);
			hw_unpin(server, node);
		}
		hw_view_lock(&server->view);
		hw_own_attributes(&server->view, node);
		if (to_set & FUSE_SET_ATTR_SIZE && r >= 0)
			hw_own_truncated(node, st->st_size);
		hw_change_end(&server->changes, &change);
		hw_view_unlock(&server->view);
	}
	if (r < 0)
		(void)fuse_reply_err(req, -r);
	else
		reply_attr(req, node);
}

static void do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	char target[PATH_MAX + 1];
	int fd = hw_pin(server, node);
	ssize_t len;

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	len = readlinkat(fd, "", target, PATH_MAX);
	if (len < 0)
		(void)fuse_reply_err(req, errno);
	hw_unpin(server, node);
	if (len < 0)
		return;
	target[len] = '\0';
	(void)fuse_reply_readlink(req, target);
}

/* Only for a mount of an ordinary user, where the kernel checks nothing. */
static void do_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	int fd = hw_pin(server, node), r;
	char link[40];

	if (fd < 0) {
		(void)fuse_reply_err(req, -fd);
		return;
	}
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = access(link, mask) < 0 ? errno : 0;
	hw_unpin(server, node);
	(void)fuse_reply_err(req, r);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	(void)ino;
	if (fstatvfs(hw_server_of(req)->lower, &st) < 0)
		(void)fuse_reply_err(req, errno);
	else
		(void)fuse_reply_statfs(req, &st);
}

void hw_ops_lookup(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = do_lookup;
	ops->forget = do_forget;
	ops->forget_multi = do_forget_multi;
	ops->getattr = do_getattr;
	ops->setattr = do_setattr;
	ops->readlink = do_readlink;
	ops->access = do_access;
	ops->statfs = do_statfs;
}
