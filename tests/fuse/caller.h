/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The identity of the thread that serves a request. */
#ifndef HW_TESTS_FUSE_CALLER_H
#define HW_TESTS_FUSE_CALLER_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

/* What the thread makes belongs to the caller, until become_server(). */
void become_caller(fuse_req_t req);
void become_server(void);

#endif
