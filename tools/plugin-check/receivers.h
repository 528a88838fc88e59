/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Those who connect to a sink that is told to listen at a unix: address. They never wait. */
#ifndef HW_RECEIVERS_H
#define HW_RECEIVERS_H

#include "kit.h"

#include <hostwatch/frame.h>

#define HW_RECEIVERS_MAX 8u
#define HW_GREETING_MAX 512u

enum hw_manner {
	HW_READS, /* whatever comes, as fast as it comes */
	HW_READS_SLOWLY,
	HW_VANISHES, /* connects and leaves, again and again, without reading */
	HW_TALKS, /* sends bytes of no format, and never reads */
};

struct hw_receivers {
	const char *path; /* borrowed; NULL: this sink has no such address, and nobody comes */
	enum hw_manner manner;
	unsigned count, turn;
	int fds[HW_RECEIVERS_MAX]; /* -1: not connected */
	uint64_t received; /* bytes, all together */
	char greeting[HW_GREETING_MAX]; /* what makes the sinks of this tree send events */
	size_t greeting_len;
};

/* Nobody is connected yet. */
void hw_receivers_init(struct hw_receivers *receivers, const struct hw_kit *kit,
		       enum hw_manner manner, unsigned count);
/* Each does what is its manner once; whoever was turned away comes again. `arg` is the struct. */
void hw_receivers_act(void *arg);
/* All leave. */
void hw_receivers_fini(struct hw_receivers *receivers);

#endif
