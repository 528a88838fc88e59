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
	const char *error; /* the first failure, static; NULL if there was none */
};

enum hw_json_value { HW_JSON_STRING, HW_JSON_NUMBER, HW_JSON_BOOL, HW_JSON_STRINGS };

/* A key that an object may have, and its value. */
struct hw_json_field {
	const char *key;
	enum hw_json_value type;
	bool present;
	char *text; /* HW_JSON_STRING: decoded, NUL-terminated, in the line; NULL if absent */
	size_t len;
	/* HW_JSON_NUMBER: whole and not negative; HW_JSON_BOOL: 0 or 1; HW_JSON_STRINGS: the number
	 * of strings */
	uint64_t number;
	/* HW_JSON_STRINGS: decoded and NUL-terminated; borrowed from the caller, who limits their
	 * number and the bytes of each */
	const char **texts;
	size_t texts_max, text_max;
};

/* Stores the first reason and returns -EINVAL; all functions below fail in this way. */
int hw_json_fail(struct hw_json_reader *r, const char *error);
/* Skips space, then expects this character. */
int hw_json_expect(struct hw_json_reader *r, char c, const char *error);
/* Reads a string without NUL, in well-formed UTF-8. */
int hw_json_read_string(struct hw_json_reader *r, char **ret, size_t *ret_len);
/* Reads an object of these keys, each at most once, in any order. */
int hw_json_read_object(struct hw_json_reader *r, struct hw_json_field *fields, size_t count);
/* Checks that only space follows. */
int hw_json_read_end(struct hw_json_reader *r);
/* Reads 1 to 16 hexadecimal digits. */
int hw_json_read_epoch(struct hw_json_reader *r, const struct hw_json_field *field, uint64_t *ret);
/* Returns 0 to 15, or -1 if this is not a digit. */
int hw_json_hex_value(char c);

#endif
