/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running sink plugin: the shares it serves, its cursors and snapshots. Loop thread only. */
#ifndef HW_SINK_H
#define HW_SINK_H

#include "instance.h"

struct hw_share;

/* Creates a sink that serves these shares (the pointers are borrowed; the shares must outlive it).
 * Takes the instance, which must be NEW; hw_sink_start() opens and starts it. */
int hw_sink_create(struct hw_instance *instance, struct hw_share *const *shares, uint32_t count,
		   struct hw_sink **ret);
int hw_sink_start(struct hw_sink *sink);
/* Closes cursors and snapshots that the plugin left open, and destroys the instance. NULL is
 * allowed. */
void hw_sink_destroy(struct hw_sink *sink);
struct hw_instance *hw_sink_instance(struct hw_sink *sink);

/* A receiver as status shows it. */
struct hw_sink_receiver_row {
	const char *name, *share; /* borrowed; share "" for several */
	uint64_t seq; /* the last event that was sent to it */
	uint64_t lag; /* events after that one */
	uint64_t rescans; /* rescans that were sent to it because events had been dropped */
	uint64_t lost; /* events that were dropped before they were sent to it, including those of
			  its lag */
};
/* The callbacks for the status of a sink. Strings are valid during the call. */
struct hw_sink_rows {
	void (*address)(void *arg, const struct hw_sink_address *address); /* NULL: not wanted */
	void (*receiver)(void *arg, const struct hw_sink_receiver_row *row); /* the same */
	void *arg;
};
/* Calls the plugin's status(), and these callbacks for each address and receiver. */
void hw_sink_status(struct hw_sink *sink, const struct hw_sink_rows *rows);
/* The share with this index, NULL after the last one. */
struct hw_share *hw_sink_share(const struct hw_sink *sink, uint32_t index);

/* Services for sinks: host.c calls them for the functions of the same name in plugin.h. */
uint32_t hw_sink_share_count(struct hw_sink *sink);
int hw_sink_share_info(struct hw_sink *sink, uint32_t share, struct hw_share_info *ret);
int hw_sink_cursor_open(struct hw_sink *sink, uint32_t share, uint64_t epoch, uint64_t after,
			struct hw_cursor **ret);
int hw_sink_cursor_next(struct hw_sink *sink, struct hw_cursor *cursor, struct hw_event *ret);
void hw_sink_cursor_done(struct hw_sink *sink, struct hw_cursor *cursor, uint64_t seq);
uint64_t hw_sink_cursor_seek(struct hw_sink *sink, struct hw_cursor *cursor);
void hw_sink_cursor_close(struct hw_sink *sink, struct hw_cursor *cursor);
int hw_sink_snapshot_open(struct hw_sink *sink, uint32_t share, struct hw_snapshot **ret,
			  uint64_t *ret_seq);
int hw_sink_snapshot_next(struct hw_sink *sink, struct hw_snapshot *snapshot, struct hw_event *ret);
void hw_sink_snapshot_close(struct hw_sink *sink, struct hw_snapshot *snapshot);
void hw_sink_receiver(struct hw_sink *sink, const struct hw_receiver *receiver);
int hw_sink_sync(struct hw_sink *sink, uint32_t share);
int hw_sink_find_share(struct hw_sink *sink, const char *path, size_t len,
		       struct hw_found_share *ret);
uint64_t hw_sink_count_after(struct hw_sink *sink, uint32_t share, uint64_t after);
void hw_sink_address(struct hw_sink *sink, const struct hw_sink_address *address);

#endif
