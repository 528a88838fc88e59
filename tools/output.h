/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard output of a program that must never block its loop: whole lines, at once to a file, as
 * fast as they are taken to a pipe or a terminal. What is not taken yet waits here, up to a limit;
 * the caller then stops producing. Loop thread only.
 */
#ifndef HW_OUTPUT_H
#define HW_OUTPUT_H

#include "loop.h"
#include <hostwatch/wire.h>

#define HW_OUTPUT_MAX (4u << 20) /* bytes waiting; beyond them hw_output_is_full() */

struct hw_output {
	struct hw_buf buf; /* append lines here, then call hw_output_flush() */
	struct hw_loop *loop;
	struct hw_io *io; /* owned: while a pipe is full */
	bool is_file; /* always ready */
	int error; /* -errno that ended it, -EPIPE when the reader left; 0 */
	void (*drained)(void *arg); /* called when there is room again after it was full, or error
				       was set */
	void *arg;
};

/* -EBADF when standard output is closed. */
int hw_output_init(struct hw_output *output, struct hw_loop *loop, void (*drained)(void *arg),
		   void *arg);
void hw_output_free(
	struct hw_output *output); /* writes what is left, waiting for the reader at most 2 s */
bool hw_output_is_full(const struct hw_output *output);
void hw_output_flush(struct hw_output *output);

#endif
