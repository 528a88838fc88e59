/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the directories that a watcher watches: by token, and by the key under which the
 * kernel reports them. A directory takes 8 bytes, its key, and 8 bytes for each slot of the
 * indices, of which at most 7/8 are used. Nothing is allocated when events are read.
 *
 * A key is an array of key_words words. The highest bit of its last word does not belong to the
 * key: the table keeps a flag of the directory there. Keys should differ in their first word, which
 * alone decides where they are looked for.
 */
#ifndef HW_PLUGIN_DIRS_H
#define HW_PLUGIN_DIRS_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stdint.h>

/* With key_words set and all else zero, this is an empty table. */
struct hw_dirs {
	uint32_t key_words; /* at least 1 */
	uint32_t capacity; /* slots of each index: a power of two, or 0 */
	uint32_t room; /* capacity of tokens and keys */
	uint32_t count;
	uint32_t flagged; /* directories that were added with the flag */
	hw_token *tokens; /* owned: count of them, without holes */
	uint32_t *keys; /* owned: key_words words for each token */
	uint32_t *index[2]; /* owned: by key, by token; a slot is the index of a directory plus one,
			     * or 0: free */
};

/* Empties the table. */
void hw_dirs_finish(struct hw_dirs *dirs);

/* Returns -ENOMEM, or -EEXIST if the key or the token is in the table. On error, nothing changes.
 * */
int hw_dirs_add(struct hw_dirs *dirs, const uint32_t *key, hw_token token, bool flag);

/* Returns HW_NO_DIR if the key is not in the table. */
hw_token hw_dirs_token(const struct hw_dirs *dirs, const uint32_t *key);

/* Returns the key, including the flag, valid until the table changes; NULL if the token is not in
 * the table. */
const uint32_t *hw_dirs_key(const struct hw_dirs *dirs, hw_token token);

/* Does nothing if the token is not in the table. */
void hw_dirs_remove(struct hw_dirs *dirs, hw_token token);

#endif
