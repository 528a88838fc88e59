/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fill.h"

#include "access.h"
#include "arm.h"
#include "listing.h"
#include "pseudo.h"
#include "quiet.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 4096u /* entries of one directory listed at once; the walk lists the rest */
#define DEPTH_MAX 64u /* maximum depth of directories that are listed at once */

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- classifying new entries ---- */

static uint32_t known_name(struct hw_share *share, const struct hw_stat *stat)
{
	uint32_t id = 0;

	while ((id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id)))
		if (hw_tree_is_same(entry_of(share, id), stat))
			return id;
	return 0;
}

enum hw_arrival hw_fill_arrival(struct hw_share *share, const struct hw_stat *stat,
				int64_t since_ns)
{
	bool old = stat->btime_ns && stat->btime_ns < since_ns;

	if (stat->type != HW_TYPE_DIR && stat->nlink > 1)
		return old || known_name(share, stat) ? HW_ARRIVED_LINK : HW_ARRIVED_NEW;
	return old ? HW_ARRIVED_MOVED_IN : HW_ARRIVED_NEW;
}

enum hw_arrival hw_fill_arrival_of_name(struct hw_share *share, const struct hw_stat *stat,
					int64_t since_ns)
{
	enum hw_arrival how = hw_fill_arrival(share, stat, since_ns);

	if (how == HW_ARRIVED_MOVED_IN && stat->type != HW_TYPE_DIR && known_name(share, stat))
		return HW_ARRIVED_LINK;
	return how;
}

uint32_t hw_fill_renamed_from(struct hw_share *share, const struct hw_stat *stat)
{
	struct hw_stat there;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id))) {
		struct hw_entry *e = entry_of(share, id);

		if (id == HW_ROOT || e->renamed & HW_MARK_SOURCE || !hw_tree_is_same(e, stat))
			continue;
		int r = hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				     e->name_len, &there);

		if (r == -ENOENT || (r == 0 && !hw_tree_is_same(e, &there)))
			return id;
	}
	return 0;
}

/* Returns the time until which all records had been read when the record of the transient entry
 * was. */
static int64_t read_before(const struct hw_share *share, const struct hw_entry *e)
{
	int64_t now = share->marks.read_until_ns;

	return e->ctime_ns && e->ctime_ns < now ? e->ctime_ns : now;
}

/* Returns whether the file, with its data, is older than that. Records that said otherwise while
 * the entry had no inode were about other names of the file. */
static bool is_old_file(struct hw_share *share, const struct hw_entry *e,
			const struct hw_stat *stat)
{
	return !(e->flags & HW_ENTRY_MODIFIED) && stat->mtime_ns < read_before(share, e) &&
	       hw_fill_arrival_of_name(share, stat, share->turn.ended_ns) != HW_ARRIVED_NEW;
}

void hw_fill_take_inode(struct hw_share *share, uint32_t id, const struct hw_stat *stat)
{
	struct hw_entry *e = entry_of(share, id);

	if (e->type != HW_TYPE_DIR && e->flags & HW_ENTRY_NEW && is_old_file(share, e, stat))
		e->flags &= (uint8_t) ~(HW_ENTRY_DIRTY | HW_ENTRY_NEW);
	e->flags &= (uint8_t)~HW_ENTRY_TRANSIENT;
	hw_tree_update(&share->tree, id, stat);
}

/* ---- one entry of a listing ---- */

struct arriving {
	uint32_t dir;
	enum hw_arrival how;
	int64_t since_ns;
	bool touched; /* hints arrived during the listing */
	bool known; /* the directory is older than what may be unknown: it came with its entries */
	bool first; /* the tree has no name in it but those of the listing, which is sorted */
	const struct hw_found *before; /* the name before this one; NULL: none */
};

/* Returns whether entries that listings find are reported with the observation of a settle
 * window. */
static bool is_joined(const struct hw_share *share)
{
	return share->fill.joins;
}

/* Any other change of the entry has not been reported: its directory was not watched. */
static void moved_here(struct hw_share *share, uint32_t id, const struct hw_stat *stat)
{
	struct hw_entry *e = entry_of(share, id);

	e->flags &= (uint8_t)~HW_ENTRY_GONE;
	if (share->verify.reporting && share->verify.compares && stat->type == HW_TYPE_DIR)
		hw_scan_below(share, id);
	if (is_joined(share)) {
		(void)hw_ids_add(&share->fill.moved, id); /* if out of memory: its next change */
	} else if (hw_history_compare(e, stat, true)) {
		e->flags &= (uint8_t)~HW_ENTRY_STALE; /* a refresh would take over the difference */
		hw_unverified_entry(share, id);
	}
}

/* Returns whether an entry was moved into an arrived directory, or changed in it: renaming the
 * directory does not change the ctime of its entries. */
static bool is_young(const struct hw_stat *stat, int64_t since_ns)
{
	return since_ns && stat->ctime_ns >= since_ns && stat->nlink == 1 &&
	       stat->type != HW_TYPE_DIR;
}

/*
 * Returns whether an entry that the tree has under another name, which the disk confirms, has left
 * this name since it was listed. A hard link has two names, and so has a directory that is mounted
 * a second time.
 */
static bool has_left(struct hw_share *share, const struct arriving *a, const char *name, size_t len,
		     const struct hw_stat *stat)
{
	struct hw_stat now;

	if ((stat->type != HW_TYPE_DIR && stat->nlink > 1) || !known_name(share, stat))
		return false;
	int r = hw_disk_stat(&share->disk, a->dir, name, len, &now);

	return r == -ENOENT || (r == 0 && now.ino != stat->ino);
}

static enum hw_arrival arrival_in_new(struct hw_share *share, const struct arriving *a,
				      const struct hw_stat *stat)
{
	enum hw_arrival how = hw_fill_arrival_of_name(share, stat, a->since_ns);

	return how == HW_ARRIVED_MOVED_IN && a->known ? HW_ARRIVED_WITH_DIR : how;
}

static uint32_t arrive(struct hw_share *share, const struct arriving *a, const char *name,
		       size_t len, const struct hw_stat *stat, enum hw_arrival *ret_how)
{
	uint32_t id = share->silent ? 0 : hw_fill_renamed_from(share, stat);

	*ret_how = a->how;
	if (id && !hw_tree_is_below(&share->tree, a->dir, id)) {
		hw_former_add_left(share, id);
		hw_history_move(share, id, a->dir, name, len, stat);
		moved_here(share, id, stat);
		return 0;
	}
	if (!share->silent && has_left(share, a, name, len, stat)) {
		hw_unverified_name(share, a->dir, name, len);
		return 0;
	}
	if (a->how == HW_ARRIVED_NEW && !share->silent)
		*ret_how = arrival_in_new(share, a, stat);
	else if (is_joined(share) && is_young(stat, a->since_ns))
		*ret_how = HW_ARRIVED_NEW;
	else if (stat->type != HW_TYPE_DIR && stat->nlink > 1)
		*ret_how = HW_ARRIVED_LINK;
	if (a->how == HW_ARRIVED_NEW && !is_joined(share) &&
	    hw_vanished_found(share, stat, a->dir, name, len)) {
		hw_unverified_found(share, a->dir, name, len, *ret_how != HW_ARRIVED_NEW);
		return 0; /* a record that is unread says how the entry got this name */
	}
	return hw_history_create(share, a->dir, name, len, stat, *ret_how);
}

/* Returns whether a file came from outside, by itself, and was written since. */
static bool is_written(const struct hw_entry *e, enum hw_arrival how, int64_t since_ns)
{
	return how == HW_ARRIVED_MOVED_IN && since_ns && e->mtime_ns >= since_ns;
}

/* If out of memory, its close is reported when it is idle, or its data with its next change. */
static void join_file(struct hw_share *share, uint32_t id, bool written)
{
	if (hw_ids_add(&share->fill.files, id) == 0 && written)
		(void)hw_ids_add(&share->fill.written, id);
}

/* Returns whether the file may have come to its name while records were unread. */
static bool may_be_replacement(const struct hw_share *share, const struct hw_entry *e)
{
	return e->ctime_ns >= share->marks.read_until_ns;
}

static void file_arrived(struct hw_share *share, uint32_t id, enum hw_arrival how, int64_t since_ns)
{
	const struct hw_entry *e = entry_of(share, id);

	if (how == HW_ARRIVED_NEW && share->verify.reporting && e->size)
		(void)hw_ids_add(&share->fill.modified, id); /* reported with the observation */
	if (is_joined(share))
		join_file(share, id, is_written(e, how, since_ns));
	else if (how == HW_ARRIVED_NEW)
		hw_quiet_found(share, id);
	else if (may_be_replacement(share, e))
		hw_former_note_found(share, id);
}

static void arrived(struct hw_share *share, uint32_t id, enum hw_arrival how, int64_t since_ns)
{
	uint8_t type = entry_of(share, id)->type;

	if (type == HW_TYPE_DIR)
		hw_fill_dir(share, id,
			    how == HW_ARRIVED_NEW ? HW_ARRIVED_NEW : HW_ARRIVED_WITH_DIR);
	else if (type == HW_TYPE_FILE && !share->silent)
		file_arrived(share, id, how, since_ns);
}

static void refused(struct hw_share *share, const struct arriving *a, const char *name, size_t len,
		    int error)
{
	const struct hw_retry_name refused = {
		.dir = a->dir,
		.name = name,
		.len = len,
		.found = true,
		.how = a->how,
		.since_ns = a->since_ns,
	};

	hw_retry_name(share, &refused, error);
}

/* Returns 0 and the current state of the entry, or -errno. */
static int examine(struct hw_share *share, const struct arriving *a, const char *name,
		   const struct hw_found *found, struct hw_stat *ret)
{
	int fs;

	if (found->error)
		return -found->error;
	if (a->touched || found->foreign)
		return hw_disk_stat(&share->disk, a->dir, name, found->name_len, ret);
	*ret = found->stat;
	fs = hw_disk_filesystem(&share->disk, found->dev);
	ret->fs = (uint16_t)fs;
	return fs < 0 ? fs : 0;
}

static void add_one(struct hw_share *share, const struct arriving *a, const char *name, size_t len,
		    const struct hw_stat *stat)
{
	enum hw_arrival how;
	uint32_t id = arrive(share, a, name, len, stat, &how);

	if (id)
		arrived(share, id, how, a->since_ns);
}

/* Returns whether the tree has this name. */
static bool is_known(const struct hw_share *share, const struct arriving *a,
		     const struct hw_listing *listing, const struct hw_found *found)
{
	const char *name = listing->names + found->name;

	if (!a->first)
		return hw_tree_find(&share->tree, a->dir, name, found->name_len);
	/* A filesystem may list a name twice. */
	return a->before && a->before->name_len == found->name_len &&
	       memcmp(listing->names + a->before->name, name, found->name_len) == 0;
}

static void apply_one(struct hw_share *share, const struct arriving *a,
		      const struct hw_listing *listing, const struct hw_found *found)
{
	const char *name = listing->names + found->name;
	struct hw_stat stat;
	int r;

	if (hw_share_is_excluded(share, a->dir, name, found->name_len,
				 found->stat.type == HW_TYPE_DIR))
		return;
	if (is_known(share, a, listing, found))
		return; /* a hint has already added it */
	r = examine(share, a, name, found, &stat);
	if (r == 0)
		add_one(share, a, name, found->name_len, &stat);
	else if (hw_disk_is_refusal(r))
		refused(share, a, name, found->name_len, r);
}

void hw_fill_found(struct hw_share *share, const struct hw_retry_name *name,
		   const struct hw_stat *stat)
{
	const struct arriving a = {
		.dir = name->dir,
		.how = name->how,
		.since_ns = name->since_ns,
	};

	if (!hw_share_is_excluded(share, a.dir, name->name, name->len, stat->type == HW_TYPE_DIR))
		add_one(share, &a, name->name, name->len, stat);
}

void hw_fill_apply(struct hw_share *share, uint32_t dir, const struct hw_listing *listing,
		   enum hw_arrival how, bool touched)
{
	struct arriving a = {
		.dir = dir,
		.how = how,
		.since_ns = share->scan.since_ns,
		.touched = touched,
	};
	hw_token token = hw_tree_token(&share->tree, dir);
	int64_t known = hw_mark_known_ns(share);

	/* A silent share moves nothing into the directory meanwhile. */
	a.first = share->silent && !entry_of(share, dir)->dir.first_child;
	int64_t born = share->fill.since_ns;

	/* Outside of an observation: an entry that is older than its new directory was not created
	 * in it, and one that came with its directory may be younger than that. */
	a.known = how == HW_ARRIVED_NEW && born && born < known && !is_joined(share);
	if (!a.since_ns)
		a.since_ns = how == HW_ARRIVED_NEW && !a.known ? born : known;
	/* It may have been created elsewhere in the share: in a directory which is still
	 * unverified, or under a name that was gone before it was examined. */
	a.since_ns = known < a.since_ns ? known : a.since_ns;
	for (uint32_t i = 0; i < listing->count; i++) {
		if (hw_tree_by_token(&share->tree, token) != dir)
			return; /* reporting an entry removed the directory from the tree */
		hw_share_rest(share);
		apply_one(share, &a, listing, &listing->found[i]);
		a.before = &listing->found[i];
	}
}

/* ---- a directory ---- */

/* Returns -ELOOP if the directory is a bind mount of a directory above it: the walk would never
 * end. An ancestor that is no longer at its place does not count. -ESTALE: it has moved to the
 * place of the other one. Otherwise its descriptor, which was path_fd. */
static int check_above(struct hw_share *share, uint32_t dir, int path_fd)
{
	const struct hw_entry *e = entry_of(share, dir);

	for (uint32_t id = e->parent; id; id = entry_of(share, id)->parent) {
		const struct hw_entry *above = entry_of(share, id);

		if (above->ino != e->ino || above->fs != e->fs || above->ident != e->ident)
			continue;
		if (hw_disk_has(&share->disk, id))
			return hw_arm_is_one_place(share, id, dir) ? -ESTALE : -ELOOP;
		path_fd = hw_disk_dir(&share->disk, dir); /* it may have been closed */
	}
	return path_fd;
}

static void log_loop(struct hw_share *share, uint32_t dir)
{
	struct hw_entry *e = entry_of(share, dir);
	char quoted[600];

	if (!(e->flags & HW_ENTRY_LOOP))
		hw_warning("share %s: not entering %s: it is a bind mount of a directory above it",
			   share->name, hw_access_path(share, dir, quoted, sizeof(quoted)));
	e->flags |= HW_ENTRY_LOOP;
}

/* Returns the name of the filesystem that is mounted on this directory, if the kernel makes its
 * content and the share must not enter it; else NULL. */
static const char *pseudo_of(struct hw_share *share, uint32_t dir, int path_fd)
{
	if (share->pseudo || entry_of(share, dir)->fs == entry_of(share, HW_ROOT)->fs)
		return NULL;
	return hw_pseudo_name(path_fd);
}

static void log_pseudo(struct hw_share *share, uint32_t dir, const char *filesystem)
{
	struct hw_entry *e = entry_of(share, dir);
	char quoted[600];

	if (!(e->flags & HW_ENTRY_LOOP))
		hw_info("share %s: not entering %s: the kernel makes the content of %s (with "
			"pseudo = yes it is entered)",
			share->name, hw_access_path(share, dir, quoted, sizeof(quoted)),
			filesystem);
	e->flags |= HW_ENTRY_LOOP;
}

/* A record about attributes names the directory itself, and its watcher discards it until the
 * directory is armed: compares them after that. */
static void look_at_armed(struct hw_share *share, uint32_t dir, int fd)
{
	struct hw_stat stat;
	int r = share->silent ? -ENOENT : hw_disk_stat_fd(&share->disk, fd, &stat);

	share->fill.born_ns = r < 0 ? 0 : stat.btime_ns;
	if (dir != HW_ROOT && !share->silent && (r < 0 || stat.attr != entry_of(share, dir)->attr))
		hw_unverified_entry(share, dir);
}

/* Errors were logged, unless the directory is gone. */
int hw_fill_open(struct hw_share *share, uint32_t dir, bool anew)
{
	int path_fd = hw_disk_dir(&share->disk, dir);

	if (path_fd < 0) {
		(void)hw_access_failed(share, dir, path_fd);
		return path_fd == -ESTALE ? -ENOENT : path_fd;
	}
	path_fd = check_above(share, dir, path_fd);
	if (path_fd == -ELOOP)
		log_loop(share, dir);
	if (path_fd < 0)
		return path_fd;
	const char *pseudo = pseudo_of(share, dir, path_fd);

	if (pseudo) {
		log_pseudo(share, dir, pseudo);
		return -ELOOP;
	}
	int fd = hw_disk_openat(&share->disk, path_fd, ".", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		(void)hw_access_failed(share, dir, fd);
	/* Also arms a directory that cannot be read: a watcher that scans tries it again. */
	int r = hw_arm_dir(share, dir, path_fd, anew);

	if (r < 0 && fd >= 0)
		close(fd);
	if (r >= 0) {
		entry_of(share, dir)->flags &= (uint8_t)~HW_ENTRY_LOOP;
		look_at_armed(share, dir, path_fd);
	}
	return r < 0 ? r : fd;
}

void hw_fill_failed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error)
{
	const struct hw_entry *e = entry_of(share, dir);

	if (hw_disk_is_refusal(error)) {
		entry_of(share, dir)->flags &= (uint8_t)~HW_ENTRY_LISTED;
		hw_retry_dir(share, dir, HW_RETRY_FILL, how, error);
		return;
	}
	hw_unarmed_add(share, dir);
	if (dir == HW_ROOT || (error != -ENOENT && error != -ENOTDIR && error != -ESTALE))
		return;
	hw_unverified_name(share, e->parent, hw_tree_name(&share->tree, dir), e->name_len);
	hw_unverified_entry(share, dir); /* it has to be filled under any name */
}

void hw_fill_listed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error,
		    uint64_t since)
{
	if (!error) {
		hw_retry_worked(share, dir, since);
		return;
	}
	hw_retry_dir(share, dir, HW_RETRY_FILL, how, error);
}

static void fill_in_place(struct hw_share *share, uint32_t dir, enum hw_arrival how)
{
	struct hw_listing listing = { 0 };
	int64_t outer = share->fill.since_ns;
	uint64_t since = share->retry.count_refusals;
	int fd = hw_fill_open(share, dir, false);

	if (fd < 0) {
		if (hw_disk_is_short(fd))
			hw_scan_fill(share, dir, -1, how); /* after others have been listed */
		else
			hw_fill_failed(share, dir, how, fd);
		return;
	}
	share->fill.since_ns = share->fill.born_ns;
	hw_share_list(share, fd, AT_ONCE, entry_of(share, dir)->fs, &listing);
	hw_list_sort(&listing);
	entry_of(share, dir)->flags |= HW_ENTRY_LISTED;
	entry_of(share, dir)->flags &= (uint8_t)~HW_ENTRY_CAME;
	share->fill.budget -=
		listing.count < share->fill.budget ? listing.count : share->fill.budget;
	hw_token token = hw_tree_token(&share->tree, dir);

	if (!listing.more) {
		close(fd); /* before directories below it are opened */
		fd = -1;
	}
	hw_fill_apply(share, dir, &listing, how, false);
	if (listing.more && hw_tree_by_token(&share->tree, token) == dir)
		hw_scan_fill(share, dir, fd, how); /* takes fd */
	else if (fd >= 0)
		close(fd);
	if (!listing.more && hw_tree_by_token(&share->tree, token) == dir)
		hw_fill_listed(share, dir, how, listing.error, since);
	hw_list_free(&listing);
	share->fill.since_ns = outer;
}

void hw_fill_moved(struct hw_share *share, uint32_t dir)
{
	/* It may have entries from a state, and not be listed yet. */
	if (entry_of(share, dir)->dir.first_child)
		hw_scan_below(share, dir);
	else
		hw_fill_dir(share, dir, HW_ARRIVED_NEW);
}

void hw_fill_dir(struct hw_share *share, uint32_t dir, enum hw_arrival how)
{
	struct hw_entry *e = entry_of(share, dir);

	if (how == HW_ARRIVED_WITH_DIR && !share->silent)
		e->flags |= HW_ENTRY_CAME; /* also if it has another name when it can be opened */
	if (e->flags & HW_ENTRY_CAME)
		how = HW_ARRIVED_WITH_DIR;
	if (share->fill.depth >= DEPTH_MAX || !share->fill.budget || share->silent) {
		hw_scan_fill(share, dir, -1, how);
		return;
	}
	share->fill.depth++;
	fill_in_place(share, dir, how);
	share->fill.depth--;
}
