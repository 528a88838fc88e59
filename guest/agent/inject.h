/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of an event: it goes to the module, is imitated, or is printed. */
#ifndef GUEST_INJECT_H
#define GUEST_INJECT_H

#include "config.h"
#include <hostwatch/frame.h>

#define HW_INJECT_WHY_MAX 512u

struct hw_inject;

/* One frame as it came, and what is in it. Borrowed for the call. */
struct hw_told {
	const void *bytes;
	size_t len;
	const struct hw_event *event;
	const char *share; /* as the host calls it; terminated */
};

struct hw_inject_ops {
	/* 0; -EAGAIN: the mount is not there yet, try again later; another -errno: it cannot work
	 * before somebody does something. `why` says what, in words. */
	int (*open)(const struct hw_mount *mount, struct hw_inject **ret,
		    char why[HW_INJECT_WHY_MAX]);
	/* 0, also when this event could not be handed on, which is logged; -ENODEV: the mount went;
	 * -EPIPE: whoever read went. */
	int (*event)(struct hw_inject *inject, const struct hw_told *told);
	/* Hands on what event() has kept, with the same results: of -ENODEV, events since the last
	 * flush may be lost. NULL: it keeps nothing. */
	int (*flush)(struct hw_inject *inject);
	/* The host said hello. May be NULL. */
	void (*hello)(struct hw_inject *inject, const struct hw_frame_hello *hello,
		      const char *share);
	/* What it has done, in words on one line, for the log. May be NULL. */
	void (*describe)(struct hw_inject *inject, char *buf, size_t size);
	/* Is the mount that was opened still there? NULL: it needs none. */
	bool (*is_there)(struct hw_inject *inject);
	void (*close)(struct hw_inject *inject);
};

/* What each kind embeds first. */
struct hw_inject {
	const struct hw_inject_ops *ops; /* static */
};

/* Opens the device and binds the mount at `path`: as open() above. The descriptor is the caller's.
 */
int hw_module_bind(const char *path, int *ret_fd, char why[HW_INJECT_WHY_MAX]);

/* How `inject = print` prints; set once, before anything is opened. */
void hw_print_use_json(bool json);

extern const struct hw_inject_ops hw_inject_module, hw_inject_touch, hw_inject_print;

static inline const struct hw_inject_ops *hw_inject_ops_of(enum hw_inject_kind kind)
{
	return kind == HW_INJECT_MODULE  ? &hw_inject_module
	       : kind == HW_INJECT_TOUCH ? &hw_inject_touch
					 : &hw_inject_print;
}

#endif
