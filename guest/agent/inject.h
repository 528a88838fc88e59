/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handling of an event: passed to the module, imitated, or printed. */
#ifndef GUEST_INJECT_H
#define GUEST_INJECT_H

#include "config.h"
#include <hostwatch/frame.h>

#define HW_INJECT_WHY_MAX 512u
#define HW_REPLAY_PROGRAM "hostwatch-guest-replay"

struct hw_inject;

/* One frame as it was received, and its contents. Borrowed for the call. */
struct hw_told {
	const void *bytes;
	size_t len;
	const struct hw_event *event;
	const char *share; /* name of the share on the host; terminated */
};

struct hw_inject_ops {
	/* Returns 0; -EAGAIN: the mount does not exist yet, try again later; another -errno: it
	 * cannot work without user action. `why` is the reason, in words. */
	int (*open)(const struct hw_mount *mount, struct hw_inject **ret,
		    char why[HW_INJECT_WHY_MAX]);
	/* Returns 0, also if this event could not be passed on, which is logged; -ENODEV: the mount
	 * is gone; -EPIPE: the reader is gone. */
	int (*event)(struct hw_inject *inject, const struct hw_told *told);
	/* Passes on the events that event() has buffered. Returns as event(); after -ENODEV, events
	 * since the last flush may be lost. NULL: nothing is buffered. */
	int (*flush)(struct hw_inject *inject);
	/* Called after the host's hello. May be NULL. */
	void (*hello)(struct hw_inject *inject, const struct hw_frame_hello *hello,
		      const char *share);
	/*
	 * Called in each iteration of the loop. `live`: all events that the host had when it
	 * connected were delivered. Sets when to call it again, 0: at once. Returns as event().
	 * NULL: there is nothing to do.
	 */
	int (*work)(struct hw_inject *inject, bool live, uint64_t now_ms, uint64_t *ret_due_ms);
	/* Returns whether a rescan is not finished: if the agent ends now, the host has to send it
	 * again. NULL: a rescan is finished when event() returns. */
	bool (*is_busy)(struct hw_inject *inject);
	/* Describes its work in one line for the log. May be NULL. */
	void (*describe)(struct hw_inject *inject, char *buf, size_t size);
	/* Returns whether the opened mount still exists. NULL: it needs no mount. */
	bool (*is_there)(struct hw_inject *inject);
	void (*close)(struct hw_inject *inject);
};

/* The first member of each kind's struct. */
struct hw_inject {
	const struct hw_inject_ops *ops; /* static */
};

/* Opens the device and binds it to the mount at `path`; returns as open() above. The caller owns
 * the descriptor. */
int hw_module_bind(const char *path, int *ret_fd, char why[HW_INJECT_WHY_MAX]);

/* Returns whether inject = replay can work here; if not, `why` is the reason. */
bool hw_replay_works(char why[HW_INJECT_WHY_MAX]);

/* Sets the format of `inject = print`; call it once, before any open(). */
void hw_print_use_json(bool json);

extern const struct hw_inject_ops hw_inject_module, hw_inject_touch, hw_inject_print,
	hw_inject_replay, hw_inject_auto;

static inline const struct hw_inject_ops *hw_inject_ops_of(enum hw_inject_kind kind)
{
	return kind == HW_INJECT_MODULE   ? &hw_inject_module
	       : kind == HW_INJECT_TOUCH  ? &hw_inject_touch
	       : kind == HW_INJECT_REPLAY ? &hw_inject_replay
	       : kind == HW_INJECT_AUTO   ? &hw_inject_auto
					  : &hw_inject_print;
}

/* Opens the injector of a mount, or one for all mounts of its channel; returns as open() above. */
int hw_inject_open(const struct hw_mount *mount, struct hw_inject **ret,
		   char why[HW_INJECT_WHY_MAX]);

#endif
