/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_WAIT_MS 2000

/* The descriptor is shared with other processes, which expect that it blocks. A description of its
 * own does not, and a write needs no poll(2) before it. -1: without /proc, or another user's pipe.
 */
static int open_again(int fd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* always fits */
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int hw_output_init(struct hw_output *output, struct hw_loop *loop, void (*drained)(void *arg),
		   void *arg)
{
	struct stat st;

	*output = (struct hw_output){
		.buf = HW_BUF_GROWING(HW_OUTPUT_MAX + HW_JSON_EVENT_MAX),
		.loop = loop,
		.batch_end = HW_OUTPUT_BATCH,
		.own = -1,
		.drained = drained,
		.arg = arg,
	};
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags < 0 || fstat(STDOUT_FILENO, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EBADF; /* it was closed */
	output->is_file = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
	if (S_ISFIFO(st.st_mode))
		output->own = open_again(STDOUT_FILENO);
	return 0;
}

bool hw_output_is_full(const struct hw_output *output)
{
	return output->buf.len >= HW_OUTPUT_MAX;
}

/* A write of this size does not block if poll(2) reports the descriptor as ready. */
static ssize_t write_if_ready(struct hw_output *output, int timeout_ms)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t len = output->buf.len;

	if (!output->is_file) {
		if (poll(&p, 1, timeout_ms) <= 0)
			return -EAGAIN;
		len = len < PIPE_BUF ? len : PIPE_BUF;
	}
	ssize_t n = write(STDOUT_FILENO, output->buf.data, len);

	return n < 0 ? -errno : n;
}

static ssize_t write_some(struct hw_output *output, int timeout_ms)
{
	if (output->own < 0 || timeout_ms)
		return write_if_ready(output, timeout_ms);
	ssize_t n = write(output->own, output->buf.data, output->buf.len);

	return n < 0 ? -errno : n;
}

static void write_out(struct hw_output *output, int timeout_ms)
{
	HW_STAGE(HW_STAGE_SEND);
	while (output->buf.len && !output->error) {
		ssize_t n = write_some(output, timeout_ms);

		HW_PROBE3(send, STDOUT_FILENO, output->buf.len, n);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			break;
		if (n < 0)
			output->error = (int)n;
		else
			hw_buf_consume(&output->buf, (size_t)n);
	}
}

static int on_writable(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct hw_output *output = self;
	bool was_full = hw_output_is_full(output);

	(void)io;
	(void)events;
	(void)budget;
	hw_output_flush(output);
	if (output->error || (was_full && !hw_output_is_full(output)))
		output->drained(output->arg);
	return 1;
}

static void await(struct hw_output *output, bool wanted)
{
	if (wanted && !output->io)
		(void)hw_io_add(output->loop, STDOUT_FILENO, HW_IO_WRITE, on_writable, output,
				&output->io);
	else if (!wanted && output->io) {
		hw_io_del(output->io);
		output->io = NULL;
	}
}

void hw_output_may_flush(struct hw_output *output)
{
	if (output->buf.len < output->batch_end)
		return;
	write_out(output, 0);
	output->batch_end = output->buf.len + HW_OUTPUT_BATCH;
}

void hw_output_flush(struct hw_output *output)
{
	write_out(output, 0);
	output->batch_end = output->buf.len + HW_OUTPUT_BATCH;
	await(output, output->buf.len && !output->error);
}

void hw_output_free(struct hw_output *output)
{
	write_out(output, LAST_WAIT_MS);
	await(output, false);
	if (output->own >= 0)
		(void)close(output->own); /* nothing is buffered there */
	hw_buf_free(&output->buf);
}
