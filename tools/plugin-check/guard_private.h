/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the parts of the guard: guard.c (callbacks), guard_host.c and guard_sink.c (services).
 * */
#ifndef HW_GUARD_PRIVATE_H
#define HW_GUARD_PRIVATE_H

#include "guard.h"

enum hw_held_what { HW_HELD_INSTANCE, HW_HELD_IO, HW_HELD_TIMER, HW_HELD_CURSOR, HW_HELD_SNAPSHOT };

/* A host object that an instance holds. */
struct hw_held {
	struct hw_held *next;
	enum hw_held_what what;
	void *ctx; /* ctx of the instance */
	const void *object; /* the host's object */
	union {
		hw_io_fn *io_fn;
		hw_timer_fn *timer_fn;
	};
	void *arg; /* argument of the function */
	uint64_t seq; /* of a cursor: the last event read */
};
extern struct hw_held *hw_held;

/* Returns NULL if memory is short. */
struct hw_held *hw_held_add(enum hw_held_what what, void *ctx, const void *object);
struct hw_held *hw_held_find(enum hw_held_what what, const void *object);
void hw_held_drop(struct hw_held *held); /* NULL is allowed */

/* Measured before and after the plugin's code. */
struct hw_moment {
	uint64_t wall_ns, cpu_ns;
	uint64_t queued_ns; /* time in which it was runnable but another task had the CPU */
	long waits; /* number of voluntary context switches */
};
struct hw_frame {
	const char *name;
	struct hw_frame *outer;
	struct hw_moment since, spent;
	bool before;
};
void hw_frame_enter(struct hw_frame *frame, const char *name);
void hw_frame_leave(struct hw_frame *frame);
/* Call these around the host's code that the plugin calls. */
void hw_frame_pause(const char *service);
void hw_frame_resume(void);
/* Returns whether the plugin's callback of this name is running. */
bool hw_frame_is(const char *name);

extern const struct hw_host hw_guard_host;
/* Returns whether this call, which may fail, is the one that must fail. */
bool hw_guard_fails(const char *service);

/* guard_sink.c: the services with these names. */
uint32_t hw_guard_share_count(void *ctx);
/* Returns whether the plugin has an option with this name. */
bool hw_guard_has_option(const char *key, size_t len);

int hw_guard_share_info(void *ctx, uint32_t share, struct hw_share_info *ret);
int hw_guard_cursor_open(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			 struct hw_cursor **ret);
int hw_guard_cursor_next(void *ctx, struct hw_cursor *cursor, struct hw_event *ret);
void hw_guard_cursor_done(void *ctx, struct hw_cursor *cursor, uint64_t seq);
uint64_t hw_guard_cursor_seek(void *ctx, struct hw_cursor *cursor);
void hw_guard_cursor_close(void *ctx, struct hw_cursor *cursor);
int hw_guard_snapshot_open(void *ctx, uint32_t share, struct hw_snapshot **ret, uint64_t *ret_seq);
int hw_guard_snapshot_next(void *ctx, struct hw_snapshot *snapshot, struct hw_event *ret);
void hw_guard_snapshot_close(void *ctx, struct hw_snapshot *snapshot);
void hw_guard_receiver(void *ctx, const struct hw_receiver *receiver);
int hw_guard_sync(void *ctx, uint32_t share);
int hw_guard_find_share(void *ctx, const char *path, uint32_t len, struct hw_found_share *ret);
uint64_t hw_guard_count_after(void *ctx, uint32_t share, uint64_t after);
void hw_guard_address(void *ctx, const struct hw_sink_address *address);

#endif
