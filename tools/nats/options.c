/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_text(char **ret, const char *value)
{
	free(*ret);
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

static int set(struct nats_settings *s, const char *key, const char *value, const char **ret_why)
{
	char *text = NULL;
	int r;

	if (strcmp(key, "stream") == 0)
		return set_text(&s->stream, value);
	if (strcmp(key, "user") == 0)
		return set_text(&s->user, value);
	if (strcmp(key, "tls_ca") == 0)
		return nats_file_read(value, false, &s->ca, ret_why);
	if (strcmp(key, "tls_cert") == 0)
		return nats_file_read(value, false, &s->cert, ret_why);
	if (strcmp(key, "tls_key") == 0)
		return nats_file_read(value, true, &s->key, ret_why);
	if (strcmp(key, "password_file") == 0) {
		r = nats_file_read(value, true, &s->password, ret_why);
		if (r == 0)
			s->password[strcspn(s->password, "\r\n")] = '\0';
		return r;
	}
	*ret_why = "no such option: stream, user, password_file, credentials, tls_ca, tls_cert and "
		   "tls_key are known";
	if (strcmp(key, "credentials") != 0)
		return -EINVAL;
	r = nats_file_read(value, true, &text, ret_why);
	if (r == 0)
		r = nats_settings_take_credentials(s, text, ret_why);
	nats_secret_free(text);
	return r;
}

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int take_line(struct reader *reader, const char *path, char *line, unsigned number)
{
	char *equals = strchr(line, '='), *key;
	const char *why = NULL;
	int r;

	key = strip(line);
	if (!*key || *key == '#' || *key == ';')
		return 0;
	if (!equals)
		return reader_fail("%s:%u: expected KEY = VALUE", path, number);
	*equals = '\0';
	key = strip(key);
	r = set(&reader->settings, key, strip(equals + 1), &why);
	return r < 0 ? reader_fail("%s:%u: %s: %s", path, number, key, why ? why : strerror(-r))
		     : 0;
}

int reader_read_options(struct reader *reader, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	unsigned number = 0;
	int r = 0;

	if (!file)
		return reader_fail("%s: %s", path, strerror(errno));
	while (r == 0 && fgets(line, sizeof(line), file))
		r = take_line(reader, path, line, ++number);
	(void)fclose(file); /* only read from */
	return r;
}
