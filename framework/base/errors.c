/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int keep_line(struct hw_errors *errors, const char *line)
{
	char **lines, *copy;

	lines = reallocarray(errors->lines, errors->count + 1, sizeof(*lines));
	if (!lines)
		return -1;
	errors->lines = lines;
	copy = strdup(line);
	if (!copy)
		return -1;
	errors->lines[errors->count++] = copy;
	return 0;
}

void hw_errors_add(struct hw_errors *errors, const char *format, ...)
{
	char line[HW_ERRORS_LINE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap); /* a truncated line is acceptable */
	va_end(ap);
	if (!errors) {
		hw_error("%s", line);
		return;
	}
	errors->total++;
	if (errors->count < HW_ERRORS_MAX)
		(void)keep_line(errors, line); /* hw_errors_add() counts the line even if it is not
						* kept */
}

void hw_errors_print(const struct hw_errors *errors, FILE *to)
{
	for (size_t i = 0; i < errors->count; i++)
		fprintf(to, "%s\n", errors->lines[i]);
	if (errors->total > errors->count)
		fprintf(to, "... and %zu more\n", errors->total - errors->count);
}

void hw_errors_log(const struct hw_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		hw_error("%s", errors->lines[i]);
	if (errors->total > errors->count)
		hw_error("... and %zu more", errors->total - errors->count);
}

static int by_line(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

void hw_errors_sort(struct hw_errors *errors)
{
	if (errors->count > 1)
		qsort(errors->lines, errors->count, sizeof(*errors->lines), by_line);
}

void hw_errors_free(struct hw_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->lines[i]);
	free(errors->lines);
	*errors = (struct hw_errors){ 0 };
}
