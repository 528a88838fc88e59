/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard output of a program that must never block its loop. Writes whole lines: to a file at
 * once, to a pipe or a terminal as fast as the reader accepts them. Buffers the rest up to a limit,
 * at which the caller stops producing. Loop thread only.
 */
#ifndef HW_OUTPUT_H
#define HW_OUTPUT_H

#include "loop.h"
#include <hostwatch/wire.h>

#define HW_OUTPUT_MAX (4u << 20) /* buffered bytes; beyond them, hw_output_is_full() is true */
#define HW_OUTPUT_BATCH (64u << 10) /* written at a time, while they are in the CPU's cache */

struct hw_output {
	struct hw_buf buf; /* append lines here, then call hw_output_flush() */
	struct hw_loop *loop;
	struct hw_io *io; /* owned: while a pipe is full */
	bool is_file; /* always ready */
	int own; /* owned: a pipe, opened again without blocking; -1 */
	size_t batch_end; /* hw_output_may_flush() writes when the buffer has this length */
	int error; /* -errno of the failure, -EPIPE if the reader left; 0 */
	void (*drained)(void *arg); /* called when there is room again after it was full, or when
				     * error is set */
	void *arg;
};

/* Returns -EBADF if standard output is closed. */
int hw_output_init(struct hw_output *output, struct hw_loop *loop, void (*drained)(void *arg),
		   void *arg);
void hw_output_free(
	struct hw_output *output); /* writes the rest, waiting at most 2 s for the reader */
bool hw_output_is_full(const struct hw_output *output);
void hw_output_flush(struct hw_output *output);
/* Writes if another HW_OUTPUT_BATCH bytes are there: for those who append much before they call
 * hw_output_flush(). */
void hw_output_may_flush(struct hw_output *output);

#endif
