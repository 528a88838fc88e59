/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that the agent would replace. */
#ifndef GUEST_FOREIGN_H
#define GUEST_FOREIGN_H

#include <stdbool.h>

/* Returns whether this is a file with contents that do not begin with the word: it is of another
 * program, or of a user, and must not be replaced. */
bool hw_file_is_foreign(const char *path, const char *word);

#endif
