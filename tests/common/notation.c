/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 4u

static const char *const kinds[HW_KIND_END] = {
	[HW_CREATE] = "create", [HW_DELETE] = "delete", [HW_MOVE] = "move",
	[HW_MODIFY] = "modify", [HW_ATTRIB] = "attrib", [HW_CLOSE_WRITE] = "close_write",
	[HW_RESCAN] = "rescan",
};
static const char *const types[HW_TYPE_END] = {
	[HW_TYPE_FILE] = "file",
	[HW_TYPE_DIR] = "dir",
	[HW_TYPE_SYMLINK] = "symlink",
	[HW_TYPE_OTHER] = "other",
};
static const char *const flags[] = {
	[0] = "",
	[HW_FLAG_REPLACED] = "(replaced)",
	[HW_FLAG_EXCHANGE] = "(exchange)",
};

void hw_bytes_release(struct hw_bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
	bytes->len = 0;
}

int hw_bytes_append(struct hw_bytes *bytes, const char *data, size_t len)
{
	if (len > HW_TOKEN_MAX || bytes->len > HW_TOKEN_MAX - len)
		return -E2BIG;
	char *grown = realloc(bytes->data, bytes->len + len + 1);

	if (!grown)
		return -ENOMEM;
	if (len)
		memcpy(grown + bytes->len, data, len);
	bytes->data = grown;
	bytes->len += len;
	grown[bytes->len] = '\0';
	return 0;
}

static int read_escaped(const char **at, struct hw_bytes *out, unsigned depth, const char *ends);

/* Reads the text*N) that follows "\(". */
static int read_repeat(const char **at, struct hw_bytes *out, unsigned depth)
{
	struct hw_bytes once = { 0 };
	char *end;
	int r;

	if (depth >= NESTING_MAX)
		return -EINVAL;
	r = read_escaped(at, &once, depth + 1, "*");
	if (!r && **at != '*')
		r = -EINVAL;
	unsigned long times = r ? 0 : strtoul(*at + 1, &end, 10);
	if (!r && (end == *at + 1 || *end != ')' || times > HW_TOKEN_MAX))
		r = -EINVAL;
	if (!r)
		*at = end + 1;
	for (unsigned long i = 0; !r && i < times; i++)
		r = hw_bytes_append(out, once.data, once.len);
	hw_bytes_release(&once);
	return r;
}

static int read_hex(const char **at, struct hw_bytes *out)
{
	char digits[3] = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		if (!isxdigit((unsigned char)(*at)[i]))
			return -EINVAL;
		digits[i] = (*at)[i];
	}
	*at += 2;
	char byte = (char)strtoul(digits, NULL, 16);
	return hw_bytes_append(out, &byte, 1);
}

static int read_escape(const char **at, struct hw_bytes *out, unsigned depth)
{
	static const char plain[] = "n\nt\t\\\\\"\"";
	char c = *(*at)++;

	if (c == '(')
		return read_repeat(at, out, depth);
	if (c == 'x')
		return read_hex(at, out);
	for (const char *p = plain; c && *p; p += 2)
		if (*p == c)
			return hw_bytes_append(out, p + 1, 1);
	return -EINVAL;
}

/* Reads up to one of `ends`, or the end of the line. */
static int read_escaped(const char **at, struct hw_bytes *out, unsigned depth, const char *ends)
{
	int r = hw_bytes_append(out, "", 0);

	while (!r && **at && !strchr(ends, **at)) {
		char c = *(*at)++;

		r = c == '\\' ? read_escape(at, out, depth) : hw_bytes_append(out, &c, 1);
	}
	return r;
}

int hw_notation_token(const char **at, struct hw_bytes *ret)
{
	struct hw_bytes token = { 0 };
	const char *p = *at + strspn(*at, " \t");
	bool quoted = *p == '"';
	int r;

	if (!*p || *p == '#')
		return 0;
	p += quoted;
	r = read_escaped(&p, &token, 0, quoted ? "\"" : " \t\"");
	if (!r && quoted && *p++ != '"')
		r = -EINVAL;
	if (!r && *p && *p != ' ' && *p != '\t')
		r = -EINVAL;
	if (r) {
		hw_bytes_release(&token);
		return r;
	}
	*at = p;
	*ret = token;
	return 1;
}

static int index_of(const char *const *table, int end, const char *word)
{
	for (int i = 0; i < end; i++)
		if (table[i] && !strcmp(table[i], word))
			return i;
	return -EINVAL;
}

static int read_word(const char **at, const char *const *table, int end)
{
	struct hw_bytes word;
	int r = hw_notation_token(at, &word);

	if (r <= 0)
		return r ? r : -EINVAL;
	r = index_of(table, end, word.data);
	hw_bytes_release(&word);
	return r;
}

static int read_path(const char **at, const char **ret, uint32_t *ret_len)
{
	struct hw_bytes path;
	int r = hw_notation_token(at, &path);

	if (r <= 0)
		return r ? r : -EINVAL;
	*ret = path.data;
	*ret_len = (uint32_t)path.len;
	return 0;
}

/* Returns whether the word is at *at, and moves *at past it. */
static bool skip_word(const char **at, const char *word)
{
	const char *p = *at + strspn(*at, " \t");
	size_t len = strlen(word);

	if (strncmp(p, word, len) || (p[len] && p[len] != ' ' && p[len] != '\t'))
		return false;
	*at = p + len;
	return true;
}

/* "[FROM] ->|<-> [TO] [(replaced)|(exchange)]" */
static int read_move(const char **at, struct hw_event *event)
{
	static const char *const both[] = { "<->", "->" };
	bool exchange = false, arrow = false;
	int r = 0;

	for (unsigned pass = 0; pass < 2 && !arrow && !r; pass++) {
		for (unsigned i = 0; i < 2 && !arrow; i++) {
			arrow = skip_word(at, both[i]);
			exchange = arrow && i == 0;
		}
		if (!arrow && !pass)
			r = read_path(at, &event->from, &event->from_len);
	}
	if (r || !arrow)
		return r ? r : -EINVAL;
	const char *p = *at + strspn(*at, " \t");
	if (*p && *p != '(' && *p != '#')
		r = read_path(at, &event->path, &event->path_len);
	for (uint16_t f = 1; f <= HW_FLAG_EXCHANGE; f++)
		if (skip_word(at, flags[f]))
			event->flags = f;
	if (exchange != (event->flags == HW_FLAG_EXCHANGE) || (!event->from && !event->path))
		return -EINVAL;
	return r;
}

static bool has_type(int kind)
{
	return kind == HW_CREATE || kind == HW_DELETE || kind == HW_MOVE || kind == HW_ATTRIB;
}

int hw_notation_parse(const char *line, struct hw_event *ret, const char **rest)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	int kind = read_word(&line, kinds, HW_KIND_END);
	int type = kind == HW_RESCAN ? HW_TYPE_NONE : HW_TYPE_FILE;
	int r = kind < 0 ? kind : 0;

	if (!r && has_type(kind)) {
		type = read_word(&line, types, HW_TYPE_END);
		r = type < 0 ? type : 0;
	}
	if (r)
		return r;
	event.kind = (uint8_t)kind;
	event.type = (uint8_t)type;
	r = kind == HW_MOVE ? read_move(&line, &event)
			    : read_path(&line, &event.path, &event.path_len);
	if (r) {
		hw_notation_release(&event);
		return r;
	}
	*rest = line;
	*ret = event;
	return 0;
}

void hw_notation_release(struct hw_event *event)
{
	free((char *)(uintptr_t)event->path);
	free((char *)(uintptr_t)event->from);
	event->path = event->from = NULL;
}

static bool is_plain(unsigned char c)
{
	return isalnum(c) || strchr("._/+@%=,:~-", c);
}

static void put_path(FILE *out, const char *path, uint32_t len)
{
	bool bare = len > 0;

	for (uint32_t i = 0; bare && i < len; i++)
		bare = path[i] && is_plain((unsigned char)path[i]);
	if (bare) {
		fwrite(path, 1, len, out);
		return;
	}
	fputc('"', out);
	for (uint32_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < ' ' || c > '~')
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_move(FILE *out, const struct hw_event *event)
{
	const char *flag = event->flags <= HW_FLAG_EXCHANGE ? flags[event->flags] : "(?)";

	if (event->from) {
		put_path(out, event->from, event->from_len);
		fputc(' ', out);
	}
	fputs(event->flags == HW_FLAG_EXCHANGE ? "<->" : "->", out);
	if (event->path) {
		fputc(' ', out);
		put_path(out, event->path, event->path_len);
	}
	fprintf(out, "%s%s", *flag ? " " : "", flag);
}

char *hw_notation_text(const struct hw_event *event)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool known = event->kind < HW_KIND_END && kinds[event->kind];

	if (!out)
		return NULL;
	fprintf(out, "%s ", known ? kinds[event->kind] : "unknown");
	if (has_type(event->kind) && event->type < HW_TYPE_END && types[event->type])
		fprintf(out, "%s ", types[event->type]);
	/* Such a type is not allowed for this kind: print it, so that a comparison of lines shows
	 * it. */
	else if (event->type != (event->kind == HW_RESCAN ? HW_TYPE_NONE : HW_TYPE_FILE))
		fprintf(out, "type-%u ", event->type);
	if (event->kind == HW_MOVE)
		put_move(out, event);
	else
		put_path(out, event->path ? event->path : "(null)",
			 event->path ? event->path_len : 6);
	if (event->kind != HW_MOVE && (event->flags || event->from))
		fprintf(out, " with flags %u", event->flags);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
