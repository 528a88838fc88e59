/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "suggest.h"

#include <string.h>

#define WORD_MAX 64u /* longer words get no suggestion */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Three rows are enough: a swap of neighbors refers to the row before the previous one. */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];

	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3],
			 *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

struct nearest {
	const char *word;
	size_t len;
	const char *best;
	unsigned distance; /* of the best word; before one is found, the first distance that is too
			    * large */
};

static void nearest_init(struct nearest *nearest, const char *word)
{
	size_t len = strlen(word);

	*nearest = (struct nearest){ .word = word, .len = len };
	/* A third of the word may be wrong, with at least one and at most three letters. */
	nearest->distance = 1 + (unsigned)(len < 6 ? 1 : len < 9 ? 2 : 3);
}

static void nearest_try(struct nearest *nearest, const char *candidate)
{
	size_t len = strlen(candidate);
	unsigned distance;

	if (nearest->len > WORD_MAX || len > WORD_MAX || nearest->len == 0)
		return;
	distance = edit_distance(nearest->word, nearest->len, candidate, len);
	if (distance < nearest->distance && distance < len) {
		nearest->distance = distance;
		nearest->best = candidate;
	}
}

const char *hw_suggest(const char *word, const char *const *words, size_t count)
{
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (size_t i = 0; i < count; i++)
		nearest_try(&nearest, words[i]);
	return nearest.best;
}
