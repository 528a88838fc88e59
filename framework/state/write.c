/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"

#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define FRAME_MAX ((size_t)256 << 10) /* a frame of a snapshot is written when it is larger */
#define SYNC_BYTES ((uint64_t)8 << 20) /* of a snapshot that the disk may still have to write */

static const char magic[8] = { 'h', 'o', 's', 't', 'w', 's', 't', '\n' };

static void put_le(unsigned char *to, uint64_t n, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(n >> (8 * i));
}

void hw_state_seal(unsigned char *bytes, size_t len, uint64_t generation, uint64_t number)
{
	uint64_t seed = generation ^ number * UINT64_C(0x9e3779b97f4a7c15);

	put_le(bytes, len, 8);
	put_le(bytes + 8, XXH3_64bits_withSeed(bytes + HW_STATE_FRAME, len, seed), 8);
}

size_t hw_state_put_head(unsigned char buf[HW_STATE_HEAD_MAX], const struct hw_state_head *head)
{
	unsigned char *p = buf + sizeof(magic) + 8;
	unsigned char *records = p + HW_STATE_FRAME;
	size_t len = 7 * 8 + HW_STATE_BOOT;

	memcpy(buf, magic, sizeof(magic));
	put_le(buf + sizeof(magic), HW_STATE_VERSION, 8);
	put_le(records, head->generation, 8);
	put_le(records + 8, head->epoch, 8);
	put_le(records + 16, head->next_seq, 8);
	put_le(records + 24, head->place, 8);
	put_le(records + 32, (uint64_t)head->known_ns, 8);
	memcpy(records + 40, head->boot, HW_STATE_BOOT);
	put_le(records + 40 + HW_STATE_BOOT, head->limit, 8);
	put_le(records + 48 + HW_STATE_BOOT, head->frames, 8);
	/* The head is read before its generation is known. */
	hw_state_seal(p, len, 0, 1);
	return sizeof(magic) + 8 + HW_STATE_FRAME + len;
}

int hw_state_write(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* ---- a snapshot ---- */

struct out {
	struct hw_state_writer writer; /* behind the header of the frame */
	unsigned char *frame;
	uint64_t generation, number, size;
	uint64_t synced; /* of `size`: what the disk has */
	int fd, error;
};

/* Otherwise fsync(2) would take as long for a large state as on a disk that does not answer. */
static void sync_some(struct out *out)
{
	hw_away_begin();
	(void)sync_file_range(out->fd, (off_t)out->synced, 0,
			      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER); /* fsync(2) reports errors */
	hw_away_end();
	out->synced = out->size;
}

static void flush(struct out *out)
{
	if (!out->writer.used || out->error)
		return;
	hw_state_seal(out->frame, out->writer.used, out->generation, ++out->number);
	hw_away_begin();
	out->error = hw_state_write(out->fd, out->frame, HW_STATE_FRAME + out->writer.used);
	hw_away_end();
	out->size += HW_STATE_FRAME + out->writer.used;
	if (out->size - out->synced > SYNC_BYTES)
		sync_some(out);
	out->writer.used = 0;
	out->writer.last = (struct hw_state_last){ 0 };
}

static uint64_t put_tree(struct out *out, const struct hw_tree *tree)
{
	uint64_t count = 0;

	for (uint32_t id = HW_ROOT; id < tree->used && !out->error; id++) {
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if (e->type == HW_TYPE_NONE) {
			hw_state_put_gone(&out->writer, id);
		} else {
			hw_state_put_entry(&out->writer, id, e, hw_tree_name(tree, id));
			count++;
		}
		if (out->writer.used > FRAME_MAX)
			flush(out);
	}
	flush(out);
	return count;
}

/* Of gaps without an event between them, each has a directory of its own. */
static void put_gaps(struct out *out, const struct hw_state_snapshot *snapshot, uint64_t from,
		     uint64_t to)
{
	while (from < to) {
		struct hw_state_scope scope = { 0 };
		uint64_t next = snapshot->gap ? snapshot->gap(snapshot->arg, from, &scope) : to;

		from = next > from && next < to ? next : to;
		hw_state_put_gap(&out->writer, from, &scope);
		if (out->writer.used > FRAME_MAX)
			flush(out);
	}
}

static uint64_t put_events(struct out *out, const struct hw_state_snapshot *snapshot)
{
	struct hw_event event;
	uint64_t count = 0, next = snapshot->head->next_seq;

	while (!out->error && snapshot->next_event(snapshot->arg, &event) == 1) {
		put_gaps(out, snapshot, next, event.seq);
		next = event.seq + 1;
		hw_state_put_event(&out->writer, &event);
		count++;
		if (out->writer.used > FRAME_MAX)
			flush(out);
	}
	put_gaps(out, snapshot, next, snapshot->next_seq);
	flush(out);
	return count;
}

int hw_state_write_snapshot(int fd, const struct hw_state_snapshot *snapshot, uint64_t *ret_size)
{
	static unsigned char
		buffer[HW_STATE_FRAME + FRAME_MAX + HW_STATE_EVENT_MAX + HW_STATE_GAP_MAX];
	unsigned char head[HW_STATE_HEAD_MAX];
	struct out out = {
		.writer = { .bytes = buffer + HW_STATE_FRAME },
		.frame = buffer,
		.generation = snapshot->head->generation,
		.fd = fd,
	};
	uint64_t entries, events;

	out.size = hw_state_put_head(head, snapshot->head);
	hw_away_begin();
	out.error = hw_state_write(fd, head, out.size);
	hw_away_end();
	entries = put_tree(&out, snapshot->tree);
	events = put_events(&out, snapshot);
	if (snapshot->unread_ns)
		hw_state_put_unread(&out.writer, snapshot->unread_ns);
	hw_state_put_end(&out.writer, entries, events);
	flush(&out);
	*ret_size = out.size;
	return out.error;
}
