/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The replay of events. All of it runs on the main thread of the server. */
#ifndef REPLAY_EVENT_H
#define REPLAY_EVENT_H

#include "server.h"
#include <hostwatch/event.h>

/* Replays the event: when it returns, the kernel has reported it to programs and has the new state.
 * Returns 0, also for an event that nobody watches; -EPIPE: the replayer is gone; another -errno:
 * this event was not reported. */
int hw_event_replay(struct hw_server *server, const struct hw_event *event);

struct hw_command;

/* Has the replayer make a call. Returns 0; -EPIPE: it is gone; another -errno: of the call. */
int hw_call(struct hw_server *server, const struct hw_command *command);

#endif
