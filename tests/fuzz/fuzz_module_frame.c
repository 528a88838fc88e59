/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decoder of the guest's kernel module, compiled as a program, and that of the host and the
 * agent: both must accept the same event frames, and read the same from them. The input is first
 * taken as frames, then as the fields of an event that is encoded. */
#include <hostwatch/frame.h>

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

/* What guest/kmod/hostwatch.h and the kernel's headers provide. */
#define HOSTWATCH_MODULE_H
#define __force
#define le16_to_cpu(v) le16toh(v)
#define le32_to_cpu(v) le32toh(v)
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;

struct hw_told {
	u16 kind, type, flags;
	u32 from_len, path_len;
	const char *from, *path;
};

size_t hw_frame_len(const void *buf, size_t len);
int hw_frame_read(const void *buf, size_t len, struct hw_told *ret);
bool hw_is_path(const char *path, size_t len);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#include "guest/kmod/frame.c"
#pragma GCC diagnostic pop

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_same(const struct hw_told *told, const struct hw_event *event)
{
	require(told->kind == event->kind && told->type == event->type &&
		told->flags == event->flags);
	require(told->from_len == event->from_len && told->path_len == event->path_len);
	require(!told->from_len || told->from == event->from);
	require(!told->path_len || told->path == event->path);
}

/* Returns the length of the frame at the start, 0 if both refuse it. */
static size_t check_one(const uint8_t *data, size_t size)
{
	struct hw_told told = { 0 };
	struct hw_frame frame;
	size_t len = hw_frame_len(data, size);
	int module = hw_frame_read(data, len, &told);
	int host = hw_frame_decode(data, size, HW_FUSE_NOTIFY_FSNOTIFY, &frame, NULL);

	require(len <= size && (module == 0 || module == -EBADMSG));
	require((module == 0) == (host > 0 && frame.what == HW_FRAME_EVENT));
	if (module < 0)
		return host > 0 ? (size_t)host : 0; /* a hello is not for the module */
	require((size_t)host == len);
	require_same(&told, &frame.event);
	return len;
}

static void check_encoded(const uint8_t *data, size_t size)
{
	static unsigned char frame[HW_FUSE_FRAME_MAX];
	struct hw_event event = { .struct_size = sizeof(event) };
	int n;

	if (size < 8)
		return;
	event.kind = data[0] % (HW_KIND_END + 1);
	event.type = data[1] % (HW_TYPE_END + 1);
	event.flags = data[2] % 8;
	event.seq = data[3] % 4;
	event.from = (const char *)data + 8;
	event.from_len = (uint32_t)(((size_t)data[4] << 8 | data[5]) % (size - 7));
	event.path = event.from + event.from_len;
	event.path_len = (uint32_t)(size - 8) - event.from_len;
	if (data[6] & 1)
		event.path_len = 0;
	n = hw_frame_encode_event(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &event);
	if (n > 0)
		require(check_one(frame, (size_t)n) == (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t at = 0, len; at < size; at += len) {
		len = check_one(data + at, size - at);
		if (!len)
			break;
	}
	check_encoded(data, size);
	return 0;
}
