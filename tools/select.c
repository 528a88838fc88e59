/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "select.h"
#include "log.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- patterns ---- */

static int add_text(struct hw_words *words, const char *text)
{
	const char **items = reallocarray(words->items, words->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	items[words->count++] = text;
	words->items = items;
	return 0;
}

/* Returns the pattern of a line, in place; NULL if there is none. Syntax: gitignore(5). */
static char *pattern_of(char *line, size_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	while (len && line[len - 1] == ' ' && !(len > 1 && line[len - 2] == '\\'))
		len--;
	line[len] = '\0';
	return len && *line != '#' ? line : NULL;
}

static int mistake_in_file(const char *file, unsigned number, const char *text, const char *reason)
{
	char quoted[300];

	fprintf(stderr, "%s:%u: %s: %s\n", file, number,
		hw_quote(quoted, sizeof(quoted), text, strlen(text)), reason);
	return HW_EXIT_CONFIG;
}

/* Returns the reason why a pattern is invalid, NULL if it is valid. */
static const char *mistake_of(const char *pattern)
{
	struct hw_filter filter;
	const char *reason = NULL;
	size_t bad;
	int r = hw_filter_init(&filter, &pattern, 1, &bad, &reason);

	hw_filter_free(&filter);
	if (r == -ENOMEM)
		return "out of memory";
	return r < 0 ? reason : NULL;
}

static int take_line(struct hw_select *select, const char *file, unsigned number, char *line,
		     size_t len)
{
	const char *reason = NULL;
	char *pattern, *copy;

	if (memchr(line, '\0', len))
		return mistake_in_file(file, number, line, "contains a NUL byte");
	pattern = pattern_of(line, len);
	if (!pattern)
		return -1;
	reason = mistake_of(pattern);
	if (select->texts.count == HW_FILTER_PATTERNS_MAX)
		reason = "there are more than 4096 patterns";
	if (reason)
		return mistake_in_file(file, number, pattern, reason);
	copy = strdup(pattern);
	if (copy && add_text(&select->texts, copy) == 0)
		return -1;
	free(copy);
	fprintf(stderr, "%s: out of memory\n", file);
	return HW_EXIT_FAILURE;
}

/* Prints all mistakes of the file. */
static int take_lines(struct hw_select *select, const char *file, FILE *from)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;
	int status = -1;
	ssize_t len;

	while (status != HW_EXIT_FAILURE && (len = getline(&line, &size, from)) >= 0) {
		int r = take_line(select, file, ++number, line, (size_t)len);

		status = r >= 0 ? r : status;
	}
	free(line);
	return status;
}

static int read_file(struct hw_select *select, const struct hw_command_line *line, const char *file)
{
	FILE *from = fopen(file, "re");
	char quoted[300];
	int status, error = errno;

	hw_quote(quoted, sizeof(quoted), file, strlen(file));
	if (!from)
		return hw_args_failure(line, "--exclude-from: %s: %s", quoted, strerror(error));
	errno = 0;
	status = take_lines(select, hw_quote_is_needless(file, strlen(file)) ? file : quoted, from);
	if (status < 0 && ferror(from))
		status = hw_args_failure(line, "--exclude-from: %s: %s", quoted,
					 strerror(errno ? errno : EIO));
	(void)fclose(from); /* it was only read */
	return status;
}

static int check_options(const struct hw_select *select, const struct hw_command_line *line)
{
	char quoted[300];

	for (size_t i = 0; i < select->excludes.count; i++) {
		const char *pattern = select->excludes.items[i], *reason = mistake_of(pattern);

		if (reason)
			return hw_args_mistake(line, "--exclude: %s: %s",
					       hw_quote(quoted, sizeof(quoted), pattern,
							strlen(pattern)),
					       reason);
	}
	if (select->texts.count + select->excludes.count > HW_FILTER_PATTERNS_MAX)
		return hw_args_mistake(line, "--exclude: there are more than %u patterns",
				       HW_FILTER_PATTERNS_MAX);
	return -1;
}

static int make_filter(struct hw_select *select, const struct hw_command_line *line)
{
	size_t from_files = select->texts.count, count = from_files + select->excludes.count, bad;
	const char *reason = NULL;

	if (!count)
		return -1;
	select->patterns = calloc(count, sizeof(*select->patterns));
	if (!select->patterns)
		return hw_args_failure(line, "out of memory");
	for (size_t i = 0; i < count; i++)
		select->patterns[i] = i < from_files ? select->texts.items[i]
						     : select->excludes.items[i - from_files];
	select->pattern_count = count;
	if (hw_filter_init(&select->filter, select->patterns, count, &bad, &reason) < 0)
		return hw_args_failure(line, "out of memory"); /* each was already checked */
	return -1;
}

int hw_select_prepare(struct hw_select *select, const struct hw_command_line *line)
{
	int status = -1;

	for (size_t i = 0; status < 0 && i < select->exclude_files.count; i++)
		status = read_file(select, line, select->exclude_files.items[i]);
	if (status < 0)
		status = check_options(select, line);
	return status < 0 ? make_filter(select, line) : status;
}

void hw_select_free(struct hw_select *select)
{
	for (size_t i = 0; i < select->texts.count; i++)
		free((char *)select->texts.items[i]); /* allocated by strdup() */
	hw_words_free(&select->texts);
	hw_words_free(&select->excludes);
	hw_words_free(&select->exclude_files);
	free(select->patterns);
	select->patterns = NULL;
	hw_filter_free(&select->filter);
}

/* ---- events ---- */

bool hw_select_wants(const struct hw_select *select, unsigned kind)
{
	return !select->kinds || kind == HW_RESCAN ||
	       (kind > 0 && select->kinds & UINT32_C(1) << (kind - 1));
}
