/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_worker.h"

#include "remote.h"
#include "share_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_NS HW_SEC /* at the end of the daemon, which has two seconds */

struct hw_keep_worker {
	struct hw_slices work;
};

static void free_worker(void *arg)
{
	struct hw_keep_worker *worker = arg;

	hw_slices_free(&worker->work);
	free(worker);
}

void hw_keep_worker_begin(struct hw_share *share)
{
	struct hw_keep_worker *worker = hw_remote_any() ? calloc(1, sizeof(*worker)) : NULL;
	int r;

	if (!worker)
		return;
	r = hw_loop_use_thread(share->loop, &worker->work);
	if (r < 0) {
		hw_warning("share %s: cannot create a thread for its state: %s; a filesystem that "
			   "does not answer will stop hostwatch",
			   share->name, strerror(-r));
		free(worker);
		return;
	}
	share->keep.worker = worker;
}

void hw_keep_worker_end(struct hw_share *share)
{
	if (share->keep.worker)
		free_worker(share->keep.worker);
	share->keep.worker = NULL;
}

bool hw_keep_worker_run(struct hw_share *share, hw_slices_fn *fn, void *arg)
{
	struct hw_keep_worker *worker = share->keep.worker;

	if (!worker) {
		fn(arg);
		return true;
	}
	worker->work.patience_ns = share->keep.ending ? PATIENCE_NS : 0;
	if (!hw_keep_worker_finish(share))
		return false;
	return hw_loop_call(share->loop, &worker->work, fn, arg) && hw_keep_worker_finish(share);
}

bool hw_keep_worker_is_busy(const struct hw_share *share, uint64_t *ret_since_ns)
{
	const struct hw_keep_worker *worker = share->keep.worker;

	*ret_since_ns = worker ? hw_slices_away_since(&worker->work) : 0;
	return worker && hw_slices_is_resting(&worker->work);
}

bool hw_keep_worker_finish(struct hw_share *share)
{
	return !share->keep.worker || hw_loop_finish(share->loop, &share->keep.worker->work);
}

void hw_keep_worker_leave(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	if (keep->lock >= 0)
		hw_remote_leave_open(keep->lock);
	keep->lock = -1;
	hw_loop_drop(&keep->worker->work, free_worker, keep->worker);
	keep->worker = NULL;
}
