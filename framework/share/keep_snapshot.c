/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of a state. A child of fork(2) writes those of a running share. */
#include "keep.h"
#include "keep_calls.h"
#include "share_private.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_SMALL ((uint64_t)8 << 20) /* a log that is smaller needs no snapshot */
#define LOGS_MAX 16u /* files: each start begins one */
#define EVENTS_KEPT ((uint64_t)4 << 20) /* bytes of the journal in a snapshot */
#define RETRY_NS (10 * HW_SEC)

struct snapshot {
	struct hw_state_head head;
	struct hw_state_snapshot what;
	struct hw_keep_name new_name, name, numbers;
};

static int next_event(void *arg, struct hw_event *ret)
{
	struct hw_share *share = arg;

	return hw_journal_next(&share->journal, &share->keep.cursor, ret);
}

static uint64_t gap_from(void *arg, uint64_t first, struct hw_state_scope *ret)
{
	const struct hw_share *share = arg;
	const struct hw_journal *journal = &share->journal;

	for (uint32_t i = 0; i < journal->gap_count; i++) {
		const struct hw_journal_gap *gap = &journal->gaps[i];

		if (gap->last + 1 != first)
			continue;
		if (gap->scope) {
			ret->end = gap->scope_end;
			ret->len = gap->scope_len;
			memcpy(ret->path, gap->scope, gap->scope_len);
		}
		return gap->end + 1;
	}
	return 0;
}

static void prepare(struct hw_share *share, const char *suffix, uint64_t generation,
		    struct snapshot *ret)
{
	uint64_t after = hw_journal_tail(&share->journal, EVENTS_KEPT);
	char new_suffix[16];

	(void)hw_journal_seek(&share->journal, after, &share->keep.cursor); /* it has it */
	(void)snprintf(new_suffix, sizeof(new_suffix), "%s.new", suffix);
	*ret = (struct snapshot){
		.head = hw_keep_make_head(share, generation, after + 1),
		.new_name = hw_keep_name(share, new_suffix),
		.name = hw_keep_name(share, suffix),
		.numbers = hw_keep_name(share, "numbers"),
	};
	ret->what = (struct hw_state_snapshot){
		.head = &ret->head,
		.tree = &share->tree,
		.next_event = next_event,
		.gap = gap_from,
		.arg = share,
		.next_seq = share->journal.next_seq,
		.unread_ns = hw_keep_unread_ns(share),
	};
}

/* Async-signal-safe. */
static int write_file(struct hw_keep *keep, const struct snapshot *snapshot, uint64_t *ret_size)
{
	int fd = away_open_file(keep, keep->dir, snapshot->new_name.text,
				O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = hw_state_write_snapshot(fd, &snapshot->what, ret_size);
	if (r == 0 && away_fsync(fd) < 0)
		r = -errno;
	away_close_file(keep, fd);
	if (r == 0 && away_renameat(keep->dir, snapshot->new_name.text, snapshot->name.text) < 0)
		r = -errno;
	if (r < 0)
		(void)away_unlinkat(keep->dir, snapshot->new_name.text);
	else if (away_fsync(keep->dir) < 0)
		r = -errno;
	if (r == 0) /* its limit is not smaller */
		(void)away_unlinkat(keep->dir, snapshot->numbers.text);
	return r;
}

/* A descriptor keeps its mount, its file or its address in use. Before Linux 5.9 they stay until
 * the child ends. */
static void close_others(int fd)
{
	if (fd > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0u, 0);
}

/* The child sees the tree and the journal as they are now. */
static pid_t write_in_child(struct hw_keep *keep, const struct snapshot *snapshot)
{
	sigset_t all, before;
	pid_t pid;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_others(keep->dir);
		_exit(-write_file(keep, snapshot, keep->size) & 0xff);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static void retry_later(struct hw_share *share, const char *reason)
{
	struct hw_keep *keep = &share->keep;
	char text[160];

	(void)snprintf(text, sizeof(text), "cannot write a snapshot to %.80s: %s", keep->dir_path,
		       reason);
	keep->retry_ns = hw_loop_now_ns(share->loop) + RETRY_NS;
	if (!keep->snapshot_bytes)
		hw_keep_give_up(share, text);
	else if (!keep->warned)
		hw_warning("share %s: %s; hostwatchd tries again every 10 s, and keeps a longer "
			   "log in %s until that succeeds",
			   share->name, text, keep->log_path);
	keep->warned = true;
}

void hw_keep_begin_snapshot(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct snapshot snapshot;
	int r;

	hw_keep_publish(share);
	r = hw_keep_begin_log(share, keep->generation + 1, share->journal.next_seq);
	if (r < 0) {
		retry_later(share, strerror(-r));
		return;
	}
	if (!keep->on) {
		keep->oldest = keep->generation;
		keep->old_log_bytes = 0;
		hw_keep_turn_on(share);
	}
	prepare(share, "open", keep->generation, &snapshot);
	/* It may be on the disk before that is known here. */
	keep->writing_limit = snapshot.head.limit;
	if (!keep->limit)
		keep->limit = keep->writing_limit;
	keep->writer = write_in_child(keep, &snapshot);
	keep->writing = keep->generation;
	if (keep->writer > 0)
		return;
	keep->writer = 0;
	retry_later(share, strerror(errno));
}

void hw_keep_reap(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	int status = 0;
	pid_t pid = keep->writer ? waitpid(keep->writer, &status, WNOHANG) : 0;

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return;
	keep->writer = 0;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
		retry_later(share, pid > 0 && WIFEXITED(status) ? strerror(WEXITSTATUS(status))
								: "its process was killed");
		return;
	}
	keep->limit = keep->writing_limit;
	if (!keep->on)
		return;
	(void)hw_keep_remove_logs(share, keep->oldest, keep->writing);
	keep->oldest = keep->writing;
	keep->old_log_bytes = 0;
	keep->written_ns = hw_now_coarse_ns();
	keep->why[0] = '\0';
	keep->warned = false;
	keep->snapshot_bytes = *keep->size;
}

bool hw_keep_needs_snapshot(const struct hw_keep *keep, uint64_t bytes)
{
	return !keep->on || keep->seq + keep->block / 2 > keep->limit ||
	       keep->generation - keep->oldest >= LOGS_MAX ||
	       (bytes > LOG_SMALL && bytes > keep->snapshot_bytes);
}

void hw_keep_write_last(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct snapshot snapshot;
	uint64_t size;
	int r;

	prepare(share, "state", keep->generation + 1, &snapshot);
	r = write_file(keep, &snapshot, &size);
	if (r == 0) {
		(void)away_unlinkat(keep->dir, hw_keep_name(share, "open").text);
		(void)hw_keep_remove_logs(share, keep->oldest, keep->generation + 1);
		hw_keep_copy_remove(share);
		return;
	}
	hw_keep_publish(share);
	if (keep->on)
		hw_warning("share %s: cannot write its state to %s: %s; it is kept in %s until "
			   "the system stops",
			   share->name, keep->dir_path, strerror(-r), keep->log_path);
	else
		hw_warning("share %s: cannot write its state to %s: %s; %s; receivers with "
			   "events that are newer than its last state read everything again",
			   share->name, keep->dir_path, strerror(-r), keep->why);
}
