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

/* A certificate or the authorities need not be secret. */
static int set_file(struct nats_settings *s, const char *key, const char *path,
		    const char **ret_why)
{
	const struct {
		const char *key;
		char **ret;
		bool secret, line;
	} files[] = {
		{ "tls_ca", &s->ca, false, false },
		{ "tls_cert", &s->cert, false, false },
		{ "tls_key", &s->key, true, false },
		{ "password_file", &s->password, true, true },
		{ "token_file", &s->token, true, true },
		{ "nkey_file", &s->seed, true, true },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int r;

		if (strcmp(key, files[i].key) != 0)
			continue;
		nats_secret_free(*files[i].ret);
		*files[i].ret = NULL;
		r = nats_file_read(path, files[i].secret, files[i].ret, ret_why);
		if (r == 0 && files[i].line)
			nats_cut_line(*files[i].ret);
		return r;
	}
	*ret_why = "no such option: stream, user, password_file, token_file, nkey, nkey_file, "
		   "credentials, tls_ca, tls_cert and tls_key are known";
	return -EINVAL;
}

static int set(struct nats_settings *s, const char *key, const char *value, const char **ret_why)
{
	char *text = NULL;
	int r;

	if (strcmp(key, "stream") == 0)
		return set_text(&s->stream, value);
	if (strcmp(key, "user") == 0)
		return set_text(&s->user, value);
	if (strcmp(key, "nkey") == 0)
		return set_text(&s->nkey, value);
	if (strcmp(key, "credentials") != 0)
		return set_file(s, key, value, ret_why);
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
	const char *why, *keys = NULL;
	char line[4096];
	unsigned number = 0;
	int r = 0;

	if (!file)
		return reader_fail("%s: %s", path, strerror(errno));
	while (r == 0 && fgets(line, sizeof(line), file))
		r = take_line(reader, path, line, ++number);
	(void)fclose(file); /* only read from */
	why = r == 0 ? nats_settings_check(&reader->settings, &keys) : NULL;
	return why ? reader_fail("%s: %s: %s", path, keys, why) : r;
}
