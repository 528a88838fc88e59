/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events were missed. */
#ifndef REPLAY_RESCAN_H
#define REPLAY_RESCAN_H

#include "server.h"

/* Makes the kernel ask again for everything, and replays what differs from what it knew. Entries
 * that appeared in a directory which no program has listed are not known to be new: an attrib of it
 * is reported, so that programs read it again. Returns 0; -EPIPE: the replayer is gone; -ENOMEM. */
int hw_rescan(struct hw_server *server);

/* Events come from now on and the kernel may keep what it asks for; or none come, and it has to ask
 * again for everything it has. Returns 0; -ENOMEM. */
int hw_keep(struct hw_server *server, bool live);

#endif
