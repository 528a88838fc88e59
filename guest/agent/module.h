/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inject = module: module.c passes frames to hostwatch.ko, module_compare.c answers rescans. */
#ifndef GUEST_MODULE_H
#define GUEST_MODULE_H

#include "compare.h"
#include "inject.h"
#include "mountinfo.h"

#include <hostwatch/guest.h>

#define HW_MODULE_FRAMES_MAX (HW_GUEST_WRITE_MAX / HW_FRAME_EVENT_BYTES)

struct module {
	struct hw_inject inject;
	const struct hw_mount *mount; /* borrowed */
	int fd; /* owned */
	struct hw_mountinfo info; /* of the bound mount */
	int said; /* the error that was logged last, which is not repeated */
	size_t len;
	unsigned char frames[HW_GUEST_WRITE_MAX]; /* complete frames that are not written yet */
	size_t count; /* number of these frames */
	bool followed[HW_MODULE_FRAMES_MAX]; /* frames that `compare` does not have to follow */

	struct hw_compare *compare; /* owned; NULL: rescans are passed on like other events */
	struct hw_guest_seen seen[HW_MODULE_FRAMES_MAX]; /* scratch */
	void *objects; /* owned: scratch for the list of watched objects */
	uint32_t objects_size;
	uint32_t watched; /* the module's number when the list was read */
	uint64_t event_ms; /* when the last event came */
	uint64_t quiet_ms; /* when the first event came since new watches could be examined, or 0 */
	uint64_t look_ms, list_ms; /* when to read the number, and the list */
	bool everything; /* a program watches the whole mount */
	bool said_memory; /* that the memory is too small was logged */
};

/* Adds a frame to those that will be written. Returns 0 or -ENODEV. */
int hw_module_put(struct module *module, const void *bytes, size_t len, bool followed);

/* Reads the states of which programs were notified by the frames of one write: `len` bytes at `at`,
 * of which the first is frame number `first`. Returns the number of the next frame. */
size_t hw_module_written(struct module *module, size_t first, size_t at, size_t len);

/* Delivers a rescan: begins a comparison. Returns 0 or -ENODEV. */
int hw_module_rescan(struct module *module, const struct hw_told *told);

/* An event of the host came. */
void hw_module_came(struct module *module);

int hw_module_work(struct module *module, bool live, uint64_t now_ms, uint64_t *ret_due_ms);

/* Describes what is compared, after a separator. */
void hw_module_describe(const struct module *module, char *buf, size_t size);

void hw_module_begin(struct module *module);
void hw_module_end(struct module *module);

#endif
