/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clean.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

const char *hw_clean(char *buf, size_t size, const char *message)
{
	size_t len = strlen(message), grown = len + 2;

	/* Quoted text contains quotes and backslashes, but nothing else that needs an escape. */
	for (const char *at = message; *at; at++)
		grown += *at == '"' || *at == '\\';
	hw_quote(buf, size, message, len);
	if (strlen(buf) == grown)
		(void)snprintf(buf, size, "%s", message);
	return buf;
}
