/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a watcher tells about a name, held against the tree and the disk: the events of one change,
 * at once. */
#include "hint.h"
#include "access.h"
#include "arm.h"
#include "fill.h"
#include "history.h"
#include "quiet.h"
#include "scan.h"
#include "settle.h"

#include <errno.h>
#include <string.h>

/* One hint at work: what it names, what the tree has there, what the disk has there. */
struct context {
	struct hw_share *share;
	const struct hw_hint *hint;
	bool ordered; /* the watcher tells everything, in order */
	uint32_t dir;
	const char *name;
	size_t len;
	uint32_t id; /* in the tree, 0 */
	bool present; /* on the disk */
	struct hw_stat stat; /* when present */
};

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static void suspect(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		    uint32_t what, uint64_t ino)
{
	hw_token token = hw_tree_token(&share->tree, dir);

	/* Once, behind the observation of those that found room: a walk that finds too many cannot
	 * find fewer by beginning again before. */
	if (hw_suspects_add(&share->suspects, token, name, len, what, (uint32_t)ino) < 0)
		share->suspects_full = true;
}

void hw_hint_doubt(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	suspect(share, dir, name, len, 0, 0);
}

/* A name that is looked at may not be the one it has when it is looked at. */
void hw_hint_unsure(struct hw_share *share, uint32_t id)
{
	struct hw_ids *unsure = &share->unsure;

	if (!unsure->count || unsure->ids[unsure->count - 1] != id)
		(void)hw_ids_add(unsure, id); /* without memory: the next change */
}

void hw_hint_later(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		   uint32_t what, uint64_t ino)
{
	hw_settle_note_since(share);
	suspect(share, dir, name, len, what, ino);
	hw_settle_begin(share);
}

void hw_hint_audit(struct hw_share *share, uint32_t dir)
{
	uint32_t known = hw_tree_by_token(&share->tree, share->audit);

	if (known)
		while (!hw_tree_is_below(&share->tree, dir, known))
			known = entry_of(share, known)->parent;
	else if (share->audit)
		known = HW_ROOT; /* it is gone */
	share->audit = hw_tree_token(&share->tree, known ? known : dir);
}

bool hw_hint_begin_audit(struct hw_share *share)
{
	uint32_t dir = hw_tree_by_token(&share->tree, share->audit);

	if (!share->audit || share->silent || share->state != HW_SHARE_ONLINE)
		return false;
	share->audit = 0;
	hw_scan_below(share, dir ? dir : HW_ROOT);
	return true;
}

static void doubt(struct context *c)
{
	hw_hint_doubt(c->share, c->dir, c->name, c->len);
}

static void doubt_dir(struct context *c)
{
	doubt(c);
	if (c->hint->type == HW_TYPE_DIR || (c->present && c->stat.type == HW_TYPE_DIR) ||
	    (c->id && entry_of(c->share, c->id)->type == HW_TYPE_DIR))
		hw_hint_audit(c->share, c->dir);
}

static void look(struct context *c)
{
	c->present = hw_disk_stat(&c->share->disk, c->dir, c->name, c->len, &c->stat) == 0;
}

static bool is_same(const struct context *c)
{
	return c->present && c->id && hw_tree_is_same(entry_of(c->share, c->id), &c->stat);
}

/* ---- create and delete ---- */

/* Told by the kernel, gone by now: its type is what the kernel knew. */
static void phantom_stat(const struct context *c, struct hw_stat *ret)
{
	*ret = (struct hw_stat){
		.type = c->hint->type == HW_TYPE_DIR ? HW_TYPE_DIR : HW_TYPE_FILE,
		.nlink = 1,
		.fs = entry_of(c->share, c->dir)->fs,
	};
}

/* Created and, as the watcher knows, deleted again: there is nothing to look for. */
static bool is_brief(const struct context *c)
{
	return c->hint->what & HW_HINT_BRIEF;
}

static void create_phantom(struct context *c)
{
	struct hw_stat stat;

	phantom_stat(c, &stat);
	c->id = hw_history_create(c->share, c->dir, c->name, c->len, &stat, HW_ARRIVED_NEW);
	if (c->id)
		entry_of(c->share, c->id)->flags |= HW_ENTRY_PHANTOM;
	if (!is_brief(c))
		doubt(c);
}

static void create_present(struct context *c)
{
	enum hw_arrival how = hw_fill_arrival(c->share, &c->stat, c->share->turn_ns);

	c->id = hw_history_create(c->share, c->dir, c->name, c->len, &c->stat,
				  how == HW_ARRIVED_MOVED_IN ? HW_ARRIVED_NEW : how);
	if (!c->id)
		return;
	/* The content of a file is reported by the hints of the writes, or before its close_write.
	 */
	if (c->stat.type == HW_TYPE_DIR)
		hw_fill_dir(c->share, c->id, HW_ARRIVED_NEW);
}

/* A phantom turns out to be there after all, or there again. */
static void materialize(struct context *c)
{
	struct hw_entry *e = entry_of(c->share, c->id);

	if (e->type != c->stat.type) {
		doubt_dir(c);
		return;
	}
	e->flags &= (uint8_t)~HW_ENTRY_PHANTOM;
	hw_tree_update(&c->share->tree, c->id, &c->stat);
	if (c->stat.type == HW_TYPE_DIR)
		hw_fill_dir(c->share, c->id, HW_ARRIVED_NEW);
}

static uint64_t ino_of(const struct hw_hint *hint)
{
	return hint->handle_len ? hw_handle_ino(hint->handle_type, hint->handle, hint->handle_len)
				: 0;
}

/* The name may hold something else by now: another inode, of another type, or what a later rename
 * brought. */
static bool is_what_was_created(const struct context *c)
{
	uint64_t ino = ino_of(c->hint);

	return c->present && (!ino || (uint32_t)ino == (uint32_t)c->stat.ino) &&
	       (c->stat.type == HW_TYPE_DIR) == (c->hint->type == HW_TYPE_DIR) &&
	       !hw_fill_renamed_from(c->share, &c->stat);
}

static void created(struct context *c)
{
	if (is_brief(c) && !c->id) {
		create_phantom(c);
		return;
	}
	look(c);
	if (!c->id) {
		if (is_what_was_created(c))
			create_present(c);
		else
			create_phantom(c);
	} else if (c->present && entry_of(c->share, c->id)->flags & HW_ENTRY_PHANTOM) {
		materialize(c);
	} else if (!is_same(c)) {
		doubt_dir(c); /* known from a listing that saw an older or newer one: more hints
			       * follow
			       */
	}
}

static void deleted(struct context *c)
{
	if (!c->id)
		return;
	if (!c->ordered) {
		look(c);
		if (is_same(c)) {
			doubt_dir(c);
			return;
		}
		if (c->present)
			doubt_dir(c);
	}
	hw_history_delete(c->share, c->id);
	c->id = 0;
}

/* One record says both: the kernel merged a history of one inode under one name. */
static void created_and_deleted(struct context *c)
{
	if (!is_brief(c))
		look(c);
	if (c->present) {
		/* Known from before, it was removed and is back; from a listing, it was there
		 * twice. */
		if (c->id)
			hw_history_delete(c->share, c->id);
		create_present(c);
	} else if (!c->id) {
		create_phantom(c);
	}
}

/* ---- data and attributes ---- */

/* The inode lost this name, or was never seen under it: its other names are looked at when the turn
 * ends. */
static void note_inode(struct context *c)
{
	uint64_t ino = ino_of(c->hint);
	uint16_t fs = entry_of(c->share, c->dir)->fs;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (ino && left-- && (id = hw_tree_same_inode(&c->share->tree, fs, ino, id)))
		hw_hint_unsure(c->share, id);
}

/* What was told this turn after looking at the disk includes this change. */
static bool is_told(struct context *c)
{
	const struct hw_entry *e = entry_of(c->share, c->id);

	if (e->last_kind != HW_ATTRIB || e->flags & HW_ENTRY_STALE ||
	    (int32_t)(e->last_seq - (uint32_t)c->share->turn_first_seq) < 0)
		return false;
	look(c);
	return is_same(c) && c->stat.mtime_ns == e->mtime_ns && c->stat.size == e->size;
}

static void modified(struct context *c)
{
	if (!c->id) {
		doubt(c);
		return;
	}
	if (is_told(c))
		return;
	hw_history_modify(c->share, c->id);
	if (!(entry_of(c->share, c->id)->flags & HW_ENTRY_PHANTOM))
		hw_history_stale(c->share, c->id);
}

/* What was made or removed in it changed its times, not utimensat(2) of now, which sets all three.
 */
static bool is_busy(const struct hw_stat *stat)
{
	return stat->mtime_ns == stat->ctime_ns && stat->atime_ns != stat->mtime_ns;
}

/* Setting a directory's times is no event; only mode, owner and extended attributes are. What is in
 * it changed as well: its mtime says nothing. */
static bool is_attrib_of_dir(const struct hw_entry *e, const struct hw_stat *stat)
{
	return e->attr != stat->attr || stat->mtime_ns == e->mtime_ns ||
	       e->flags & HW_ENTRY_STALE || is_busy(stat);
}

static bool is_attrib(const struct hw_entry *e, const struct hw_stat *stat)
{
	switch (e->type) {
	case HW_TYPE_DIR:
		return is_attrib_of_dir(e, stat);
	case HW_TYPE_OTHER:
		return e->attr != stat->attr || e->mtime_ns == stat->mtime_ns;
	default:
		return true;
	}
}

/* The entry, or the name, has moved on; so have hints that are still to come. */
static void note_unsure(struct context *c)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;
	const struct hw_entry *e = entry_of(c->share, c->id);

	doubt(c);
	hw_hint_unsure(c->share, c->id);
	if (e->type == HW_TYPE_DIR || e->nlink < 2)
		return;
	while (left-- && (id = hw_tree_same_inode(&c->share->tree, e->fs, e->ino, id)))
		hw_hint_unsure(c->share, id);
}

void hw_hint_doubt_unsure(struct hw_share *share)
{
	for (uint32_t i = 0; i < share->unsure.count; i++) {
		uint32_t id = share->unsure.ids[i];
		const struct hw_entry *e = entry_of(share, id);

		if (id == HW_ROOT)
			hw_hint_doubt(share, HW_ROOT, ".", 1);
		else if (e->type != HW_TYPE_NONE)
			hw_hint_doubt(share, e->parent, hw_tree_name(&share->tree, id),
				      e->name_len);
	}
}

static void attributes(struct context *c)
{
	if (!c->id) {
		doubt(c);
		return;
	}
	struct hw_entry *e = entry_of(c->share, c->id);

	if (e->flags & HW_ENTRY_PHANTOM)
		return;
	look(c);
	if (!is_same(c)) {
		note_unsure(c);
		return;
	}
	if (e->type == HW_TYPE_DIR &&
	    (e->watcher == HW_WATCHER_NONE || !(e->flags & HW_ENTRY_LISTED)))
		hw_hint_unsure(c->share, c->id); /* it may be readable now */
	bool data = !(e->flags & HW_ENTRY_STALE) && hw_history_is_data(e, &c->stat);
	bool told = is_attrib(e, &c->stat);

	if (e->type == HW_TYPE_DIR && e->attr != c->stat.attr)
		hw_access_changed(c->share, c->id);
	hw_tree_update(&c->share->tree, c->id, &c->stat);
	hw_history_siblings(c->share, c->id, &c->stat, true);
	if (data)
		hw_history_modify(c->share, c->id);
	else if (told)
		hw_history_attrib(c->share, c->id);
}

/* ---- hints about one name ---- */

/* An inode that lost this name, kept open by somebody. */
static bool is_about_another(const struct context *c)
{
	const struct hw_entry *e = entry_of(c->share, c->id);
	uint64_t ino = ino_of(c->hint);

	return ino && ino != e->ino && !(e->flags & HW_ENTRY_PHANTOM);
}

static void one_name(struct context *c)
{
	uint32_t what = c->hint->what;
	bool both = (what & HW_HINT_CREATED) && (what & HW_HINT_DELETED);

	if (both)
		created_and_deleted(c);
	else if (what & HW_HINT_DELETED)
		deleted(c);
	else if (what & HW_HINT_CREATED)
		created(c);
	/* What else was merged into a deletion is about something that is gone. */
	if (what & HW_HINT_DELETED && !c->id)
		return;
	if (c->id && is_about_another(c)) {
		note_inode(c);
		return;
	}
	if (what & HW_HINTS_OF_DATA && c->id && entry_of(c->share, c->id)->flags & HW_ENTRY_PHANTOM)
		note_inode(c);
	if (what & HW_HINT_MODIFIED)
		modified(c);
	if (what & HW_HINT_ATTRIB)
		attributes(c);
	if (what & HW_HINT_CLOSE_WRITE && c->id)
		hw_quiet_closed(c->share, c->id, is_same(c) ? &c->stat : NULL);
	if (both && c->id && !c->present)
		hw_history_delete(c->share, c->id);
}

static void self_attrib(struct hw_share *share)
{
	struct hw_stat stat;
	struct hw_entry *e = entry_of(share, HW_ROOT);

	if (hw_disk_stat_fd(&share->disk, share->disk.root, &stat) < 0)
		return;
	bool told = is_attrib_of_dir(e, &stat);

	if (e->attr != stat.attr)
		hw_access_changed(share, HW_ROOT);
	hw_tree_update(&share->tree, HW_ROOT, &stat);
	if (told && !share->silent)
		hw_history_attrib(share, HW_ROOT);
}

static bool waits(const struct hw_share *share)
{
	return share->settle_ns && !share->silent;
}

static void about_name(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
		       const char *name, size_t len)
{
	struct hw_share *share = watcher->share;
	struct context c = {
		.share = share,
		.hint = hint,
		.ordered = watcher->plugin->flags & HW_PLUGIN_ORDERED,
		.dir = dir,
		.name = name,
		.len = len,
	};

	if (hw_share_is_excluded(share, dir, name, len, hint->type == HW_TYPE_DIR))
		return;
	hw_scan_touched(share, dir);
	if (waits(share)) {
		hw_hint_later(share, dir, name, len, hint->what & ~HW_HINT_ARRIVED, ino_of(hint));
		return;
	}
	c.id = hw_tree_find(&share->tree, dir, name, len);
	one_name(&c);
}

/* A directory told of itself: as its parent would tell it, but for the root, which has none. */
static void about_itself(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
			 uint32_t told_to_parent)
{
	struct hw_share *share = watcher->share;
	const struct hw_entry *e = entry_of(share, dir);
	struct hw_hint attrib = *hint;
	char name[HW_NAME_MAX];

	attrib.what &= HW_HINT_ATTRIB;
	attrib.type = HW_TYPE_DIR;
	attrib.handle_len = 0;
	/* Some kernels' watchers tell it twice, to the parent first. */
	if (!attrib.what || dir == told_to_parent)
		return;
	if (dir == HW_ROOT) {
		if (waits(share))
			hw_hint_later(share, dir, ".", 1, 0, 0);
		else
			self_attrib(share);
		return;
	}
	memcpy(name, hw_tree_name(&share->tree, dir), e->name_len);
	about_name(watcher, &attrib, e->parent, name, e->name_len);
}

/* ---- hints about a move: hint_move.c ---- */

static bool is_name(const char *name, uint32_t len)
{
	return name && len && len <= HW_NAME_MAX && !memchr(name, '\0', len) &&
	       !memchr(name, '/', len) && !(len == 2 && name[0] == '.' && name[1] == '.');
}

void hw_watcher_hint(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_share *share = watcher->share;

	if (share->state == HW_SHARE_OFFLINE)
		return;
	share->doubt_rounds = 0;
	share->hinted = true;
	if (hw_hint_release(share, hint))
		return;
	uint32_t dir = hw_tree_by_token(&share->tree, hint->dir);

	if (hint->what & HW_HINT_GONE) {
		if (dir == HW_ROOT)
			hw_share_check_root(share);
		return;
	}
	if (hint->what & HW_HINT_MOVED) {
		uint32_t to_dir = hw_tree_by_token(&share->tree, hint->to_dir);

		if ((!dir || is_name(hint->name, hint->name_len)) &&
		    (!to_dir || is_name(hint->to_name, hint->to_name_len)))
			hw_hint_move(watcher, hint, dir, to_dir);
		return;
	}
	if (!dir || !is_name(hint->name, hint->name_len))
		return;
	uint32_t told = share->attrib_dir;

	share->swallow_from = share->swallow_to = 0;
	share->attrib_dir = 0;
	if (hint->name_len == 1 && hint->name[0] == '.') {
		about_itself(watcher, hint, dir, told);
		return;
	}
	about_name(watcher, hint, dir, hint->name, hint->name_len);
	if (hint->what == HW_HINT_ATTRIB && hint->type == HW_TYPE_DIR)
		share->attrib_dir = hw_tree_find(&share->tree, dir, hint->name, hint->name_len);
}
