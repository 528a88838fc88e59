/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The kernel pads a name and its NUL to a multiple of the header size. */
#define NAME_FIELD_MAX 272u
#define RECORD_MAX (sizeof(struct inotify_event) + NAME_FIELD_MAX)
_Static_assert(NAME_FIELD_MAX >= NAME_MAX + 1, "the longest name fits");

int hw_queue_init(struct hw_queue *queue)
{
	*queue = (struct hw_queue){ .bytes = malloc(HW_QUEUE_BYTES) };
	return queue->bytes ? 0 : -ENOMEM;
}

void hw_queue_finish(struct hw_queue *queue)
{
	free(queue->bytes);
	*queue = (struct hw_queue){ 0 };
}

static void compact(struct hw_queue *queue)
{
	memmove(queue->bytes, queue->bytes + queue->head, queue->tail - queue->head);
	queue->start += queue->head;
	queue->tail -= queue->head;
	queue->head = 0;
}

int hw_queue_fill(struct hw_queue *queue, int fd)
{
	ssize_t got;

	/* Moving is free if no record is left. Otherwise, move only if less than a quarter is free
	 * at the end. */
	if (queue->head &&
	    (queue->head == queue->tail || HW_QUEUE_BYTES - queue->tail < HW_QUEUE_BYTES / 4))
		compact(queue);
	if (HW_QUEUE_BYTES - queue->tail < RECORD_MAX)
		return -ENOBUFS;
	do {
		got = read(fd, queue->bytes + queue->tail, HW_QUEUE_BYTES - queue->tail);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	HW_PROBE2(read, fd, got);
	queue->tail += (uint32_t)got;
	return (int)got;
}

uint64_t hw_queue_head(const struct hw_queue *queue)
{
	return queue->start + queue->head;
}

uint64_t hw_queue_tail(const struct hw_queue *queue)
{
	return queue->start + queue->tail;
}

uint32_t hw_queue_room(const struct hw_queue *queue)
{
	return HW_QUEUE_BYTES - (queue->tail - queue->head);
}

int hw_queue_get(const struct hw_queue *queue, uint64_t position, struct hw_record *ret)
{
	const char *at = queue->bytes + (position - queue->start);
	size_t left = (size_t)(hw_queue_tail(queue) - position);
	struct inotify_event event;

	if (!left)
		return 0;
	if (left < sizeof(event))
		return -EBADMSG;
	memcpy(&event, at, sizeof(event));
	if (event.len > left - sizeof(event) || event.len > NAME_FIELD_MAX)
		return -EBADMSG;
	*ret = (struct hw_record){
		.name = at + sizeof(event),
		.name_len = (uint32_t)strnlen(at + sizeof(event), event.len),
		.mask = event.mask,
		.cookie = event.cookie,
		.wd = event.wd,
		.next = position + sizeof(event) + event.len,
	};
	return ret->name_len > NAME_MAX ? -EBADMSG : 1;
}

void hw_queue_take(struct hw_queue *queue, uint64_t position)
{
	memset(queue->bytes + (position - queue->start) + offsetof(struct inotify_event, mask), 0,
	       sizeof(uint32_t));
}

void hw_queue_drop(struct hw_queue *queue, uint64_t position)
{
	queue->head = (uint32_t)(position - queue->start);
}
