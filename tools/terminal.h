/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The size of the terminal. */
#ifndef HW_TERMINAL_H
#define HW_TERMINAL_H

#include <stddef.h>

/* Returns the columns of the terminal at stdout: $COLUMNS, or the size that the terminal reports,
 * or 80; 0 if stdout is not a terminal. */
size_t hw_terminal_width(void);
size_t hw_terminal_height(void); /* $LINES, or the size that the terminal reports, or 24 */

#endif
