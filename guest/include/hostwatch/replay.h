/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of one byte from the agent to hostwatch-guest-replay, between the frames of events. */
#ifndef HOSTWATCH_REPLAY_H
#define HOSTWATCH_REPLAY_H

/* Each change of the host comes as an event: the kernel may keep what it knows. */
#define HW_REPLAY_LIVE 'L'
/* Events may be missing from now on. */
#define HW_REPLAY_LOST '-'

#endif
