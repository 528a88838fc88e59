/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order in which `watcher = auto` tries watchers. */
#ifndef HW_AUTO_H
#define HW_AUTO_H

#include <stddef.h>

/* Plugin names, best first. Static. */
extern const char *const hw_auto_watchers[];
extern const size_t hw_auto_watcher_count;

#endif
