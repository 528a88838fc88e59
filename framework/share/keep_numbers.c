/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sequence numbers that are reserved on the disk, so that none is given twice after a loss of
 * power. */
#include "keep.h"
#include "keep_calls.h"
#include "share_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETRY_NS (10 * HW_SEC)
#define STOP_MS 100 /* a process that was killed ends at once, unless it waits for a disk */

uint64_t hw_keep_read_limit(struct hw_share *share, uint64_t epoch)
{
	struct hw_keep *keep = &share->keep;
	struct hw_state_head head;
	int fd = away_open_file(keep, keep->dir, hw_keep_name(share, "numbers").text,
				O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : hw_state_read_head(fd, &head);

	away_close_file(keep, fd);
	return r == 0 && head.epoch == epoch && head.place == keep->place ? head.limit : 0;
}

static int write_durably(struct hw_keep *keep, const char *name, const void *bytes, size_t len)
{
	int fd = away_open_file(keep, keep->dir, name,
				O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : HW_KEEP_AWAY(int, hw_state_write(fd, bytes, len));

	if (r == 0 && away_fsync(fd) < 0)
		r = -errno;
	away_close_file(keep, fd);
	return r;
}

int hw_keep_write_limit(struct hw_share *share, uint64_t epoch, uint64_t limit)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_name name = hw_keep_name(share, "numbers");
	struct hw_keep_name new_name = hw_keep_name(share, "numbers.new");
	const struct hw_state_head head = {
		.epoch = epoch,
		.next_seq = 1,
		.place = keep->place,
		.limit = limit,
	};
	unsigned char bytes[HW_STATE_HEAD_MAX];
	int r = write_durably(keep, new_name.text, bytes, hw_state_put_head(bytes, &head));

	if (r == 0 && away_renameat(keep->dir, new_name.text, name.text) < 0)
		r = -errno;
	if (r == 0 && away_fsync(keep->dir) < 0)
		r = -errno;
	if (r < 0)
		(void)snprintf(keep->why, sizeof(keep->why), "cannot write %.80s/%.80s: %s",
			       keep->dir_path, name.text, strerror(-r));
	return r;
}

const char *hw_keep_ended(const struct hw_keep *keep)
{
	if (keep->skip_to)
		return "after a run whose last events are lost, as by a loss of power; receivers "
		       "that may have read them get a rescan";
	return keep->old_log_bytes ? "after a run that did not stop cleanly" : "after a clean stop";
}

int hw_keep_log_skip(struct hw_keep *keep)
{
	unsigned char bytes[HW_STATE_FRAME + HW_STATE_GAP_MAX];
	struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };

	hw_state_put_gap(&writer, keep->skip_to, &keep->scope.lost);
	hw_state_seal(bytes, writer.used, keep->generation, ++keep->frames);
	keep->log_bytes += HW_STATE_FRAME + writer.used;
	return hw_state_write(keep->log, bytes, HW_STATE_FRAME + writer.used);
}

/* A writer whose disk does not answer may stay, and never continues. */
void hw_keep_stop_writer(struct hw_keep *keep)
{
	struct pollfd ended = { .events = POLLIN };

	if (!keep->writer)
		return;
	(void)kill(keep->writer, SIGKILL);
	ended.fd = (int)syscall(SYS_pidfd_open, keep->writer, 0);
	if (ended.fd >= 0) {
		(void)poll(&ended, 1, STOP_MS); /* if a signal interrupts it: as after this time */
		(void)close(ended.fd);
	}
	(void)waitpid(keep->writer, NULL, WNOHANG);
	keep->writer = 0;
}

static void remove_open(void *arg)
{
	struct hw_share *share = arg;
	struct hw_keep *keep = &share->keep;

	keep->result = (away_unlinkat(keep->dir, hw_keep_name(share, "open").text) == 0 ||
			errno == ENOENT) &&
				       away_fsync(keep->dir) == 0
			       ? 0
			       : -errno;
}

int hw_keep_remove_open(struct hw_share *share)
{
	return hw_keep_worker_run(share, remove_open, share) ? share->keep.result : -ETIMEDOUT;
}

void hw_keep_forget(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	int r;

	hw_keep_stop_writer(keep);
	r = hw_keep_remove_open(share);
	if (r == 0) {
		keep->limit = 0;
		return;
	}
	hw_error("share %s: cannot remove its old state from %s: %s; receivers get no events until "
		 "a state can be written or removed",
		 share->name, keep->dir_path, strerror(-r));
	keep->retry_ns = hw_loop_now_ns(share->loop) + RETRY_NS;
}
