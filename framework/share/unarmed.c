/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of directories that no watcher has. */
#include "unarmed.h"

#include "share_private.h"

#define CHECKED_MIN 64u

static void clean_up(struct hw_share *share)
{
	struct hw_ids *dirs = &share->unarmed.dirs;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < dirs->count; i++) {
		const struct hw_entry *e = hw_tree_entry(&share->tree, dirs->ids[i]);

		if (e->type == HW_TYPE_DIR && e->watcher == HW_WATCHER_NONE)
			dirs->ids[kept++] = dirs->ids[i];
	}
	dirs->count = kept;
	share->unarmed.checked_at = kept < CHECKED_MIN / 2 ? CHECKED_MIN : kept * 2;
}

void hw_unarmed_add(struct hw_share *share, uint32_t dir)
{
	struct hw_unarmed *unarmed = &share->unarmed;

	if (unarmed->all)
		return;
	if (unarmed->dirs.count >= unarmed->checked_at)
		clean_up(share);
	if (!unarmed->dirs.count)
		unarmed->since_ns = hw_loop_now_ns(share->loop);
	if (hw_ids_add(&unarmed->dirs, dir) < 0)
		hw_shortage_found(share); /* then the whole tree is compared */
}

void hw_unarmed_free(struct hw_share *share)
{
	hw_ids_free(&share->unarmed.dirs);
}
