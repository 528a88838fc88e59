/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All mistakes are reported, not only the first. A lack of memory ends the check. */
static void note(int *result, int r)
{
	if (r < 0 && (*result == 0 || r == -ENOMEM))
		*result = r;
}

static int refuse(struct nats_sink *sink, const char *keys, const char *value, const char *why)
{
	return sink->host->fail_option(sink->ctx, keys, value, EINVAL, "%s", why);
}

static int take_urls(struct nats_sink *sink)
{
	const char *at = sink->url ? sink->url : "", *why = NULL;
	int r = 0;

	while (*at) {
		size_t len = strcspn(at, "\n");

		if (len && nats_settings_add_url(&sink->settings, at, len, &why) < 0) {
			char *text = strndup(at, len);

			note(&r,
			     text ? refuse(sink, "url", text, why ? why : "no memory") : -ENOMEM);
			free(text);
		}
		at += len + (at[len] != '\0');
	}
	if (r == 0 && !sink->settings.url_count)
		r = refuse(sink, "url", NULL, "no server: set url = nats://HOST");
	return r;
}

static int read_file(struct nats_sink *sink, const char *key, const char *path, char **ret)
{
	/* What may be known to anybody need not be private. */
	bool secret = strcmp(key, "tls_ca") != 0 && strcmp(key, "tls_cert") != 0;
	const char *why = NULL;
	int r;

	if (!path || !*path)
		return 0;
	if (*path != '/')
		return refuse(sink, key, path, "must be an absolute path");
	r = nats_file_read(path, secret, ret, &why);
	return r == -ENOMEM || r == 0 ? r : refuse(sink, key, path, why);
}

/* The first line of a file. */
static int read_line(struct nats_sink *sink, const char *key, const char *path, char **ret)
{
	int r = read_file(sink, key, path, ret);

	if (*ret)
		nats_cut_line(*ret);
	return r;
}

static int copy(const char *value, char **ret)
{
	*ret = value && *value ? strdup(value) : NULL;
	return value && *value && !*ret ? -ENOMEM : 0;
}

static int read_login(struct nats_sink *sink)
{
	struct nats_settings *s = &sink->settings;
	const char *why = NULL;
	char *text = NULL;
	int r = copy(sink->user, &s->user);

	note(&r, copy(sink->nkey, &s->nkey));
	note(&r, read_line(sink, "password_file", sink->password_file, &s->password));
	note(&r, read_line(sink, "token_file", sink->token_file, &s->token));
	note(&r, read_line(sink, "nkey_file", sink->nkey_file, &s->seed));
	note(&r, read_file(sink, "credentials", sink->credentials, &text));
	if (r == 0 && text && s->seed)
		r = refuse(sink, "credentials,nkey_file", NULL, "set either credentials or nkey");
	if (r == 0 && text && nats_settings_take_credentials(s, text, &why) < 0)
		r = refuse(sink, "credentials", sink->credentials, why);
	nats_secret_free(text);
	return r;
}

static int read_tls(struct nats_sink *sink)
{
	struct nats_settings *s = &sink->settings;
	int r = read_file(sink, "tls_ca", sink->tls_ca, &s->ca);

	note(&r, read_file(sink, "tls_cert", sink->tls_cert, &s->cert));
	note(&r, read_file(sink, "tls_key", sink->tls_key, &s->key));
	return r;
}

static int check_names(struct nats_sink *sink)
{
	const char *why = nats_check_prefix(sink->prefix);
	int r = 0;

	if (why)
		r = refuse(sink, "prefix", sink->prefix, why);
	why = nats_check_stream(sink->stream);
	if (why)
		note(&r, refuse(sink, "stream", sink->stream, why));
	sink->settings.stream = strdup(sink->stream);
	return sink->settings.stream ? r : -ENOMEM;
}

int nats_options_parse(struct nats_sink *sink)
{
	const char *why, *keys = NULL;
	int r = take_urls(sink);

	note(&r, check_names(sink));
	note(&r, read_login(sink));
	note(&r, read_tls(sink));
	if (r < 0)
		return r;
	why = nats_settings_check(&sink->settings, &keys);
	return why ? refuse(sink, keys, NULL, why) : 0;
}
