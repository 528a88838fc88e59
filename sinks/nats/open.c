/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000
/* Messages that wait for a reader; the library drops others. Flow control of JetStream limits them
 * to 32 MiB, with at least 100 bytes each. */
#define PENDING_MAX (1 << 20)
#define PING_MS 10000 /* a server that does not answer two of these is given up */

void nats_explain(natsStatus status, const char *what, char why[NATS_WHY_MAX])
{
	const char *detail = nats_GetLastError(NULL), *text = natsStatus_GetText(status);

	if (detail && *detail)
		(void)snprintf(why, NATS_WHY_MAX, "%s: %s: %s", what, text, detail);
	else
		(void)snprintf(why, NATS_WHY_MAX, "%s: %s", what, text);
	why[strcspn(why, "\r\n")] = '\0';
}

/* ---- credentials ---- */

static natsStatus give_jwt(char **ret_jwt, char **ret_error, void *arg)
{
	const struct nats_settings *s = arg;

	(void)ret_error;
	*ret_jwt = strdup(s->jwt);
	return *ret_jwt ? NATS_OK : NATS_NO_MEMORY;
}

static natsStatus sign(char **ret_error, unsigned char **ret, int *ret_len, const char *nonce,
		       void *arg)
{
	const struct nats_settings *s = arg;

	(void)ret_error;
	return nats_Sign(s->seed, nonce, ret, ret_len);
}

static natsStatus set_login(natsOptions *opts, const struct nats_settings *s)
{
	natsStatus r = NATS_OK;

	if (s->user)
		r = natsOptions_SetUserInfo(opts, s->user, s->password ? s->password : "");
	if (r == NATS_OK && s->token)
		r = natsOptions_SetToken(opts, s->token);
	if (r == NATS_OK && s->nkey)
		r = natsOptions_SetNKey(opts, s->nkey, sign, (void *)(uintptr_t)s);
	if (r == NATS_OK && s->jwt)
		r = natsOptions_SetUserCredentialsCallbacks(opts, give_jwt, (void *)(uintptr_t)s,
							    sign, (void *)(uintptr_t)s);
	return r;
}

/* ---- TLS ---- */

static bool wants_tls(const struct nats_settings *s)
{
	bool tls = s->ca || s->cert;

	for (int i = 0; i < s->url_count; i++)
		tls |= strncmp(s->urls[i], "tls://", 6) == 0;
	return tls;
}

static natsStatus set_tls(natsOptions *opts, const struct nats_settings *s)
{
	natsStatus r = NATS_OK;

	if (!wants_tls(s))
		return NATS_OK;
	r = natsOptions_SetSecure(opts, true);
	if (r == NATS_OK && s->ca)
		r = natsOptions_SetCATrustedCertificates(opts, s->ca);
	if (r == NATS_OK && s->cert)
		r = natsOptions_SetCertificatesChain(opts, s->cert, s->key);
	return r;
}

/* ---- connecting ---- */

static natsStatus set_options(natsOptions *opts, const struct nats_settings *s,
			      natsConnectionHandler closed, void *arg)
{
	natsStatus r =
		natsOptions_SetServers(opts, (const char **)(uintptr_t)s->urls, s->url_count);

	if (r == NATS_OK)
		r = natsOptions_SetName(opts, "hostwatch");
	if (r == NATS_OK)
		r = natsOptions_SetTimeout(opts, CONNECT_MS);
	if (r == NATS_OK)
		r = natsOptions_SetPingInterval(opts, PING_MS);
	if (r == NATS_OK)
		r = natsOptions_SetMaxPendingMsgs(opts, PENDING_MAX);
	/* After a failure, the stream is asked where it stands. */
	if (r == NATS_OK)
		r = natsOptions_SetAllowReconnect(opts, false);
	if (r == NATS_OK)
		r = natsOptions_SetClosedCB(opts, closed, arg);
	if (r == NATS_OK)
		r = set_login(opts, s);
	return r == NATS_OK ? set_tls(opts, s) : r;
}

static const char *remedy(natsStatus status, const struct nats_settings *s)
{
	switch (status) {
	case NATS_CONNECTION_AUTH_FAILED:
		return s->user || s->token || s->nkey || s->jwt
			       ? "; the server refused the login: check user and password_file, "
				 "token_file, nkey or credentials, and the server's authorization"
			       : "; the server requires a login: set user and password_file, "
				 "token_file, nkey or credentials";
	case NATS_SECURE_CONNECTION_REQUIRED:
		return "; write tls:// in url";
	case NATS_SECURE_CONNECTION_WANTED:
		return "; the server has no TLS: write nats:// in url";
	case NATS_SSL_ERROR:
		return "; check tls_ca, tls_cert and tls_key, and that the certificate of the "
		       "server names the host of the URL";
	case NATS_NO_SERVER:
		return "; is the server running, and may this service connect to it "
		       "(RestrictAddressFamilies=, IPAddressAllow=)?";
	default:
		return "";
	}
}

static void explain_connect(natsStatus status, const struct nats_settings *s,
			    char why[NATS_WHY_MAX])
{
	char what[200];
	size_t used;

	(void)snprintf(what, sizeof(what), "cannot connect to %s%s", s->urls[0],
		       s->url_count > 1 ? " and others" : "");
	nats_explain(status, what, why);
	used = strlen(why);
	(void)snprintf(why + used, NATS_WHY_MAX - used, "%s", remedy(status, s));
}

int nats_open(const struct nats_settings *s, natsConnectionHandler closed, void *arg,
	      natsConnection **ret, char why[NATS_WHY_MAX])
{
	natsOptions *opts = NULL;
	natsStatus r = natsOptions_Create(&opts);

	if (r == NATS_OK)
		r = set_options(opts, s, closed, arg);
	if (r == NATS_OK)
		r = natsConnection_Connect(ret, opts);
	if (r != NATS_OK)
		explain_connect(r, s, why);
	natsOptions_Destroy(opts);
	return r == NATS_OK ? 0 : -ENOTCONN;
}
