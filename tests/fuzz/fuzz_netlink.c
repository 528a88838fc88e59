/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of netlink messages, on a stream. Accepted messages must survive a round trip. */
#include <assert.h>
#include <hostwatch/wire.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct hw_nl_message *a)
{
	struct hw_buf buf = HW_BUF_GROWING(HW_NL_EVENT_MAX);
	struct hw_nl_writer *writer;
	struct hw_nl_message b;

	assert(hw_nl_writer_create(&writer) == 0);
	assert(hw_nl_put_event(writer, &buf, a->share, a->epoch, &a->event) == 0);
	assert(hw_nl_parse(buf.data, buf.len, &b) == 0);
	assert(strcmp(a->share, b.share) == 0 && a->epoch == b.epoch && a->seq == b.seq);
	assert(a->event.path_len == b.event.path_len && a->event.from_len == b.event.from_len);
	hw_nl_writer_destroy(writer);
	hw_buf_free(&buf);
}

static void check_below(const struct hw_event *event)
{
	struct hw_event seen[HW_BELOW_MAX];
	int count = hw_event_below(event, "a/b", 3, seen);

	assert(count >= 0 && count <= HW_BELOW_MAX);
	for (int i = 0; i < count; i++)
		assert(seen[i].path || (seen[i].kind == HW_MOVE && seen[i].from));
}

static void check_hello(const struct hw_nl_message *hello)
{
	struct hw_share_info info;
	uint32_t pos = 0;

	while (hw_nl_next_share(hello, &pos, &info) > 0)
		assert(strlen(info.name) <= 255);
	assert(pos <= hello->shares_len + 3);
}

static void read_frame(const void *frame, size_t len)
{
	struct hw_nl_message message;
	const char *error;

	if (hw_nl_parse(frame, len, &message) < 0)
		return;
	switch (message.type) {
	case HW_NL_EVENT:
		check_event(&message);
		check_below(&message.event);
		break;
	case HW_NL_HELLO:
		check_hello(&message);
		break;
	case HW_NL_SUBSCRIBE:
		(void)hw_subscribe_check(&message.subscribe, &error); /* must not crash; the result
								       * does not matter */
		for (uint32_t i = 0; i < message.subscribe.exclude_count; i++)
			assert(strlen(message.subscribe.exclude[i]) <= HW_SUBSCRIBE_EXCLUDE_BYTES);
		break;
	case HW_NL_WHERE:
	case HW_NL_PLACE:
		assert(!memchr(message.path, '\0', message.path_len));
		break;
	case HW_NL_SYNC:
		assert(strlen(message.text) <= HW_SYNC_MAX);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	size_t done = 0;

	assert(copy);
	memcpy(copy, data, size);
	while (done < size) {
		int len = hw_nl_frame(copy + done, size - done, HW_NL_MESSAGE_MAX);

		if (len <= 0)
			break;
		read_frame(copy + done, (size_t)len);
		done += (size_t)len;
	}
	free(copy);
	return 0;
}
