/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frames.h"
#include "common.h"
#include <errno.h>
#include <hostwatch/frame.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int frames_connect(const char *path)
{
	const struct hw_frame_hello hello = {
		.role = HW_FUSE_GUEST,
		.mask_supported = HW_FUSE_EVENTS,
	};
	unsigned char frame[HW_FRAME_HELLO_MAX];
	int len = hw_frame_encode_hello(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &hello);
	int fd = bench_connect(path);

	if (len < 0 || send(fd, frame, (size_t)len, MSG_NOSIGNAL) != len)
		bench_die(len < 0 ? -len : errno, "hello");
	return fd;
}

static void put_line(struct hw_buf *lines, const struct hw_frame *frame)
{
	if (frame->what == HW_FRAME_EVENT && hw_json_put_event(lines, "bench", &frame->event) < 0)
		bench_die(ENOMEM, "lines");
}

size_t frames_take(unsigned char *bytes, size_t len, struct hw_buf *lines)
{
	size_t at = 0;
	int n;

	lines->len = 0;
	do {
		struct hw_frame frame;
		const char *why = "";

		n = hw_frame_decode(bytes + at, len - at, HW_FUSE_NOTIFY_FSNOTIFY, &frame, &why);
		if (n < 0)
			bench_die(0, "bad frame: %s", why);
		if (n > 0)
			put_line(lines, &frame);
		at += (size_t)n;
	} while (n > 0);
	memmove(bytes, bytes + at, len - at);
	return len - at;
}
