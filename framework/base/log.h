/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log: lines on stderr, plain for a terminal or with syslog levels for the journal. Loop thread
 * only. */
#ifndef HW_LOG_H
#define HW_LOG_H

#include <hostwatch/plugin.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines above this level are discarded. The initial level is HW_LOG_INFO. */
void hw_log_set_level(enum hw_log_level level);
/* Sets the level from the command line: later calls of hw_log_set_level() have no effect. */
void hw_log_fix_level(enum hw_log_level level);

/* Prefixes lines with <N> (sd-daemon(3)) instead of a word. This is the default if JOURNAL_STREAM
 * names stderr. */
void hw_log_set_journal(bool on);

/* fn is called with each line, without a newline, instead of writing the line to stderr. NULL
 * restores stderr. */
void hw_log_set_fn(void (*fn)(const char *line));

/* Logs one line, without a newline at its end. Text from outside must go through hw_quote() first.
 * */
void hw_log(enum hw_log_level level, const char *format, ...) HW_PRINTF(2, 3);
void hw_logv(enum hw_log_level level, const char *format, va_list ap) HW_PRINTF(2, 0);

/*
 * Limits the lines that others can cause: a burst of HW_LOG_BURST, then HW_LOG_PER_SECOND. A zeroed
 * one is ready. Lines that the level discards do not count, and errors are always logged.
 */
#define HW_LOG_BURST 20u
#define HW_LOG_PER_SECOND 2u

struct hw_log_limit {
	uint64_t since_ns; /* when `used` was last reduced */
	uint32_t used; /* of the burst */
	uint64_t suppressed; /* lines since the last one that was logged */
};

/* Logs a line as hw_log() does, or suppresses it. The next line that is logged has the number of
 * suppressed ones at its end. now_ns is of any clock that does not go back. */
void hw_log_limited(struct hw_log_limit *limit, uint64_t now_ns, enum hw_log_level level,
		    const char *format, ...) HW_PRINTF(4, 5);

#define hw_error(...) hw_log(HW_LOG_ERROR, __VA_ARGS__)
#define hw_warning(...) hw_log(HW_LOG_WARNING, __VA_ARGS__)
#define hw_info(...) hw_log(HW_LOG_INFO, __VA_ARGS__)
#define hw_debug(...) hw_log(HW_LOG_DEBUG, __VA_ARGS__)

/*
 * Quotes bytes from outside so that they are safe on a terminal and unambiguous in a log: in double
 * quotes, printable UTF-8 is unchanged; quotes, backslash, control bytes and invalid UTF-8 become
 * \n, \t, \\, \" or \xHH. Truncates with "..." if the result does not fit. Returns buf, always
 * terminated.
 */
const char *hw_quote(char *buf, size_t size, const char *bytes, size_t len);
/* Returns whether hw_quote() would leave these bytes unchanged. */
bool hw_quote_is_needless(const char *bytes, size_t len);

#endif
