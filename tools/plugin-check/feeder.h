/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that reports events on request, for the checks of sinks. */
#ifndef HW_FEEDER_H
#define HW_FEEDER_H

#include <hostwatch/plugin.h>

#define HW_FEEDER_FILES 100u

/* Its share must contain files f0 .. f99 in its root. One instance at a time. */
extern const struct hw_plugin hw_feeder;

/* Reports `count` further events, at most 1000 per iteration; rounded up to the next pair. */
void hw_feeder_tell(unsigned count);

#endif
