/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_out.h"
#include "../wire/json_text.h"

#include <hostwatch/wire.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_string(FILE *to, const char *text)
{
	size_t len = strlen(text);

	fputc('"', to);
	for (size_t i = 0; i < len;) {
		unsigned n = hw_utf8_char(text + i, len - i);
		unsigned char c = (unsigned char)text[i];

		if (n == 0)
			fputs("\\ufffd", to);
		else if (c < 0x20 || c == 0x7f)
			fprintf(to, "\\u%04x", c);
		else if (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0) /* C1 */
			fprintf(to, "\\u%04x", (unsigned char)text[i + 1]);
		else if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else
			fwrite(text + i, 1, n, to);
		i += n ? n : 1;
	}
	fputc('"', to);
}

/* Writes the separator and the key before a value. */
static void begin(struct hw_json_out *out, const char *key)
{
	if (out->follows)
		fputc(',', out->to);
	out->follows = true;
	if (!key)
		return;
	put_string(out->to, key);
	fputc(':', out->to);
}

void hw_json_open(struct hw_json_out *out, const char *key, char bracket)
{
	begin(out, key);
	fputc(bracket, out->to);
	out->follows = false;
}

void hw_json_close(struct hw_json_out *out, char bracket)
{
	fputc(bracket, out->to);
	out->follows = true;
}

void hw_json_text(struct hw_json_out *out, const char *key, const char *text)
{
	begin(out, key);
	if (text)
		put_string(out->to, text);
	else
		fputs("null", out->to);
}

void hw_json_path(struct hw_json_out *out, const char *key, const char *path)
{
	size_t len = strlen(path);
	struct hw_json_text measured;
	char name[64], *coded = NULL;

	hw_json_measure(&measured, path, len);
	hw_json_text(out, key, path);
	if (!measured.valid)
		coded = malloc(hw_json_base64_size(len) + 1);
	if (!coded)
		return;
	*hw_json_write_base64(coded, path, len) = '\0';
	(void)snprintf(name, sizeof(name), "%s_b64", key);
	hw_json_text(out, name, coded);
	free(coded);
}

void hw_json_number(struct hw_json_out *out, const char *key, uint64_t number)
{
	begin(out, key);
	fprintf(out->to, "%" PRIu64, number);
}

void hw_json_decimal(struct hw_json_out *out, const char *key, double number)
{
	begin(out, key);
	fprintf(out->to, "%.3f", number);
}

void hw_json_bool(struct hw_json_out *out, const char *key, bool value)
{
	begin(out, key);
	fputs(value ? "true" : "false", out->to);
}
