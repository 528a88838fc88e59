/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of a share with the state of the last run. */
#include "keep.h"
#include "share_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SILENT_NS (10 * HW_SEC) /* so long the start waits for one system call */

static void begin_epoch(struct hw_share *share, uint64_t epoch)
{
	struct hw_keep *keep = &share->keep;

	share->epoch = epoch;
	keep->snapshot_bytes = keep->log_bytes = keep->old_log_bytes = 0;
	keep->limit = keep->skip_to = keep->frames = 0;
	keep->scope.end = 0;
	if (getrandom(&keep->generation, sizeof(keep->generation), 0) != sizeof(keep->generation))
		keep->generation = epoch;
	keep->oldest = keep->generation; /* it has no log yet */
	hw_keep_copy_begin(share);
}

/* Without the snapshot that they follow, logs are useless. */
static void remove_logs(struct hw_share *share, bool say)
{
	struct hw_keep *keep = &share->keep;
	bool any = hw_keep_remove_others(share, keep->log_dir, hw_keep_log_name, 0, 0);

	any |= hw_keep_remove_others(share, keep->dir, hw_keep_copy_name, 0, 0);
	if (any && say)
		hw_warning("share %s: %s has no %s, only the log of the last run was left: "
			   "somebody removed the file, or hostwatchd was killed before it was "
			   "written; the log is removed, and a new epoch begins",
			   share->name, keep->dir_path, hw_keep_name(share, "open").text);
}

static void keep_none(struct hw_share *share)
{
	hw_warning("share %s: its state is not kept: %s", share->name, share->keep.why);
	hw_keep_close(share);
}

/* Runs on the worker, in turn with the loop. */
static void begin_files(void *arg)
{
	struct hw_share *share = arg;
	struct hw_keep *keep = &share->keep;
	int r;

	keep->result = 0;
	if (hw_keep_open(share) < 0) {
		keep_none(share);
		return;
	}
	r = hw_keep_load(share);
	if (r == -EPERM) {
		keep_none(share);
		return;
	}
	if (r == 0) {
		r = hw_keep_continue_log(share);
		if (r < 0 && hw_keep_begin_anew(share) < 0)
			r = -ENOMEM;
	}
	if (r == -ENOMEM) {
		(void)snprintf(share->why, sizeof(share->why),
			       "out of memory while its state was read");
		hw_keep_close(share);
	}
	keep->result = r == -ENOMEM ? r : 0;
	if (r == 0 || r == -ENOMEM)
		return;
	if (r != -ENOENT)
		hw_keep_set_aside(share, r);
	remove_logs(share, r == -ENOENT);
	begin_epoch(share, keep->new_epoch);
}

/* The work is left where it is: what it has done to the share is undone. */
static int give_up_files(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	hw_warning("share %s: its state is not kept: the filesystem of state_dir, %s, does not "
		   "answer; a new epoch begins, so receivers read everything again; when the "
		   "filesystem answers, restart hostwatchd",
		   share->name, keep->dir_path);
	(void)snprintf(keep->why, sizeof(keep->why),
		       "the filesystem of %.120s did not answer at the start; restart hostwatchd "
		       "when it does",
		       keep->dir_path);
	hw_keep_worker_leave(share);
	keep->on = keep->loaded = false;
	share->tree.changed = NULL;
	if (keep->dir >= 0)
		hw_keep_close(share); /* of directories and a file in memory: no request */
	keep->begun = true;
	if (hw_keep_begin_anew(share) < 0)
		return -ENOMEM;
	share->epoch = keep->new_epoch;
	keep->limit = keep->skip_to = 0;
	keep->scope.end = 0;
	return 0;
}

static int await_files(struct hw_share *share)
{
	uint64_t since;

	if (!hw_keep_worker_is_busy(share, &since))
		return 0;
	if (since && hw_loop_now_ns(share->loop) - since > SILENT_NS)
		return give_up_files(share);
	return !since && hw_keep_worker_finish(share) ? 0 : -EINPROGRESS;
}

int hw_keep_begin(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	int r = 0;

	if (!keep->dir_path || keep->begun)
		return 0;
	if (!keep->asked) {
		keep->asked = true;
		keep->new_epoch = share->epoch;
		if (!hw_keep_worker_run(share, begin_files, share))
			return -EINPROGRESS;
	} else {
		r = await_files(share);
		if (r < 0 || keep->begun)
			return r;
	}
	keep->begun = keep->result == 0;
	keep->asked = keep->begun;
	return keep->result;
}

void hw_keep_check(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	if (!hw_keep_is_inside(share))
		return;
	if (keep->on) {
		hw_keep_give_up(share, "state_dir or state_log_dir is in the share itself");
		hw_keep_forget(share);
		keep->limit = 0; /* nothing can be written to the state from now on */
	} else
		hw_warning("share %s: its state is not kept: state_dir or state_log_dir is in the "
			   "share itself",
			   share->name);
	(void)snprintf(keep->why, sizeof(keep->why),
		       "state_dir or state_log_dir is in the share itself");
	hw_keep_copy_stop(share);
	hw_keep_close(share);
}
