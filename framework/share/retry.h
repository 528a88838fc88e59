/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories and names whose open, watch, listing or stat failed with an error that does not say
 * whether they exist: EIO, EACCES, ENOMEM, EMFILE and the like. Each is tried again after one
 * iteration, after 10 ms, after 100 ms, then once per interval, and after any hint about it or its
 * directory. When an attempt succeeds, the difference is reported. Other entries do not wait for
 * it.
 */
#ifndef HW_RETRY_H
#define HW_RETRY_H

#include "history.h"

struct hw_share;
struct hw_timer;

/* Directories and names that could not be read. */
struct hw_retry_item;

struct hw_retry {
	hw_token *dirs; /* owned; for each item: the directory, or the directory of the name */
	struct hw_retry_item *items; /* owned; same count and room as dirs */
	uint32_t count, room;
	uint32_t hand; /* index at which the search for an item to drop begins */
	uint32_t left_out;
	bool worked; /* an attempt worked: dropped items may also work */
	uint64_t refusals; /* total number of items */
	uint64_t count_refusals; /* total number of failures, including repeated ones */
	uint64_t compared_ns; /* loop time of the last scan for dropped items */
	struct hw_timer *timer; /* owned */
};

/* Beyond this number, the items that were tried most are dropped; when another one succeeds, the
 * share is scanned. */
#define HW_RETRY_MAX 4096u
/* With more names of one directory, the directory becomes the item. */
#define HW_RETRY_NAMES_MAX 16u

/* How a directory is tried again. */
enum hw_retry_kind {
	HW_RETRY_ENTRIES, /* the directory itself is compared */
	HW_RETRY_BELOW, /* it is armed again and compared, with everything below it */
	HW_RETRY_FILL, /* it is filled: its content is unknown */
};

struct hw_retry_name {
	uint32_t dir;
	const char *name;
	size_t len;
	bool arrived; /* according to the kernel, it was moved in from outside the share */
	bool found; /* found by the listing that fills the directory; with: */
	enum hw_arrival how;
	int64_t since_ns; /* entries that were born before were not created there */
};

int hw_retry_init(struct hw_share *share);
void hw_retry_free(struct hw_share *share);
/* The root is gone: drops all items. Everything is compared when the root is back. */
void hw_retry_clear(struct hw_share *share);

/* An attempt to read this directory failed, because of it or of one above it. `how`: see
 * hw_fill_dir(). Logs the error. error 0: another watcher has it meanwhile. */
void hw_retry_dir(struct hw_share *share, uint32_t dir, enum hw_retry_kind kind,
		  enum hw_arrival how, int error);
/* A stat of this name failed; logs the error. */
void hw_retry_name(struct hw_share *share, const struct hw_retry_name *name, int error);
/* The whole directory was read, by a listing that began when retry.count_refusals was `since`: its
 * item is removed, unless there was another failure since then. Logs that it works again. */
void hw_retry_worked(struct hw_share *share, uint32_t dir, uint64_t since);

/* A hint about this name arrived: items for it or its directory are tried in this iteration. */
void hw_retry_hinted(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* The same for this directory; returns false if it has no item. */
bool hw_retry_dir_soon(struct hw_share *share, uint32_t dir);
/* All items are tried in this iteration. */
void hw_retry_soon(struct hw_share *share);
/* Returns whether items are due in this iteration, or their attempts have not ended. */
bool hw_retry_is_pending(const struct hw_share *share);
/* Call it once in each iteration: tries the items that are due. */
void hw_retry_turn(struct hw_share *share);
/* The mode or owner of a directory changed. Logs the loss of access; when access is regained, the
 * directory is compared with the disk. */
void hw_retry_access_changed(struct hw_share *share, uint32_t dir);

#endif
