/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan.h"

#include "arm.h"
#include "clock.h"
#include "cross.h"
#include "scan_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_SEARCHED 1024u /* in a longer queue, every directory counts as one that is in it */

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static void pump(struct hw_share *share);

/* ---- requests ---- */

void hw_scan_fill(struct hw_share *share, uint32_t dir, int fd, enum hw_arrival how)
{
	struct hw_job *job = hw_job_enqueue(share, dir, HW_JOB_FILL, fd);

	if (!job)
		return;
	job->how = how;
	pump(share);
}

void hw_scan_below(struct hw_share *share, uint32_t dir)
{
	(void)hw_job_compare(share, dir, HW_WATCHER_NONE); /* logged */
	pump(share);
}

void hw_scan_again(struct hw_share *share, uint32_t dir, bool below)
{
	struct hw_job *job = hw_job_compare(share, dir, HW_WATCHER_NONE);

	if (job) {
		job->anew = true;
		job->flat = !below;
	}
	pump(share);
}

void hw_scan_lost(struct hw_share *share, uint32_t dir)
{
	share->history.rescans++;
	share->presence.changed = true; /* a record of the root itself may be lost */
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
		(void)hw_job_compare(share, dir, index); /* logged */
	}
	pump(share);
}

void hw_scan_rearm(struct hw_share *share)
{
	share->scan.rearm = share->unarmed.all = true;
	share->scan.rearmed = 0;
	share->unarmed.least = 0;
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

/* Looks for a job of the directory or of one above it, whose listing leads to it. */
static bool is_ahead(const struct hw_share *share, const struct hw_job *job, uint32_t dir)
{
	for (; job; job = job->next) {
		uint32_t at = hw_tree_by_token(&share->tree, job->dir);

		if (at && hw_tree_is_below(&share->tree, dir, at))
			return true;
	}
	return false;
}

void hw_scan_moved(struct hw_share *share, uint32_t id, uint32_t from)
{
	if (!share->scan.walking ||
	    (share->scan.queued <= QUEUE_SEARCHED && !is_ahead(share, share->scan.queue, from) &&
	     !is_ahead(share, share->scan.flying, from)))
		return;
	hw_unverified_entry(share, id);
	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_scan_below(share, id);
}

/* ---- listing ---- */

static void list(struct hw_job *job)
{
	hw_list_read(job->fd, HW_LIST_MAX, job->identify, &job->listing);
	if (job->kind == HW_JOB_FILL)
		hw_list_sort(&job->listing);
}

static void leave_for_later(struct hw_job *job)
{
	hw_list_reset(&job->listing);
	job->listing.more = true;
}

static void list_in_thread(uv_work_t *work)
{
	struct hw_job *first = (struct hw_job *)(void *)work;
	int64_t begun = hw_now_cpu_ns();
	uint32_t count = 0;

	if (!first->here)
		hw_cross_guard(first->guarded); /* of a thread of the pool */
	for (struct hw_job *job = first; job; job = job->with) {
		if (count < HW_LIST_MAX)
			list(job);
		else
			leave_for_later(job);
		job->cpu_ns = 0;
		count += job->listing.count;
	}
	first->cpu_ns = (uint64_t)(hw_now_cpu_ns() - begun);
}

static void prepare(struct hw_share *share, struct hw_job *job);
static void launch(struct hw_share *share, struct hw_job *batch);

static void apply(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	share->scan.entries += job->listing.count;
	if (share->scan.rearm && job->watcher == HW_WATCHER_NONE)
		share->scan.rearmed += job->listing.count;
	if (job->kind == HW_JOB_COMPARE) {
		hw_scan_apply_compare(share, job, dir);
		return;
	}
	entry_of(share, dir)->flags &= (uint8_t)~HW_ENTRY_CAME;
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
	if (!*link)
		share->scan.flying_end = link;
	share->scan.in_flight--;
}

/* All jobs of a batch belong to one share. */
static void listed(uv_work_t *work, int status)
{
	struct hw_job *job = (struct hw_job *)(void *)work, *with;

	if (job->share && !status)
		job->share->scan.batches--;
	for (; job; job = with) {
		with = job->with;
		job->with = NULL;
		if (!job->share || status)
			hw_job_give(NULL, job);
		else
			job->landed = true;
	}
}

static void land(struct hw_share *share, struct hw_job *job)
{
	unlink_flying(share, job);
	if (!job->here)
		share->scan.cpu_ns += job->cpu_ns; /* else it is of the work */
	uint32_t dir = hw_tree_by_token(&share->tree, job->dir);

	if (dir)
		entry_of(share, dir)->active--;
	if (dir && share->state != HW_SHARE_OFFLINE) {
		apply(share, job, dir);
		if (job->listing.more && hw_tree_by_token(&share->tree, job->dir)) {
			prepare(share, job);
			launch(share, job);
			pump(share);
			return;
		}
	}
	hw_job_give(share, job);
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

/* Adds the job to those that are in flight. */
static void prepare(struct hw_share *share, struct hw_job *job)
{
	job->touched = job->landed = false;
	struct hw_entry *dir = entry_of(share, (uint32_t)job->dir);

	job->cheap = job->kind == HW_JOB_COMPARE && (!share->scan.rearm || share->scan.identified);
	job->identify = hw_disk_identify(&share->disk, dir->fs, job->cheap);
	dir->active++;
	job->next = NULL;
	if (share->scan.flying)
		*share->scan.flying_end = job;
	else
		share->scan.flying = job;
	share->scan.flying_end = &job->next;
	share->scan.in_flight++;
	job->here = share->work.thread;
}

/* Lists the jobs of a batch, which are linked by `with`. */
static void launch(struct hw_share *share, struct hw_job *batch)
{
	batch->guarded = hw_cross_is_guarded();
	if (!batch->here) {
		share->scan.batches++;
		(void)uv_queue_work(hw_loop_uv(share->loop), &batch->work, list_in_thread,
				    listed); /* fails only without a callback */
		return;
	}
	/* A filesystem that does not answer would keep a thread of the pool. */
	list_in_thread(&batch->work);
	batch->landed = true;
	hw_loop_wake(share->loop);
}

static int open_known(struct hw_share *share, uint32_t dir)
{
	int path_fd = hw_disk_dir(&share->disk, dir);

	if (path_fd < 0)
		return path_fd;
	return hw_disk_openat(&share->disk, path_fd, ".", O_RDONLY | O_DIRECTORY);
}

/* Arms a directory that was found elsewhere, through its descriptor. */
static int arm_found(struct hw_share *share, const struct hw_job *job, uint32_t dir, bool anew)
{
	int r = entry_of(share, dir)->flags & HW_ENTRY_LOOP ? -ELOOP
							    : hw_arm_dir(share, dir, job->fd, anew);

	if (r < 0)
		return r;
	hw_unverified_entry(share, dir); /* records about its attributes were discarded before */
	return job->fd;
}

/* Opens a directory in one that the tree has elsewhere. If it is not there, it is opened as usual.
 */
static void open_below(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	const struct hw_entry *e = entry_of(share, dir);
	char name[HW_NAME_MAX + 1];
	struct hw_stat stat;

	memcpy(name, hw_tree_name(&share->tree, dir), e->name_len);
	name[e->name_len] = '\0';
	int fd = hw_disk_openat(&share->disk, job->above->fd, name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd >= 0 && hw_disk_stat_fd(&share->disk, fd, &stat) == 0 && hw_tree_is_same(e, &stat))
		job->fd = fd;
	else if (fd >= 0)
		close(fd);
	hw_job_leave(share, job);
}

/* Returns the descriptor to list, or -errno. */
static int open_job(struct hw_share *share, struct hw_job *job, uint32_t dir)
{
	bool anew;

	if (job->fd >= 0 && job->kind == HW_JOB_COMPARE)
		share->scan.opened--;
	if (!dir)
		return -ECANCELED;
	if (job->above)
		open_below(share, job, dir);
	if (job->kind == HW_JOB_FILL)
		entry_of(share, dir)->flags |= HW_ENTRY_LISTED;
	if (job->fd >= 0 && job->kind == HW_JOB_FILL)
		return job->fd;
	/* The first candidate may work now for a directory that could not be read. */
	anew = share->scan.rearm || job->anew || entry_of(share, dir)->flags & HW_ENTRY_LOCKED;
	if (job->kind == HW_JOB_COMPARE && !anew &&
	    entry_of(share, dir)->watcher != HW_WATCHER_NONE)
		return job->fd >= 0 ? job->fd : open_known(share, dir);
	return job->fd >= 0 ? arm_found(share, job, dir, anew) : hw_fill_open(share, dir, anew);
}

static void failed(struct hw_share *share, const struct hw_job *job, uint32_t dir, int error)
{
	if (!dir)
		return;
	if (!hw_disk_is_refusal(error))
		hw_unarmed_add(share, dir);
	if (error != -ENODEV) /* then hw_arm_dir() has reported why */
		hw_share_refused(share, error);
	if (job->kind == HW_JOB_FILL)
		hw_fill_failed(share, dir, job->how, error);
	else if (hw_disk_is_refusal(error))
		hw_retry_dir(share, dir, HW_RETRY_BELOW, HW_ARRIVED_NEW, error);
	/* It may be elsewhere: it is tried again when the moves have been observed. */
	if (job->kind == HW_JOB_COMPARE && !job->retried &&
	    (error == -ENOENT || error == -ESTALE || error == -ENOTDIR) &&
	    hw_ids_add(&share->scan.retry, dir) < 0)
		hw_shortage_found(share);
}

void hw_scan_retry(struct hw_share *share)
{
	struct hw_ids retry = share->scan.retry;

	share->scan.retry = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < retry.count; i++) {
		uint32_t dir = retry.ids[i];

		if (entry_of(share, dir)->type != HW_TYPE_DIR)
			continue;
		struct hw_job *job = hw_job_enqueue(share, dir, HW_JOB_COMPARE, -1);

		if (job)
			job->retried = true;
	}
	hw_ids_free(&retry);
	pump(share);
}

/* Opens the next directory. Returns NULL if it could not be opened, and sets *ret_wait if another
 * one has to be closed before. */
static struct hw_job *take_next(struct hw_share *share, bool *ret_wait)
{
	struct hw_job *job = share->scan.queue;
	uint32_t dir = hw_tree_by_token(&share->tree, job->dir);

	share->scan.queue = job->next;
	share->scan.queued--;
	job->since = share->retry.count_refusals;
	int fd = open_job(share, job, dir);

	if (hw_disk_is_short(fd) && (share->scan.in_flight || share->scan.opened)) {
		hw_job_put_back(share, job);
		*ret_wait = share->scan.in_flight;
		return NULL;
	}
	if (fd < 0) {
		failed(share, job, dir, fd);
		hw_job_give(share, job);
		return NULL;
	}
	job->fd = fd;
	return job;
}

/* A short queue is spread over the threads. */
static uint32_t batch_size(const struct hw_share *share)
{
	uint32_t size = share->scan.queued / HW_BATCHES_IN_FLIGHT;

	if (share->work.thread || size == 0)
		return 1;
	return size < HW_BATCH_MAX ? size : HW_BATCH_MAX;
}

/* Returns false if the rest of the queue has to wait. */
static bool launch_batch(struct hw_share *share)
{
	uint32_t left = batch_size(share);
	struct hw_job *batch = NULL, **end = &batch;
	bool wait = false;

	while (left && !wait && share->scan.queue) {
		struct hw_job *job = take_next(share, &wait);

		if (!job)
			continue;
		prepare(share, job);
		*end = job;
		end = &job->with;
		left--;
	}
	*end = NULL;
	if (batch)
		launch(share, batch);
	return !wait;
}

static bool may_launch(const struct hw_share *share)
{
	return share->work.thread ? share->scan.in_flight < HW_BATCHES_IN_FLIGHT
				  : share->scan.batches < HW_BATCHES_IN_FLIGHT;
}

static void pump(struct hw_share *share)
{
	while (share->scan.queue && may_launch(share) && launch_batch(share))
		;
}

void hw_scan_cancel(struct hw_share *share)
{
	for (struct hw_job *job = share->scan.flying, *next; job; job = next) {
		next = job->next;
		job->share = NULL; /* listed() frees it, unless it has run */
		if (job->landed || job->here)
			hw_job_give(NULL, job);
	}
	share->scan.flying = NULL;
	share->scan.in_flight = share->scan.batches = 0;
	while (share->scan.queue || share->scan.spare) {
		struct hw_job **list = share->scan.queue ? &share->scan.queue : &share->scan.spare;
		struct hw_job *job = *list;

		*list = job->next;
		if (list == &share->scan.spare)
			job->fd = -1;
		hw_job_give(NULL, job);
	}
	share->scan.queued = share->scan.spares = 0;
	hw_ids_free(&share->scan.retry);
}
