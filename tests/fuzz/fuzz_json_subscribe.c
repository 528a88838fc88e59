/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two parsers of JSON: requests from subscribers, lines from servers. Accepted input must
 * survive a round trip. */
#include <assert.h>
#include <hostwatch/wire.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct hw_subscribe *a)
{
	struct hw_buf buf = HW_BUF_GROWING(HW_JSON_REQUEST_MAX * 6);
	struct hw_subscribe b;
	const char *error;

	assert(hw_json_put_subscribe(&buf, a) == 0);
	if (buf.len < HW_JSON_REQUEST_MAX) {
		assert(hw_json_parse_subscribe(buf.data, buf.len, &b, &error) == 0);
		assert(!a->share == !b.share && a->resume == b.resume && a->snapshot == b.snapshot);
		assert(!a->share || strcmp(a->share, b.share) == 0);
		assert(a->below_len == b.below_len &&
		       (!a->below_len || memcmp(a->below, b.below, a->below_len) == 0));
		assert(a->epoch == b.epoch && a->after == b.after);
	}
	hw_buf_free(&buf);
}

static void check_event(const struct hw_json_message *a)
{
	struct hw_buf buf = HW_BUF_GROWING(HW_JSON_EVENT_MAX + 6 * HW_JSON_REQUEST_MAX);
	struct hw_json_message b;

	assert(hw_json_put_event(&buf, a->share, &a->event) == 0);
	assert(hw_json_parse_line(buf.data, buf.len - 1, &b) == 0);
	assert(b.what == HW_JSON_EVENT && a->event.path_len == b.event.path_len);
	assert(a->event.from_len == b.event.from_len && a->event.kind == b.event.kind);
	assert(!a->event.path_len || memcmp(a->event.path, b.event.path, a->event.path_len) == 0);
	hw_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size ? size : 1);
	struct hw_json_message message;
	struct hw_subscribe subscribe;
	const char *error = NULL;

	assert(line);
	memcpy(line, data, size);
	if (hw_json_parse_subscribe(line, size, &subscribe, &error) == 0)
		check_request(&subscribe);
	else
		assert(error);
	memcpy(line, data, size);
	if (hw_json_parse_line(line, size, &message) == 0 && message.what == HW_JSON_EVENT)
		check_event(&message);
	free(line);
	return 0;
}
