/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log: lines on stderr, for people on a terminal and with syslog levels for the journal. Loop
 * thread only. */
#ifndef HW_LOG_H
#define HW_LOG_H

#include <hostwatch/plugin.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Lines above this level are dropped; HW_LOG_INFO at the start. */
void hw_log_set_level(enum hw_log_level level);
/* The same for a level of the command line: hw_log_set_level() changes nothing after it. */
void hw_log_fix_level(enum hw_log_level level);

/* Prefixes lines with <N> (sd-daemon(3)) instead of a word; the default when JOURNAL_STREAM names
 * stderr. */
void hw_log_set_journal(bool on);

/* Called with each line, without a newline, instead of writing it to stderr. NULL: stderr again. */
void hw_log_set_fn(void (*fn)(const char *line));

/* One line, no newline at its end. Text from outside goes through hw_quote() first. */
void hw_log(enum hw_log_level level, const char *format, ...) HW_PRINTF(2, 3);
void hw_logv(enum hw_log_level level, const char *format, va_list ap) HW_PRINTF(2, 0);

#define hw_error(...) hw_log(HW_LOG_ERROR, __VA_ARGS__)
#define hw_warning(...) hw_log(HW_LOG_WARNING, __VA_ARGS__)
#define hw_info(...) hw_log(HW_LOG_INFO, __VA_ARGS__)
#define hw_debug(...) hw_log(HW_LOG_DEBUG, __VA_ARGS__)

/*
 * Writes bytes from outside so that they are safe on a terminal and unambiguous in a log: printable
 * UTF-8 as it is, quotes, backslash, control bytes and invalid UTF-8 as \n, \t, \\, \" or \xHH; in
 * double quotes. Cuts with "..." when it does not fit. Returns buf, always terminated.
 */
const char *hw_quote(char *buf, size_t size, const char *bytes, size_t len);
/* Would hw_quote() write these bytes as they are? */
bool hw_quote_is_needless(const char *bytes, size_t len);

#endif
