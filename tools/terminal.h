/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The size of the terminal. */
#ifndef HW_TERMINAL_H
#define HW_TERMINAL_H

#include <stddef.h>

/* Columns of the terminal at stdout: $COLUMNS, or what the terminal says, or 80; 0 when stdout is
 * not a terminal. */
size_t hw_terminal_width(void);
size_t hw_terminal_height(void); /* $LINES, or what the terminal says, or 24 */

#endif
