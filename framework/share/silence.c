/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems that do not answer. A share with one that may stop answering runs on a thread of its
 * own, in turn with the loop: see thread.h. */
#include "cross.h"
#include "share_private.h"
#include "thread.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SILENT_NS HW_SEC /* after this time it is called a filesystem that does not answer */

/* ---- which shares need a thread ---- */

/* The next check will find what has changed. */
static void note_mounts(struct hw_share *share)
{
	int64_t since =
		hw_now_coarse_ns() - (int64_t)share->interval_ns - hw_loop_busy_ns(share->loop);

	/* Nothing was mounted before: the kernel would have reported it, also if the loop was busy.
	 */
	if (!share->mounts.changed && since > share->mount_names.checked_ns)
		share->mount_names.checked_ns = since;
	share->mounts.changed = true;
}

static void choose_thread(struct hw_share *share, bool mounts_changed)
{
	share->silence.look |= mounts_changed;
	if (hw_slices_is_resting(&share->work))
		return;
	if (share->silence.look)
		hw_mount_watch_look(&share->mounts);
	share->silence.look = false;
	if (share->mounts.may_hang)
		/* Tried again. Without a thread, the share waits for its filesystems as before. */
		hw_cross_guard(hw_loop_use_thread(share->loop, &share->work) == 0);
	else if (share->work.thread)
		hw_slices_end_thread(&share->work);
	hw_aparts_turn(&share->disk.aparts, share->work.thread);
}

static void on_mounts(uv_poll_t *handle, int status, int events)
{
	struct hw_share *share = handle->data;

	(void)events;
	if (status < 0)
		return;
	note_mounts(share);
	if (share->disk.way.path) /* this may be the end of its mount */
		share->presence.check = true;
	share->presence.changed = true;
	hw_share_kick(share);
	choose_thread(share, true);
}

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

void hw_silence_end(struct hw_share *share)
{
	if (!share->silence.mounts)
		return;
	(void)uv_poll_stop(share->silence.mounts); /* always 0 */
	uv_close((uv_handle_t *)share->silence.mounts, free_poll);
	share->silence.mounts = NULL;
}

/* If this fails, mounts are noticed when the root is checked. */
void hw_silence_begin(struct hw_share *share)
{
	uv_poll_t *poll = share->mounts.fd < 0 ? NULL : calloc(1, sizeof(*poll));

	if (!poll)
		return;
	if (uv_poll_init(hw_loop_uv(share->loop), poll, share->mounts.fd) < 0) {
		free(poll);
		return;
	}
	poll->data = share;
	share->silence.mounts = poll;
	if (uv_poll_start(poll, UV_PRIORITIZED, on_mounts) < 0)
		hw_silence_end(share);
}

bool hw_silence_appears(struct hw_share *share)
{
	return !share->mounts.may_hang && hw_mount_watch_poll(&share->mounts) &&
	       share->mounts.may_hang && !hw_away_is_possible();
}

/* ---- silence ---- */

static uint64_t silent_for(const struct hw_share *share, uint64_t since)
{
	uint64_t now = since ? hw_loop_now_ns(share->loop) : 0;

	return now >= since + SILENT_NS ? now - since : 0;
}

uint64_t hw_share_silent_ns(const struct hw_share *share)
{
	return silent_for(share, hw_slices_away_since(&share->work));
}

uint64_t hw_silence_ns(const struct hw_share *share)
{
	const char *path;
	uint64_t whole = hw_share_silent_ns(share);
	uint64_t part = silent_for(share, hw_aparts_silent_since(&share->disk.aparts, &path));

	return whole > part ? whole : part;
}

static void log_silence(struct hw_share *share, const char *path, bool silent)
{
	const char *at = path ? path : share->path;
	char quoted[300];

	hw_quote(quoted, sizeof(quoted), at, strlen(at));
	if (!silent)
		hw_info("share %s: the filesystem answers again", share->name);
	else if (path)
		hw_warning("share %s: the filesystem mounted at %s does not answer; changes in it "
			   "are not reported until it does",
			   share->name, quoted);
	else
		hw_warning("share %s: a filesystem at or below %s does not answer; the share waits "
			   "for it",
			   share->name, quoted);
}

bool hw_silence_check(struct hw_share *share)
{
	const char *path = NULL;
	bool silent = hw_silence_ns(share);

	choose_thread(share, false);
	if (!hw_share_silent_ns(share))
		(void)hw_aparts_silent_since(&share->disk.aparts, &path);
	if (silent == share->silence.logged ||
	    (!silent && (path || hw_slices_away_since(&share->work)))) /* another call */
		return false;
	share->silence.logged = silent;
	log_silence(share, path, silent);
	return true;
}
