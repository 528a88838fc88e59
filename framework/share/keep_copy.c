/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_copy.h"

#include "keep_calls.h"

#include "share_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#define EVERY_NS HW_SEC /* between two beginnings */
#define CALL_BYTES ((size_t)4 << 20) /* for one system call */
#define REST 20u /* times what the disk took */
#define REST_MAX_NS (10 * HW_SEC)
#define RETRY_NS (10 * HW_SEC)
#define WAIT_NS (HW_SEC / 1000) /* between two looks whether events need not wait any more */

/* ---- the work ---- */

static ssize_t copy_some(int from, int to, uint64_t at, uint64_t end)
{
	off_t offset = (off_t)at;
	size_t most = end - at < CALL_BYTES ? (size_t)(end - at) : CALL_BYTES;
	ssize_t n;

	hw_away_begin_long();
	do
		n = sendfile(to, from, &offset, most);
	while (n < 0 && errno == EINTR);
	hw_away_end();
	return n < 0 ? -errno : n;
}

static int copy_bytes(int from, int to, uint64_t *at, uint64_t end)
{
	ssize_t n = 1;

	while (n > 0 && *at < end) {
		n = copy_some(from, to, *at, end);
		if (n > 0)
			*at += (uint64_t)n;
	}
	return n < 0 ? (int)n : 0;
}

static int sync_long(int fd)
{
	int r;

	hw_away_begin_long();
	r = fsync(fd);
	hw_away_end();
	return r < 0 ? -errno : 0;
}

/* The last run may have begun the copy. */
static int append(struct hw_keep_copy *copy, int from, uint64_t end)
{
	struct hw_keep *keep = &copy->share->keep;
	int to = away_open_file(keep, copy->dir,
				hw_keep_copy_name(copy->share, copy->generation).text,
				O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC);
	off_t size = to < 0 ? -1
			    : HW_KEEP_AWAY(off_t, lseek(to, copy->bytes ? (off_t)copy->bytes : 0,
							copy->bytes ? SEEK_SET : SEEK_END));
	uint64_t at = size < 0 ? 0 : (uint64_t)size;
	int r = size < 0 ? -errno : copy_bytes(from, to, &at, end);

	if (r == 0 && at != copy->bytes)
		r = sync_long(to);
	if (r == 0 && !copy->bytes)
		r = sync_long(copy->dir);
	away_close_file(keep, to);
	if (r == 0)
		copy->bytes = at;
	return r;
}

/* A log that does not exist is not needed any more, or was removed: the copies of later ones are
 * useless without it, and of use again after the next snapshot. */
static int copy_log(struct hw_keep_copy *copy, uint64_t end)
{
	int from = openat(copy->log_dir, hw_keep_log_name(copy->share, copy->generation).text,
			  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = from < 0 ? -errno : append(copy, from, end);

	if (from >= 0)
		(void)close(from);
	return from < 0 && r == -ENOENT ? 0 : r;
}

static int remove_old(struct hw_keep_copy *copy)
{
	for (; copy->removed < copy->needed; copy->removed++)
		if (away_unlinkat(copy->dir, hw_keep_copy_name(copy->share, copy->removed).text) <
			    0 &&
		    errno != ENOENT)
			return -errno;
	return 0;
}

static int copy_logs(struct hw_keep_copy *copy)
{
	int r;

	if (copy->generation < copy->needed) {
		copy->generation = copy->needed;
		copy->bytes = 0;
	}
	for (;;) {
		r = copy_log(copy, copy->generation == copy->to ? copy->to_bytes : UINT64_MAX);
		if (r < 0 || copy->generation >= copy->to)
			break;
		copy->generation++;
		copy->bytes = 0;
	}
	return r < 0 ? r : remove_old(copy);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

static void run(void *arg)
{
	struct hw_keep_copy *copy = arg;
	uint64_t begun_ns = monotonic_ns();

	copy->error = copy_logs(copy);
	copy->took_ns = monotonic_ns() - begun_ns;
	copy->ended = true;
}

/* ---- the loop ---- */

static void failed(struct hw_share *share, int error)
{
	struct hw_keep *keep = &share->keep;

	keep->copy.next_ns = hw_loop_now_ns(share->loop) + RETRY_NS;
	if (!keep->copy.warned)
		hw_warning("share %s: cannot copy the log of its state to %s: %s; hostwatchd tries "
			   "again every 10 s; after a loss of power before that succeeds, "
			   "receivers with newer events read everything again",
			   share->name, keep->dir_path, strerror(-error));
	keep->copy.warned = true;
}

/* Returns false if the disk does not answer. */
static bool join(struct hw_share *share)
{
	if (!hw_keep_worker_finish(share))
		return false;
	share->keep.copy.running = false;
	return true;
}

static void end_copy(struct hw_share *share)
{
	struct hw_keep_copy *copy = &share->keep.copy;
	uint64_t rest_ns;

	if (!join(share))
		return;
	if (copy->error < 0) {
		failed(share, copy->error);
		return;
	}
	copy->warned = false;
	rest_ns = REST * copy->took_ns;
	if (rest_ns > REST_MAX_NS)
		rest_ns = REST_MAX_NS;
	copy->next_ns = copy->begun_ns + EVERY_NS;
	if (copy->next_ns < hw_loop_now_ns(share->loop) + rest_ns)
		copy->next_ns = hw_loop_now_ns(share->loop) + rest_ns;
}

/* Before a snapshot is on the disk, a log is useless. While none can be written, a copy would use
 * the room for it. */
static bool is_due(const struct hw_keep *keep)
{
	return keep->on && keep->snapshot_bytes && !keep->warned &&
	       (keep->copy.generation != keep->generation || keep->copy.bytes != keep->log_bytes ||
		keep->copy.removed != keep->oldest);
}

static void begin_copy(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_copy *copy = &keep->copy;
	int r;

	copy->share = share;
	copy->dir = keep->dir;
	copy->log_dir = keep->log_dir;
	copy->needed = keep->oldest;
	copy->to = keep->generation;
	copy->to_bytes = keep->log_bytes;
	copy->begun_ns = hw_loop_now_ns(share->loop);
	copy->ended = false;
	r = hw_keep_worker_start(share, run, copy);
	copy->running = r == 0;
	if (r < 0)
		failed(share, r);
}

/* A timer that fires too early costs less than setting it in each iteration. */
static void wake_at(struct hw_keep_copy *copy, uint64_t now_ns, uint64_t at_ns)
{
	if (copy->wakes_ns && copy->wakes_ns <= at_ns)
		return;
	copy->wakes_ns = at_ns;
	hw_timer_set(copy->timer, at_ns - now_ns);
}

void hw_keep_copy_turn(struct hw_share *share)
{
	struct hw_keep_copy *copy = &share->keep.copy;
	uint64_t now_ns, at_ns;
	bool urgent;

	if (copy->running && copy->ended)
		end_copy(share);
	if (!copy->running && !is_due(&share->keep))
		return;
	now_ns = hw_loop_now_ns(share->loop);
	urgent = hw_keep_waits(&share->keep) && !copy->warned;
	if (!copy->running && (now_ns >= copy->next_ns || urgent))
		begin_copy(share);
	at_ns = copy->next_ns > now_ns ? copy->next_ns : now_ns + EVERY_NS;
	wake_at(copy, now_ns, urgent ? now_ns + WAIT_NS : at_ns);
}

/* ---- begin and end ---- */

static void fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;

	(void)timer;
	share->keep.copy.wakes_ns = 0;
	hw_share_kick(share);
}

int hw_keep_copy_init(struct hw_share *share)
{
	return hw_timer_add(share->loop, fired, share, &share->keep.copy.timer);
}

void hw_keep_copy_begin(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	keep->copy.generation = keep->oldest;
	keep->copy.bytes = 0;
	keep->copy.removed = keep->oldest;
	(void)hw_keep_remove_others(share, keep->dir, hw_keep_copy_name, keep->oldest,
				    keep->generation);
}

void hw_keep_copy_stop(struct hw_share *share)
{
	if (share->keep.copy.running)
		(void)join(share);
}

void hw_keep_copy_remove(struct hw_share *share)
{
	(void)hw_keep_remove_others(share, share->keep.dir, hw_keep_copy_name, 0, 0);
}

void hw_keep_copy_end(struct hw_share *share)
{
	hw_keep_copy_stop(share);
	hw_timer_del(share->keep.copy.timer);
	share->keep.copy.timer = NULL;
}
