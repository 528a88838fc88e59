/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a state may contain. A forged state must not lead to events that hostwatch-events(7)
 * does not define. */
#ifndef HW_STATE_VALID_H
#define HW_STATE_VALID_H

#include <hostwatch/event.h>
#include <stdbool.h>
#include <stddef.h>

bool hw_state_is_name(const char *name, size_t len);
/* Its sequence number is not examined. */
/* Not of the root. */
bool hw_state_is_path(const char *path, uint32_t len);
bool hw_state_is_event(const struct hw_event *event);

#endif
