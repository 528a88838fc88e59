/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_reader.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int hw_json_read_epoch(struct hw_json_reader *r, const struct hw_json_field *field, uint64_t *ret)
{
	uint64_t value = 0;

	if (!field->len || field->len > 16)
		return hw_json_fail(r, "epoch must be 1 to 16 hexadecimal digits");
	for (size_t i = 0; i < field->len; i++) {
		int digit = hw_json_hex_value(field->text[i]);

		if (digit < 0)
			return hw_json_fail(r, "epoch must be 1 to 16 hexadecimal digits");
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return 0;
}

/* Returns the bits of the kinds with these names. A rescan is always sent. */
static int read_events(struct hw_json_reader *r, const struct hw_json_field *field, uint32_t *ret)
{
	uint32_t events = 0;

	for (uint64_t i = 0; i < field->number; i++) {
		unsigned kind = 1;

		while (kind < HW_KIND_END && strcmp(hw_kind_name(kind), field->texts[i]) != 0)
			kind++;
		if (kind == HW_KIND_END)
			return hw_json_fail(r, "events: no event has such a name");
		events |= UINT32_C(1) << kind;
	}
	if (field->present && !events)
		return hw_json_fail(r, "events must not be empty");
	*ret = events;
	return 0;
}

enum { SHARE, EPOCH, AFTER, BELOW, SNAPSHOT, EXCLUDE, EVENTS };

static int read_subscribe(struct hw_json_reader *r, struct hw_subscribe *ret)
{
	const char *events[HW_KIND_END];
	struct hw_json_field f[] = {
		[SHARE] = { .key = "share", .type = HW_JSON_STRING },
		[EPOCH] = { .key = "epoch", .type = HW_JSON_STRING },
		[AFTER] = { .key = "after", .type = HW_JSON_NUMBER },
		[BELOW] = { .key = "below", .type = HW_JSON_STRING },
		[SNAPSHOT] = { .key = "snapshot", .type = HW_JSON_BOOL },
		[EXCLUDE] = { .key = "exclude",
			      .type = HW_JSON_STRINGS,
			      .texts = ret->exclude,
			      .texts_max = HW_SUBSCRIBE_EXCLUDES,
			      .text_max = HW_SUBSCRIBE_EXCLUDE_BYTES },
		[EVENTS] = { .key = "events",
			     .type = HW_JSON_STRINGS,
			     .texts = events,
			     .texts_max = COUNT(events),
			     .text_max = 16 },
	};

	if (hw_json_read_object(r, f, COUNT(f)) < 0)
		return -EINVAL;
	if (f[EPOCH].present != f[AFTER].present)
		return hw_json_fail(r, "epoch and after require each other");
	if (f[EPOCH].present && hw_json_read_epoch(r, &f[EPOCH], &ret->epoch) < 0)
		return -EINVAL;
	if (f[BELOW].len > HW_PATH_MAX)
		return hw_json_fail(r, "below is too long");
	ret->share = f[SHARE].text;
	ret->resume = f[EPOCH].present;
	ret->after = f[AFTER].number;
	ret->below = f[BELOW].text;
	ret->below_len = (uint32_t)f[BELOW].len;
	ret->snapshot = f[SNAPSHOT].number;
	ret->exclude_count = (uint32_t)f[EXCLUDE].number;
	if (read_events(r, &f[EVENTS], &ret->events) < 0)
		return -EINVAL;
	return hw_subscribe_check(ret, &r->error);
}

static int read_text(struct hw_json_reader *r, size_t max, struct hw_ask *ret)
{
	char *text;
	size_t len;

	if (hw_json_read_string(r, &text, &len) < 0)
		return -EINVAL;
	if (len > max)
		return hw_json_fail(r, "the text of the request is too long");
	ret->text = text;
	ret->text_len = (uint32_t)len;
	return 0;
}

/* Reads the value of the only key, by which requests differ. */
static int read_ask(struct hw_json_reader *r, struct hw_ask *ret)
{
	char *key;
	size_t len;

	if (hw_json_read_string(r, &key, &len) < 0 ||
	    hw_json_expect(r, ':', "expected a colon") < 0)
		return -EINVAL;
	if (strcmp(key, "subscribe") == 0) {
		ret->what = HW_ASK_SUBSCRIBE;
		return read_subscribe(r, &ret->subscribe);
	}
	if (strcmp(key, "sync") == 0) {
		ret->what = HW_ASK_SYNC;
		return read_text(r, HW_SYNC_MAX, ret);
	}
	if (strcmp(key, "where") == 0) {
		ret->what = HW_ASK_WHERE;
		return read_text(r, HW_WHERE_MAX, ret) < 0 ? -EINVAL : hw_ask_check(ret, &r->error);
	}
	return hw_json_fail(r, "the requests are subscribe, sync and where");
}

int hw_json_parse_ask(char *line, size_t len, struct hw_ask *ret, const char **ret_error)
{
	struct hw_json_reader r = { .at = line, .end = line + len };
	struct hw_ask ask = { 0 };
	int error = -EINVAL;

	if (len >= HW_JSON_REQUEST_MAX) {
		*ret_error = "the request is too long";
		return -EMSGSIZE;
	}
	if (hw_json_expect(&r, '{', "a request must be one JSON object on one line") == 0 &&
	    read_ask(&r, &ask) == 0 &&
	    hw_json_expect(&r, '}', "expected the end of the request") == 0)
		error = hw_json_read_end(&r);
	if (error == 0)
		*ret = ask;
	else
		*ret_error = r.error;
	return error;
}

int hw_json_parse_subscribe(char *line, size_t len, struct hw_subscribe *ret,
			    const char **ret_error)
{
	struct hw_ask ask;
	int r = hw_json_parse_ask(line, len, &ask, ret_error);

	if (r < 0)
		return r;
	if (ask.what != HW_ASK_SUBSCRIBE) {
		*ret_error = "this is not a subscribe request";
		return -EINVAL;
	}
	*ret = ask.subscribe;
	return 0;
}
