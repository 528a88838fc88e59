/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks hints for violations of the contract. Any thread. */
#ifndef HW_HINT_FAULT_H
#define HW_HINT_FAULT_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* Valid: 1 to 255 bytes, no NUL, no slash, not "..". */
bool hw_hint_name_is_valid(const char *name, uint32_t len);
/* Returns how a hint violates the contract of plugin.h: static text; NULL if it does not. Its
 * struct_size must be valid. */
const char *hw_hint_fault(const struct hw_hint *hint);

#endif
