/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames from a hostile peer: accepted frames must encode to the same bytes again, and every prefix
 * of them must be incomplete. */
#include <hostwatch/frame.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char again[HW_FUSE_FRAME_MAX];

static void require(int condition)
{
	if (!condition)
		abort();
}

/* Fields that the encoder does not fill in are copied from the input before the comparison. */
static void check_round_trip(const uint8_t *data, int len, const struct hw_frame *f)
{
	int n;

	if (f->what == HW_FRAME_HELLO) {
		n = hw_frame_encode_hello(again, sizeof(again), HW_FUSE_NOTIFY_FSNOTIFY, &f->hello);
	} else {
		n = hw_frame_encode_event(again, sizeof(again), HW_FUSE_NOTIFY_FSNOTIFY, &f->event);
		require(n >= (int)HW_FRAME_EVENT_BYTES);
		memcpy(again + HW_FRAME_HEADER_BYTES +
			       offsetof(struct hw_fuse_fsnotify_out, child_ino),
		       data + HW_FRAME_HEADER_BYTES +
			       offsetof(struct hw_fuse_fsnotify_out, child_ino),
		       4 * sizeof(uint64_t));
	}
	require(n == len);
	require(memcmp(again, data, (size_t)n) == 0);
}

static void check_prefixes(const uint8_t *data, int len)
{
	struct hw_frame f;

	for (int i = 0; i < len && i < 400; i++)
		require(hw_frame_decode(data, (size_t)i, HW_FUSE_NOTIFY_FSNOTIFY, &f, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	require(hw_frame_find_hello(data, size, HW_FUSE_NOTIFY_FSNOTIFY) <= size);
	while (at < size) {
		const char *why = NULL;
		struct hw_frame f;
		int n = hw_frame_decode(data + at, size - at, HW_FUSE_NOTIFY_FSNOTIFY, &f, &why);

		require(n >= 0 || (n == -EBADMSG && why));
		if (n <= 0)
			break;
		check_round_trip(data + at, n, &f);
		check_prefixes(data + at, n);
		at += (size_t)n;
	}
	return 0;
}
