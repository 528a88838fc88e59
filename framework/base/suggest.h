/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "Did you mean": the nearest word by edit distance, swapped neighbours counting as one edit. */
#ifndef HW_SUGGEST_H
#define HW_SUGGEST_H

#include <stddef.h>

/* The word that was probably meant, borrowed from words; NULL when none is near. */
const char *hw_suggest(const char *word, const char *const *words, size_t count);

#endif
