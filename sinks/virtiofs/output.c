/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int hw_output_init(struct output *output, size_t size)
{
	output->bytes = malloc(size);
	if (!output->bytes)
		return -ENOMEM;
	output->size = size;
	hw_output_clear(output);
	return 0;
}

void hw_output_fini(struct output *output)
{
	free(output->bytes);
	memset(output, 0, sizeof(*output));
}

void hw_output_clear(struct output *output)
{
	output->start = output->end = 0;
}

unsigned char *hw_output_room(struct output *output, size_t need)
{
	size_t used = output->end - output->start;

	if (output->size - used < need)
		return NULL;
	if (output->size - output->end < need) {
		memmove(output->bytes, output->bytes + output->start, used);
		output->start = 0;
		output->end = used;
	}
	return output->bytes + output->end;
}

void hw_output_commit(struct output *output, size_t len)
{
	output->end += len;
}

int hw_output_flush(struct output *output, int fd, bool is_socket)
{
	while (output->start < output->end) {
		const unsigned char *from = output->bytes + output->start;
		size_t len = output->end - output->start;
		ssize_t n = is_socket ? send(fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT)
				      : write(fd, from, len);

		HW_PROBE3(send, fd, len, n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		output->start += (size_t)n;
	}
	hw_output_clear(output);
	return 0;
}
