/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of data and attributes. A change belongs to an inode: to that of the hint's file handle;
 * without a handle, to the one that has the hint's name at this point, or to one that lost this
 * name and is still open.
 */
#include "access.h"
#include "former.h"
#include "hint.h"
#include "hint_private.h"
#include "history.h"
#include "quiet.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Entries that are examined when a file was changed under a name that was never examined. */

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static bool is_transient(const struct hw_hint_at *at)
{
	return entry_of(at->share, at->id)->flags & HW_ENTRY_TRANSIENT;
}

/* ---- the names of an inode ---- */

/* Finds the first name of the inode that the disk confirms, and stores it in `name`. Returns false
 * if it confirms none. */
static bool find_inode(struct hw_hint_at *at, uint16_t fs, uint64_t ino, char name[HW_NAME_MAX])
{
	struct hw_share *share = at->share;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, fs, ino, id))) {
		const struct hw_entry *e = entry_of(share, id);

		if (id == HW_ROOT)
			continue;
		memcpy(name, hw_tree_name(&share->tree, id), e->name_len);
		at->id = id;
		at->dir = e->parent;
		at->name = name;
		at->len = e->name_len;
		hw_hint_look(at);
		if (hw_hint_is_same(at))
			return true;
		hw_unverified_entry(share, id);
	}
	return false;
}

/* ---- an entry and its own change ---- */

static void modified(struct hw_hint_at *at)
{
	hw_history_modify(at->share, at->id);
	if (!is_transient(at))
		hw_history_stale(at->share, at->id);
}

/* Returns whether the times of a directory were changed by creating or removing an entry in it.
 * utimensat(2) with the current time sets all three times. */
static bool is_busy(const struct hw_stat *stat)
{
	return stat->mtime_ns == stat->ctime_ns && stat->atime_ns != stat->mtime_ns;
}

/* For a directory, changes of mode, owner and extended attributes are events, changes of times are
 * not. If its content changed, too, its mtime proves nothing. */
bool hw_hint_is_attrib_of_dir(const struct hw_entry *e, const struct hw_stat *stat)
{
	return e->attr != stat->attr || stat->mtime_ns == e->mtime_ns ||
	       e->flags & HW_ENTRY_STALE || is_busy(stat);
}

static bool is_attrib(const struct hw_entry *e, const struct hw_stat *stat)
{
	switch (e->type) {
	case HW_TYPE_DIR:
		return hw_hint_is_attrib_of_dir(e, stat);
	case HW_TYPE_OTHER:
		return e->attr != stat->attr || e->mtime_ns == stat->mtime_ns;
	default:
		return true;
	}
}

static void note_names(struct hw_share *share, uint16_t fs, uint64_t ino)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (ino && left-- && (id = hw_tree_same_inode(&share->tree, fs, ino, id)))
		hw_unverified_entry(share, id);
}

/* The disk does not have the entry at this name: notes the name, the entry and its other links as
 * unverified. */
static void note_unverified(struct hw_hint_at *at)
{
	const struct hw_entry *e = entry_of(at->share, at->id);

	hw_hint_note_name(at);
	hw_unverified_entry(at->share, at->id);
	if (e->type != HW_TYPE_DIR && e->nlink > 1)
		note_names(at->share, e->fs, e->ino);
}

/* Returns whether a write was reported whose mtime the tree may not have. A write is reported for
 * all names of the inode, and only the name that was written to is in the refresh list. */
static bool is_written(const struct hw_hint_at *at, const struct hw_entry *e)
{
	return e->flags & HW_ENTRY_STALE ||
	       (e->nlink > 1 && (e->last_kind == HW_MODIFY || e->last_kind == HW_CLOSE_WRITE) &&
		hw_history_is_fresh(at->share, e));
}

/* Returns whether the change of attributes set the mtime. */
static bool is_touch(const struct hw_hint_at *at, const struct hw_entry *e)
{
	if (e->flags & HW_ENTRY_NEW && e->flags & HW_ENTRY_MODIFIED)
		return false; /* its times belong to the create */
	if (is_written(at, e))
		return hw_history_is_touched(at->share, e, &at->stat);
	return hw_history_is_data(e, &at->stat);
}

static void attributes(struct hw_hint_at *at);

/* A directory that is not at the place of its entry may have another entry: then this one was
 * examined at a name that another directory had had. Records about names in it were filed here. */
static void attributes_of_dir(const struct hw_hint_at *at)
{
	const struct hw_entry *e = entry_of(at->share, at->id);
	struct hw_hint_at other = *at;
	char name[HW_NAME_MAX];

	if (e->type != HW_TYPE_DIR || !find_inode(&other, e->fs, e->ino, name))
		return;
	hw_history_stale(at->share, other.id);
	attributes(&other);
}

static void attributes(struct hw_hint_at *at)
{
	struct hw_entry *e = entry_of(at->share, at->id);

	if (is_transient(at)) {
		if (!at->hint->handle_len)
			hw_unverified_lost(at->share, at->dir);
		return;
	}
	hw_hint_look(at);
	if (!hw_hint_is_same(at)) {
		note_unverified(at);
		attributes_of_dir(at);
		return;
	}
	if (e->type == HW_TYPE_DIR &&
	    (e->watcher == HW_WATCHER_NONE || !(e->flags & HW_ENTRY_LISTED)))
		hw_unverified_entry(at->share, at->id); /* it may be readable now */
	bool data = is_touch(at, e);
	bool told = is_attrib(e, &at->stat);

	if (e->type == HW_TYPE_DIR && e->attr != at->stat.attr)
		hw_retry_access_changed(at->share, at->id);
	hw_tree_update(&at->share->tree, at->id, &at->stat);
	hw_history_siblings(at->share, at->id, &at->stat, true);
	if (data)
		hw_history_modify(at->share, at->id);
	else if (told)
		hw_history_attrib(at->share, at->id);
}

/* Returns whether the entry may not have the name at this point: according to the records that were
 * read, it has lost the name, although the disk may show it there. */
static bool is_displaced(const struct hw_hint_at *at)
{
	const struct hw_fold_at place = { .dir = at->dir, .name = at->name, .len = at->len };

	return !at->hint->handle_len &&
	       hw_former_has_lost(at->share, &place, entry_of(at->share, at->id));
}

/* Returns whether the hint is late: nothing is reported for a name that is gone or belongs to
 * another file. */
static bool is_late(struct hw_hint_at *at)
{
	if (!hw_hint_is_vague(at) && !is_displaced(at))
		return false;
	hw_hint_look(at);
	return !hw_hint_is_same(at);
}

/* Returns whether a listing found an old file at the name, and the hint is about the one that had
 * the name before: this one was not written while records were unread. */
static bool is_about_predecessor(struct hw_hint_at *at)
{
	const struct hw_entry *e = entry_of(at->share, at->id);

	if (at->hint->handle_len || e->mtime_ns >= at->share->marks.read_until_ns ||
	    !hw_former_is_found(at->share, at->id))
		return false;
	hw_hint_look(at);
	return hw_hint_is_same(at) && !hw_history_compare(e, &at->stat, false);
}

static void about_entry(struct hw_hint_at *at)
{
	uint32_t what = at->hint->what;

	if (is_about_predecessor(at))
		return;

	if (is_late(at)) {
		note_unverified(at);
		return;
	}
	if (what & HW_HINT_MODIFIED)
		modified(at);
	if (what & HW_HINT_ATTRIB)
		attributes(at);
	if (what & HW_HINT_CLOSE_WRITE)
		hw_quiet_closed(at->share, at->id, hw_hint_is_same(at) ? &at->stat : NULL);
}

/* ---- an inode under any name ---- */

/* Handles the hint for this inode. Returns whether a name of the inode was found. */
static bool about_inode(const struct hw_hint_at *at, uint64_t ino)
{
	char name[HW_NAME_MAX];
	struct hw_hint_at other = *at;

	if (!ino || !find_inode(&other, entry_of(at->share, at->dir)->fs, ino, name))
		return false;
	about_entry(&other);
	return true;
}

uint64_t hw_hint_numbered_inode(const char *name, size_t len)
{
	char digits[24], *end;

	if (len < 2 || len > sizeof(digits) || name[0] != '#' || name[1] < '1' || name[1] > '9')
		return 0;
	memcpy(digits, name + 1, len - 1);
	digits[len - 1] = '\0';
	uint64_t ino = strtoull(digits, &end, 10);

	return *end ? 0 : ino;
}

/* ---- one of several inodes ---- */

/* Returns the time of the last event, unless that says nothing about data: the tree may have taken
 * over the data before, with that of an earlier write. Then the record of a write is unread if the
 * write is younger than those that were read. */
static int64_t reported_until(const struct hw_hint_at *at)
{
	const struct hw_entry *e = entry_of(at->share, at->id);
	int64_t told = hw_history_told_ns(at->share, e), read = at->share->marks.read_until_ns;
	bool says_nothing = e->last_kind == HW_ATTRIB || e->last_kind == HW_MOVE;

	return says_nothing && read < told ? read : told;
}

/* Returns whether the last write may not have been reported: it is newer than the last event, or a
 * second one within one tick of the clock for file times may have left no difference. A rename sets
 * ctime alone. */
static bool is_recent(const struct hw_hint_at *at)
{
	const struct hw_stat *stat = &at->stat;
	int64_t written = stat->mtime_ns < stat->ctime_ns ? stat->mtime_ns : stat->ctime_ns;
	struct timespec tick = { 0 };

	(void)clock_getres(CLOCK_REALTIME_COARSE, &tick); /* 0: each change has its own time */
	return hw_now_coarse_ns() - written <= tick.tv_nsec || written >= reported_until(at);
}

/* Returns whether the disk shows a change of the entry that was not reported, and that the hint may
 * be about. chmod(2), chown(2), link(2) and unlink(2) explain a new ctime, so with them it does not
 * prove a write. `surely`: a rename, whose record may be unread, does not explain it either. */
static bool has_changed(const struct hw_hint_at *at, bool surely)
{
	const struct hw_entry *e = entry_of(at->share, at->id);
	unsigned kind = hw_history_compare(e, &at->stat, surely);

	if (kind == HW_ATTRIB && !(at->hint->what & HW_HINT_ATTRIB) && e->attr != at->stat.attr)
		kind = 0;
	return kind || hw_history_is_unannounced(e);
}

static void report_change(struct hw_hint_at *at)
{
	const struct hw_entry *e = entry_of(at->share, at->id);

	if (at->hint->what & HW_HINT_ATTRIB) {
		bool data = at->hint->what & HW_HINT_MODIFIED || hw_history_is_data(e, &at->stat);

		if (data)
			hw_history_modify(at->share, at->id);
		if (!data || e->attr != at->stat.attr)
			hw_history_attrib(at->share, at->id);
	} else {
		hw_history_modify(at->share, at->id);
	}
	hw_tree_update(&at->share->tree, at->id, &at->stat);
	hw_history_siblings(at->share, at->id, &at->stat, true);
}

/* A writer closed this file, or another one that had its name. */
static void may_be_closed(struct hw_hint_at *at)
{
	if (entry_of(at->share, at->id)->flags & HW_ENTRY_DIRTY)
		hw_quiet_try(at->share, at->id);
	else
		hw_quiet_closed(at->share, at->id, &at->stat);
}

/* Reports the change if the state of this file differs from the tree. Returns whether it does. */
static bool offer_change(struct hw_hint_at *at, bool surely)
{
	if (!(at->hint->what & (HW_HINT_MODIFIED | HW_HINT_ATTRIB)) || !has_changed(at, surely))
		return false;
	report_change(at);
	return true;
}

static void offer_close(struct hw_hint_at *at)
{
	if (at->hint->what & HW_HINT_CLOSE_WRITE)
		may_be_closed(at);
}

/* Does the same for the file that has the name now. */
static void offer_present(struct hw_hint_at *at, bool surely, bool changed)
{
	hw_hint_look(at);
	if (is_transient(at) || !hw_hint_is_same(at)) {
		about_entry(at); /* its own hints are still to come */
		return;
	}
	if (!offer_change(at, surely) && !changed && at->hint->what & HW_HINT_MODIFIED &&
	    is_recent(at))
		hw_history_modify(at->share, at->id);
	offer_close(at);
}

/* Returns whether the hint may be about a write to an inode that had left the name when the record
 * was read, but not yet when it was queued: the tree may have its new times already. */
static bool is_unread_write(const struct hw_hint_at *at, const struct hw_former_inode *former)
{
	return at->hint->what & HW_HINT_MODIFIED && hw_former_may_be_meant(at->share, former) &&
	       at->stat.mtime_ns >= at->share->marks.read_until_ns;
}

/* Finds a name of an inode that had the name of the hint before, like find_inode(). */
static bool find_former(struct hw_hint_at *at, const struct hw_former_inode *former,
			char name[HW_NAME_MAX])
{
	return find_inode(at, former->fs, former->ino, name) &&
	       hw_tree_ident(entry_of(at->share, at->id)) == former->ident;
}

/* Returns whether one of these inodes, or the one that has the name now, has surely changed. */
static bool any_has_changed(const struct hw_hint_at *at, const struct hw_former_inode *others,
			    unsigned count)
{
	struct hw_hint_at now = *at;
	char name[HW_NAME_MAX];

	for (unsigned i = 0; i < count; i++) {
		struct hw_hint_at other = *at;

		if (find_former(&other, &others[i], name) && has_changed(&other, true))
			return true;
	}
	if (!at->id || is_transient(at))
		return false;
	hw_hint_look(&now);
	return hw_hint_is_same(&now) && has_changed(&now, true);
}

/*
 * The name had other inodes before, and a descriptor of one of them may still be open: the change
 * belongs to the inodes whose state on the disk differs from the tree. If none differs, an inode
 * without a name was changed, which is not reported.
 */
static void about_one_of(struct hw_hint_at *at, const struct hw_former_inode *others,
			 unsigned count)
{
	char name[HW_NAME_MAX];
	bool surely = count && any_has_changed(at, others, count), changed = false;

	for (unsigned i = 0; i < count; i++) {
		struct hw_hint_at other = *at;

		if (!find_former(&other, &others[i], name))
			continue;
		if (is_unread_write(&other, &others[i]) && !has_changed(&other, surely))
			hw_history_modify(other.share, other.id);
		changed |= offer_change(&other, surely); /* all of them are tried */
		offer_close(&other);
	}
	if (at->id)
		offer_present(at, surely, changed);
}

/* ---- hints ---- */

static bool is_about_another(const struct hw_hint_at *at, uint64_t ino)
{
	return ino && ino != entry_of(at->share, at->id)->ino && !is_transient(at);
}

/* Returns whether this inode had the name before: a transient entry, whose inode is unknown, is
 * another one. */
static bool is_former(const struct hw_hint_at *at, uint64_t ino)
{
	const struct hw_fold_at place = { .dir = at->dir, .name = at->name, .len = at->len };
	struct hw_former_inode others[HW_FORMER_WAYS];
	unsigned count = hw_former_find(at->share, &place, NULL, others);

	while (count)
		if (others[--count].ino == ino)
			return true;
	return false;
}

/* The inode may get a name by a hint that follows. */
static void note_nameless(const struct hw_hint_at *at)
{
	const struct hw_fold_number number = hw_hint_number(at->hint);

	hw_nameless_note(at->share, entry_of(at->share, at->dir)->fs, &number,
			 at->hint->what & HW_HINTS_OF_DATA);
}

/* The hint identifies the inode. */
static void about_handle(struct hw_hint_at *at, uint64_t ino)
{
	bool known = at->id && !is_about_another(at, ino);

	if (known && !(is_transient(at) && is_former(at, ino))) {
		bool transient = is_transient(at);

		about_entry(at);
		if (transient && !about_inode(at, ino)) /* its other names */
			note_nameless(at);
	} else if (!about_inode(at, ino) && !at->id) {
		note_nameless(at);
		hw_hint_note_name(at);
	}
}

/* Returns whether the inode of one of these was ever known. */
static bool any_is_known(const struct hw_former_inode *others, unsigned count)
{
	while (count)
		if (others[--count].ino != HW_FORMER_UNKNOWN)
			return true;
	return false;
}

void hw_hint_data(struct hw_hint_at *at)
{
	struct hw_former_inode others[HW_FORMER_WAYS];
	uint64_t ino = hw_hint_ino(at->hint);
	unsigned count = 0;

	if (!(at->hint->what & HW_HINTS_OF_DATA))
		return;
	if (!ino && !at->id)
		ino = hw_hint_numbered_inode(at->name, at->len);
	if (ino) {
		about_handle(at, ino);
		return;
	}
	const struct hw_fold_at place = { .dir = at->dir, .name = at->name, .len = at->len };

	if (at->hint->type != HW_TYPE_DIR) /* all of them are files */
		count = hw_former_find(at->share, &place,
				       at->id ? entry_of(at->share, at->id) : NULL, others);
	bool known = any_is_known(others, count);

	if (known || (at->id && (count || is_displaced(at))))
		about_one_of(at, others, count);
	else if (at->id)
		about_entry(at);
	else if (at->hint->what & (HW_HINT_MODIFIED | HW_HINT_ATTRIB))
		hw_hint_note_name(at);
	/* It may have been linked to another name before it lost this one. */
	if (!known && !at->id && at->hint->what & HW_HINT_CLOSE_WRITE)
		hw_quiet_try_newest(at->share);
}

void hw_hint_data_before_name(struct hw_hint_at *at, bool is_new)
{
	const struct hw_fold_number number = hw_hint_number(at->hint);
	struct hw_hint before = *at->hint;
	struct hw_hint_at first = *at;

	before.what = hw_nameless_take(at->share, entry_of(at->share, at->dir)->fs, &number);
	before.what &= HW_HINT_CLOSE_WRITE; /* what was written before belongs to the create */
	if (!before.what || !is_new)
		return;
	first.hint = &before;
	about_entry(&first);
}

void hw_hint_data_of_gone(struct hw_hint_at *at)
{
	if (at->hint->what & HW_HINTS_OF_DATA && !about_inode(at, hw_hint_ino(at->hint)))
		note_nameless(at); /* most of them have no name left */
}
