/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Receivers that connect to a sink which listens at a unix: address. They never wait. */
#ifndef HW_RECEIVERS_H
#define HW_RECEIVERS_H

#include "kit.h"

#include <hostwatch/frame.h>

#define HW_RECEIVERS_MAX 8u
#define HW_GREETING_MAX 512u

enum hw_manner {
	HW_READS, /* reads everything as fast as possible */
	HW_READS_SLOWLY,
	HW_VANISHES, /* repeatedly connects and disconnects, without reading */
	HW_TALKS, /* sends invalid bytes, and never reads */
};

struct hw_receivers {
	const char *path; /* borrowed; NULL: this sink has no such address, so there are no
			   * receivers */
	enum hw_manner manner;
	unsigned count, turn;
	int fds[HW_RECEIVERS_MAX]; /* -1: not connected */
	uint64_t received; /* total bytes */
	char greeting[HW_GREETING_MAX]; /* request that makes the sinks of this project send events
					 * */
	size_t greeting_len;
};

/* Initializes the receivers, without connections. */
void hw_receivers_init(struct hw_receivers *receivers, const struct hw_kit *kit,
		       enum hw_manner manner, unsigned count);
/* Each receiver performs its action once, and reconnects if it was disconnected. `arg` is the
 * struct. */
void hw_receivers_act(void *arg);
/* Disconnects all receivers. */
void hw_receivers_fini(struct hw_receivers *receivers);

#endif
