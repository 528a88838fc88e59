/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_reader.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int read_epoch(struct hw_json_reader *r, const struct hw_json_field *field, uint64_t *ret)
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

enum { SHARE, EPOCH, AFTER, BELOW, SNAPSHOT };

static int read_subscribe(struct hw_json_reader *r, struct hw_subscribe *ret)
{
	struct hw_json_field f[] = {
		[SHARE] = { .key = "share", .type = HW_JSON_STRING },
		[EPOCH] = { .key = "epoch", .type = HW_JSON_STRING },
		[AFTER] = { .key = "after", .type = HW_JSON_NUMBER },
		[BELOW] = { .key = "below", .type = HW_JSON_STRING },
		[SNAPSHOT] = { .key = "snapshot", .type = HW_JSON_BOOL },
	};

	if (hw_json_read_object(r, f, COUNT(f)) < 0)
		return -EINVAL;
	if (f[EPOCH].present != f[AFTER].present)
		return hw_json_fail(r, "epoch and after require each other");
	if (f[EPOCH].present && read_epoch(r, &f[EPOCH], &ret->epoch) < 0)
		return -EINVAL;
	if (f[BELOW].len > HW_PATH_MAX)
		return hw_json_fail(r, "below is too long");
	ret->share = f[SHARE].text;
	ret->resume = f[EPOCH].present;
	ret->after = f[AFTER].number;
	ret->below = f[BELOW].text;
	ret->below_len = (uint32_t)f[BELOW].len;
	ret->snapshot = f[SNAPSHOT].number;
	return hw_subscribe_check(ret, &r->error);
}

int hw_json_parse_subscribe(char *line, size_t len, struct hw_subscribe *ret,
			    const char **ret_error)
{
	struct hw_json_reader r = { .at = line, .end = line + len };
	struct hw_subscribe subscribe = { 0 };
	char *key;
	size_t key_len;
	int error = -EINVAL;

	if (len >= HW_JSON_REQUEST_MAX) {
		*ret_error = "the request is too long";
		return -EMSGSIZE;
	}
	if (hw_json_expect(&r, '{', "a request must be one JSON object on one line") == 0 &&
	    hw_json_read_string(&r, &key, &key_len) == 0) {
		if (key_len != 9 || memcmp(key, "subscribe", 9) != 0)
			error = hw_json_fail(&r, "the only request is {\"subscribe\":{...}}");
		else if (hw_json_expect(&r, ':', "expected a colon") == 0 &&
			 read_subscribe(&r, &subscribe) == 0 &&
			 hw_json_expect(&r, '}', "expected the end of the request") == 0)
			error = hw_json_read_end(&r);
	}
	if (error == 0)
		*ret = subscribe;
	else
		*ret_error = r.error;
	return error;
}
