/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a state that is kept. */
#include "keep.h"
#include "share_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* So many that they suffice for hours without a snapshot. Receivers may store numbers in 53 bits:
 * enough for millions of losses of power. */
#define BLOCK ((uint64_t)1 << 32)

#define NARROW_NS (10 * HW_SEC)
#define PATIENCE_NS (HW_SEC / 4)

#define LOG_MAX ((uint64_t)256 << 20) /* of memory, if no snapshot can be written */

void hw_keep_turn_at_rest(struct hw_share *share)
{
	if (!hw_keep_waits(&share->keep))
		return;
	hw_keep_copy_turn(share);
	hw_keep_wait_check(share);
}

void hw_keep_turn(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	uint64_t bytes = keep->log_bytes + keep->old_log_bytes;

	if (!keep->usable)
		return;
	hw_keep_reap(share);
	hw_keep_copy_turn(share);
	hw_keep_wait_turn(share);
	if (keep->on && bytes > LOG_MAX && bytes > 2 * keep->snapshot_bytes)
		hw_keep_give_up(share,
				"the log became too large while no snapshot could be written");
	if (keep->writer || share->state != HW_SHARE_ONLINE ||
	    hw_loop_now_ns(share->loop) < keep->retry_ns)
		return;
	if (hw_keep_needs_snapshot(keep, bytes))
		hw_keep_begin_snapshot(share);
}

int hw_keep_init(struct hw_share *share, const char *dir, const char *log_dir)
{
	struct hw_keep *keep = &share->keep;

	keep->dir = keep->log_dir = keep->lock = keep->log = -1;
	atomic_store(&keep->file, -1);
	keep->block = BLOCK;
	keep->scope.every_ns = NARROW_NS;
	keep->scope.patience_ns = PATIENCE_NS;
	if (!dir || !*dir || !log_dir)
		return 0;
	keep->dir_path = strdup(dir);
	keep->log_path = strdup(log_dir);
	keep->size = mmap(NULL, sizeof(*keep->size), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (keep->size == MAP_FAILED)
		keep->size = NULL;
	return keep->dir_path && keep->log_path && keep->size ? hw_keep_copy_init(share) : -ENOMEM;
}

/* A snapshot needs no log: also a share whose log could not be written has all its tree. */
static bool can_write_last(const struct hw_share *share)
{
	const struct hw_keep *keep = &share->keep;

	return keep->on ||
	       (keep->usable && share->state == HW_SHARE_ONLINE && !share->silent && !keep->held);
}

static void end_files(void *arg)
{
	struct hw_share *share = arg;

	if (can_write_last(share))
		hw_keep_write_last(share);
	hw_keep_close(share);
}

void hw_keep_end(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	keep->ending = true;
	hw_keep_stop_writer(keep);
	hw_keep_copy_end(share);
	if (!hw_keep_worker_run(share, end_files, share)) {
		if (keep->begun)
			hw_warning("share %s: the filesystem of %s does not answer: its state is "
				   "not written; the log of it is kept in %s until the system "
				   "stops",
				   share->name, keep->dir_path, keep->log_path);
		hw_keep_worker_leave(share);
	}
	share->tree.changed = NULL;
	keep->on = false;
	hw_keep_close(share);
	hw_changed_free(&keep->changed);
	free(keep->bytes);
	free(keep->dir_path);
	free(keep->log_path);
	if (keep->size)
		(void)munmap(keep->size, sizeof(*keep->size)); /* cannot fail */
	keep->size = NULL;
	keep->bytes = NULL;
	keep->dir_path = keep->log_path = NULL;
}
