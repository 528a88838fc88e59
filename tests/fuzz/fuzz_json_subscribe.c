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

	assert(a->exclude_count <= HW_SUBSCRIBE_EXCLUDES);
	for (uint32_t i = 0; i < a->exclude_count; i++)
		assert(strlen(a->exclude[i]) <= HW_SUBSCRIBE_EXCLUDE_BYTES);
	assert(hw_json_put_subscribe(&buf, a) == 0);
	if (buf.len < HW_JSON_REQUEST_MAX) {
		assert(hw_json_parse_subscribe(buf.data, buf.len, &b, &error) == 0);
		assert(!a->share == !b.share && a->resume == b.resume && a->snapshot == b.snapshot);
		assert(!a->share || strcmp(a->share, b.share) == 0);
		assert(a->below_len == b.below_len &&
		       (!a->below_len || memcmp(a->below, b.below, a->below_len) == 0));
		assert(a->epoch == b.epoch && a->after == b.after && a->events == b.events);
		assert(a->exclude_count == b.exclude_count);
		for (uint32_t i = 0; i < a->exclude_count; i++)
			assert(strcmp(a->exclude[i], b.exclude[i]) == 0);
	}
	hw_buf_free(&buf);
}

/* sync and where */
static void check_text(const struct hw_ask *a)
{
	struct hw_buf buf = HW_BUF_GROWING(8 * HW_WHERE_MAX);
	bool sync = a->what == HW_ASK_SYNC;
	struct hw_ask b;
	const char *error;

	assert(strlen(a->text) == a->text_len);
	assert(a->text_len <= (sync ? HW_SYNC_MAX : HW_WHERE_MAX));
	assert((sync ? hw_json_put_sync(&buf, a->text) : hw_json_put_where(&buf, a->text)) == 0);
	assert(hw_json_parse_ask(buf.data, buf.len, &b, &error) == 0);
	assert(a->what == b.what && strcmp(a->text, b.text) == 0);
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
	struct hw_ask ask;
	const char *error = NULL;

	assert(line);
	memcpy(line, data, size);
	if (hw_json_parse_ask(line, size, &ask, &error) < 0)
		assert(error);
	else if (ask.what == HW_ASK_SUBSCRIBE)
		check_request(&ask.subscribe);
	else
		check_text(&ask);
	memcpy(line, data, size);
	if (hw_json_parse_line(line, size, &message) == 0 && message.what == HW_JSON_EVENT)
		check_event(&message);
	free(line);
	return 0;
}
