/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_worker.h"

#include "remote.h"
#include "share_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* With each call. */
#define PATIENCE_NS (300 * HW_MS)
#define LAST_PATIENCE_NS HW_SEC /* at the end of the daemon, which has two seconds */

struct hw_keep_worker {
	struct hw_slices work;
};

static void free_worker(void *arg)
{
	struct hw_keep_worker *worker = arg;

	hw_slices_free(&worker->work);
	free(worker);
}

static int begin(struct hw_share *share)
{
	struct hw_keep_worker *worker;
	int r;

	if (share->keep.worker)
		return 0;
	if (hw_away_is_possible())
		return -EDEADLK;
	worker = calloc(1, sizeof(*worker));
	r = worker ? hw_loop_use_thread(share->loop, &worker->work) : -ENOMEM;
	if (r < 0) {
		free(worker);
		return r;
	}
	share->keep.worker = worker;
	return 0;
}

bool hw_keep_worker_run(struct hw_share *share, hw_slices_fn *fn, void *arg)
{
	int r = hw_keep_worker_finish(share) ? begin(share) : -EBUSY;

	if (r == -EBUSY)
		return false;
	if (r == -EDEADLK) { /* then the share waits for its state */
		fn(arg);
		return true;
	}
	if (r < 0) {
		hw_warning("share %s: cannot create a thread for its state: %s; a filesystem that "
			   "does not answer will stop hostwatch",
			   share->name, strerror(-r));
		fn(arg);
		return true;
	}
	return hw_loop_call(share->loop, &share->keep.worker->work, fn, arg) &&
	       hw_keep_worker_finish(share);
}

int hw_keep_worker_start(struct hw_share *share, hw_slices_fn *fn, void *arg)
{
	int r = begin(share);

	if (r == 0 && !hw_loop_call(share->loop, &share->keep.worker->work, fn, arg))
		r = -EBUSY;
	return r;
}

bool hw_keep_worker_is_busy(const struct hw_share *share, uint64_t *ret_since_ns)
{
	const struct hw_keep_worker *worker = share->keep.worker;

	*ret_since_ns = worker ? hw_slices_away_since(&worker->work) : 0;
	return worker && hw_slices_is_resting(&worker->work);
}

bool hw_keep_worker_finish(struct hw_share *share)
{
	struct hw_keep_worker *worker = share->keep.worker;

	if (!worker)
		return true;
	worker->work.patience_ns = share->keep.ending ? LAST_PATIENCE_NS : PATIENCE_NS;
	if (!hw_loop_finish(share->loop, &worker->work))
		return false;
	free_worker(worker);
	share->keep.worker = NULL;
	return true;
}

void hw_keep_worker_leave_open(struct hw_share *share)
{
	int file = atomic_load(&share->keep.file);

	if (file >= 0)
		hw_remote_leave_open(file);
	if (share->keep.lock >= 0)
		hw_remote_leave_open(share->keep.lock);
}

void hw_keep_worker_leave(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	hw_keep_worker_leave_open(share);
	keep->lock = -1;
	hw_loop_drop(&keep->worker->work, free_worker, keep->worker);
	keep->worker = NULL;
}
