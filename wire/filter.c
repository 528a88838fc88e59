/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/filter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hw_pattern {
	char *text; /* owned; without "!" and without the leading and trailing slash */
	size_t len;
	bool negated, anchored, dirs_only;
};

/* Matches one "[...]" at p against c. Returns the byte after it, NULL if the bracket is not closed.
 * */
static const char *match_set(const char *p, const char *end, unsigned char c, bool *ret_hit)
{
	bool negated = p + 1 < end && (p[1] == '!' || p[1] == '^'), hit = false;
	const char *first = p + 1 + negated;

	for (p = first; p < end && (*p != ']' || p == first); p++) {
		unsigned char low = (unsigned char)*p, high;

		if (low == '\\' && p + 1 < end)
			low = (unsigned char)*++p;
		high = low;
		if (p + 2 < end && p[1] == '-' && p[2] != ']') {
			high = (unsigned char)p[2];
			p += 2;
		}
		hit |= c >= low && c <= high;
	}
	*ret_hit = hit != negated && c != '/';
	return p < end ? p + 1 : NULL;
}

/* Matches one step of the pattern against one byte. Returns the rest of the pattern, NULL if it
 * does not match. */
static const char *match_one(const char *p, const char *end, char c)
{
	bool hit;

	if (*p == '[') {
		const char *rest = match_set(p, end, (unsigned char)c, &hit);

		if (rest)
			return hit ? rest : NULL;
	} else if (*p == '?') {
		return c != '/' ? p + 1 : NULL;
	} else if (*p == '\\' && p + 1 < end) {
		p++;
	}
	return *p == c ? p + 1 : NULL;
}

/* "**" must be between slashes or the ends of the pattern; elsewhere, two stars equal one. */
static bool is_double_star(const struct hw_pattern *pat, const char *p)
{
	const char *end = pat->text + pat->len;

	return p + 1 < end && p[0] == '*' && p[1] == '*' && (p == pat->text || p[-1] == '/') &&
	       (p + 2 == end || p[2] == '/');
}

/* Where to continue after a mismatch: the pattern after a star, and the text that the star does not
 * cover yet. */
struct retry {
	const char *p, *s;
};

/* Extends "*" by one byte, or "**" by one component. It is enough to remember the last star of each
 * kind: a longer match of an earlier one cannot help. */
static bool go_back(struct retry *star, struct retry *stars, const char *send, const char **p,
		    const char **s)
{
	if (star->p && star->s < send && *star->s != '/') {
		*p = star->p;
		*s = ++star->s;
		return true;
	}
	const char *slash = stars->p && stars->s < send
				    ? memchr(stars->s, '/', (size_t)(send - stars->s))
				    : NULL;

	if (!slash)
		return false;
	star->p = NULL;
	*p = stars->p;
	*s = stars->s = slash + 1;
	return true;
}

static bool match(const struct hw_pattern *pat, const char *s, const char *send)
{
	const char *p = pat->text, *end = p + pat->len;
	struct retry star = { 0 }, stars = { 0 };

	for (;;) {
		if (p < end && is_double_star(pat, p)) {
			if (p + 2 == end)
				return true;
			p += 3;
			stars = (struct retry){ p, s };
			star.p = NULL;
			continue;
		}
		if (p < end && *p == '*') {
			star = (struct retry){ ++p, s };
			continue;
		}
		if (p == end && s == send)
			return true;
		const char *rest = p < end && s < send ? match_one(p, end, *s) : NULL;

		if (rest) {
			p = rest;
			s++;
		} else if (!go_back(&star, &stars, send, &p, &s)) {
			return false;
		}
	}
}

bool hw_filter_matches(const struct hw_filter *filter, const char *path, size_t len, bool is_dir)
{
	const char *name = memrchr(path, '/', len);

	name = name ? name + 1 : path;
	for (size_t i = filter->count; i--;) {
		const struct hw_pattern *pat = &filter->patterns[i];
		const char *subject = pat->anchored ? path : name;

		if (pat->dirs_only && !is_dir)
			continue;
		if (match(pat, subject, path + len))
			return !pat->negated;
	}
	return false;
}

static bool has_open_set(const char *p, const char *end)
{
	bool hit;

	while (p && p < end) {
		if (*p == '[')
			p = match_set(p, end, 0, &hit);
		else
			p += *p == '\\' ? 2 : 1;
	}
	return !p;
}

static const char *complaint(const char *text, size_t len)
{
	if (!len)
		return "the pattern is empty";
	if (len > HW_FILTER_PATTERN_MAX)
		return "the pattern is longer than 4096 bytes";
	if (has_open_set(text, text + len))
		return "\"[\" without \"]\"; a literal bracket is written \"\\[\"";
	return NULL;
}

static const char *parse(const char *text, struct hw_pattern *ret)
{
	size_t len = strlen(text);

	ret->negated = len && *text == '!';
	text += ret->negated;
	len -= ret->negated;
	ret->dirs_only = len && text[len - 1] == '/';
	len -= ret->dirs_only;
	ret->anchored = memchr(text, '/', len) != NULL;
	if (len && *text == '/') {
		text++;
		len--;
	}
	const char *reason = complaint(text, len);

	if (reason)
		return reason;
	ret->text = strndup(text, len);
	ret->len = len;
	return ret->text ? NULL : "out of memory";
}

int hw_filter_init(struct hw_filter *filter, const char *const *patterns, size_t count,
		   size_t *ret_bad, const char **ret_reason)
{
	memset(filter, 0, sizeof(*filter));
	if (!count)
		return 0;
	*ret_bad = 0;
	*ret_reason = "there are more than 4096 patterns";
	if (count > HW_FILTER_PATTERNS_MAX)
		return -EINVAL;
	filter->patterns = calloc(count, sizeof(*filter->patterns));
	if (!filter->patterns)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const char *reason = parse(patterns[i], &filter->patterns[i]);

		if (reason) {
			hw_filter_free(filter);
			*ret_bad = i;
			*ret_reason = reason;
			return -EINVAL;
		}
		filter->count++;
		filter->anchored |= filter->patterns[i].anchored;
	}
	return 0;
}

void hw_filter_free(struct hw_filter *filter)
{
	for (size_t i = 0; i < filter->count; i++)
		free(filter->patterns[i].text);
	free(filter->patterns);
	memset(filter, 0, sizeof(*filter));
}
