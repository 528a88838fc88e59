/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was read from an inotify descriptor and is not handled yet: whole records, in order, in a
 * buffer of fixed size. Records are named by their position in the stream of all bytes ever read,
 * which stays true when the buffer is moved together.
 */
#ifndef HW_INOTIFY_QUEUE_H
#define HW_INOTIFY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define HW_QUEUE_BYTES (256u * 1024)

/* All zero is a queue that holds no memory. */
struct hw_queue {
	char *bytes; /* owned: HW_QUEUE_BYTES */
	uint64_t start; /* position of bytes[0] */
	uint32_t head; /* bytes[head .. tail) is unhandled */
	uint32_t tail;
};

/* One inotify_event(7), checked. */
struct hw_record {
	const char *name; /* in the queue: until the next fill; not terminated by contract */
	uint32_t name_len; /* 0: about the watched directory itself */
	uint32_t mask; /* 0: taken out */
	uint32_t cookie;
	int wd;
	bool brief; /* set by its reader: what it created is deleted in a record behind it */
	uint64_t next; /* position of the record behind it */
};

/* -ENOMEM. */
int hw_queue_init(struct hw_queue *queue);
void hw_queue_finish(struct hw_queue *queue);

/* One read(2) into what is free. Bytes read; 0 when the kernel has none; -ENOBUFS when there is no
 * room for the largest record; -errno of read(2), never EINTR. Names of records become invalid. */
int hw_queue_fill(struct hw_queue *queue, int fd);

/* Positions of the first record and behind the last one. */
uint64_t hw_queue_head(const struct hw_queue *queue);
uint64_t hw_queue_tail(const struct hw_queue *queue);
uint32_t hw_queue_room(const struct hw_queue *queue);

/* 1 and the record at a position; 0 at the tail; -EBADMSG when the bytes there are no record. */
int hw_queue_get(const struct hw_queue *queue, uint64_t position, struct hw_record *ret);

/* Takes a record out of the middle: it is read as one with an empty mask. */
void hw_queue_take(struct hw_queue *queue, uint64_t position);

/* Everything before this position is handled. */
void hw_queue_drop(struct hw_queue *queue, uint64_t position);

#endif
