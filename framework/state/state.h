/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a share in files: a snapshot of the tree and the newest events, and logs of the
 * changes that followed. hostwatch-state(5) describes the format. A file is a head and frames, each
 * with a checksum. In a log each frame is a moment at which the tree and the events agree; a frame
 * that was not written completely ends it. Sequence numbers are reserved in blocks: those of events
 * that a loss of power takes from the log are never given again.
 */
#ifndef HW_STATE_H
#define HW_STATE_H

#include "code.h"

#define HW_STATE_BOOT 16u /* bytes of the id of a boot of the kernel */
#define HW_STATE_SEQ_MAX (UINT64_C(1) << 62) /* of a sequence number or a limit */

/* The first frame of a snapshot or a log. */
struct hw_state_head {
	uint64_t generation; /* the log of generation N follows the snapshot N and the log N - 1 */
	uint64_t epoch;
	uint64_t next_seq; /* of a snapshot: of its first event; of a log: of the event that follows
			    */
	uint64_t place; /* hash of the share's name and path */
	int64_t known_ns; /* CLOCK_REALTIME: all changes before it are in the tree */
	uint64_t limit; /* of a snapshot: events that follow have smaller numbers; 0: unknown */
	uint64_t frames; /* of a log: how many frames the log before it had when this one began */
	uint8_t boot[HW_STATE_BOOT];
};

/* Writes a whole file. Async-signal-safe. */
struct hw_state_snapshot {
	const struct hw_state_head *head;
	const struct hw_tree *tree;
	/* Returns 1 and the next event, or 0. Async-signal-safe. */
	int (*next_event)(void *arg, struct hw_event *ret);
	/* Returns the number after the gap that begins with this number, and the directory of the
	 * gap. Likewise. */
	uint64_t (*gap)(void *arg, uint64_t first, struct hw_state_scope *ret);
	void *arg;
	uint64_t next_seq; /* of the event that follows the last one */
	int64_t unread_ns; /* see struct hw_state_load */
};
/* Returns 0 and the size, or -errno. Uses memory of its own, so one call runs at a time in a
 * process. Does not call fsync(2). */
int hw_state_write_snapshot(int fd, const struct hw_state_snapshot *snapshot, uint64_t *ret_size);

/* Room in front of the records of a frame, for its header. */
#define HW_STATE_FRAME 16u
/* Fills in the header of a frame: bytes points to it, and `len` bytes of records follow. `number`:
 * 0 for the head, then 1, 2, 3, ... */
void hw_state_seal(unsigned char *bytes, size_t len, uint64_t generation, uint64_t number);
/* Returns the size of the head of a file, which it writes to buf. */
#define HW_STATE_HEAD_MAX 128u
size_t hw_state_put_head(unsigned char buf[HW_STATE_HEAD_MAX], const struct hw_state_head *head);
/* Writes all bytes. 0 or -errno. Async-signal-safe. */
int hw_state_write(int fd, const void *bytes, size_t len);

/* The result of reading. */
struct hw_state_load {
	struct hw_tree *tree; /* borrowed: new, filled with hw_tree_put() */
	void (*event)(void *arg,
		      const struct hw_event *event); /* called for each event, in order */
	/* The event before has a number below `from`, the next one has `to`. scope: as far as it is
	 * known where the events were that had these numbers. */
	void (*skip)(void *arg, uint64_t from, uint64_t to, const struct hw_state_scope *scope);
	/* The events after this one have larger numbers, from this one on. */
	void (*shift)(void *arg, uint64_t after, uint64_t next_seq);
	void *arg;
	struct hw_state_head head; /* of the snapshot; next_seq and known_ns as of the last frame */
	uint64_t size; /* bytes read */
	uint64_t frames; /* of the log that was read last */
	int64_t unread_ns; /* CLOCK_REALTIME: the tree may have changes that were made at or after
			    * this time and are not reported; 0: it has none */
	bool damaged; /* the log that was read last ends before a damaged frame */
	struct hw_state_scope scope; /* of the events that follow that log */
	uint64_t scope_end; /* the largest number for which a directory was logged */
};
/* Memory is bounded by the size of the files: an id is smaller than their number of bytes.
 * -EUCLEAN: damaged; -EPROTONOSUPPORT: written by a later version; -EMEDIUMTYPE: of another share
 * (place); -ENOMEM; errors of read(2). If it fails, the tree is useless. */
int hw_state_read_snapshot(int fd, uint64_t place, struct hw_state_load *load);
/*
 * Reads the log of this generation, which follows what was read, up to its end or to a damaged
 * frame. boot: NULL for a log of any boot. -ESTALE: it does not follow, or is of another boot, or
 * its head is damaged; -ENOENT: its head was not written to its end; other errors as above.
 */
int hw_state_read_log(int fd, uint64_t generation, const uint8_t *boot, struct hw_state_load *load);
/* Reads the head of a file. Errors as above. */
int hw_state_read_head(int fd, struct hw_state_head *ret);

#endif
