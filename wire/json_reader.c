/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_reader.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

int hw_json_fail(struct hw_json_reader *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return -EINVAL;
}

static void skip_space(struct hw_json_reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

/* Expects `c` as the next character that is not space. */
int hw_json_expect(struct hw_json_reader *r, char c, const char *error)
{
	skip_space(r);
	if (r->at >= r->end || *r->at != c)
		return hw_json_fail(r, error);
	r->at++;
	return 0;
}

static bool accept_char(struct hw_json_reader *r, char c)
{
	skip_space(r);
	if (r->at >= r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* ---- strings ---- */

int hw_json_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads the four digits of \uXXXX. */
static int read_hex4(struct hw_json_reader *r)
{
	int code = 0;

	if (r->end - r->at < 4)
		return hw_json_fail(r, "invalid escape in a string");
	for (int i = 0; i < 4; i++) {
		int digit = hw_json_hex_value(*r->at++);

		if (digit < 0)
			return hw_json_fail(r, "invalid escape in a string");
		code = code << 4 | digit;
	}
	return code;
}

static int read_code_point(struct hw_json_reader *r)
{
	int code = read_hex4(r), low;

	if (code < 0 || code < 0xd800 || code > 0xdfff)
		return code;
	if (code > 0xdbff || r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
		return hw_json_fail(r, "unpaired surrogate in a string");
	r->at += 2;
	low = read_hex4(r);
	if (low < 0xdc00 || low > 0xdfff)
		return hw_json_fail(r, "unpaired surrogate in a string");
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static char *write_code_point(char *out, int code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* Reads an escape after its backslash. The result is never longer than the escape. */
static int read_escape(struct hw_json_reader *r, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *known;
	int code;

	if (r->at >= r->end)
		return hw_json_fail(r, "unterminated string");
	if (*r->at == 'u') {
		r->at++;
		code = read_code_point(r);
		if (code == 0)
			return hw_json_fail(r, "NUL in a string");
		if (code < 0)
			return code;
		*out = write_code_point(*out, code);
		return 0;
	}
	known = *r->at ? strchr(from, *r->at) : NULL;
	if (!known)
		return hw_json_fail(r, "invalid escape in a string");
	*(*out)++ = to[known - from];
	r->at++;
	return 0;
}

/* Decodes in place: writing never overtakes reading, and the closing quote becomes the NUL. */
int hw_json_read_string(struct hw_json_reader *r, char **ret, size_t *ret_len)
{
	char *start, *out;

	if (hw_json_expect(r, '"', "expected a string") < 0)
		return -EINVAL;
	start = out = r->at;
	while (r->at < r->end && *r->at != '"') {
		unsigned n = hw_utf8_char(r->at, (size_t)(r->end - r->at));

		if (!n)
			return hw_json_fail(r, "string is not valid UTF-8");
		if (n == 1 && (unsigned char)*r->at < 0x20)
			return hw_json_fail(r, "unescaped control character in a string");
		if (*r->at == '\\') {
			r->at++;
			if (read_escape(r, &out) < 0)
				return -EINVAL;
			continue;
		}
		memmove(out, r->at, n);
		out += n;
		r->at += n;
	}
	if (r->at >= r->end)
		return hw_json_fail(r, "unterminated string");
	r->at++;
	*out = '\0';
	*ret = start;
	*ret_len = (size_t)(out - start);
	return 0;
}

/* ---- other values ---- */

static int read_number(struct hw_json_reader *r, uint64_t *ret)
{
	uint64_t value = 0;
	char *start;

	skip_space(r);
	start = r->at;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		unsigned digit = (unsigned)(*r->at++ - '0');

		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return hw_json_fail(r, "number is too large");
	}
	if (r->at == start || (*start == '0' && r->at - start > 1))
		return hw_json_fail(r, "expected an integer");
	*ret = value;
	return 0;
}

static int read_bool(struct hw_json_reader *r, uint64_t *ret)
{
	skip_space(r);
	if (r->end - r->at >= 4 && memcmp(r->at, "true", 4) == 0) {
		r->at += 4;
		*ret = 1;
		return 0;
	}
	if (r->end - r->at >= 5 && memcmp(r->at, "false", 5) == 0) {
		r->at += 5;
		*ret = 0;
		return 0;
	}
	return hw_json_fail(r, "expected true or false");
}

static int read_strings(struct hw_json_reader *r, struct hw_json_field *field)
{
	char *text;
	size_t len;

	if (hw_json_expect(r, '[', "expected an array of strings") < 0)
		return -EINVAL;
	if (accept_char(r, ']'))
		return 0;
	do {
		if (field->number == field->texts_max)
			return hw_json_fail(r, "too many strings in an array");
		if (hw_json_read_string(r, &text, &len) < 0)
			return -EINVAL;
		if (len > field->text_max)
			return hw_json_fail(r, "a string in an array is too long");
		field->texts[field->number++] = text;
	} while (accept_char(r, ','));
	return hw_json_expect(r, ']', "expected a comma or the end of the array");
}

static int read_value(struct hw_json_reader *r, struct hw_json_field *field)
{
	switch (field->type) {
	case HW_JSON_STRING:
		return hw_json_read_string(r, &field->text, &field->len);
	case HW_JSON_NUMBER:
		return read_number(r, &field->number);
	case HW_JSON_BOOL:
		return read_bool(r, &field->number);
	case HW_JSON_STRINGS:
		return read_strings(r, field);
	}
	return -EINVAL;
}

static struct hw_json_field *find_field(struct hw_json_field *fields, size_t count, const char *key,
					size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(fields[i].key) == len && memcmp(fields[i].key, key, len) == 0)
			return &fields[i];
	return NULL;
}

static int read_member(struct hw_json_reader *r, struct hw_json_field *fields, size_t count)
{
	struct hw_json_field *field;
	char *key;
	size_t len;

	if (hw_json_read_string(r, &key, &len) < 0)
		return -EINVAL;
	field = find_field(fields, count, key, len);
	if (!field)
		return hw_json_fail(r, "unknown key");
	if (field->present)
		return hw_json_fail(r, "duplicate key");
	field->present = true;
	if (hw_json_expect(r, ':', "expected a colon") < 0)
		return -EINVAL;
	return read_value(r, field);
}

/* Reads an object of known keys, each at most once, in any order. */
int hw_json_read_object(struct hw_json_reader *r, struct hw_json_field *fields, size_t count)
{
	if (hw_json_expect(r, '{', "expected an object") < 0)
		return -EINVAL;
	if (accept_char(r, '}'))
		return 0;
	do {
		if (read_member(r, fields, count) < 0)
			return -EINVAL;
	} while (accept_char(r, ','));
	return hw_json_expect(r, '}', "expected a comma or the end of the object");
}

int hw_json_read_end(struct hw_json_reader *r)
{
	skip_space(r);
	return r->at == r->end ? 0 : hw_json_fail(r, "unexpected text after the object");
}
