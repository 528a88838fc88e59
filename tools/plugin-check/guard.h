/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A layer between a host and one plugin. It times every callback, counts the host services that may
 * fail, makes the n-th one fail, and reports violations of the contract. The host is the real one.
 * */
#ifndef HW_GUARD_H
#define HW_GUARD_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* The maximum time that a callback may sleep, and the maximum time that it may compute. Time in
 * which it was runnable but another task had the CPU does not count. Closing a kernel queue waits
 * for all CPUs, which takes long on a busy machine. */
#define HW_GUARD_BLOCKED_NS (250 * HW_MS)
#define HW_GUARD_CLOSING_NS (10 * HW_SEC) /* in stop() and close() */
#define HW_GUARD_BUSY_NS (2 * HW_SEC)

/* Returns the plugin with the guard in front. It is static, as is the copy of the plugin that it
 * calls. It has the callbacks that hw_module_load() fills in. */
const struct hw_plugin *hw_guard_wrap(const struct hw_plugin *plugin);

/* The n-th following service call that may fail fails, once; 0: none fails. Resets the record of
 * errors. */
void hw_guard_fail_call(uint64_t n);
/* Returns the number of such calls since then. */
uint64_t hw_guard_calls(void);
/* Returns the name of the call that failed; NULL if none did. */
const char *hw_guard_failed_call(void);
/* Returns whether watch_dir() returned an error since the last call: then the share is not watched
 * completely. */
bool hw_guard_gave_up(void);

/* Returns the number of callbacks that blocked, and of other violations; each was reported in a
 * line on stdout. */
unsigned hw_guard_blocked(void);
unsigned hw_guard_faults(void);
/* Reports a violation. */
void hw_guard_fault(const char *format, ...) HW_PRINTF(1, 2);

/* Returns the number of events that sinks have read, of all cursors. */
uint64_t hw_guard_drawn(void);
/* Returns whether every open cursor has read this event, or is after it. */
bool hw_guard_all_drawn(uint64_t seq);

#endif
