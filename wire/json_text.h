/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text as it stands between the quotes of a JSON string. Private to wire/. */
#ifndef HW_JSON_TEXT_H
#define HW_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that was looked at: how long it gets, and which of the two ways writes it. */
struct hw_json_text {
	const char *bytes; /* borrowed */
	size_t len;
	size_t written; /* bytes between the quotes */
	bool plain; /* copied as it is */
	bool valid; /* UTF-8 */
};

struct hw_json_text hw_json_measure(const char *bytes, size_t len);

/* Each writes to memory that is large enough and returns what is behind its last byte. */
char *hw_json_write_text(char *out, const struct hw_json_text *text); /* text->written bytes */
char *hw_json_write_base64(char *out, const char *bytes,
			   size_t len); /* hw_json_base64_size() bytes */
char *hw_json_write_u64(char *out, uint64_t value); /* at most 20 bytes */
size_t hw_json_base64_size(size_t len);

#endif
