/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands between a host and one plugin. Times every callback, counts the host's services that may
 * fail and makes the n-th one fail, and notes what breaks the contract. The host behind it is the
 * real one.
 */
#ifndef HW_GUARD_H
#define HW_GUARD_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* A callback may be off the CPU of its own will for so long, and compute for so long; time in which
 * it could run and the CPU was another's does not count. Closing a kernel queue waits for all CPUs
 * to come by, which on a busy machine they do late. */
#define HW_GUARD_BLOCKED_NS (250 * HW_MS)
#define HW_GUARD_CLOSING_NS (10 * HW_SEC) /* in stop() and close() */
#define HW_GUARD_BUSY_NS (2 * HW_SEC)

/* The plugin with the guard in front: static, and so is the one behind it, which is copied. It has
 * the callbacks that hw_module_load() fills in. */
const struct hw_plugin *hw_guard_wrap(const struct hw_plugin *plugin);

/* The n-th service call that may fail fails, once, counted from now; 0: none. Forgets errors seen.
 */
void hw_guard_fail_call(uint64_t n);
/* Such calls since then. */
uint64_t hw_guard_calls(void);
/* The name of the one that failed; NULL when none did. */
const char *hw_guard_failed_call(void);
/* Whether watch_dir() returned an error since it was last asked: the share is then not watched as a
 * whole. */
bool hw_guard_gave_up(void);

/* Callbacks that blocked, and other breaches; each was told in a line on stdout. */
unsigned hw_guard_blocked(void);
unsigned hw_guard_faults(void);
/* One breach more. */
void hw_guard_fault(const char *format, ...) HW_PRINTF(1, 2);

/* The events that sinks have drawn, all cursors together. */
uint64_t hw_guard_drawn(void);
/* Whether every open cursor has drawn this event, or stands behind it. */
bool hw_guard_all_drawn(uint64_t seq);

#endif
