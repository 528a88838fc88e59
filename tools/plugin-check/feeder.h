/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that tells what it is told to tell: where the events of a sink's checks come from. */
#ifndef HW_FEEDER_H
#define HW_FEEDER_H

#include <hostwatch/plugin.h>

#define HW_FEEDER_FILES 100u

/* Its share must hold files f0 .. f99 in its root. One instance at a time. */
extern const struct hw_plugin hw_feeder;

/* Tells `count` events more, in turns of at most 1000; rounded up to the next pair. */
void hw_feeder_tell(unsigned count);

#endif
