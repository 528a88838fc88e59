/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan.h"

#include "access.h"
#include "ahead.h"
#include "arm.h"
#include "fill.h"
#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT 4u /* listings on the thread pool at once */
#define OPENED_MAX 64u /* directories held open because they are not where the tree has them */

enum job_kind { JOB_FILL, JOB_COMPARE };

struct hw_job {
	uv_work_t work; /* first member: libuv passes it back */
	struct hw_job *next;
	struct hw_share *share; /* NULL: cancelled */
	hw_token dir;
	int fd; /* owned; -1 until it is open */
	enum job_kind kind;
	enum hw_arrival how;
	uint8_t watcher; /* compare directories of this watcher only; HW_WATCHER_NONE: of any */
	bool touched;
	bool here; /* it is listed by the work of the share, not on the thread pool */
	bool landed; /* its listing has ended, and is applied in the next turn */
	bool retried;
	bool cheap; /* the listing identifies entries less precisely than hw_disk_stat() */
	struct hw_identify identify;
	bool anew; /* arm every directory again, from the first candidate on */
	bool flat; /* compare this directory only */
	uint64_t since; /* retry.count_refusals when it was opened */
	struct hw_listing listing;
};

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static void pump(struct hw_share *share);

/* ---- the queue ---- */

static struct hw_job *take_job(struct hw_share *share)
{
	struct hw_job *job = share->scan.spare;

	if (!job)
		return calloc(1, sizeof(*job));
	share->scan.spare = job->next;
	share->scan.spares--;
	struct hw_listing memory = job->listing;

	*job = (struct hw_job){ .listing = memory };
	return job;
}

static void give_job(struct hw_share *share, struct hw_job *job)
{
	if (job->fd >= 0)
		close(job->fd);
	if (share && share->scan.spares < IN_FLIGHT && job->listing.room < 4096) {
		job->next = share->scan.spare;
		share->scan.spare = job;
		share->scan.spares++;
		return;
	}
	hw_list_free(&job->listing);
	free(job);
}

static struct hw_job *enqueue(struct hw_share *share, uint32_t dir, enum job_kind kind, int fd)
{
	struct hw_job *job = take_job(share);

	if (!job) {
		hw_history_out_of_memory(share, dir);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!share->scan.walking) {
		share->marks.walk_ns = share->marks.read_until_ns;
		share->scan.ahead = HW_AHEAD_MAX;
	}
	share->scan.walking = true;
	job->share = share;
	job->dir = hw_tree_token(&share->tree, dir);
	job->kind = kind;
	job->fd = fd;
	job->watcher = HW_WATCHER_NONE;
	job->next = share->scan.queue;
	share->scan.queue = job;
	share->scan.queued++;
	return job;
}

void hw_scan_fill(struct hw_share *share, uint32_t dir, int fd, enum hw_arrival how)
{
	struct hw_job *job = enqueue(share, dir, JOB_FILL, fd);

	if (!job)
		return;
	job->how = how;
	pump(share);
}

static struct hw_job *compare(struct hw_share *share, uint32_t dir, uint8_t watcher)
{
	struct hw_job *job = enqueue(share, dir, JOB_COMPARE, -1);

	if (job)
		job->watcher = watcher;
	return job;
}

static void compare_child(struct hw_share *share, const struct hw_job *above, uint32_t dir)
{
	struct hw_job *job = above->flat ? NULL : compare(share, dir, above->watcher);

	if (job)
		job->anew = above->anew;
}

void hw_scan_below(struct hw_share *share, uint32_t dir)
{
	(void)compare(share, dir, HW_WATCHER_NONE); /* logged */
	pump(share);
}

void hw_scan_again(struct hw_share *share, uint32_t dir, bool below)
{
	struct hw_job *job = compare(share, dir, HW_WATCHER_NONE);

	if (job) {
		job->anew = true;
		job->flat = !below;
	}
	pump(share);
}

void hw_scan_lost(struct hw_share *share, uint32_t dir)
{
	share->history.rescans++;
	hw_scan_below(share, dir);
}

void hw_scan_watcher(struct hw_share *share, uint8_t index)
{
	struct hw_watcher *watcher = &share->watchers.list[index];

	if (watcher->tops_lost) {
		hw_scan_below(share, HW_ROOT);
		return;
	}
	hw_arm_compact_tops(watcher);
	for (uint32_t i = 0; i < watcher->top_count; i++) {
		uint32_t dir = hw_tree_by_token(&share->tree, watcher->tops[i]);

		/* The watcher of its parent may not report its attributes. */
		if (dir != HW_ROOT)
			hw_unverified_entry(share, dir);
		(void)compare(share, dir, index); /* logged */
	}
	pump(share);
}

void hw_scan_rearm(struct hw_share *share)
{
	share->scan.rearm = true;
	share->scan.rearmed = 0;
	hw_scan_below(share, HW_ROOT);
}

void hw_scan_touched(struct hw_share *share, uint32_t dir)
{
	if (!entry_of(share, dir)->active)
		return;
	for (struct hw_job *job = share->scan.flying; job; job = job->next)
		if (hw_tree_by_token(&share->tree, job->dir) == dir)
			job->touched = true;
}

/* ---- comparing ---- */

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
	if (enqueue(share, id, JOB_COMPARE, fd))
		share->scan.opened++;
	return true;
}

static bool follow_found(void *share, int parent, const char *name, const struct hw_stat *found)
{
	if (found->type == HW_TYPE_DIR)
		(void)follow_moved(share, parent, name, found); /* false: a new one */
	return false;
}

/* Does the same for directories in this one if it is new. */
static void follow(struct hw_share *share, uint32_t dir, const char *name,
		   const struct hw_stat *found)
{
	const struct hw_ahead_place place = { dir, name, (uint8_t)strlen(name) };
	const struct hw_ahead how = { .visit = follow_found, .arg = share };

	if (!follow_moved(share, hw_disk_dir(&share->disk, dir), name, found))
		hw_ahead_walk(share, &place, &how, &share->scan.ahead);
}

static bool is_unchanged(const struct hw_entry *e, const struct hw_stat *stat)
{
	return e->ctime_ns == stat->ctime_ns && e->mtime_ns == stat->mtime_ns &&
	       e->attr == stat->attr && e->nlink == (uint16_t)stat->nlink &&
	       (e->type == HW_TYPE_DIR || e->size == stat->size);
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

static void compare_one(struct hw_share *share, const struct hw_job *job, uint32_t dir,
			const struct hw_found *found)
{
	const char *name = job->listing.names + found->name;
	struct hw_stat stat = found->stat;
	int r = stat_of(share, dir, name, found, &stat);

	if (hw_share_is_excluded(share, dir, name, found->name_len, stat.type == HW_TYPE_DIR))
		return;
	if (r < 0) {
		refused(share, dir, name, found->name_len, r);
		return;
	}
	uint32_t id = hw_tree_find(&share->tree, dir, name, found->name_len);

	if (!id) {
		hw_unverified_name(share, dir, name, found->name_len);
		if (stat.type == HW_TYPE_DIR)
			follow(share, dir, name, &stat);
		return;
	}
	struct hw_entry *e = entry_of(share, id);
	bool same = e->ino == stat.ino && e->fs == stat.fs && e->type == stat.type &&
		    !(e->flags & HW_ENTRY_PHANTOM);

	e->flags |= HW_ENTRY_SEEN;
	if (!same) {
		hw_unverified_name(share, dir, name, found->name_len);
	} else if (!is_unchanged(e, &stat)) {
		hw_unverified_entry(share, id);
	} else if (!job->cheap && (e->ident != stat.ident || e->identity != stat.identity)) {
		hw_tree_note(&share->tree, id);
		e->ident = stat.ident;
		e->identity = stat.identity;
	}
	if (stat.type != HW_TYPE_DIR)
		return;
	if (!same)
		follow(share, dir, name, &stat);
	else if (belongs(job, e))
		compare_child(share, job, id);
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

static void apply_compare(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	/* Backwards, since the queue is last in, first out: directories are then walked in the
	 * order read. */
	for (uint32_t i = job->listing.count; i--;) {
		hw_share_rest(share);
		compare_one(share, job, dir, &job->listing.found[i]);
	}
	if (!job->listing.more) {
		end_compare(share, job, dir);
		compared(share, dir, job->listing.error, job->since);
	}
}

/* ---- listing ---- */

static void list_in_thread(uv_work_t *work)
{
	struct hw_job *job = (struct hw_job *)(void *)work;

	hw_list_read(job->fd, HW_LIST_MAX, job->identify, &job->listing);
	if (job->kind == JOB_FILL)
		hw_list_sort(&job->listing);
}

static void launch(struct hw_share *share, struct hw_job *job);

static void apply(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	share->scan.entries += job->listing.count;
	if (share->scan.rearm && job->watcher == HW_WATCHER_NONE)
		share->scan.rearmed += job->listing.count;
	if (job->kind == JOB_COMPARE) {
		apply_compare(share, job, dir);
		return;
	}
	hw_fill_apply(share, dir, &job->listing, job->how, job->touched);
	if (!job->listing.more && hw_tree_by_token(&share->tree, job->dir) == dir)
		hw_fill_listed(share, dir, job->how, job->listing.error, job->since);
}

static void unlink_flying(struct hw_share *share, struct hw_job *job)
{
	struct hw_job **link = &share->scan.flying;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	share->scan.in_flight--;
}

static void listed(uv_work_t *work, int status)
{
	struct hw_job *job = (struct hw_job *)(void *)work;

	if (!job->share || status)
		give_job(NULL, job);
	else
		job->landed = true;
}

static void land(struct hw_share *share, struct hw_job *job)
{
	unlink_flying(share, job);
	uint32_t dir = hw_tree_by_token(&share->tree, job->dir);

	if (dir)
		entry_of(share, dir)->active--;
	if (dir && share->state != HW_SHARE_OFFLINE) {
		apply(share, job, dir);
		if (job->listing.more && hw_tree_by_token(&share->tree, job->dir)) {
			launch(share, job);
			pump(share);
			return;
		}
	}
	give_job(share, job);
	pump(share);
}

static struct hw_job *landed(const struct hw_share *share)
{
	struct hw_job *job = share->scan.flying;

	while (job && !job->landed)
		job = job->next;
	return job;
}

/* Listings that come back while this rests wait for the next turn: hints are read in between. */
void hw_scan_land(struct hw_share *share)
{
	unsigned left = 0;
	struct hw_job *job;

	for (job = share->scan.flying; job; job = job->next)
		left += job->landed;
	while (left-- && (job = landed(share)))
		land(share, job);
}

static void launch(struct hw_share *share, struct hw_job *job)
{
	job->touched = job->landed = false;
	struct hw_entry *dir = entry_of(share, (uint32_t)job->dir);

	job->cheap = job->kind == JOB_COMPARE && (!share->scan.rearm || share->scan.identified);
	job->identify = hw_disk_identify(&share->disk, dir->fs, job->cheap);
	dir->active++;
	job->next = share->scan.flying;
	share->scan.flying = job;
	share->scan.in_flight++;
	job->here = share->work.thread;
	if (!job->here) {
		(void)uv_queue_work(hw_loop_uv(share->loop), &job->work, list_in_thread,
				    listed); /* fails only without a callback */
		return;
	}
	/* A filesystem that does not answer would keep a thread of the pool. */
	list_in_thread(&job->work);
	job->landed = true;
	hw_loop_wake(share->loop);
}

static int open_known(struct hw_share *share, uint32_t dir)
{
	int path_fd = hw_disk_dir(&share->disk, dir);

	if (path_fd < 0)
		return path_fd;
	return hw_disk_openat(&share->disk, path_fd, ".", O_RDONLY | O_DIRECTORY);
}

/* Returns the descriptor to list, or -errno. */
static int open_job(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	bool locked;

	if (job->fd >= 0 && job->kind == JOB_COMPARE)
		share->scan.opened--;
	if (!dir)
		return -ECANCELED;
	if (job->kind == JOB_FILL)
		entry_of(share, dir)->flags |= HW_ENTRY_LISTED;
	if (job->fd >= 0)
		return job->fd;
	/* The first candidate may work now for a directory that could not be read. */
	locked = entry_of(share, dir)->flags & HW_ENTRY_LOCKED;
	if (job->kind == JOB_FILL || share->scan.rearm || locked || job->anew ||
	    entry_of(share, dir)->watcher == HW_WATCHER_NONE)
		return hw_fill_open(share, dir, share->scan.rearm || locked || job->anew);
	return open_known(share, dir);
}

static void failed(struct hw_share *share, const struct hw_job *job, uint32_t dir, int error)
{
	if (!dir)
		return;
	if (error != -ENODEV) /* then hw_arm_dir() has reported why */
		hw_share_refused(share, error);
	if (job->kind == JOB_FILL)
		hw_fill_failed(share, dir, job->how, error);
	else if (hw_disk_is_refusal(error))
		hw_retry_dir(share, dir, HW_RETRY_BELOW, HW_ARRIVED_NEW, error);
	/* It may be elsewhere: it is tried again when the moves have been observed. */
	if (job->kind == JOB_COMPARE && !job->retried &&
	    (error == -ENOENT || error == -ESTALE || error == -ENOTDIR))
		share->history.incomplete |= hw_ids_add(&share->scan.retry, dir) < 0;
}

void hw_scan_retry(struct hw_share *share)
{
	struct hw_ids retry = share->scan.retry;

	share->scan.retry = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < retry.count; i++) {
		uint32_t dir = retry.ids[i];

		if (entry_of(share, dir)->type != HW_TYPE_DIR)
			continue;
		struct hw_job *job = enqueue(share, dir, JOB_COMPARE, -1);

		if (job)
			job->retried = true;
	}
	hw_ids_free(&retry);
	pump(share);
}

/* Puts the job at the end of the queue: other jobs will close the descriptors that they hold. */
static void put_back(struct hw_share *share, struct hw_job *job)
{
	struct hw_job **end = &share->scan.queue;

	while (*end)
		end = &(*end)->next;
	job->next = NULL;
	*end = job;
	share->scan.queued++;
}

static void pump(struct hw_share *share)
{
	while (share->scan.queue && share->scan.in_flight < IN_FLIGHT) {
		struct hw_job *job = share->scan.queue;
		uint32_t dir = hw_tree_by_token(&share->tree, job->dir);

		share->scan.queue = job->next;
		share->scan.queued--;
		job->since = share->retry.count_refusals;
		int fd = open_job(share, job, dir);

		if (hw_disk_is_short(fd) && (share->scan.in_flight || share->scan.opened)) {
			put_back(share, job);
			if (share->scan.in_flight)
				return;
			continue;
		}
		if (fd < 0) {
			failed(share, job, dir, fd);
			give_job(share, job);
			continue;
		}
		job->fd = fd;
		launch(share, job);
	}
}

void hw_scan_cancel(struct hw_share *share)
{
	for (struct hw_job *job = share->scan.flying, *next; job; job = next) {
		next = job->next;
		job->share = NULL; /* listed() frees it, unless it has run */
		if (job->landed || job->here)
			give_job(NULL, job);
	}
	share->scan.flying = NULL;
	share->scan.in_flight = 0;
	while (share->scan.queue || share->scan.spare) {
		struct hw_job **list = share->scan.queue ? &share->scan.queue : &share->scan.spare;
		struct hw_job *job = *list;

		*list = job->next;
		if (list == &share->scan.spare)
			job->fd = -1;
		give_job(NULL, job);
	}
	share->scan.queued = share->scan.spares = 0;
	hw_ids_free(&share->scan.retry);
}
