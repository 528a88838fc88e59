/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "Did you mean": finds the nearest word by edit distance; swapping neighbors counts as one edit.
 * */
#ifndef HW_SUGGEST_H
#define HW_SUGGEST_H

#include <stddef.h>

/* Returns the word that was probably meant, borrowed from words; NULL if no word is similar. */
const char *hw_suggest(const char *word, const char *const *words, size_t count);

#endif
