/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arbitrary bytes from an inotify descriptor: records are read, joined and dropped like in the
 * watcher. */
#include "plugins/inotify/pair.c"
#include "plugins/inotify/queue.c"

#include <assert.h>
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the position after the handled record. */
static uint64_t handle_one(struct hw_queue *queue, struct hw_pair *pair,
			   const struct hw_record *record, uint64_t position)
{
	uint64_t partner = 0;
	uint32_t steps = 0;
	struct hw_record other;

	assert(record->next > position && record->next <= hw_queue_tail(queue));
	assert(record->name_len <= NAME_MAX);
	assert(!memchr(record->name, '\0', record->name_len));
	if (!(record->mask & IN_MOVED_FROM) || !record->name_len)
		return record->next;
	switch (hw_pair_find(pair, queue, position, &partner, &steps)) {
	case HW_PAIR_FOUND:
		assert(partner > position && hw_queue_get(queue, partner, &other) == 1);
		assert(other.cookie == record->cookie && other.mask & IN_MOVED_TO);
		hw_queue_take(queue, partner);
		assert(hw_queue_get(queue, partner, &other) == 1 && other.mask == 0);
		break;
	case HW_PAIR_OPEN:
		if (hw_pair_wait(pair, queue))
			hw_pair_timeout(pair);
		assert(hw_pair_is_ripe(pair, position));
		break;
	default:
		break;
	}
	return record->next;
}

static void handle_all(struct hw_queue *queue, struct hw_pair *pair)
{
	struct hw_record record;
	int r;

	while ((r = hw_queue_get(queue, hw_queue_head(queue), &record)) > 0)
		hw_queue_drop(queue, handle_one(queue, pair, &record, hw_queue_head(queue)));
	if (r < 0)
		hw_queue_drop(queue, hw_queue_tail(queue)); /* records after it cannot be trusted */
	assert(hw_queue_head(queue) == hw_queue_tail(queue));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hw_queue queue;
	struct hw_pair pair = { 0 };
	int fds[2];

	/* A pipe returns the pieces that were written; the kernel returns whole records. */
	assert(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
	assert(hw_queue_init(&queue) == 0);
	while (size) {
		size_t piece = (size_t)data[0] * 8 + 1;

		data++;
		size--;
		piece = piece < size ? piece : size;
		if (piece && write(fds[1], data, piece) != (ssize_t)piece)
			break;
		data += piece;
		size -= piece;
		assert(hw_queue_fill(&queue, fds[0]) >= 0);
		handle_all(&queue, &pair);
	}
	assert(hw_queue_fill(&queue, fds[0]) == 0);
	hw_queue_finish(&queue);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return 0;
}
