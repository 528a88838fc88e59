/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of a state: what changed, and the events, before receivers can read them. */
#include "keep.h"
#include "share_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_KEPT ((size_t)1 << 20) /* memory for the next frame */
#define RETRY_NS (10 * HW_SEC)

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
	hw_keep_scope_abandon(share, hw_keep_last_seq(share));
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

static int64_t earlier(int64_t a, int64_t b)
{
	return a && (!b || a < b) ? a : b;
}

int64_t hw_keep_unread_ns(const struct hw_share *share)
{
	int64_t before = share->state == HW_SHARE_ONLINE ? 0 : share->keep.unread_ns;
	int64_t now = hw_mark_covers_tree(share) ? 0 : share->marks.read_until_ns;

	return earlier(share->scan.lost_ns, earlier(before, now));
}

struct hw_state_head hw_keep_make_head(struct hw_share *share, uint64_t generation,
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

int hw_keep_begin_log(struct hw_share *share, uint64_t generation, uint64_t next_seq)
{
	struct hw_keep *keep = &share->keep;
	struct hw_state_head head = hw_keep_make_head(share, generation, next_seq);
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
	hw_keep_scope_begin_log(share);
	return 0;
}

void hw_keep_turn_on(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	hw_changed_clear(&keep->changed);
	share->tree.changed = &keep->changed;
	keep->seq = hw_journal_last_seq(&share->journal);
	keep->scope.since_ns = hw_loop_now_ns(share->loop);
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
		hw_keep_scope_note(share, &event);
	}
	return r == 0;
}

static bool put_scope(struct hw_share *share, struct hw_state_writer *writer)
{
	struct hw_keep *keep = &share->keep;

	hw_keep_scope_reserve(share);
	if (!keep->scope.changed)
		return true;
	if (!has_room(keep, writer, HW_STATE_GAP_MAX))
		return false;
	hw_state_put_scope(writer, &keep->scope.now);
	return true;
}

/* 0, or -errno: the log has ended. */
static int write_frame(struct hw_share *share, unsigned char *frame, size_t len)
{
	struct hw_keep *keep = &share->keep;
	int r;

	hw_state_seal(frame, len, keep->generation, ++keep->frames);
	r = hw_state_write(keep->log, frame, HW_STATE_FRAME + len);
	if (r < 0) {
		char text[160];

		(void)snprintf(text, sizeof(text), "cannot write the log in %.80s: %s",
			       keep->log_path, strerror(-r));
		hw_keep_give_up(share, text);
		return r;
	}
	keep->log_bytes += HW_STATE_FRAME + len;
	return 0;
}

int hw_keep_log_shift(struct hw_share *share, uint64_t after, uint64_t next_seq)
{
	unsigned char frame[HW_STATE_FRAME + 32];
	struct hw_state_writer writer = { .bytes = frame + HW_STATE_FRAME };

	hw_state_put_shift(&writer, after, next_seq);
	return write_frame(share, frame, writer.used);
}

void hw_keep_publish(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	uint64_t last = hw_journal_last_seq(&share->journal);
	int64_t unread_ns = hw_keep_unread_ns(share);
	struct hw_state_writer writer = { 0 };

	if (keep->limit && last >= keep->limit && hw_loop_now_ns(share->loop) >= keep->retry_ns) {
		hw_keep_give_up(share, "no snapshot could be written for too many events");
		hw_keep_forget(share);
	}
	if (!keep->on || keep->held ||
	    (!keep->changed.list.count && keep->seq == last && !keep->scope.changed &&
	     (unread_ns || !keep->unread_ns)))
		return;
	if (keep->changed.lost || !has_room(keep, &writer, 32)) {
		hw_keep_give_up(share, "out of memory");
		return;
	}
	hw_state_put_known(&writer, known_ns(share));
	if (unread_ns)
		hw_state_put_unread(&writer, unread_ns);
	if (!put_changes(share, &writer) || !put_events(share, &writer) ||
	    !put_scope(share, &writer)) {
		hw_keep_give_up(share, "more events at once than the journal or the memory holds");
		return;
	}
	if (write_frame(share, keep->bytes, writer.used) < 0)
		return;
	if (keep->scope.changed)
		hw_keep_scope_logged(share);
	if (keep->room > FRAME_KEPT) {
		free(keep->bytes);
		keep->bytes = NULL;
		keep->room = 0;
	}
	keep->seq = last;
	keep->unread_ns = unread_ns;
	hw_changed_clear(&keep->changed);
}

uint64_t hw_keep_last_seq(const struct hw_share *share)
{
	const struct hw_keep *keep = &share->keep;
	uint64_t last = keep->on ? keep->seq : hw_journal_last_seq(&share->journal);

	if (keep->on && keep->scope.waits_from && last >= keep->scope.waits_from)
		last = keep->scope.waits_from - 1;
	return keep->limit && last >= keep->limit ? keep->limit - 1 : last;
}

uint64_t hw_keep_bytes(const struct hw_share *share)
{
	const struct hw_keep *keep = &share->keep;

	return keep->on ? keep->snapshot_bytes + keep->old_log_bytes + keep->log_bytes : 0;
}

/* The log is complete before the state stops being that of a clean stop: a crash in between leaves
 * one of the two. */
int hw_keep_continue_log(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	const char *how = hw_keep_ended(keep);
	uint64_t next_seq = keep->skip_to ? keep->seq + 1 : share->journal.next_seq;
	int r = hw_keep_begin_log(share, keep->generation, next_seq),
	    marked = hw_keep_mark_open(share);

	if (r == 0 && keep->skip_to)
		r = hw_keep_log_skip(keep);
	hw_keep_scope_continue(share);
	if (marked < 0)
		return marked;
	share->turn.announced_seq = hw_journal_last_seq(&share->journal);
	hw_share_begin_turn(share);
	keep->loaded = true;
	hw_keep_copy_begin(share);
	hw_keep_turn_on(share);
	hw_info("share %s: continues from the state in %s: %" PRIu32 " entries, %s", share->name,
		keep->dir_path, share->tree.entries, how);
	if (r < 0)
		hw_keep_give_up(share, strerror(-r));
	return 0;
}
