/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A FUSE server that stops answering at the request that a file names, for example "lookup". */
#ifndef HW_TESTS_FUSE_SILENT_H
#define HW_TESTS_FUSE_SILENT_H

#include <stdint.h>

/* Call it with each request, before it is answered. If the file names it, prints "silent", and
 * returns when a byte can be read from standard input. `file` may be NULL. */
void silent_at(const char *file, uint32_t opcode);

#endif
