/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TOOL_CLEAN_H
#define HW_TOOL_CLEAN_H

#include <stddef.h>

/* A message whose parts from outside are quoted already, for the terminal: should a control or
 * invalid byte be left in it, the whole is quoted. Writes to buf and returns it, cut when it does
 * not fit. */
const char *hw_clean(char *buf, size_t size, const char *message);

#endif
