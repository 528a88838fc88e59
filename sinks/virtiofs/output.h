/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes to be sent to the guest: a buffer of fixed size, filled with whole messages and emptied as
 * the peer accepts them. */
#ifndef VIRTIOFS_OUTPUT_H
#define VIRTIOFS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output {
	unsigned char *bytes; /* owned */
	size_t size;
	size_t start, end; /* the unsent bytes */
};

int hw_output_init(struct output *output, size_t size); /* 0 or -ENOMEM */
void hw_output_fini(struct output *output);
void hw_output_clear(struct output *output);
static inline bool hw_output_empty(const struct output *output)
{
	return output->start == output->end;
}

/* Returns `need` contiguous free bytes, or NULL if there are fewer. hw_output_commit() keeps the
 * first `len` of them. */
unsigned char *hw_output_room(struct output *output, size_t need);
void hw_output_commit(struct output *output, size_t len);

/* Sends as much as the peer accepts without waiting. Returns 0: everything; 1: some is left;
 * -errno. */
int hw_output_flush(struct output *output, int fd, bool is_socket);

#endif
