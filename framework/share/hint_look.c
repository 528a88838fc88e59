/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hints which say only that something about a name may have changed. */
#include "hint.h"
#include "scan.h"
#include "share_private.h"

#include <string.h>

/* A pattern may exclude directories only. */
static bool is_excluded(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	struct hw_stat stat;
	uint32_t id;
	bool is_dir;

	if (!share->filter.count)
		return false;
	id = hw_tree_find(&share->tree, dir, name, len);
	is_dir = id ? hw_tree_entry(&share->tree, id)->type == HW_TYPE_DIR
		    : hw_disk_stat(&share->disk, dir, name, len, &stat) == 0 &&
				 stat.type == HW_TYPE_DIR;
	return hw_share_is_excluded(share, dir, name, len, is_dir);
}

void hw_hint_revalidate(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	bool itself = len == 1 && name[0] == '.';
	bool waits = share->settle.window_ns && !share->silent;
	char own_name[HW_NAME_MAX];

	if (itself && dir != HW_ROOT) {
		const struct hw_entry *e = hw_tree_entry(&share->tree, dir);

		len = e->name_len;
		name = memcpy(own_name, hw_tree_name(&share->tree, dir), len);
		dir = e->parent;
	} else if (!itself && is_excluded(share, dir, name, len)) {
		return;
	}
	hw_scan_touched(share, dir);
	if (waits)
		hw_settle_name(share, dir, name, len, 0, 0);
	else if (itself && dir == HW_ROOT && len == 1 && name[0] == '.')
		hw_unverified_entry(share, HW_ROOT);
	else
		hw_unverified_name(share, dir, name, len);
}
