/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TOOL_CLEAN_H
#define HW_TOOL_CLEAN_H

#include <stddef.h>

/* Prepares a message, whose outside parts are already quoted, for the terminal: if a control
 * character or invalid byte remains, quotes the whole message. Writes to buf and returns it,
 * truncated if it does not fit. */
const char *hw_clean(char *buf, size_t size, const char *message);

#endif
