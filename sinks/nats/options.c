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

static int read_password(struct nats_sink *sink)
{
	char *text = NULL;
	int r = read_file(sink, "password_file", sink->password_file, &text);

	if (text)
		text[strcspn(text, "\r\n")] = '\0';
	sink->settings.password = text;
	if (r == 0 && !sink->user != !text)
		r = refuse(sink, "user,password_file", NULL,
			   "user and password_file require each other");
	if (r == 0 && sink->user) {
		sink->settings.user = strdup(sink->user);
		r = sink->settings.user ? 0 : -ENOMEM;
	}
	return r;
}

static int read_credentials(struct nats_sink *sink)
{
	const char *why = NULL;
	char *text = NULL;
	int r = read_file(sink, "credentials", sink->credentials, &text);

	if (r == 0 && text && nats_settings_take_credentials(&sink->settings, text, &why) < 0)
		r = refuse(sink, "credentials", sink->credentials, why);
	nats_secret_free(text);
	if (r == 0 && text && sink->user)
		r = refuse(sink, "credentials,user", NULL, "set either credentials or user");
	return r;
}

static int read_tls(struct nats_sink *sink)
{
	struct nats_settings *s = &sink->settings;
	int r = read_file(sink, "tls_ca", sink->tls_ca, &s->ca);

	note(&r, read_file(sink, "tls_cert", sink->tls_cert, &s->cert));
	note(&r, read_file(sink, "tls_key", sink->tls_key, &s->key));
	if (r == 0 && !s->cert != !s->key)
		r = refuse(sink, "tls_cert,tls_key", NULL,
			   "tls_cert and tls_key require each other");
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
	int r = take_urls(sink);

	note(&r, check_names(sink));
	note(&r, read_password(sink));
	note(&r, read_credentials(sink));
	note(&r, read_tls(sink));
	return r;
}
