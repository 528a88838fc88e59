/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIZE_LIMIT 10000

static size_t size_of(const char *variable, unsigned short reported, size_t otherwise)
{
	const char *text = getenv(variable);
	long size = text ? strtol(text, NULL, 10) : 0;

	if (size > 0 && size < SIZE_LIMIT)
		return (size_t)size;
	return reported ? reported : otherwise;
}

size_t hw_terminal_width(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return 0;
	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* zero if unknown */
	return size_of("COLUMNS", size.ws_col, 80);
}

size_t hw_terminal_height(void)
{
	struct winsize size = { 0 };

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* zero if unknown */
	return size_of("LINES", size.ws_row, 24);
}
