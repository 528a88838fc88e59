/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inifile.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_MAX 128u
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* inih splits keys from values. It does not count lines for its handler, does not report empty
 * sections or every bad line, and truncates long section names. The reader function that feeds inih
 * handles these. */
struct parser {
	FILE *file;
	const char *name;
	char text[QUOTED_MAX]; /* the line, quoted, if it should contain a setting */
	struct hw_errors *errors;
	struct hw_ini *ini;
	unsigned line;
	size_t bytes;
	bool in_section; /* a section has begun, valid or not */
	bool skip; /* the section is invalid: its keys are discarded */
	bool expects_pair; /* the line being parsed must reach the handler */
	bool bad;
	int error; /* an error that ends the parsing */
};

static void mistake(struct parser *parser, const char *text)
{
	hw_errors_add(parser->errors, "%s:%u: %s", parser->name, parser->line, text);
	parser->bad = true;
}

static void expected_pair(struct parser *parser)
{
	char text[QUOTED_MAX + 40];

	(void)snprintf(text, sizeof(text), "expected KEY = VALUE, got %s", parser->text);
	mistake(parser, text);
}

/* ---- sections ---- */

static int add_section(struct parser *parser, const char *kind, size_t kind_len, const char *name,
		       size_t name_len)
{
	struct hw_ini *ini = parser->ini;
	struct hw_ini_section *sections, *section;

	sections = reallocarray(ini->sections, ini->count + 1, sizeof(*sections));
	if (!sections)
		return -ENOMEM;
	ini->sections = sections;
	section = &sections[ini->count];
	*section = (struct hw_ini_section){ .line = parser->line };
	section->kind = strndup(kind, kind_len);
	section->name = strndup(name, name_len);
	if (!section->kind || !section->name) {
		free(section->kind);
		free(section->name);
		return -ENOMEM;
	}
	ini->count++;
	return 0;
}

static const char *skip_space(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static bool is_line_end(const char *text)
{
	text = skip_space(text);
	return *text == '\0' || *text == '#' || *text == ';';
}

/* text is the line after the opening bracket. */
static void begin_section(struct parser *parser, const char *text)
{
	const char *kind = skip_space(text);
	size_t kind_len = strspn(kind, NAME_CHARS);
	const char *name = skip_space(kind + kind_len);
	size_t name_len = strspn(name, NAME_CHARS);
	const char *end = skip_space(name + name_len);

	parser->in_section = true;
	parser->skip = true;
	if (kind_len == 0 || *end != ']' || !is_line_end(end + 1)) {
		mistake(parser, "malformed section header; expected [KIND] or [KIND NAME], with "
				"letters, digits, '.', '_' and '-' in the name");
		return;
	}
	if (kind_len > HW_INI_NAME_MAX || name_len > HW_INI_NAME_MAX) {
		mistake(parser, "section name longer than 64 characters");
		return;
	}
	if (parser->ini->count == HW_INI_SECTIONS_MAX) {
		mistake(parser, "more than 1024 sections");
		return;
	}
	parser->error = add_section(parser, kind, kind_len, name, name_len);
	parser->skip = parser->error < 0;
}

/* ---- lines ---- */

static void end_line(struct parser *parser)
{
	if (parser->expects_pair)
		expected_pair(parser);
	parser->expects_pair = false;
}

/* Reads one line without its newline. Returns its full length, of which at most room bytes were
 * stored; -1 at the end. */
static ssize_t get_line(struct parser *parser, char *line, size_t room, bool *ret_has_nul)
{
	size_t len = 0;
	int c;

	*ret_has_nul = false;
	while ((c = getc(parser->file)) != EOF && c != '\n') {
		*ret_has_nul |= c == '\0';
		if (len < room)
			line[len] = (char)c;
		if (++len > HW_INI_FILE_MAX)
			break;
	}
	parser->bytes += len + (c == '\n');
	if (parser->bytes > HW_INI_FILE_MAX)
		parser->error = -EFBIG;
	else if (c == EOF && ferror(parser->file))
		parser->error = errno > 0 ? -errno : -EIO;
	return parser->error < 0 || (c == EOF && len == 0) ? -1 : (ssize_t)len;
}

static void look_at_line(struct parser *parser, const char *line)
{
	const char *text = skip_space(line);
	size_t len = strlen(text);

	if (*text == '[') {
		begin_section(parser, text + 1);
		return;
	}
	parser->expects_pair = !is_line_end(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	hw_quote(parser->text, sizeof(parser->text), text, len);
}

/* The reader function of ini_parse_stream(), with the contract of fgets(). */
static char *read_line(char *str, int num, void *stream)
{
	struct parser *parser = stream;
	size_t room = num > 2 ? (size_t)num - 2 : 0;
	bool has_nul;
	ssize_t len;

	end_line(parser);
	if (room > HW_INI_LINE_MAX)
		room = HW_INI_LINE_MAX;
	if (parser->error < 0)
		return NULL;
	len = get_line(parser, str, room, &has_nul);
	if (len < 0)
		return NULL;
	parser->line++;
	if ((size_t)len > room || has_nul) {
		mistake(parser,
			has_nul ? "line contains a NUL byte" : "line longer than 4096 bytes");
		len = 0; /* passes an empty line, so that the rest is also checked */
	}
	str[len] = '\0';
	if (parser->line == 1 && strncmp(str, "\xef\xbb\xbf", 3) == 0)
		memmove(str, str + 3, (size_t)len - 2);
	look_at_line(parser, str);
	strcat(str, "\n");
	return str;
}

static int add_setting(struct hw_ini_section *section, const char *key, const char *value,
		       unsigned line)
{
	struct hw_setting *settings;
	unsigned *lines;

	settings = reallocarray(section->settings, section->count + 1, sizeof(*settings));
	if (!settings)
		return -ENOMEM;
	section->settings = settings;
	lines = reallocarray(section->lines, section->count + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	section->lines = lines;
	settings += section->count;
	settings->key = strdup(key);
	settings->value = strdup(value);
	if (!settings->key || !settings->value) {
		free((char *)settings->key);
		free((char *)settings->value);
		return -ENOMEM;
	}
	lines[section->count++] = line;
	return 0;
}

static int handle_pair(void *user, const char *ini_section, const char *key, const char *value)
{
	struct parser *parser = user;
	struct hw_ini *ini = parser->ini;

	(void)ini_section; /* inih truncates it */
	parser->expects_pair = false;
	if (parser->error < 0)
		return 1;
	if (*key == '\0' || !value)
		expected_pair(parser);
	else if (!parser->in_section)
		mistake(parser, "setting before the first section header");
	else if (!parser->skip)
		parser->error =
			add_setting(&ini->sections[ini->count - 1], key, value, parser->line);
	return 1;
}

int hw_ini_read(FILE *file, const char *name, struct hw_errors *errors, struct hw_ini *ret)
{
	char quoted[QUOTED_MAX];
	struct parser parser = { .file = file, .errors = errors, .ini = ret };
	int r;

	parser.name = hw_quote(quoted, sizeof(quoted), name, strlen(name));
	/* A file name that needs no quoting is shown without quotes, so that editors can jump to
	 * NAME:LINE. */
	if (strlen(name) + 2 == strlen(quoted))
		parser.name = name;
	*ret = (struct hw_ini){ 0 };
	ini_use_stack = false;
	ini_max_line = ini_initial_alloc = (int)HW_INI_LINE_MAX + 3;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	r = ini_parse_stream(read_line, &parser, handle_pair, &parser);
	if (r == -2)
		parser.error = -ENOMEM;
	if (parser.error == -EFBIG)
		mistake(&parser, "file is larger than 1 MiB");
	else if (parser.error < 0)
		hw_errors_add(errors, "cannot read %s: %s", parser.name, strerror(-parser.error));
	if (parser.error < 0 && parser.error != -EFBIG)
		return parser.error;
	return parser.bad ? -EINVAL : 0;
}

void hw_ini_free(struct hw_ini *ini)
{
	for (size_t i = 0; i < ini->count; i++) {
		struct hw_ini_section *section = &ini->sections[i];

		for (size_t j = 0; j < section->count; j++) {
			free((char *)section->settings[j].key);
			free((char *)section->settings[j].value);
		}
		free(section->settings);
		free(section->lines);
		free(section->kind);
		free(section->name);
	}
	free(ini->sections);
	*ini = (struct hw_ini){ 0 };
}
