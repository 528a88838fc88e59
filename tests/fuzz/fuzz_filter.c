/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Excludes: patterns, one per line, an empty line, then a path. */
#include <hostwatch/filter.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERNS 16u

/* Checks that a name matches itself, and no shorter path, if every byte of it is quoted. */
static void check_literal(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;
	size_t name_len = len - (size_t)(name - path);
	char quoted[2 * 256 + 1];
	const char *pattern = quoted, *reason;
	struct hw_filter filter;
	size_t bad, out = 0;

	if (!name_len || name_len > 255)
		return;
	for (size_t i = 0; i < name_len; i++) {
		quoted[out++] = '\\';
		quoted[out++] = name[i];
	}
	quoted[out] = '\0';
	if (hw_filter_init(&filter, &pattern, 1, &bad, &reason) < 0)
		abort();
	assert(hw_filter_matches(&filter, path, len, false));
	assert(hw_filter_matches(&filter, path, len, true));
	assert(!hw_filter_matches(&filter, path, len - 1, false) || name_len == 1);
	hw_filter_free(&filter);
}

static void check_path(const struct hw_filter *filter, const char *path, size_t len)
{
	bool first = hw_filter_matches(filter, path, len, false);

	assert(first == hw_filter_matches(filter, path, len, false));
	(void)hw_filter_matches(filter, path, len, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text, *path;
	const char *patterns[PATTERNS], *reason = NULL;
	struct hw_filter filter;
	size_t count = 0, bad = 0, path_len;

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	/* A NUL ends the patterns: neither patterns nor paths can contain one. */
	path = memchr(text, '\0', size + 1);
	path_len = path == text + size ? 0 : strnlen(path + 1, (size_t)(text + size - path - 1));
	path += path != text + size;
	while (at && *at && count < PATTERNS)
		patterns[count++] = strsep(&at, "\n");
	if (path_len)
		check_literal(path, path_len);
	int r = hw_filter_init(&filter, patterns, count, &bad, &reason);

	if (r == 0) {
		if (path_len)
			check_path(&filter, path, path_len);
		hw_filter_free(&filter);
	} else {
		assert(bad < count && reason);
	}
	free(text);
	return 0;
}
