/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Short words whose length is known: copied as a whole, without a call. Private to wire/. */
#ifndef HW_WORD_H
#define HW_WORD_H

#include <hostwatch/event.h>
#include <stdint.h>
#include <string.h>

struct hw_word {
	char text[15]; /* ends with NUL */
	uint8_t len;
};
#define HW_WORD(literal)                                                                           \
	{                                                                                          \
		.text = literal, .len = sizeof(literal) - 1                                        \
	}

extern const struct hw_word hw_kind_words[HW_KIND_END];
extern const struct hw_word hw_type_words[HW_TYPE_END]; /* empty: HW_TYPE_NONE */

/* Writes up to sizeof(word->text) bytes. Returns the end of the word. */
static inline char *hw_word_write(char *out, const struct hw_word *word)
{
	memcpy(out, word->text, sizeof(word->text));
	return out + word->len;
}

#endif
