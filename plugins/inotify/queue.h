/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records that were read from an inotify descriptor and are not yet handled: whole records, in
 * order, in a buffer of fixed size. A record is identified by its position in the stream of all
 * bytes ever read, which stays valid when the buffer is compacted.
 */
#ifndef HW_INOTIFY_QUEUE_H
#define HW_INOTIFY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define HW_QUEUE_BYTES (256u * 1024)

/* All zero: an empty queue that holds no memory. */
struct hw_queue {
	char *bytes; /* owned: HW_QUEUE_BYTES */
	uint64_t start; /* position of bytes[0] */
	uint32_t head; /* bytes[head .. tail) is unhandled */
	uint32_t tail;
};

/* One inotify_event(7), checked. */
struct hw_record {
	const char *name; /* in the queue, valid until the next fill; may lack a NUL */
	uint32_t name_len; /* 0: about the watched directory itself */
	uint32_t mask; /* 0: removed by hw_queue_take() */
	uint32_t cookie;
	int wd;
	bool brief; /* set by the caller: a later record deletes the created file */
	uint64_t next; /* position of the following record */
};

/* Returns 0 or -ENOMEM. */
int hw_queue_init(struct hw_queue *queue);
void hw_queue_finish(struct hw_queue *queue);

/* Calls read(2) once. Returns the number of bytes read; 0 if the kernel has none; -ENOBUFS if there
 * is no room for the largest record; -errno of read(2), never EINTR. Invalidates the names of
 * records. */
int hw_queue_fill(struct hw_queue *queue, int fd);

/* Positions of the first record and of the end of the last one. */
uint64_t hw_queue_head(const struct hw_queue *queue);
uint64_t hw_queue_tail(const struct hw_queue *queue);
uint32_t hw_queue_room(const struct hw_queue *queue);

/* Returns 1 and the record at a position; 0 at the tail; -EBADMSG if the bytes there are not a
 * valid record. */
int hw_queue_get(const struct hw_queue *queue, uint64_t position, struct hw_record *ret);

/* Removes a record from the middle: it is then read as a record with an empty mask. */
void hw_queue_take(struct hw_queue *queue, uint64_t position);

/* Discards all records before this position. */
void hw_queue_drop(struct hw_queue *queue, uint64_t position);

#endif
