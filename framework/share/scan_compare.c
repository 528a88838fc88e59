/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares the listing of a known directory with the tree. */
#include "ahead.h"
#include "scan_private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Directories held open because they are not where the tree has them, and levels below each. */
#define OPENED_MAX 64u

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* A directory below one that is compared where it is now is there, too. */
static void compare_child(struct hw_share *share, struct hw_job *above, uint32_t dir)
{
	struct hw_job *job;

	if (above->flat)
		return;
	job = above->moved && above->moved < OPENED_MAX
		      ? hw_job_below(share, above, dir)
		      : hw_job_compare(share, dir, above->watcher);
	if (job)
		job->anew = above->anew;
}

/* If the tree has this directory elsewhere, compares it here, so that changes in it are part of the
 * same observation. `parent`: descriptor of the directory that it is in. */
static bool follow_moved(struct hw_share *share, int parent, const char *name,
			 const struct hw_stat *found)
{
	struct hw_stat stat;
	uint32_t id = hw_tree_same_inode(&share->tree, found->fs, found->ino, 0);

	if (!id || id == HW_ROOT || entry_of(share, id)->type != HW_TYPE_DIR || parent < 0 ||
	    share->scan.opened >= OPENED_MAX)
		return false;
	int fd = hw_disk_openat(&share->disk, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return false;
	if (hw_disk_stat_fd(&share->disk, fd, &stat) < 0 ||
	    !hw_tree_is_same(entry_of(share, id), &stat)) {
		close(fd);
		return false;
	}
	struct hw_job *job = hw_job_enqueue(share, id, HW_JOB_COMPARE, fd);

	if (job) {
		job->moved = 1;
		share->scan.opened++;
	}
	return true;
}

static bool follow_found(void *share, int parent, const char *name, const struct hw_stat *found)
{
	if (found->type == HW_TYPE_DIR)
		(void)follow_moved(share, parent, name, found); /* false: a new one */
	return false;
}

/* Does the same for directories in this one if it is new. */
static void follow(struct hw_share *share, const struct hw_job *job, uint32_t dir, const char *name,
		   const struct hw_stat *found)
{
	const struct hw_ahead_place place = { dir, name, (uint8_t)strlen(name) };
	const struct hw_ahead how = { .visit = follow_found, .arg = share };

	if (!follow_moved(share, job->fd, name, found))
		hw_ahead_walk(share, &place, &how, &share->scan.ahead);
}

static bool is_unchanged(const struct hw_entry *e, const struct hw_stat *stat)
{
	return e->ctime_ns == stat->ctime_ns && e->mtime_ns == stat->mtime_ns &&
	       e->attr == stat->attr && e->nlink == (uint16_t)stat->nlink &&
	       (e->type == HW_TYPE_DIR || e->size == stat->size);
}

/* Returns whether nothing was watched before: then a new link count explains no new ctime, since
 * the file may have been written as well. */
static bool was_unwatched(const struct hw_share *share)
{
	return share->state == HW_SHARE_ARMING && !share->silent;
}

/* Returns whether the tree may have taken over a change whose record was lost: the stat that
 * belongs to one record also shows later changes. */
static bool may_be_unreported(const struct hw_share *share, const struct hw_entry *e)
{
	struct timespec tick = { 0 };
	int64_t told;

	if (!share->scan.lost_ns || e->type == HW_TYPE_DIR || e->ctime_ns < share->scan.lost_ns)
		return false;
	told = hw_history_told_ns(share, e);
	(void)clock_getres(CLOCK_REALTIME_COARSE, &tick); /* 0: each change has its own time */
	return told == INT64_MAX || told <= e->ctime_ns + tick.tv_nsec;
}

static bool belongs(const struct hw_job *job, const struct hw_entry *e)
{
	return job->watcher == HW_WATCHER_NONE || e->watcher == job->watcher ||
	       e->watcher == HW_WATCHER_NONE;
}

static int stat_of(struct hw_share *share, uint32_t dir, const char *name,
		   const struct hw_found *found, struct hw_stat *ret)
{
	if (found->error)
		return -found->error;
	if (found->foreign)
		return hw_disk_stat(&share->disk, dir, name, found->name_len, ret);
	int fs = hw_disk_filesystem(&share->disk, found->dev);

	*ret = found->stat;
	ret->fs = (uint16_t)fs;
	return fs;
}

/* The name exists, but its entry cannot be examined. */
static void refused(struct hw_share *share, uint32_t dir, const char *name, size_t len, int error)
{
	uint32_t id = hw_tree_find(&share->tree, dir, name, len);

	if (!hw_disk_is_refusal(error))
		return; /* deleted meanwhile */
	if (id)
		entry_of(share, id)->flags |= HW_ENTRY_SEEN;
	hw_retry_name(share, &(struct hw_retry_name){ .dir = dir, .name = name, .len = len },
		      error);
}

/* near: the entry that was compared before, or 0. Returns the entry of this name, or 0. */
static uint32_t compare_one(struct hw_share *share, struct hw_job *job, uint32_t dir,
			    const struct hw_found *found, uint32_t near)
{
	const char *name = job->listing.names + found->name;
	struct hw_stat stat = found->stat;
	int r = stat_of(share, dir, name, found, &stat);

	if (hw_share_is_excluded(share, dir, name, found->name_len, stat.type == HW_TYPE_DIR))
		return near;
	if (r < 0) {
		refused(share, dir, name, found->name_len, r);
		return near;
	}
	uint32_t id = hw_tree_find_near(&share->tree, near, dir, name, found->name_len);

	if (!id) {
		hw_unverified_name(share, dir, name, found->name_len);
		if (stat.type == HW_TYPE_DIR)
			follow(share, job, dir, name, &stat);
		return 0;
	}
	struct hw_entry *e = entry_of(share, id);
	bool same = e->ino == stat.ino && e->fs == stat.fs && e->type == stat.type &&
		    !(e->flags & HW_ENTRY_TRANSIENT);

	e->flags |= HW_ENTRY_SEEN;
	if (!same) {
		hw_unverified_name(share, dir, name, found->name_len);
	} else if (may_be_unreported(share, e)) {
		hw_history_forget_times(e, share->scan.lost_ns);
		hw_unverified_entry(share, id);
	} else if (!is_unchanged(e, &stat)) {
		if (was_unwatched(share) && e->type != HW_TYPE_DIR && e->ctime_ns != stat.ctime_ns)
			e->ctime_ns = HW_TIME_UNKNOWN;
		hw_unverified_entry(share, id);
	} else if (!job->cheap && (e->ident != stat.ident || e->identity != stat.identity)) {
		hw_tree_note(&share->tree, id);
		e->ident = stat.ident;
		e->identity = stat.identity;
	}
	if (stat.type == HW_TYPE_DIR && !same)
		follow(share, job, dir, name, &stat);
	else if (stat.type == HW_TYPE_DIR && belongs(job, e))
		compare_child(share, job, id);
	return id;
}

static void end_compare(struct hw_share *share, const struct hw_job *job, uint32_t dir)
{
	for (uint32_t id = entry_of(share, dir)->dir.first_child; id;
	     id = entry_of(share, id)->next_sibling) {
		struct hw_entry *e = entry_of(share, id);

		hw_share_rest(share);
		if (!(e->flags & HW_ENTRY_SEEN) && !job->listing.error)
			hw_unverified_name(share, dir, hw_tree_name(&share->tree, id), e->name_len);
		e->flags &= (uint8_t)~HW_ENTRY_SEEN;
	}
	struct hw_entry *self = entry_of(share, dir);

	self->flags |= HW_ENTRY_LISTED;
	self->flags &= (uint8_t)~HW_ENTRY_CAME;
	/* The root has no parent, and another watcher of the parent may not report a change of
	 * mode. */
	if (dir == HW_ROOT || entry_of(share, self->parent)->watcher != self->watcher)
		hw_unverified_entry(share, dir);
}

/* The comparison of a directory has ended, with this error or 0. */
static void compared(struct hw_share *share, uint32_t dir, int error, uint64_t since)
{
	if (error) {
		hw_retry_dir(share, dir, HW_RETRY_BELOW, HW_ARRIVED_NEW, error);
	} else {
		hw_retry_worked(share, dir, since);
	}
}

void hw_scan_apply_compare(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	/* Backwards, since the queue is last in, first out: directories are then walked in the
	 * order read. */
	uint32_t near = 0;

	for (uint32_t i = job->listing.count; i--;) {
		hw_share_rest(share);
		near = compare_one(share, job, dir, &job->listing.found[i], near);
	}
	if (!job->listing.more) {
		end_compare(share, job, dir);
		compared(share, dir, job->listing.error, job->since);
	}
}
