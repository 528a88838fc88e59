/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"

#include "thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define START 16u /* the magic number and the version */

static const char magic[8] = { 'h', 'o', 's', 't', 'w', 's', 't', '\n' };

/* A file that is being read. */
struct in {
	int fd;
	uint64_t left; /* bytes behind the last frame */
	uint64_t generation, number; /* of the next frame */
	unsigned char *bytes; /* owned: the last frame */
	size_t len, room;
	bool torn; /* the file ended within the last frame */
	bool bad; /* the last frame was torn, or its checksum was wrong */
};

static uint64_t get_le(const unsigned char *from)
{
	uint64_t n = 0;

	for (unsigned i = 8; i-- > 0;)
		n = n << 8 | from[i];
	return n;
}

/* Returns 0; -EUCLEAN if the file is shorter; -errno. */
static int read_all(struct in *in, void *to, size_t len)
{
	char *p = to;

	in->torn = len > in->left;
	if (in->torn)
		return -EUCLEAN;
	in->left -= len;
	while (len) {
		hw_away_begin();
		ssize_t n = read(in->fd, p, len);
		hw_away_end();

		if (n == 0)
			return -EUCLEAN;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int make_room(struct in *in, size_t len)
{
	unsigned char *bytes = len > in->room ? realloc(in->bytes, len) : in->bytes;

	if (!bytes)
		return len ? -ENOMEM : 0;
	in->room = len > in->room ? len : in->room;
	in->bytes = bytes;
	return 0;
}

static int read_frame(struct in *in)
{
	uint64_t seed = in->generation ^ in->number * UINT64_C(0x9e3779b97f4a7c15);
	unsigned char header[HW_STATE_FRAME];
	int r = read_all(in, header, sizeof(header));
	uint64_t len = r == 0 ? get_le(header) : 0;

	if (r == 0 && len <= in->left)
		r = len ? make_room(in, len) : -EUCLEAN;
	if (r == 0)
		r = read_all(in, in->bytes, len);
	if (r == 0 && XXH3_64bits_withSeed(in->bytes, len, seed) != get_le(header + 8))
		r = -EUCLEAN;
	in->bad = r == -EUCLEAN;
	in->len = len;
	in->number++;
	return r;
}

/* Returns the length of the head, or an error. */
static int read_start(struct in *in)
{
	unsigned char start[START];
	int r = read_all(in, start, sizeof(start));
	uint64_t version;

	if (r < 0)
		return r;
	version = get_le(start + sizeof(magic));
	if (memcmp(start, magic, sizeof(magic)) != 0 || !version)
		return -EUCLEAN;
	if (version > HW_STATE_VERSION)
		return -EPROTONOSUPPORT;
	return HW_STATE_BOOT + (version == 1 ? 5 * 8 : 7 * 8);
}

static int read_head(struct in *in, struct hw_state_head *ret)
{
	int len = read_start(in), r;

	if (len < 0)
		return len;
	in->number = 1;
	r = read_frame(in);
	if (r < 0)
		return r;
	if (in->len != (size_t)len)
		return -EUCLEAN;
	ret->generation = get_le(in->bytes);
	ret->epoch = get_le(in->bytes + 8);
	ret->next_seq = get_le(in->bytes + 16);
	ret->place = get_le(in->bytes + 24);
	ret->known_ns = (int64_t)get_le(in->bytes + 32);
	memcpy(ret->boot, in->bytes + 40, HW_STATE_BOOT);
	ret->limit = ret->frames = 0;
	if (in->len > 40 + HW_STATE_BOOT) {
		ret->limit = get_le(in->bytes + 40 + HW_STATE_BOOT);
		ret->frames = get_le(in->bytes + 48 + HW_STATE_BOOT);
	}
	in->generation = ret->generation;
	in->number = 1;
	return ret->epoch && ret->next_seq && ret->next_seq <= HW_STATE_SEQ_MAX &&
			       ret->limit <= HW_STATE_SEQ_MAX
		       ? 0
		       : -EUCLEAN;
}

static int open_file(struct in *in, int fd, struct hw_state_head *ret)
{
	struct stat st;
	int r;

	*in = (struct in){ .fd = fd };
	hw_away_begin();
	r = fstat(fd, &st) < 0 ? -errno : 0;
	hw_away_end();
	if (r < 0)
		return r;
	in->left = (uint64_t)st.st_size;
	return read_head(in, ret);
}

int hw_state_read_head(int fd, struct hw_state_head *ret)
{
	struct in in;
	int r = open_file(&in, fd, ret);

	free(in.bytes);
	return r;
}

/* ---- records ---- */

struct counts {
	uint64_t entries, events;
	bool ended;
};

static struct hw_state_scope scope_of(const struct hw_state_record *record)
{
	struct hw_state_scope scope = { .len = record->scope_len };

	if (scope.len) {
		scope.end = record->scope_end;
		memcpy(scope.path, record->scope, scope.len);
	}
	return scope;
}

static int apply_skip(struct hw_state_load *load, const struct hw_state_record *record)
{
	const struct hw_state_scope scope = scope_of(record);

	if (record->next_seq <= load->head.next_seq || record->next_seq > HW_STATE_SEQ_MAX)
		return -EUCLEAN;
	load->skip(load->arg, load->head.next_seq, record->next_seq, &scope);
	load->head.next_seq = record->next_seq;
	return 0;
}

static int apply_shift(struct hw_state_load *load, const struct hw_state_record *record)
{
	uint64_t more = record->next_seq - record->after - 1;

	if (record->after >= load->head.next_seq || record->next_seq <= record->after + 1 ||
	    record->next_seq > HW_STATE_SEQ_MAX || load->head.next_seq + more > HW_STATE_SEQ_MAX)
		return -EUCLEAN;
	load->shift(load->arg, record->after, record->next_seq);
	load->head.next_seq += more;
	return 0;
}

static int apply(struct hw_state_load *load, struct hw_state_record *record, struct counts *counts)
{
	switch (record->tag) {
	case HW_STATE_ENTRY:
		/* Each smaller id has a record of at least two bytes: hw_state_write_snapshot(). */
		if (record->id >= load->size)
			return -EUCLEAN;
		counts->entries++;
		return hw_tree_put(load->tree, record->id, &record->entry, record->name);
	case HW_STATE_GONE:
		hw_tree_drop(load->tree, record->id);
		return 0;
	case HW_STATE_EVENT:
		counts->events++;
		record->event.seq = load->head.next_seq++;
		load->event(load->arg, &record->event);
		return 0;
	case HW_STATE_KNOWN:
		load->head.known_ns = record->known_ns;
		load->unread_ns = 0; /* a frame begins */
		return 0;
	case HW_STATE_UNREAD:
		load->unread_ns = record->unread_ns;
		return 0;
	case HW_STATE_SCOPE:
		load->scope = scope_of(record);
		if (load->scope.end > load->scope_end)
			load->scope_end = load->scope.end;
		return 0;
	case HW_STATE_SKIP:
	case HW_STATE_GAP:
		return apply_skip(load, record);
	case HW_STATE_SHIFT:
		return apply_shift(load, record);
	case HW_STATE_END:
		counts->ended = true;
		return counts->entries == record->entries && counts->events == record->events
			       ? 0
			       : -EUCLEAN;
	}
	return -EUCLEAN;
}

static int apply_frame(struct hw_state_load *load, const struct in *in, struct counts *counts)
{
	struct hw_state_reader reader = { .at = in->bytes, .end = in->bytes + in->len };
	struct hw_state_record record;
	int r = 0;

	while (r == 0 && hw_state_get(&reader, &record))
		r = counts->ended ? -EUCLEAN : apply(load, &record, counts);
	if (r == -EINVAL || (r == 0 && reader.bad))
		r = -EUCLEAN;
	return r;
}

int hw_state_read_snapshot(int fd, uint64_t place, struct hw_state_load *load)
{
	struct counts counts = { 0 };
	struct in in;
	int r = open_file(&in, fd, &load->head);

	if (r == 0 && load->head.place != place)
		r = -EMEDIUMTYPE;
	load->size = in.left;
	while (r == 0 && !counts.ended) {
		r = read_frame(&in);
		if (r == 0)
			r = apply_frame(load, &in, &counts);
	}
	if (r == 0 && in.left)
		r = -EUCLEAN;
	free(in.bytes);
	return r;
}

/* The frames of the log before it are known, unless the snapshot took its place. */
static bool follows(const struct hw_state_load *load, const struct hw_state_head *head,
		    uint64_t generation, const uint8_t *boot)
{
	return head->generation == generation && head->epoch == load->head.epoch &&
	       head->place == load->head.place && head->next_seq == load->head.next_seq &&
	       (generation == load->head.generation || head->frames == load->frames) &&
	       (!boot || memcmp(head->boot, boot, HW_STATE_BOOT) == 0);
}

/* A frame that was not written to its end was not waited for: nobody has read its events. */
static int read_frames(struct in *in, struct hw_state_load *load)
{
	struct counts counts = { 0 };
	int r = 0;

	load->frames = 0;
	load->damaged = false;
	load->scope = (struct hw_state_scope){ 0 };
	while (r == 0 && in->left) {
		r = read_frame(in);
		if (r == -EUCLEAN && in->bad) {
			load->damaged = !in->torn;
			return 0;
		}
		if (r == 0)
			r = apply_frame(load, in, &counts);
		load->frames++;
	}
	return r;
}

int hw_state_read_log(int fd, uint64_t generation, const uint8_t *boot, struct hw_state_load *load)
{
	struct hw_state_head head;
	struct in in;
	int r = open_file(&in, fd, &head);

	if (r == -EUCLEAN)
		r = in.torn ? -ENOENT : -ESTALE;
	if (r == 0 && !follows(load, &head, generation, boot))
		r = -ESTALE;
	if (r == 0) {
		load->size += in.left;
		r = read_frames(&in, load);
	}
	free(in.bytes);
	return r;
}
