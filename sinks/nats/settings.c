/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void nats_secret_free(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

void nats_settings_free(struct nats_settings *s)
{
	for (int i = 0; i < s->url_count; i++)
		free(s->urls[i]);
	free(s->stream);
	free(s->user);
	nats_secret_free(s->password);
	nats_secret_free(s->token);
	free(s->nkey);
	nats_secret_free(s->jwt);
	nats_secret_free(s->seed);
	free(s->ca);
	free(s->cert);
	nats_secret_free(s->key);
	*s = (struct nats_settings){ 0 };
}

int nats_settings_add_url(struct nats_settings *s, const char *url, size_t len,
			  const char **ret_why)
{
	static const char *const schemes[] = { "nats://", "tls://" };
	bool known = false;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		known |= len > strlen(schemes[i]) &&
			 strncmp(url, schemes[i], strlen(schemes[i])) == 0;
	*ret_why = NULL;
	if (!known)
		*ret_why = "expected nats://HOST[:PORT] or tls://HOST[:PORT]";
	else if (memchr(url, '@', len))
		*ret_why = "a URL must not contain a user or a password, which other users could "
			   "read; set user and password_file, or credentials";
	else if ((size_t)s->url_count == NATS_URLS_MAX)
		*ret_why = "more than 16 URLs";
	if (*ret_why)
		return -EINVAL;
	s->urls[s->url_count] = strndup(url, len);
	return s->urls[s->url_count] ? (s->url_count++, 0) : -ENOMEM;
}

/* ---- logins ---- */

void nats_cut_line(char *text)
{
	size_t start = strspn(text, " \t"), len = strcspn(text + start, "\r\n");

	while (len && (text[start + len - 1] == ' ' || text[start + len - 1] == '\t'))
		len--;
	memmove(text, text + start, len);
	text[len] = '\0';
}

static const char *check_nkey(const struct nats_settings *s)
{
	if (!s->nkey != !s->seed && !s->jwt)
		return "nkey and nkey_file require each other";
	if (s->nkey && *s->nkey != 'U')
		return "not the public key of a user, which begins with U";
	if (s->nkey && strncmp(s->seed, "SU", 2) != 0)
		return "not the seed of a user, which begins with SU";
	return NULL;
}

const char *nats_settings_check(const struct nats_settings *s, const char **ret_keys)
{
	int ways = (s->user || s->password) + (s->token != NULL) + (s->nkey != NULL) +
		   (s->jwt != NULL);
	const char *why;

	*ret_keys = "user,password_file";
	if (!s->user != !s->password)
		return "user and password_file require each other";
	*ret_keys = "tls_cert,tls_key";
	if (!s->cert != !s->key)
		return "tls_cert and tls_key require each other";
	*ret_keys = "user,token_file,nkey,credentials";
	if (ways > 1)
		return "set only one of user, token_file, nkey and credentials";
	*ret_keys = "nkey,nkey_file";
	why = check_nkey(s);
	return why;
}

/* ---- files ---- */

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EINVAL;
}

static int check(const struct stat *st, bool secret, const char **ret_why)
{
	if (!S_ISREG(st->st_mode))
		return refuse("not a regular file", ret_why);
	if (secret && st->st_uid != 0 && st->st_uid != geteuid())
		return refuse("the file belongs to another user, who can read it; make root its "
			      "owner",
			      ret_why);
	if (secret && (st->st_mode & 077))
		return refuse("other users or a group may use the file; run chmod 600 on it",
			      ret_why);
	if (st->st_size == 0)
		return refuse("the file is empty", ret_why);
	if (st->st_size > (off_t)NATS_FILE_MAX)
		return refuse("the file is larger than 1 MiB", ret_why);
	return 0;
}

static int read_checked(int fd, bool secret, char **ret, const char **ret_why)
{
	struct stat st;
	char *text;
	ssize_t n;
	int r = fstat(fd, &st) < 0 ? -errno : check(&st, secret, ret_why);

	if (r < 0)
		return r;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = read(fd, text, (size_t)st.st_size);
	if (n == st.st_size && !memchr(text, '\0', (size_t)n)) {
		*ret = text;
		return 0;
	}
	explicit_bzero(text, (size_t)st.st_size);
	free(text);
	return refuse(n == st.st_size ? "the file contains a NUL byte"
				      : "the file changed while it was read",
		      ret_why);
}

int nats_file_read(const char *path, bool secret, char **ret, const char **ret_why)
{
	/* O_NONBLOCK: a FIFO is refused below, and does not block. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;

	*ret_why = NULL;
	r = fd < 0 ? -errno : read_checked(fd, secret, ret, ret_why);
	if (fd >= 0)
		(void)close(fd); /* only read from */
	if (r < 0 && !*ret_why)
		*ret_why = strerror(-r);
	return r;
}

/* Returns the line after the one that contains this mark, without blanks; NULL: no line has it. */
static char *take_block(const char *text, const char *mark)
{
	const char *at = strstr(text, mark), *end;

	at = at ? strchr(at, '\n') : NULL;
	if (!at)
		return NULL;
	at += strspn(at, "\r\n\t ");
	end = at + strcspn(at, "\r\n\t ");
	return end == at || *at == '-' ? NULL : strndup(at, (size_t)(end - at));
}

int nats_settings_take_credentials(struct nats_settings *s, const char *text, const char **ret_why)
{
	nats_secret_free(s->jwt);
	nats_secret_free(s->seed);
	s->jwt = take_block(text, "BEGIN NATS USER JWT");
	s->seed = take_block(text, "BEGIN USER NKEY SEED");
	if (s->jwt && s->seed)
		return 0;
	return refuse("not a credentials file: it needs a NATS USER JWT and a USER NKEY SEED, as "
		      "nsc generate creds writes them",
		      ret_why);
}
