/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One mount's connection to the host: reconnects for ever, sends hello, and passes events in order
 * to the injector. */
#ifndef GUEST_LINK_H
#define GUEST_LINK_H

#include "inject.h"
#include "log.h"
#include "state.h"
#include <poll.h>

#define HW_LINK_RETRY_MIN_MS 50u
#define HW_LINK_RETRY_MAX_MS 2000u
#define HW_LINK_HELLO_MS 10000u
#define HW_LINK_OUT_MAX (HW_FRAME_HELLO_MAX + 4 * HW_AUTH_LINE_MAX)

enum hw_link_state {
	HW_LINK_DOWN, /* until due_ms, or until the host connects to the listening socket */
	HW_LINK_CONNECTING,
	HW_LINK_UP,
};

struct hw_link {
	const struct hw_mount *mount; /* borrowed */
	struct hw_inject *inject; /* owned; NULL until the mount exists */
	struct hw_position *seen; /* borrowed: of the state file */
	enum hw_link_state state;
	int fd; /* owned; -1 while DOWN */
	struct hw_listening on; /* owned; closed if the agent connects */
	uint64_t due_ms; /* CLOCK_MONOTONIC: the next attempt, or the deadline */
	unsigned wait_ms; /* before the next attempt */
	uint64_t work_ms; /* next call of the injector's work(); UINT64_MAX: never */
	uint64_t live_ms; /* time of the host's hello */
	struct hw_log_limit limit;
	char said[400]; /* the reason that was logged last: not repeated */

	struct hw_auth auth;
	unsigned char out[HW_LINK_OUT_MAX]; /* to be sent */
	size_t out_len, out_at;
	uint64_t told_epoch; /* from the host's hello on this connection, 0 before it */
	uint64_t told_seq; /* the newest event of the host at that time */
	char told_share[HW_FRAME_SHARE_MAX + 1];
	uint64_t gap_seq; /* the last event before a gap; gaps counts its repetitions */
	unsigned gaps;

	unsigned char *bytes; /* owned: 2 * HW_FUSE_FRAME_MAX */
	size_t len;
};

/* Returns 0 or -ENOMEM. */
int hw_link_init(struct hw_link *link, const struct hw_mount *mount, struct hw_position *seen);
void hw_link_finish(struct hw_link *link);

/* Opens the connection or the mount if possible. Returns 0, or -errno if it cannot work without
 * user action, which was logged. */
int hw_link_start(struct hw_link *link, uint64_t now_ms);

/* Call this after a mount or unmount: closes a mount that is gone, and checks at once for a new
 * one. */
void hw_link_mounts_changed(struct hw_link *link, uint64_t now_ms);

/* Logs the state of the connection and its events, even if it was logged before. */
void hw_link_log_status(const struct hw_link *link);

/* Sets the event to wait for; pollfd->fd is -1 if there is only a timeout. Returns the time of the
 * next call, UINT64_MAX: never. */
uint64_t hw_link_prepare(const struct hw_link *link, struct pollfd *pollfd);

/* Call this after poll(2). Returns 0; -EPIPE: standard output is closed; other -errno as
 * hw_link_start(). */
int hw_link_turn(struct hw_link *link, short revents, uint64_t now_ms);

#endif
