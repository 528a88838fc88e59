/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "share_private.h"

#include <string.h>

bool hw_share_excludes(const struct hw_share *share, const char *path, size_t len)
{
	return hw_filter_excludes(&share->filter, path, len, true);
}

bool hw_share_is_excluded(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			  bool is_dir)
{
	size_t dir_len;
	char *path;

	if (!share->filter.count)
		return false;
	if (!share->filter.anchored)
		return hw_filter_matches(&share->filter, name, len, is_dir);
	path = hw_tree_path(&share->tree, dir, share->scratch, sizeof(share->scratch) - len - 1,
			    &dir_len);
	if (!path)
		return hw_filter_matches(&share->filter, name, len, is_dir);
	/* The directory's path ends where the room for a slash and the name begins. */
	char *end = path + dir_len;

	if (dir_len)
		*end++ = '/';
	memcpy(end, name, len);
	return hw_filter_matches(&share->filter, path, (size_t)(end - path) + len, is_dir);
}
