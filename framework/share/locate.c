/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps paths, as audit and build tools report them, to tokens of directories and names. */
#include "share_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns the rest of an absolute path below this directory; NULL if it is not below it. */
static const char *rest_below(const char *path, size_t len, const char *top)
{
	size_t top_len = strlen(top);

	while (top_len && top[top_len - 1] == '/')
		top_len--;
	if (len < top_len || memcmp(path, top, top_len) != 0 ||
	    (len > top_len && path[top_len] != '/'))
		return NULL;
	return path + top_len;
}

/* Compares the path with that of the root, as configured and as resolved through symbolic links. */
static const char *below_root(const struct hw_share *share, const char *path, size_t len)
{
	const char *rest = rest_below(path, len, share->path), *top = share->mounts.dir;

	return rest || !top ? rest : rest_below(path, len, top);
}

/* Returns the length of the next component at *at, 0 at the end, and moves *at past it. */
static size_t next_component(const char **at, const char *end, const char **ret)
{
	const char *p = *at;

	for (;;) {
		while (p < end && *p == '/')
			p++;
		*ret = p;
		while (p < end && *p != '/')
			p++;
		if (p - *ret != 1 || **ret != '.')
			break;
	}
	*at = p;
	return (size_t)(p - *ret);
}

static bool is_valid(const char *name, size_t len)
{
	return len <= HW_NAME_MAX && !memchr(name, '\0', len) &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

static int walk(struct hw_share *share, const char *at, const char *end, struct hw_location *ret)
{
	uint32_t dir = HW_ROOT;
	const char *name, *next;
	size_t len = next_component(&at, end, &name), next_len;

	for (; len && is_valid(name, len); name = next, len = next_len) {
		uint32_t id = hw_tree_find(&share->tree, dir, name, len);

		next_len = next_component(&at, end, &next);
		ret->dir = hw_tree_token(&share->tree, dir);
		ret->name = name;
		ret->name_len = (uint32_t)len;
		if (!next_len)
			return 1;
		if (!id || hw_tree_entry(&share->tree, id)->type != HW_TYPE_DIR)
			return is_valid(next, next_len) ? 0 : -EINVAL;
		dir = id;
	}
	if (len)
		return -EINVAL;
	ret->dir = hw_tree_token(&share->tree, HW_ROOT);
	ret->name = ".";
	ret->name_len = 1;
	return 1;
}

int hw_watcher_locate(struct hw_watcher *watcher, const char *path, size_t len,
		      struct hw_location *ret)
{
	struct hw_share *share = watcher->share;
	const char *at = path, *end = path + len;

	if (share->state == HW_SHARE_OFFLINE)
		return -EAGAIN;
	if (len && *path == '/')
		at = below_root(share, path, len);
	return at ? walk(share, at, end, ret) : -EXDEV;
}
