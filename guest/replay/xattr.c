/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extended attributes, ACLs among them. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

/* Returns 0; -errno. */
static int pin_link(struct hw_server *server, struct hw_node *node, char link[40])
{
	int fd = hw_pin(server, node);

	if (fd < 0)
		return fd;
	(void)snprintf(link, 40, "/proc/self/fd/%d", fd);
	return 0;
}

static void reply_value(fuse_req_t req, ssize_t len, size_t size, const char *value)
{
	if (len < 0)
		(void)fuse_reply_err(req, errno);
	else if (size == 0)
		(void)fuse_reply_xattr(req, (size_t)len);
	else
		(void)fuse_reply_buf(req, value, (size_t)len);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	char *value = size ? malloc(size) : NULL, link[40];
	int r = size && !value ? -ENOMEM : pin_link(server, node, link);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	} else {
		reply_value(req, getxattr(link, name, value, size), size, value);
		hw_unpin(server, node);
	}
	free(value);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	char *value = size ? malloc(size) : NULL, link[40];
	int r = size && !value ? -ENOMEM : pin_link(server, node, link);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
	} else {
		reply_value(req, listxattr(link, value, size), size, value);
		hw_unpin(server, node);
	}
	free(value);
}

/* Sets the attribute, or removes it if `value` is NULL. Returns 0 or a positive error number. */
static int change(const char *link, const char *name, const char *value, size_t size, int flags)
{
	int r = value ? setxattr(link, name, value, size, flags) : removexattr(link, name);

	return r < 0 ? errno : 0;
}

static void change_and_note(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			    size_t size, int flags)
{
	struct hw_server *server = hw_server_of(req);
	struct hw_node *node = hw_node_of(server, ino);
	struct hw_changing changing = { .nodes = { node } };
	char link[40];
	int r = pin_link(server, node, link);

	if (r < 0) {
		(void)fuse_reply_err(req, -r);
		return;
	}
	hw_change_begin(&server->changes, &server->view, &changing);
	r = change(link, name, value, size, flags);
	hw_unpin(server, node);
	hw_view_lock(&server->view);
	hw_own_attributes(&server->view, node);
	hw_change_end(&server->changes, &changing);
	hw_view_unlock(&server->view);
	(void)fuse_reply_err(req, r);
}

static void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	change_and_note(req, ino, name, value, size, flags);
}

static void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	change_and_note(req, ino, name, NULL, 0, 0);
}

void hw_ops_xattr(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = do_getxattr;
	ops->listxattr = do_listxattr;
	ops->setxattr = do_setxattr;
	ops->removexattr = do_removexattr;
}
