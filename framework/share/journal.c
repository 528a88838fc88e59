/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include "names.h"
#include "stage.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Padded to 8 bytes. A record never wraps: total 0 fills the end of the ring. */
struct record {
	uint32_t total;
	uint8_t kind, type;
	uint16_t flags;
	uint64_t seq;
	int64_t time_ns;
	uint16_t from_len, path_len; /* ABSENT: the event has no such path */
	char bytes[]; /* from, then path */
};
#define HEAD_BYTES offsetof(struct record, bytes)
#define ABSENT UINT16_MAX
_Static_assert(HW_PATH_MAX < ABSENT, "a length fits");

static void *map(uint64_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

int hw_journal_init(struct hw_journal *journal, uint64_t size)
{
	memset(journal, 0, sizeof(*journal));
	if (size < HW_JOURNAL_MIN || size > HW_JOURNAL_MAX)
		return -EINVAL;
	journal->size = (size + 7) & ~UINT64_C(7);
	/* One more than a ring of the smallest records needs. */
	journal->mark_count = journal->size / (sizeof(struct record) * HW_JOURNAL_STRIDE) + 2;
	journal->ring = map(journal->size);
	journal->marks = map(journal->mark_count * sizeof(*journal->marks));
	if (!journal->ring || !journal->marks) {
		hw_journal_free(journal);
		return -ENOMEM;
	}
	journal->first_seq = journal->next_seq = 1;
	return 0;
}

static void free_gaps(struct hw_journal *journal)
{
	while (journal->gap_count)
		hw_journal_free_gap(&journal->gaps[--journal->gap_count]);
}

void hw_journal_free(struct hw_journal *journal)
{
	free_gaps(journal);
	if (journal->ring)
		(void)munmap(journal->ring, journal->size);
	if (journal->marks)
		(void)munmap(journal->marks, journal->mark_count * sizeof(*journal->marks));
	memset(journal, 0, sizeof(*journal));
}

/* ---- numbers ---- */

/* Events are counted without the numbers in gaps. The last number before a gap and the last one in
 * it have the same count: no event is between them. */

/* Returns false for a number in a gap; the count is then that of its ends. */
static bool count_of(const struct hw_journal *journal, uint64_t seq, uint64_t *ret)
{
	uint64_t skipped = journal->dropped_gaps;
	bool exists = true;

	for (uint32_t i = 0; exists && i < journal->gap_count; i++) {
		const struct hw_journal_gap *gap = &journal->gaps[i];

		if (seq <= gap->last)
			break;
		exists = seq >= gap->end;
		seq = exists ? seq : gap->end;
		skipped += gap->end - gap->last;
	}
	*ret = seq - skipped;
	return exists;
}

/* Returns the number of an event in the journal, or of the next one. */
static uint64_t seq_of(const struct hw_journal *journal, uint64_t count)
{
	uint64_t seq = count + journal->dropped_gaps;

	for (uint32_t i = 0; i < journal->gap_count && seq > journal->gaps[i].last; i++)
		seq += journal->gaps[i].end - journal->gaps[i].last;
	return seq;
}

static uint64_t first_count(const struct hw_journal *journal)
{
	uint64_t count = 0;

	(void)count_of(journal, journal->first_seq, &count); /* it is in no gap */
	return count;
}

static uint64_t next_count(const struct hw_journal *journal)
{
	uint64_t count = 0;

	if (!journal->gap_count)
		return journal->next_seq - journal->dropped_gaps;
	(void)count_of(journal, journal->next_seq, &count); /* it is in no gap */
	return count;
}

static void drop_gap(struct hw_journal *journal)
{
	journal->dropped_gaps += journal->gaps[0].end - journal->gaps[0].last;
	journal->dropped_end = journal->gaps[0].end;
	hw_journal_free_gap(&journal->gaps[0]);
	journal->gap_count--;
	memmove(journal->gaps, journal->gaps + 1, journal->gap_count * sizeof(*journal->gaps));
}

/* Finds the event that follows `after`. Returns false if the journal does not have what follows. */
static bool count_after(const struct hw_journal *journal, uint64_t after, uint64_t *ret)
{
	uint64_t count;

	if (after >= journal->next_seq || after < hw_journal_oldest(journal) ||
	    !count_of(journal, after, &count))
		return false;
	*ret = count + 1;
	return true;
}

/* Returns the last number before the gaps that end with this one. */
static uint64_t before_gaps(const struct hw_journal *journal, uint64_t seq)
{
	for (uint32_t i = journal->gap_count; i-- > 0;)
		if (journal->gaps[i].end == seq)
			seq = journal->gaps[i].last;
	return seq;
}

uint64_t hw_journal_oldest(const struct hw_journal *journal)
{
	return before_gaps(journal, journal->first_seq - 1);
}

uint64_t hw_journal_count_after(const struct hw_journal *journal, uint64_t after)
{
	uint64_t count;

	if (after >= journal->next_seq)
		return 0;
	if (after < journal->dropped_end)
		after = journal->dropped_end; /* the events before that gap cannot be counted */
	(void)count_of(journal, after, &count);
	return next_count(journal) - 1 - count;
}

static uint64_t *mark_of(const struct hw_journal *journal, uint64_t count)
{
	return &journal->marks[count / HW_JOURNAL_STRIDE % journal->mark_count];
}

/* ---- the ring ---- */

/* Returns the place of an offset that is at most one lap away from the head: without a division,
 * which would take as long as the rest of an append. */
static uint64_t place_of(const struct hw_journal *journal, uint64_t offset)
{
	if (offset < journal->lap)
		return offset + journal->size - journal->lap;
	offset -= journal->lap;
	return offset < journal->size ? offset : offset - journal->size;
}

static struct record *record_at(const struct hw_journal *journal, uint64_t offset)
{
	/* Offsets are multiples of 8. */
	return (struct record *)(void *)(journal->ring + place_of(journal, offset));
}

static uint64_t to_end(const struct hw_journal *journal, uint64_t offset)
{
	return journal->size - place_of(journal, offset);
}

/* Returns the offset of the record at or after this offset: skips padding at the end of the
 * ring. */
static uint64_t skip_filling(const struct hw_journal *journal, uint64_t offset)
{
	uint64_t left = to_end(journal, offset);

	if (left < sizeof(struct record) || record_at(journal, offset)->total == 0)
		return offset + left;
	return offset;
}

static void drop_oldest(struct hw_journal *journal)
{
	uint64_t at = skip_filling(journal, journal->tail);

	journal->tail = at + record_at(journal, at)->total;
	journal->first_seq = seq_of(journal, first_count(journal) + 1);
	if (journal->first_seq == journal->next_seq)
		journal->tail = journal->head;
}

static void make_room(struct hw_journal *journal, uint64_t end)
{
	while (end - journal->tail > journal->size && journal->first_seq != journal->next_seq)
		drop_oldest(journal);
}

static int64_t wall_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t time_of_event(struct hw_journal *journal)
{
	if (!journal->one_moment)
		return wall_clock_ns();
	if (!journal->moment_ns)
		journal->moment_ns = wall_clock_ns();
	return journal->moment_ns;
}

static size_t length(const char *bytes, uint32_t len)
{
	return bytes ? len : 0;
}

uint64_t hw_journal_append(struct hw_journal *journal, const struct hw_event *event)
{
	HW_STAGE(HW_STAGE_JOURNAL);
	size_t from_len = length(event->from, event->from_len),
	       path_len = length(event->path, event->path_len);
	uint64_t total = (HEAD_BYTES + from_len + path_len + 7) & ~UINT64_C(7);
	uint64_t start = journal->head, at = start - journal->lap; /* its place */
	uint64_t left = journal->size - at;

	if (left < total)
		start += left;
	make_room(journal, start + total);
	if (left < total) {
		if (left >= sizeof(struct record))
			record_at(journal, journal->head)->total = 0;
		at = 0;
	}
	if (journal->first_seq == journal->next_seq)
		journal->tail = start;
	struct record *r = (struct record *)(void *)(journal->ring + at);

	r->total = (uint32_t)total;
	r->kind = event->kind;
	r->type = event->type;
	r->flags = event->flags;
	r->seq = journal->next_seq;
	r->time_ns = time_of_event(journal);
	r->from_len = event->from ? (uint16_t)event->from_len : ABSENT;
	r->path_len = event->path ? (uint16_t)event->path_len : ABSENT;
	hw_name_copy(r->bytes, event->from, from_len);
	hw_name_copy(r->bytes + from_len, event->path, path_len);
	journal->head = start + total;
	if (journal->head - journal->lap >= journal->size)
		journal->lap += journal->size;
	if (journal->gap_count)
		hw_journal_follow_scopes(journal, event);
	uint64_t count = next_count(journal);

	if (count % HW_JOURNAL_STRIDE == 0)
		*mark_of(journal, count) = start;
	HW_PROBE3(journal, journal->next_seq, event->kind, total);
	return journal->next_seq++;
}

void hw_journal_reset(struct hw_journal *journal, uint64_t next_seq)
{
	journal->head = journal->tail = journal->lap = 0;
	journal->first_seq = journal->next_seq = next_seq;
	free_gaps(journal);
	journal->dropped_gaps = journal->dropped_end = 0;
}

static void add_gap(struct hw_journal *journal, uint64_t last, uint64_t end)
{
	if (journal->gap_count == HW_JOURNAL_GAPS) {
		while (journal->first_seq != journal->next_seq &&
		       journal->first_seq <= journal->gaps[0].last)
			drop_oldest(journal);
		drop_gap(journal);
	}
	journal->gaps[journal->gap_count++] = (struct hw_journal_gap){ .last = last, .end = end };
}

void hw_journal_skip(struct hw_journal *journal, uint64_t next_seq)
{
	bool empty;

	if (next_seq <= journal->next_seq)
		return;
	add_gap(journal, journal->next_seq - 1, next_seq - 1);
	empty = journal->first_seq == journal->next_seq; /* perhaps since that dropped events */
	journal->next_seq = next_seq;
	if (empty)
		journal->first_seq = next_seq;
}

void hw_journal_shift(struct hw_journal *journal, uint64_t after, uint64_t next_seq)
{
	struct hw_journal_cursor at = { .offset = journal->tail };
	uint64_t more = next_seq - (after + 1), left, first = 0;

	if (after + 1 >= journal->next_seq) {
		hw_journal_skip(journal, next_seq);
		return;
	}
	if (hw_journal_seek(journal, after, &at) == 0)
		(void)count_of(journal, after, &first);
	else
		first = first_count(journal) - 1; /* the first of them were dropped */
	for (left = next_count(journal) - 1 - first; left; left--) {
		at.offset = skip_filling(journal, at.offset);
		record_at(journal, at.offset)->seq += more;
		at.offset += record_at(journal, at.offset)->total;
	}
	add_gap(journal, after, next_seq - 1);
	journal->next_seq += more;
	if (journal->first_seq > after)
		journal->first_seq += more;
}

void hw_journal_restore(struct hw_journal *journal, const struct hw_event *event)
{
	journal->one_moment = true;
	journal->moment_ns = event->time_ns;
	(void)hw_journal_append(journal, event);
	journal->one_moment = false;
}

uint64_t hw_journal_tail(const struct hw_journal *journal, uint64_t bytes)
{
	uint64_t first = first_count(journal), next = next_count(journal);
	uint64_t count = (next - 1) - (next - 1) % HW_JOURNAL_STRIDE, found = next;

	if (journal->head - journal->tail <= bytes)
		return hw_journal_oldest(journal);
	for (; count > first; count -= HW_JOURNAL_STRIDE) {
		if (journal->head - *mark_of(journal, count) > bytes)
			break;
		found = count;
	}
	return before_gaps(journal, seq_of(journal, found) - 1);
}

int hw_journal_seek(const struct hw_journal *journal, uint64_t after, struct hw_journal_cursor *ret)
{
	uint64_t first = first_count(journal), count = first, at = journal->tail, wanted;
	const struct hw_journal_gap *gap = hw_journal_scoped_gap(journal, after);

	if (!count_after(journal, gap ? gap->end : after, &wanted))
		return -ESTALE;
	if (wanted == next_count(journal)) {
		at = journal->head;
		count = wanted;
	} else if (wanted - 1 - (wanted - 1) % HW_JOURNAL_STRIDE >= first) {
		count = wanted - 1 - (wanted - 1) % HW_JOURNAL_STRIDE;
		at = *mark_of(journal, count);
	}
	for (; count < wanted; count++) {
		at = skip_filling(journal, at);
		at += record_at(journal, at)->total;
	}
	*ret = (struct hw_journal_cursor){ .seq = after, .offset = at };
	return 0;
}

/* Returns 1 if an event follows `after`, 0 at the end, -ESTALE as hw_journal_next(). */
static int has_next(const struct hw_journal *journal, uint64_t after)
{
	uint64_t count;

	if (!journal->gap_count)
		return after >= journal->next_seq || after + 1 < journal->first_seq
			       ? -ESTALE
			       : after + 1 < journal->next_seq;
	if (!count_after(journal, after, &count))
		return -ESTALE;
	return count != next_count(journal);
}

int hw_journal_next(const struct hw_journal *journal, struct hw_journal_cursor *cursor,
		    struct hw_event *ret)
{
	const struct hw_journal_gap *gap =
		journal->gap_count ? hw_journal_scoped_gap(journal, cursor->seq) : NULL;
	int r = has_next(journal, gap ? gap->end : cursor->seq);

	if (gap && r >= 0) {
		hw_journal_make_rescan(gap, ret);
		cursor->seq = gap->end;
		return 1;
	}
	if (r <= 0)
		return r;
	/* If the cursor was at the end, its offset may be before the tail now: the next record is
	 * at the tail. */
	uint64_t at = skip_filling(journal,
				   cursor->offset < journal->tail ? journal->tail : cursor->offset);
	const struct record *record = record_at(journal, at);
	const char *bytes = record->bytes;
	uint32_t from_len = record->from_len == ABSENT ? 0 : record->from_len;

	*ret = (struct hw_event){
		.struct_size = sizeof(*ret),
		.kind = record->kind,
		.type = record->type,
		.flags = record->flags,
		.seq = record->seq,
		.time_ns = record->time_ns,
		.from = record->from_len == ABSENT ? NULL : bytes,
		.path = record->path_len == ABSENT ? NULL : bytes + from_len,
		.from_len = from_len,
		.path_len = record->path_len == ABSENT ? 0 : record->path_len,
	};
	cursor->seq = record->seq;
	cursor->offset = at + record->total;
	return 1;
}
