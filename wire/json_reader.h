/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A strict reader for the few objects of the JSON format: known keys, flat, decoded in place.
 * Private to wire/. */
#ifndef HW_JSON_READER_H
#define HW_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_json_reader {
	char *at, *end; /* borrowed: the rest of the line */
	const char *error; /* the first failure, static; NULL when there was none */
};

enum hw_json_value { HW_JSON_STRING, HW_JSON_NUMBER, HW_JSON_BOOL };

/* A key that may stand in an object, and what was read for it. */
struct hw_json_field {
	const char *key;
	enum hw_json_value type;
	bool present;
	char *text; /* HW_JSON_STRING: decoded, NUL-terminated, in the line; NULL when absent */
	size_t len;
	uint64_t number; /* HW_JSON_NUMBER: whole and not negative; HW_JSON_BOOL: 0 or 1 */
};

/* Keeps the first reason and returns -EINVAL; all functions below fail in this way. */
int hw_json_fail(struct hw_json_reader *r, const char *error);
/* Skips space, then takes this character. */
int hw_json_expect(struct hw_json_reader *r, char c, const char *error);
/* A string without NUL, in well-formed UTF-8. */
int hw_json_read_string(struct hw_json_reader *r, char **ret, size_t *ret_len);
/* An object of these keys, each at most once, in any order. */
int hw_json_read_object(struct hw_json_reader *r, struct hw_json_field *fields, size_t count);
/* Nothing but space follows. */
int hw_json_read_end(struct hw_json_reader *r);
/* 0 to 15, -1 for no digit. */
int hw_json_hex_value(char c);

#endif
