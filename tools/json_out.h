/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes JSON on one line. Errors are kept in the FILE. */
#ifndef HW_JSON_OUT_H
#define HW_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hw_json_out {
	FILE *to; /* borrowed */
	bool follows; /* this object or array already has a value */
};

#define HW_JSON_OUT(file) ((struct hw_json_out){ .to = (file) })

/* key NULL: an element of an array, or the top-level value. */
void hw_json_open(struct hw_json_out *out, const char *key, char bracket); /* '{' or '[' */
void hw_json_close(struct hw_json_out *out, char bracket); /* '}' or ']' */
/* Replaces bytes that are not UTF-8 by U+FFFD, and escapes control characters. NULL is written as
 * null. */
void hw_json_text(struct hw_json_out *out, const char *key, const char *text);
/* As hw_json_text(). If the bytes are not UTF-8, also writes them as base64, under the key with the
 * suffix "_b64". key must not be NULL. */
void hw_json_path(struct hw_json_out *out, const char *key, const char *path);
void hw_json_number(struct hw_json_out *out, const char *key, uint64_t number);
void hw_json_decimal(struct hw_json_out *out, const char *key,
		     double number); /* 3 decimal places */
void hw_json_bool(struct hw_json_out *out, const char *key, bool value);

#endif
