/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text between the quotes of a JSON string. Private to wire/. */
#ifndef HW_JSON_TEXT_H
#define HW_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that was examined: its output length, and how to write it. */
struct hw_json_text {
	const char *bytes; /* borrowed */
	size_t len;
	size_t written; /* bytes between the quotes */
	bool plain; /* can be copied unchanged */
	bool valid; /* is valid UTF-8 */
};

bool hw_json_is_plain(const char *bytes, size_t len);
void hw_json_measure_chars(struct hw_json_text *text); /* sets what follows `len` */
static inline void hw_json_measure(struct hw_json_text *text, const char *bytes, size_t len)
{
	text->bytes = bytes;
	text->len = text->written = len;
	text->plain = text->valid = true;
	if (!hw_json_is_plain(bytes, len))
		hw_json_measure_chars(text);
}

/* Each function writes to memory that is large enough, and returns the end of the output. */
char *hw_json_write_text(char *out, const struct hw_json_text *text); /* text->written bytes */
char *hw_json_write_base64(char *out, const char *bytes,
			   size_t len); /* hw_json_base64_size() bytes */
/* Uses at most 20 bytes; some may follow the last digit. */
char *hw_json_write_u64(char *out, uint64_t value);
size_t hw_json_base64_size(size_t len);

#endif
