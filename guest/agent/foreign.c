/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "foreign.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 32u

bool hw_file_is_foreign(const char *path, const char *word)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t len = strlen(word);
	char text[WORD_MAX];
	ssize_t n = fd < 0 ? 0 : read(fd, text, len < sizeof(text) ? len : sizeof(text));

	if (fd >= 0)
		(void)close(fd); /* only read from */
	return n > 0 && ((size_t)n < len || memcmp(text, word, len) != 0);
}
