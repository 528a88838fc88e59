/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes JSON on one line. Errors stay in the FILE. */
#ifndef HW_JSON_OUT_H
#define HW_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hw_json_out {
	FILE *to; /* borrowed */
	bool follows; /* a value was written before in this object or array */
};

#define HW_JSON_OUT(file) ((struct hw_json_out){ .to = (file) })

/* key NULL: an element of an array, or the whole text. */
void hw_json_open(struct hw_json_out *out, const char *key, char bracket); /* '{' or '[' */
void hw_json_close(struct hw_json_out *out, char bracket); /* '}' or ']' */
/* Bytes that are not UTF-8 become U+FFFD, control characters are escaped. NULL: null. */
void hw_json_text(struct hw_json_out *out, const char *key, const char *text);
/* The same, and for bytes that are not UTF-8 all of them as base64, under the key with "_b64"
 * behind it. key is not NULL. */
void hw_json_path(struct hw_json_out *out, const char *key, const char *path);
void hw_json_number(struct hw_json_out *out, const char *key, uint64_t number);
void hw_json_decimal(struct hw_json_out *out, const char *key, double number); /* 3 places */
void hw_json_bool(struct hw_json_out *out, const char *key, bool value);

#endif
