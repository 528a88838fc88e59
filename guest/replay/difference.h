/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between the view and the lower directory, after events were missed. It is replayed
 * as the events that a host would have sent: moves, deletes, creates, changes.
 */
#ifndef REPLAY_DIFFERENCE_H
#define REPLAY_DIFFERENCE_H

#include "server.h"

/* With more names in the view, the comparison would take too long. */
#define HW_DIFFERENCE_NAMES_MAX 65536u

/* Compares each name in the view, and all entries of directories that a program has listed to the
 * end; replays what differs. Returns 0; -E2BIG: there are too many names; -EPIPE: the replayer is
 * gone; -ENOMEM. */
int hw_difference_replay(struct hw_server *server);

#endif
