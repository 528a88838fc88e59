/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_reader.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	SEQ,
	TIME,
	SHARE,
	EVENT,
	TYPE,
	PATH,
	PATH_B64,
	FROM,
	FROM_B64,
	TO,
	TO_B64,
	REPLACED,
	EXCHANGE,
	SNAPSHOT,
	ERROR_TEXT,
	RESUMED,
	SYNCED,
	EPOCH,
	FIELD_COUNT,
};

static const struct hw_json_field all_fields[FIELD_COUNT] = {
	[SEQ] = { .key = "seq", .type = HW_JSON_NUMBER },
	[TIME] = { .key = "time", .type = HW_JSON_NUMBER },
	[SHARE] = { .key = "share", .type = HW_JSON_STRING },
	[EVENT] = { .key = "event", .type = HW_JSON_STRING },
	[TYPE] = { .key = "type", .type = HW_JSON_STRING },
	[PATH] = { .key = "path", .type = HW_JSON_STRING },
	[PATH_B64] = { .key = "path_b64", .type = HW_JSON_STRING },
	[FROM] = { .key = "from", .type = HW_JSON_STRING },
	[FROM_B64] = { .key = "from_b64", .type = HW_JSON_STRING },
	[TO] = { .key = "to", .type = HW_JSON_STRING },
	[TO_B64] = { .key = "to_b64", .type = HW_JSON_STRING },
	[REPLACED] = { .key = "replaced", .type = HW_JSON_BOOL },
	[EXCHANGE] = { .key = "exchange", .type = HW_JSON_BOOL },
	[SNAPSHOT] = { .key = "snapshot", .type = HW_JSON_STRING },
	[ERROR_TEXT] = { .key = "error", .type = HW_JSON_STRING },
	[RESUMED] = { .key = "resumed", .type = HW_JSON_STRING },
	[SYNCED] = { .key = "synced", .type = HW_JSON_STRING },
	[EPOCH] = { .key = "epoch", .type = HW_JSON_STRING },
};

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes in place: three bytes for each four. */
static int decode_base64(char *text, size_t *len)
{
	size_t pad, out = 0;

	if (*len % 4)
		return -EINVAL;
	pad = *len && text[*len - 1] == '=' ? 1 + (text[*len - 2] == '=') : 0;
	for (size_t i = 0; i < *len; i += 4) {
		size_t digits = i + 4 == *len ? 4 - pad : 4;
		unsigned word = 0;

		for (size_t j = 0; j < 4; j++) {
			int digit = j < digits ? digit_value(text[i + j]) : 0;

			if (digit < 0)
				return -EINVAL;
			word = word << 6 | (unsigned)digit;
		}
		for (size_t j = 0; j + 1 < digits; j++)
			text[out++] = (char)(word >> (16 - 8 * j));
	}
	*len = out;
	return 0;
}

/* Takes a path that is given as text, or as text and base64. */
static int take_path(struct hw_json_field *text, struct hw_json_field *base64, const char **ret,
		     uint32_t *ret_len)
{
	struct hw_json_field *field = base64->present ? base64 : text;

	if (base64->present && (!text->present || decode_base64(base64->text, &base64->len) < 0))
		return -EINVAL;
	if (field->len > HW_PATH_MAX || (field->len && memchr(field->text, '\0', field->len)))
		return -EINVAL;
	*ret = field->text;
	*ret_len = (uint32_t)field->len;
	return 0;
}

static unsigned find_word(const char *(*name)(unsigned), unsigned end, const char *word)
{
	for (unsigned i = 1; i < end; i++)
		if (strcmp(name(i), word) == 0)
			return i;
	return 0;
}

static int take_paths(struct hw_json_field *f, struct hw_event *event)
{
	bool move = event->kind == HW_MOVE;

	if (f[PATH].present == move || (!move && (f[FROM].present || f[TO].present)))
		return -EINVAL;
	if (take_path(&f[FROM], &f[FROM_B64], &event->from, &event->from_len) < 0)
		return -EINVAL;
	if (take_path(&f[move ? TO : PATH], &f[move ? TO_B64 : PATH_B64], &event->path,
		      &event->path_len) < 0)
		return -EINVAL;
	return event->path || event->from ? 0 : -EINVAL;
}

static int take_event(struct hw_json_field *f, struct hw_json_message *ret)
{
	struct hw_event *event = &ret->event;

	if (!f[SEQ].present || !f[TIME].present || !f[SHARE].present || f[TIME].number > INT64_MAX)
		return -EINVAL;
	event->struct_size = sizeof(*event);
	event->kind = (uint8_t)find_word(hw_kind_name, HW_KIND_END, f[EVENT].text);
	if (f[TYPE].present)
		event->type = (uint8_t)find_word(hw_type_name, HW_TYPE_END, f[TYPE].text);
	if (!event->kind || (f[TYPE].present && !event->type))
		return -EINVAL;
	event->flags = (uint16_t)((f[REPLACED].number ? HW_FLAG_REPLACED : 0) |
				  (f[EXCHANGE].number ? HW_FLAG_EXCHANGE : 0));
	event->seq = f[SEQ].number;
	event->time_ns = (int64_t)f[TIME].number;
	ret->what = HW_JSON_EVENT;
	ret->share = f[SHARE].text;
	return take_paths(f, event);
}

/* A hello is passed on without parsing: it must be one line of harmless text. */
static bool is_hello(const char *line, size_t len)
{
	static const char start[] = "{\"hello\":";

	if (len < sizeof(start) || memcmp(line, start, sizeof(start) - 1) != 0)
		return false;
	for (size_t i = 0; i < len;) {
		unsigned n = hw_utf8_char(line + i, len - i);

		if (!n || (n == 1 && ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)) ||
		    (n == 2 && (unsigned char)line[i] == 0xc2 && (unsigned char)line[i + 1] < 0xa0))
			return false;
		i += n;
	}
	return true;
}

/* Takes one of the two ends. */
static int take_end(struct hw_json_field *f, enum hw_json_line what, struct hw_json_message *ret)
{
	const char *word = f[what == HW_JSON_SNAPSHOT_END ? SNAPSHOT : RESUMED].text;

	if (!f[SEQ].present || strcmp(word, "end") != 0)
		return -EINVAL;
	ret->what = what;
	ret->share = f[SHARE].text;
	ret->seq = f[SEQ].number;
	return 0;
}

static int take_synced(struct hw_json_reader *r, struct hw_json_field *f,
		       struct hw_json_message *ret)
{
	if (!f[SEQ].present || !f[SHARE].present || !f[EPOCH].present)
		return -EINVAL;
	ret->what = HW_JSON_SYNCED;
	ret->share = f[SHARE].text;
	ret->text = f[SYNCED].text;
	ret->seq = f[SEQ].number;
	return hw_json_read_epoch(r, &f[EPOCH], &ret->epoch);
}

static int take_place(struct hw_json_field *f, struct hw_json_message *ret)
{
	ret->what = HW_JSON_PLACE;
	ret->share = f[SHARE].text;
	return take_path(&f[PATH], &f[PATH_B64], &ret->event.path, &ret->event.path_len);
}

int hw_json_parse_line(char *line, size_t len, struct hw_json_message *ret)
{
	struct hw_json_reader r = { .at = line, .end = line + len };
	struct hw_json_message message = { 0 };
	struct hw_json_field f[FIELD_COUNT];
	int error = 0;

	if (is_hello(line, len)) {
		*ret = (struct hw_json_message){ .what = HW_JSON_HELLO };
		return 0;
	}
	memcpy(f, all_fields, sizeof(f));
	if (hw_json_read_object(&r, f, COUNT(f)) < 0 || hw_json_read_end(&r) < 0)
		return -EINVAL;
	if (f[EVENT].present) {
		error = take_event(f, &message);
	} else if (f[SNAPSHOT].present) {
		error = take_end(f, HW_JSON_SNAPSHOT_END, &message);
	} else if (f[RESUMED].present) {
		error = take_end(f, HW_JSON_RESUMED_END, &message);
	} else if (f[SYNCED].present) {
		error = take_synced(&r, f, &message);
	} else if (f[PATH].present && f[SHARE].present) {
		error = take_place(f, &message);
	} else if (f[ERROR_TEXT].present) {
		message.what = HW_JSON_ERROR;
		message.text = f[ERROR_TEXT].text;
	} else {
		return -EINVAL;
	}
	if (error == 0)
		*ret = message;
	return error;
}
