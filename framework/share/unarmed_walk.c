/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks for directories that no watcher has. */
#include "access.h"
#include "retry_private.h"
#include "scan.h"
#include "sort.h"
#include "unarmed.h"

static struct hw_entry *entry_of(const struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* Returns whether no watcher has the directory, and nothing leads to another attempt. */
static bool is_left(const struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = entry_of(share, dir);
	const struct hw_retry *retry = &share->retry;

	if (e->type != HW_TYPE_DIR || e->watcher != HW_WATCHER_NONE ||
	    e->flags & (HW_ENTRY_TRANSIENT | HW_ENTRY_LOOP) || hw_access_is_locked(share, dir))
		return false;
	uint32_t i = hw_retry_find(retry, hw_tree_token(&share->tree, dir), NULL, 0);

	return i == retry->count || retry->items[i].flying;
}

static void find_all(struct hw_share *share)
{
	struct hw_unarmed *unarmed = &share->unarmed;

	unarmed->all = false;
	unarmed->dirs.count = 0;
	for (uint32_t id = HW_ROOT; id < share->tree.used; id++) {
		const struct hw_entry *e = entry_of(share, id);

		hw_share_rest(share);
		if (e->type == HW_TYPE_DIR && e->watcher == HW_WATCHER_NONE)
			hw_unarmed_add(share, id);
	}
}

static int compare_dirs(const void *a, const void *b, void *arg)
{
	(void)arg;
	return hw_compare_ids(a, b);
}

/* Keeps each directory once, and only those that are left. */
static void keep_left(struct hw_share *share)
{
	const struct hw_sort how = { compare_dirs, NULL, &share->work };
	struct hw_ids *dirs = &share->unarmed.dirs;
	uint32_t kept = 0;

	hw_sort(dirs->ids, dirs->count, sizeof(*dirs->ids), &how);
	for (uint32_t i = 0; i < dirs->count; i++) {
		hw_share_rest(share);
		if ((!kept || dirs->ids[kept - 1] != dirs->ids[i]) && is_left(share, dirs->ids[i]))
			dirs->ids[kept++] = dirs->ids[i];
	}
	dirs->count = kept;
}

/* Its entry may be stale. One below it is armed with it. */
static void walk_one(struct hw_share *share, uint32_t dir)
{
	if (dir != HW_ROOT && is_left(share, entry_of(share, dir)->parent))
		return;
	hw_unverified_entry(share, dir);
	hw_scan_below(share, dir);
}

static void retry_one(struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = entry_of(share, dir);
	bool known = e->flags & HW_ENTRY_LISTED || e->dir.first_child;

	hw_retry_dir(share, dir, known ? HW_RETRY_BELOW : HW_RETRY_FILL, HW_ARRIVED_NEW, 0);
}

/* Takes the list, since a walk may add to it. */
static void walk(struct hw_share *share)
{
	struct hw_ids left = share->unarmed.dirs;

	share->unarmed.dirs = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < left.count; i++)
		hw_unarmed_add(share, left.ids[i]);
	for (uint32_t i = 0; i < left.count; i++)
		walk_one(share, left.ids[i]);
	hw_ids_free(&left);
}

bool hw_unarmed_walk(struct hw_share *share)
{
	struct hw_unarmed *unarmed = &share->unarmed;

	if (share->state == HW_SHARE_OFFLINE)
		return false;
	if (unarmed->all)
		find_all(share);
	keep_left(share);
	if (unarmed->dirs.count && (!unarmed->least || unarmed->dirs.count < unarmed->least)) {
		unarmed->least = unarmed->dirs.count;
		walk(share);
		return true;
	}
	for (uint32_t i = 0; i < unarmed->dirs.count; i++)
		retry_one(share, unarmed->dirs.ids[i]);
	unarmed->dirs.count = unarmed->least = 0;
	return false;
}

static bool can_walk(const struct hw_share *share)
{
	return share->state == HW_SHARE_ONLINE && !share->silent && !share->scan.walking &&
	       hw_scan_is_idle(share) && !share->shortage.waiting;
}

static bool is_verifying(const struct hw_share *share)
{
	return hw_verify_is_active(share) || hw_unverified_any(&share->unverified) ||
	       share->unverified.dir;
}

void hw_unarmed_turn(struct hw_share *share)
{
	const struct hw_unarmed *unarmed = &share->unarmed;

	if ((!unarmed->dirs.count && !unarmed->all) || !can_walk(share))
		return;
	if (is_verifying(share) &&
	    hw_loop_now_ns(share->loop) < unarmed->since_ns + share->interval_ns)
		return;
	if (hw_unarmed_walk(share))
		hw_share_kick(share); /* it may have ended already */
}
