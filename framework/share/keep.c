/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep.h"

#include "keep_calls.h"
#include "share_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many that they suffice for hours without a snapshot. Receivers may store numbers in 53 bits:
 * enough for millions of losses of power. */
#define BLOCK ((uint64_t)1 << 32)

#define LOG_SMALL ((uint64_t)8 << 20) /* a log that is smaller needs no snapshot */
#define LOG_MAX ((uint64_t)256 << 20) /* of memory, if no snapshot can be written */
#define LOGS_MAX 16u /* files: each start begins one */
#define EVENTS_KEPT ((uint64_t)4 << 20) /* bytes of the journal in a snapshot */
#define FRAME_KEPT ((size_t)1 << 20) /* memory for the next frame */
#define RETRY_NS (10 * HW_SEC)

/* ---- the log ---- */

/* The logs end here, and no later one follows them: receivers that have newer events would get a
 * rescan after a crash, until the next snapshot. */
void hw_keep_give_up(struct hw_share *share, const char *reason)
{
	struct hw_keep *keep = &share->keep;

	if (strcmp(keep->why, reason) != 0 && !keep->ending)
		hw_warning("share %s: its state is not kept at the moment: %s; hostwatchd tries "
			   "again every 10 s; if it is killed before that succeeds, receivers with "
			   "newer events read everything again",
			   share->name, reason);
	(void)snprintf(keep->why, sizeof(keep->why), "%s", reason);
	if (keep->log >= 0)
		(void)close(keep->log);
	keep->log = -1;
	if (!hw_keep_remove_logs(share, keep->oldest, keep->generation + 1))
		(void)hw_keep_remove_open(share); /* the next state replaces it */
	keep->generation++;
	hw_changed_clear(&keep->changed);
	share->tree.changed = NULL;
	keep->on = false;
	keep->log_bytes = keep->old_log_bytes = keep->snapshot_bytes = 0;
	keep->retry_ns = hw_loop_now_ns(share->loop) + RETRY_NS;
}

static int64_t known_ns(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	if (share->state != HW_SHARE_ONLINE)
		return keep->known_ns;
	keep->known_ns = hw_mark_known_ns(share);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (watcher->state == HW_WATCHER_RUNNING && watcher->directories &&
		    watcher->plugin->flags & HW_PLUGIN_SCANS && watcher->polled_ns < keep->known_ns)
			keep->known_ns = watcher->polled_ns;
	}
	return keep->known_ns;
}

static struct hw_state_head make_head(struct hw_share *share, uint64_t generation,
				      uint64_t next_seq)
{
	struct hw_state_head head = {
		.generation = generation,
		.epoch = share->epoch,
		.next_seq = next_seq,
		.place = share->keep.place,
		.known_ns = known_ns(share),
		.limit = share->journal.next_seq + share->keep.block,
		.frames = share->keep.frames,
	};

	memcpy(head.boot, share->keep.boot, sizeof(head.boot));
	return head;
}

static int begin_log(struct hw_share *share, uint64_t generation, uint64_t next_seq)
{
	struct hw_keep *keep = &share->keep;
	struct hw_state_head head = make_head(share, generation, next_seq);
	unsigned char bytes[HW_STATE_HEAD_MAX];
	size_t len = hw_state_put_head(bytes, &head);
	int fd = openat(keep->log_dir, hw_keep_log_name(share, generation).text,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : hw_state_write(fd, bytes, len);

	if (r < 0) {
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	if (keep->log >= 0)
		(void)close(keep->log);
	keep->log = fd;
	keep->generation = generation;
	keep->frames = 0;
	keep->old_log_bytes += keep->log_bytes;
	keep->log_bytes = len;
	return 0;
}

static void turn_on(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	hw_changed_clear(&keep->changed);
	share->tree.changed = &keep->changed;
	keep->seq = hw_journal_last_seq(&share->journal);
	keep->on = true;
}

static bool make_room(struct hw_keep *keep, size_t need)
{
	size_t room = keep->room ? keep->room : 65536;

	while (room < need)
		room *= 2;
	unsigned char *bytes = room > keep->room ? realloc(keep->bytes, room) : keep->bytes;

	if (!bytes)
		return false;
	keep->bytes = bytes;
	keep->room = room;
	return true;
}

static bool has_room(struct hw_keep *keep, struct hw_state_writer *writer, size_t need)
{
	if (!make_room(keep, HW_STATE_FRAME + writer->used + need))
		return false;
	writer->bytes = keep->bytes + HW_STATE_FRAME;
	return true;
}

static bool put_changes(struct hw_share *share, struct hw_state_writer *writer)
{
	const struct hw_changed *changed = &share->keep.changed;

	for (uint32_t i = 0; i < changed->list.count; i++) {
		uint32_t id = changed->list.ids[i];
		const struct hw_entry *e = hw_tree_entry(&share->tree, id);

		if (!has_room(&share->keep, writer, HW_STATE_ENTRY_MAX))
			return false;
		if (e->type == HW_TYPE_NONE)
			hw_state_put_gone(writer, id);
		else
			hw_state_put_entry(writer, id, e, hw_tree_name(&share->tree, id));
	}
	return true;
}

static bool put_events(struct hw_share *share, struct hw_state_writer *writer)
{
	struct hw_keep *keep = &share->keep;
	struct hw_event event;
	int r;

	if (keep->logged.seq != keep->seq &&
	    hw_journal_seek(&share->journal, keep->seq, &keep->logged) < 0)
		return false;
	while ((r = hw_journal_next(&share->journal, &keep->logged, &event)) == 1) {
		if (!has_room(keep, writer, (size_t)event.path_len + event.from_len + 64))
			return false;
		hw_state_put_event(writer, &event);
	}
	return r == 0;
}

void hw_keep_publish(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	uint64_t last = hw_journal_last_seq(&share->journal);
	struct hw_state_writer writer = { 0 };

	if (keep->limit && last >= keep->limit && hw_loop_now_ns(share->loop) >= keep->retry_ns) {
		hw_keep_give_up(share, "no snapshot could be written for too many events");
		hw_keep_forget(share);
	}
	if (!keep->on || keep->held || (!keep->changed.list.count && keep->seq == last))
		return;
	if (keep->changed.lost || !has_room(keep, &writer, 16)) {
		hw_keep_give_up(share, "out of memory");
		return;
	}
	hw_state_put_known(&writer, known_ns(share));
	if (!put_changes(share, &writer) || !put_events(share, &writer)) {
		hw_keep_give_up(share, "more events at once than the journal or the memory holds");
		return;
	}
	hw_state_seal(keep->bytes, writer.used, keep->generation, ++keep->frames);
	int r = hw_state_write(keep->log, keep->bytes, HW_STATE_FRAME + writer.used);

	if (r < 0) {
		char text[160];

		(void)snprintf(text, sizeof(text), "cannot write the log in %.80s: %s",
			       keep->log_path, strerror(-r));
		hw_keep_give_up(share, text);
		return;
	}
	keep->log_bytes += HW_STATE_FRAME + writer.used;
	if (keep->room > FRAME_KEPT) {
		free(keep->bytes);
		keep->bytes = NULL;
		keep->room = 0;
	}
	keep->seq = last;
	hw_changed_clear(&keep->changed);
}

uint64_t hw_keep_last_seq(const struct hw_share *share)
{
	const struct hw_keep *keep = &share->keep;
	uint64_t last = keep->on ? keep->seq : hw_journal_last_seq(&share->journal);

	return keep->limit && last >= keep->limit ? keep->limit - 1 : last;
}

uint64_t hw_keep_bytes(const struct hw_share *share)
{
	const struct hw_keep *keep = &share->keep;

	return keep->on ? keep->snapshot_bytes + keep->old_log_bytes + keep->log_bytes : 0;
}

/* ---- snapshots ---- */

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

static void prepare(struct hw_share *share, const char *suffix, uint64_t generation,
		    struct snapshot *ret)
{
	uint64_t after = hw_journal_tail(&share->journal, EVENTS_KEPT);
	char new_suffix[16];

	(void)hw_journal_seek(&share->journal, after, &share->keep.cursor); /* it has it */
	(void)snprintf(new_suffix, sizeof(new_suffix), "%s.new", suffix);
	*ret = (struct snapshot){
		.head = make_head(share, generation, after + 1),
		.new_name = hw_keep_name(share, new_suffix),
		.name = hw_keep_name(share, suffix),
		.numbers = hw_keep_name(share, "numbers"),
	};
	ret->what = (struct hw_state_snapshot){
		.head = &ret->head,
		.tree = &share->tree,
		.next_event = next_event,
		.arg = share,
		.next_seq = share->journal.next_seq,
	};
}

/* Async-signal-safe. */
static int write_file(const struct hw_keep *keep, const struct snapshot *snapshot,
		      uint64_t *ret_size)
{
	int fd = away_openat(keep->dir, snapshot->new_name.text,
			     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = hw_state_write_snapshot(fd, &snapshot->what, ret_size);
	if (r == 0 && away_fsync(fd) < 0)
		r = -errno;
	(void)away_close(fd);
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
static pid_t write_in_child(const struct hw_keep *keep, const struct snapshot *snapshot)
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

static void begin_snapshot(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct snapshot snapshot;
	int r;

	hw_keep_publish(share);
	r = begin_log(share, keep->generation + 1, share->journal.next_seq);
	if (r < 0) {
		retry_later(share, strerror(-r));
		return;
	}
	if (!keep->on) {
		keep->oldest = keep->generation;
		keep->old_log_bytes = 0;
		turn_on(share);
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

static void reap(struct hw_share *share)
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

static bool needs_snapshot(const struct hw_keep *keep, uint64_t bytes)
{
	return !keep->on || keep->seq + keep->block / 2 > keep->limit ||
	       keep->generation - keep->oldest >= LOGS_MAX ||
	       (bytes > LOG_SMALL && bytes > keep->snapshot_bytes);
}

void hw_keep_turn(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	uint64_t bytes = keep->log_bytes + keep->old_log_bytes;

	if (!keep->usable)
		return;
	reap(share);
	hw_keep_copy_turn(share);
	if (keep->on && bytes > LOG_MAX && bytes > 2 * keep->snapshot_bytes)
		hw_keep_give_up(share,
				"the log became too large while no snapshot could be written");
	if (keep->writer || share->state != HW_SHARE_ONLINE ||
	    hw_loop_now_ns(share->loop) < keep->retry_ns)
		return;
	if (needs_snapshot(keep, bytes))
		begin_snapshot(share);
}

/* ---- begin and end ---- */

int hw_keep_init(struct hw_share *share, const char *dir, const char *log_dir)
{
	struct hw_keep *keep = &share->keep;

	keep->dir = keep->log_dir = keep->lock = keep->log = -1;
	keep->block = BLOCK;
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

/* The log is complete before the state stops being that of a clean stop: a crash in between leaves
 * one of the two. */
int hw_keep_continue_log(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	const char *how = hw_keep_ended(keep);
	uint64_t next_seq = keep->skip_to ? keep->seq + 1 : share->journal.next_seq;
	int r = begin_log(share, keep->generation, next_seq), marked = hw_keep_mark_open(share);

	if (r == 0 && keep->skip_to)
		r = hw_keep_log_skip(keep);
	if (marked < 0)
		return marked;
	share->turn.announced_seq = hw_journal_last_seq(&share->journal);
	hw_share_begin_turn(share);
	keep->loaded = true;
	hw_keep_copy_begin(share);
	turn_on(share);
	hw_info("share %s: continues from the state in %s: %" PRIu32 " entries, %s", share->name,
		keep->dir_path, share->tree.entries, how);
	if (r < 0)
		hw_keep_give_up(share, strerror(-r));
	return 0;
}

static void write_last(struct hw_share *share)
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
		write_last(share);
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
	hw_keep_worker_end(share);
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
