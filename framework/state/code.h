/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of a state: hostwatch-state(5). A writer may be used in a child of fork(2): it calls
 * no function that is not async-signal-safe. Entries of one frame refer to the entry before them,
 * which makes them short.
 */
#ifndef HW_STATE_CODE_H
#define HW_STATE_CODE_H

#include "tree.h"
#include <hostwatch/event.h>
#include <stdbool.h>
#include <stddef.h>

#define HW_STATE_VERSION 4u
#define HW_STATE_ENTRY_MAX 400u /* bytes of the longest record of an entry */
#define HW_STATE_EVENT_MAX (2 * HW_PATH_MAX + 64u)

enum hw_state_tag {
	HW_STATE_ENTRY = 1, /* an entry as it is now */
	HW_STATE_GONE = 2, /* this id is free */
	HW_STATE_EVENT = 3,
	HW_STATE_KNOWN = 4, /* until which time all changes are known */
	HW_STATE_END = 5, /* of a snapshot: how many entries and events it has */
	HW_STATE_SKIP = 6, /* the number of the next event, after numbers that were skipped */
	HW_STATE_SCOPE = 7, /* where the events that follow are */
	HW_STATE_GAP = 8, /* as HW_STATE_SKIP, and where the events were that had these numbers */
	HW_STATE_SHIFT = 9, /* events have other numbers than before */
	HW_STATE_UNREAD = 10, /* changes since this time were perhaps not reported */
};

/* Where events are that are not kept: those with numbers up to `end` change only what is below this
 * directory. */
#define HW_STATE_SCOPE_MAX 1024u
#define HW_STATE_GAP_MAX (HW_STATE_SCOPE_MAX + 32u) /* bytes of a record about it */
struct hw_state_scope {
	uint64_t end; /* 0: of no event */
	uint32_t len; /* 0: the root; at most HW_STATE_SCOPE_MAX */
	char path[HW_STATE_SCOPE_MAX];
};

/* The last entry and event of a frame. */
struct hw_state_last {
	uint32_t id, parent, attr;
	uint16_t fs;
	uint8_t type, identity;
	uint64_t ino;
	int64_t mtime_ns, time_ns;
};

struct hw_state_writer {
	unsigned char *bytes; /* borrowed; each put needs the room of its record */
	size_t used;
	struct hw_state_last last;
};

void hw_state_put_entry(struct hw_state_writer *writer, uint32_t id, const struct hw_entry *entry,
			const char *name);
void hw_state_put_gone(struct hw_state_writer *writer, uint32_t id);
void hw_state_put_event(struct hw_state_writer *writer, const struct hw_event *event);
void hw_state_put_known(struct hw_state_writer *writer, int64_t ns);
void hw_state_put_unread(struct hw_state_writer *writer, int64_t ns);
void hw_state_put_scope(struct hw_state_writer *writer, const struct hw_state_scope *scope);
/* A record 6 or 8. */
void hw_state_put_gap(struct hw_state_writer *writer, uint64_t next_seq,
		      const struct hw_state_scope *scope);
void hw_state_put_shift(struct hw_state_writer *writer, uint64_t after, uint64_t next_seq);
void hw_state_put_end(struct hw_state_writer *writer, uint64_t entries, uint64_t events);

struct hw_state_reader {
	const unsigned char *at, *end; /* borrowed */
	struct hw_state_last last;
	bool bad; /* the bytes are no records */
};

struct hw_state_record {
	enum hw_state_tag tag;
	uint32_t id;
	struct hw_entry entry;
	const char *name; /* borrowed */
	struct hw_event event; /* without seq; paths are borrowed */
	int64_t known_ns, unread_ns;
	uint64_t entries, events;
	uint64_t next_seq, after;
	uint64_t scope_end;
	const char *scope; /* borrowed */
	uint32_t scope_len;
};

/* Returns whether there is a record; false at the end, or if the bytes are bad. */
bool hw_state_get(struct hw_state_reader *reader, struct hw_state_record *ret);

#endif
