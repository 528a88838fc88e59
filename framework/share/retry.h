/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories and names that the disk refused to open, arm, list or stat with an error that says
 * nothing about them: EIO, EACCES, ENOMEM, EMFILE and the like. Each is tried again after one turn,
 * after 10 ms, after 100 ms, then each interval, and after any hint about it or its directory. When
 * it works, the difference is reported. An entry that refuses delays nothing else.
 */
#ifndef HW_RETRY_H
#define HW_RETRY_H

#include "history.h"

/* More than these, and the ones that were tried most are left out until another one works, which
 * starts a comparison of the share. */
#define HW_RETRY_MAX 4096u
/* More names of one directory become one item, the directory. */
#define HW_RETRY_NAMES_MAX 16u

/* How a directory is tried again. */
enum hw_retry_kind {
	HW_RETRY_ENTRIES, /* the directory itself is compared */
	HW_RETRY_BELOW, /* it is armed anew and compared, with everything below it */
	HW_RETRY_FILL, /* it is filled: nobody knows what is in it */
};

struct hw_retry_name {
	uint32_t dir;
	const char *name;
	size_t len;
	bool arrived; /* the kernel says that it came from outside the share */
	bool found; /* by the listing of a directory that was being filled, as follows */
	enum hw_arrival how;
	int64_t since_ns; /* what is older was not made there */
};

int hw_retry_init(struct hw_share *share);
void hw_retry_free(struct hw_share *share);
/* The root is gone: everything is compared when it is back. */
void hw_retry_clear(struct hw_share *share);

/* Is this an error that says nothing about the entry? False for 0 and for errors that mean that it
 * is gone or elsewhere. */
bool hw_retry_is_refusal(int error);

/* This directory, or one above it, refused, in a first attempt or in another one. `how`: see
 * hw_fill_dir(). Logs the error. 0: another watcher has it meanwhile. */
void hw_retry_dir(struct hw_share *share, uint32_t dir, enum hw_retry_kind kind,
		  enum hw_arrival how, int error);
/* A stat of this name was refused; logs the error. */
void hw_retry_name(struct hw_share *share, const struct hw_retry_name *name, int error);
/* All of this directory was read, by a listing that began when retry.count_refusals was `since`: it
 * waits no longer, unless something in it refused since then. Logs that it works again. */
void hw_retry_worked(struct hw_share *share, uint32_t dir, uint64_t since);

/* A hint about this name: what waits for it or its directory is tried in this turn. */
void hw_retry_hinted(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* The same of this directory; false when it does not wait. */
bool hw_retry_dir_soon(struct hw_share *share, uint32_t dir);
/* Everything that waits is tried in this turn. */
void hw_retry_soon(struct hw_share *share);
/* Some are to be tried in this turn, or their attempts are under way. */
bool hw_retry_is_pending(const struct hw_share *share);
/* Once in each turn: tries what is due. */
void hw_retry_turn(struct hw_share *share);

#endif
