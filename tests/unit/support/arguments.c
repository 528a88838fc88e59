/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int usage(const char *program, const struct hw_argument *list)
{
	fprintf(stderr, "usage: %s [--filter PATTERN]", program);
	for (; list->name; list++)
		fprintf(stderr, list->flag ? " [--%s]" : " [--%s NUMBER]", list->name);
	fputs("\n", stderr);
	return 2;
}

static bool read_number(const char *text, unsigned *ret)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number > UINT32_MAX)
		return false;
	*ret = (unsigned)number;
	return true;
}

int hw_arguments_parse(int argc, char **argv, const struct hw_argument *list)
{
	for (int i = 1; i < argc; i++) {
		const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
		const struct hw_argument *found = list;

		while (found->name && strcmp(found->name, name) != 0)
			found++;
		if (found->flag)
			*found->flag = true;
		else if (++i == argc)
			return usage(*argv, list);
		else if (strcmp(name, "filter") == 0)
			cmocka_set_test_filter(argv[i]);
		else if (!found->name || !read_number(argv[i], found->number))
			return usage(*argv, list);
	}
	return 0;
}
