/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks hints for violations of the contract. Any thread. */
#ifndef HW_HINT_FAULT_H
#define HW_HINT_FAULT_H

#include <hostwatch/plugin.h>

/* Returns how a hint violates the contract of plugin.h: static text; NULL if it does not. Its
 * struct_size must be valid. Names: 1 to 255 bytes, no NUL, no slash, not "..". */
const char *hw_hint_fault(const struct hw_hint *hint);

#endif
