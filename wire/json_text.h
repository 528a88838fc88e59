/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text between the quotes of a JSON string. Private to wire/. */
#ifndef HW_JSON_TEXT_H
#define HW_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
	if (len && !hw_json_is_plain(bytes, len))
		hw_json_measure_chars(text);
}

/* Each function writes to memory that is large enough, and returns the end of the output. */
char *hw_json_write_escaped(char *out, const struct hw_json_text *text); /* text->written bytes */
/* Copies short text without a call. */
static inline char *hw_json_write_text(char *out, const struct hw_json_text *text)
{
	const size_t word = sizeof(uint64_t);
	size_t len = text->len;

	if (!text->plain)
		return hw_json_write_escaped(out, text);
	if (len < word) {
		for (size_t i = 0; i < len; i++)
			out[i] = text->bytes[i];
		return out + len;
	}
	for (size_t at = 0; at < len - word; at += word)
		memcpy(out + at, text->bytes + at, word);
	memcpy(out + len - word, text->bytes + len - word, word);
	return out + len;
}
char *hw_json_write_base64(char *out, const char *bytes,
			   size_t len); /* hw_json_base64_size() bytes */
/* Uses at most 20 bytes; some may follow the last digit. */
char *hw_json_write_u64(char *out, uint64_t value);
size_t hw_json_base64_size(size_t len);

#endif
