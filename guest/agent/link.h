/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One mount's connection to the host: opened again for ever, hello said, events taken in order and
 * handed to what injects them.
 */
#ifndef GUEST_LINK_H
#define GUEST_LINK_H

#include "inject.h"
#include "state.h"
#include <poll.h>

#define HW_LINK_RETRY_MIN_MS 50u
#define HW_LINK_RETRY_MAX_MS 2000u
#define HW_LINK_HELLO_MS 10000u

enum hw_link_state {
	HW_LINK_DOWN, /* until due_ms, or the listening socket brings the host */
	HW_LINK_CONNECTING,
	HW_LINK_UP,
};

struct hw_link {
	const struct hw_mount *mount; /* borrowed */
	struct hw_inject *inject; /* owned; NULL until the mount is there */
	struct hw_position *seen; /* borrowed: of the state file */
	enum hw_link_state state;
	int fd; /* owned; -1 while DOWN */
	int listen_fd; /* owned; -1 where we connect */
	uint64_t due_ms; /* CLOCK_MONOTONIC: of the next try, or the end of patience */
	unsigned wait_ms; /* before the next try */
	uint64_t live_ms; /* when the host said hello */
	char said[400]; /* the reason that was logged last: not repeated */

	unsigned char hello[HW_FRAME_HELLO_MAX]; /* what we have to say */
	size_t hello_len, hello_at;
	uint64_t told_epoch; /* of the host's hello on this connection, 0 before it */
	char told_share[HW_FRAME_SHARE_MAX + 1];
	uint64_t gap_seq; /* the last event before a gap; with gaps, how often in a row */
	unsigned gaps;

	unsigned char *bytes; /* owned: 2 * HW_FUSE_FRAME_MAX */
	size_t len;
};

/* -ENOMEM. */
int hw_link_init(struct hw_link *link, const struct hw_mount *mount, struct hw_position *seen);
void hw_link_finish(struct hw_link *link);

/*
 * Begins what can begin now. 0; -errno when it cannot work before somebody does something, which
 * was logged.
 */
int hw_link_start(struct hw_link *link, uint64_t now_ms);

/* Something was mounted or unmounted: closes what went, and looks at once for what may have come.
 */
void hw_link_mounts_changed(struct hw_link *link, uint64_t now_ms);

/* Logs how the connection is and what became of its events, whatever was logged before. */
void hw_link_log_status(const struct hw_link *link);

/* What to wait for; pollfd->fd is -1 when nothing but time. Returns when to come again in any case,
 * UINT64_MAX: never. */
uint64_t hw_link_prepare(const struct hw_link *link, struct pollfd *pollfd);

/* After poll(2). 0; -EPIPE: standard output is closed; other -errno as hw_link_start(). */
int hw_link_turn(struct hw_link *link, short revents, uint64_t now_ms);

#endif
