/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a peer may read a path is computed from its credentials and the modes of the directories:
 * the process cannot change its own user for a system call. Where the mode does not decide, the
 * answer is the same as for a path that does not exist.
 */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GROUPS_MAX 1024u
#define MAY_READ 4u
#define MAY_SEARCH 1u
#define NOT_FOUND "no share contains this path, or this user may not read it"

struct identity {
	uid_t uid;
	size_t group_count;
	gid_t groups[GROUPS_MAX];
};

static bool identify(int fd, struct identity *ret)
{
	socklen_t len = sizeof(ret->groups) - sizeof(ret->groups[0]);
	struct ucred credentials;

	if (!hw_peer_credentials(fd, &credentials) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret->groups, &len) < 0)
		return false;
	ret->uid = credentials.uid;
	ret->group_count = len / sizeof(ret->groups[0]);
	ret->groups[ret->group_count++] = credentials.gid;
	return true;
}

static bool is_member(const struct identity *who, gid_t group)
{
	for (size_t i = 0; i < who->group_count; i++)
		if (who->groups[i] == group)
			return true;
	return false;
}

/* Returns whether an access control list may grant or deny more than the mode says. */
static bool has_list(int fd)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

static bool may(const struct identity *who, int fd, unsigned want)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (st.st_uid == who->uid)
		return (st.st_mode >> 6 & want) == want;
	if (has_list(fd))
		return false;
	return ((is_member(who, st.st_gid) ? st.st_mode >> 3 : st.st_mode) & want) == want;
}

/* Walks down from the root directory. The path has no empty component. */
static bool may_read(const struct identity *who, const char *path, uint32_t len)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
	const char *end = path + len;
	bool allowed = fd >= 0;

	for (path++; allowed && path < end;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash ? slash : end) - path);
		char name[256];

		allowed = n < sizeof(name) && may(who, fd, MAY_SEARCH);
		if (!allowed)
			break;
		memcpy(name, path, n);
		name[n] = '\0';
		next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		(void)close(fd); /* it was used for looking up only */
		fd = next;
		allowed = fd >= 0;
		path += n + (slash != NULL);
	}
	allowed = allowed && may(who, fd, MAY_READ);
	if (fd >= 0)
		(void)close(fd); /* as above */
	return allowed;
}

static bool is_allowed(const struct subscriber *s, const struct hw_found_share *found,
		       const struct hw_ask *ask)
{
	struct identity who;

	if (!identify(s->fd, &who))
		return false;
	return who.uid == 0 || (!found->may_hang && may_read(&who, ask->text, ask->text_len));
}

int hw_where_answer(struct subscriber *s, const struct hw_ask *ask, const char **ret_error)
{
	struct hw_found_share found = { .struct_size = sizeof(found) };
	const struct socket_sink *sink = s->sink;
	uint32_t skip;

	*ret_error = NOT_FOUND;
	if (sink->host->find_share(sink->ctx, ask->text, ask->text_len, &found) < 0 ||
	    !is_allowed(s, &found, ask))
		return -ENOENT;
	*ret_error = "out of memory";
	skip = found.root_len;
	while (skip < ask->text_len && ask->text[skip] == '/')
		skip++;
	return sink->stream->put_place(s->sink, &s->out, found.share, ask->text + skip,
				       ask->text_len - skip);
}
