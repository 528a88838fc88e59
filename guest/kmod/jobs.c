// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue between the device and the server. A program that writes frames only adds them; work of
 * this module applies them, and only that work asks the server. The program then waits for the
 * work, as long as the server answers: if it does not, the program continues, and the frames are
 * applied later, also after the device was closed. Beyond a limit, they are replaced by a rescan.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#define PATIENCE HZ /* the server answers within this time, or does not answer */
#define WAITING_MAX SZ_1M /* bytes of jobs that were not begun */

static size_t size_of(const struct hw_job *job)
{
	return struct_size(job, data, job->len);
}

struct hw_job *hw_job_new(size_t len)
{
	struct hw_job *job = kvmalloc(struct_size(job, data, len), GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	job->is_refresh = false;
	job->len = len;
	return job;
}

void hw_job_free(struct hw_job *job)
{
	kvfree(job);
}

/* ---- adding ---- */

static void drop_waiting(struct hw_jobs *jobs)
{
	struct hw_job *job, *next;

	list_for_each_entry_safe(job, next, &jobs->waiting, node)
		hw_job_free(job);
	INIT_LIST_HEAD(&jobs->waiting);
	jobs->bytes = 0;
}

/* Consumes the job. What is added before the rescan begins is part of it. */
static u64 add_job(struct hw_file *f, struct hw_job *job)
{
	struct hw_jobs *jobs = &f->jobs;

	job->number = ++jobs->added;
	if (jobs->bytes + size_of(job) > WAITING_MAX)
		jobs->lost = true;
	if (jobs->lost) {
		drop_waiting(jobs);
		hw_job_free(job);
	} else {
		jobs->bytes += size_of(job);
		list_add_tail(&job->node, &jobs->waiting);
	}
	queue_work(hw_workqueue, &jobs->work);
	return jobs->added;
}

int hw_job_add(struct hw_file *f, struct hw_job *job, u64 *ret_number)
{
	int r = mutex_lock_interruptible(&f->queue_lock);

	if (r == 0) {
		r = hw_check_mount(f);
		if (r == 0)
			*ret_number = add_job(f, job);
		mutex_unlock(&f->queue_lock);
	}
	if (r < 0)
		hw_job_free(job);
	return r;
}

/* ---- waiting ---- */

/* The counters change with each event and with each request. */
static u64 progress_of(struct hw_file *f)
{
	u64 ret = 0;
	int i;

	for (i = 0; i < HW_COUNTERS; i++)
		ret += atomic64_read(&f->counters[i]);
	return ret;
}

static bool is_done(struct hw_file *f, u64 number)
{
	return atomic64_read(&f->jobs.done) >= number;
}

int hw_job_wait(struct hw_file *f, u64 number)
{
	u64 progress = progress_of(f), before;
	long r;

	if (!is_done(f, number) && atomic64_read(&f->jobs.stuck_at) == progress)
		return -EAGAIN;
	do {
		before = progress;
		r = wait_event_interruptible_timeout(f->wait, is_done(f, number), PATIENCE);
		progress = progress_of(f);
	} while (r == 0 && progress != before);
	if (r == 0)
		atomic64_set(&f->jobs.stuck_at, progress);
	return r < 0 ? -EINTR : r == 0 ? -EAGAIN : 0;
}

/* ---- working ---- */

static void apply_frames(struct hw_file *f, const struct hw_job *job)
{
	size_t at = 0;

	while (at < job->len) {
		size_t len = hw_frame_len(job->data + at, job->len - at);
		struct hw_told told;

		f->seen[f->seen_count] = (struct hw_guest_seen){};
		if (hw_frame_read(job->data + at, len, &told) == 0)
			hw_apply(f, &told);
		hw_count(f, HW_TAKEN);
		f->seen_count++;
		at += len;
		cond_resched();
	}
}

static void apply_lost(struct hw_file *f)
{
	const struct hw_told told = { .kind = HW_RESCAN };

	hw_count(f, HW_LOST);
	hw_apply(f, &told);
}

/* Returns whether there is something to do: the job, or if it is NULL, a rescan. */
static bool take_next(struct hw_file *f, struct hw_job **ret_job, u64 *ret_number)
{
	struct hw_jobs *jobs = &f->jobs;
	bool ret;

	mutex_lock(&f->queue_lock);
	(void)hw_check_mount(f); /* notices that the mount is gone */
	if (f->gone)
		drop_waiting(jobs);
	*ret_job = list_first_entry_or_null(&jobs->waiting, struct hw_job, node);
	*ret_number = *ret_job ? (*ret_job)->number : jobs->added;
	ret = (*ret_job || jobs->lost) && !f->gone;
	if (*ret_job) {
		list_del(&(*ret_job)->node);
		jobs->bytes -= size_of(*ret_job);
	} else {
		jobs->lost = false;
	}
	if (!ret)
		atomic64_set(&jobs->done, *ret_number);
	mutex_unlock(&f->queue_lock);
	return ret;
}

static void finish(struct hw_file *f, u64 number)
{
	struct hw_jobs *jobs = &f->jobs;

	mutex_lock(&f->queue_lock);
	swap(f->seen, jobs->seen);
	jobs->seen_count = f->seen_count;
	jobs->seen_of = number;
	atomic64_set(&jobs->done, number);
	mutex_unlock(&f->queue_lock);
	wake_up(&f->wait);
}

static void work_on_next(struct hw_file *f, const struct hw_job *job)
{
	f->batch++;
	f->seen_count = 0;
	if (!job)
		apply_lost(f);
	else if (job->is_refresh)
		hw_apply_refresh(f, job->data, job->len);
	else
		apply_frames(f, job);
}

/* The server sees requests of the program that opened the device. */
static void work_on_jobs(struct work_struct *work)
{
	struct hw_file *f = container_of(work, struct hw_file, jobs.work);
	const struct cred *cred = override_creds(f->cred);
	struct hw_job *job;
	u64 number;

	mutex_lock(&f->lock);
	while (take_next(f, &job, &number)) {
		work_on_next(f, job);
		hw_job_free(job);
		finish(f, number);
	}
	if (f->gone)
		hw_unbind(f);
	mutex_unlock(&f->lock);
	wake_up(&f->wait);
	revert_creds(cred);
}

int hw_jobs_init(struct hw_file *f)
{
	struct hw_jobs *jobs = &f->jobs;

	INIT_LIST_HEAD(&jobs->waiting);
	INIT_WORK(&jobs->work, work_on_jobs);
	atomic64_set(&jobs->stuck_at, -1);
	f->seen = kvcalloc(HW_GUEST_SEEN_MAX, sizeof(*f->seen), GFP_KERNEL_ACCOUNT);
	jobs->seen = kvcalloc(HW_GUEST_SEEN_MAX, sizeof(*jobs->seen), GFP_KERNEL_ACCOUNT);
	return f->seen && jobs->seen ? 0 : -ENOMEM;
}

void hw_jobs_free(struct hw_file *f)
{
	kvfree(f->seen);
	kvfree(f->jobs.seen);
}
