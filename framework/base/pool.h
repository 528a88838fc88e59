/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads of libuv's pool, on which directories are read. libuv makes them when the first one
 * is read, and aborts the process if it cannot. */
#ifndef HW_POOL_H
#define HW_POOL_H

#include <uv.h>

/* Makes them now; call it when the process has its final user and capabilities, which they inherit,
 * and before anything uses the pool. Returns 0; -EAGAIN, -ENOMEM: the limits of the process do not
 * permit as many threads. */
int hw_pool_start(uv_loop_t *loop);
/* How many threads the pool has. */
unsigned hw_pool_size(void);

#endif
