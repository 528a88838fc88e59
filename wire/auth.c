/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/auth.h>

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HEX_LEN (2 * HW_AUTH_NONCE_BYTES)
_Static_assert(crypto_auth_hmacsha256_BYTES == HW_AUTH_NONCE_BYTES,
	       "a proof is as long as a nonce");

/* A hexadecimal field replaces each '#'. */
static const char announce_form[] = "{\"auth\":{\"protocol\":1}}\n";
static const char nonce_form[] = "{\"auth\":{\"nonce\":\"#\"}}\n";
static const char challenge_form[] = "{\"auth\":{\"nonce\":\"#\",\"challenge\":\"#\"}}\n";
static const char proof_form[] = "{\"auth\":{\"proof\":\"#\"}}\n";

#define FIELDS_MAX 2u
_Static_assert(sizeof(challenge_form) + FIELDS_MAX * HEX_LEN <= HW_AUTH_LINE_MAX, "lines fit");

/* ---- lines ---- */

static void put_line(struct hw_auth_line *line, const char *form, const unsigned char *first,
		     const unsigned char *second)
{
	const unsigned char *fields[FIELDS_MAX] = { first, second };
	size_t n = 0;

	line->len = 0;
	for (; *form; form++) {
		if (*form != '#') {
			line->text[line->len++] = *form;
			continue;
		}
		(void)sodium_bin2hex(line->text + line->len, HW_AUTH_LINE_MAX - line->len,
				     fields[n++], HW_AUTH_NONCE_BYTES);
		line->len += HEX_LEN;
	}
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Compares the bytes with a form. Returns its length with the fields in ret, 0 if the bytes are
 * the beginning of such a line, -EBADMSG if they differ.
 */
static int parse_line(const char *bytes, size_t len, const char *form,
		      unsigned char ret[FIELDS_MAX][HW_AUTH_NONCE_BYTES])
{
	size_t at = 0, n = 0;

	for (; *form; form++) {
		for (size_t i = 0; *form == '#' && i < HEX_LEN; i++, at++) {
			int digit = at < len ? digit_of(bytes[at]) : 0;

			if (at == len)
				return 0;
			if (digit < 0)
				return -EBADMSG;
			ret[n][i / 2] = (unsigned char)((i % 2 ? ret[n][i / 2] << 4 : 0) | digit);
		}
		if (*form == '#') {
			n++;
			continue;
		}
		if (at == len)
			return 0;
		if (bytes[at++] != *form)
			return -EBADMSG;
	}
	return (int)at;
}

bool hw_auth_is_line(const void *bytes, size_t len)
{
	static const char start[] = "{\"auth\":";

	return len >= sizeof(start) - 1 && memcmp(bytes, start, sizeof(start) - 1) == 0;
}

/* ---- proofs ---- */

struct proof {
	unsigned char bytes[crypto_auth_hmacsha256_BYTES];
};

/* The role is part of the text, so that no end can answer with the proof of the other. */
static struct proof compute_proof(const struct hw_auth *auth, enum hw_auth_role role)
{
	static const char host[] = "hostwatch host 1\n", receiver[] = "hostwatch receiver 1\n";
	crypto_auth_hmacsha256_state state;
	struct proof proof;

	/* cannot fail, like the following calls */
	(void)crypto_auth_hmacsha256_init(&state, auth->secret->bytes, auth->secret->len);
	if (role == HW_AUTH_HOST)
		(void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)host,
						    sizeof(host) - 1);
	else
		(void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)receiver,
						    sizeof(receiver) - 1);
	(void)crypto_auth_hmacsha256_update(&state, auth->receiver, sizeof(auth->receiver));
	(void)crypto_auth_hmacsha256_update(&state, auth->host, sizeof(auth->host));
	(void)crypto_auth_hmacsha256_final(&state, proof.bytes);
	sodium_memzero(&state, sizeof(state));
	return proof;
}

static void put_proof(const struct hw_auth *auth, struct hw_auth_line *line)
{
	struct proof proof = compute_proof(auth, auth->role);

	put_line(line, proof_form, proof.bytes, NULL);
}

/* ---- the handshake ---- */

void hw_auth_begin(struct hw_auth *auth, enum hw_auth_role role, const struct hw_secret *secret,
		   struct hw_auth_line *ret)
{
	*auth = (struct hw_auth){
		.secret = secret,
		.role = role,
		.state = role == HW_AUTH_HOST ? HW_AUTH_NONCE : HW_AUTH_ANNOUNCE,
	};
	ret->len = 0;
	if (role == HW_AUTH_HOST)
		put_line(ret, announce_form, NULL, NULL);
}

void hw_auth_request(struct hw_auth *auth, struct hw_auth_line *ret)
{
	randombytes_buf(auth->receiver, sizeof(auth->receiver));
	auth->state = HW_AUTH_CHALLENGE;
	put_line(ret, nonce_form, auth->receiver, NULL);
}

static int refuse(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

static int take_announce(struct hw_auth *auth, const char *bytes, size_t len,
			 struct hw_auth_line *ret)
{
	unsigned char fields[FIELDS_MAX][HW_AUTH_NONCE_BYTES];
	int n = parse_line(bytes, len, announce_form, fields);

	if (n > 0)
		hw_auth_request(auth, ret);
	return n;
}

static int take_nonce(struct hw_auth *auth, const char *bytes, size_t len, struct hw_auth_line *ret)
{
	unsigned char fields[FIELDS_MAX][HW_AUTH_NONCE_BYTES];
	int n = parse_line(bytes, len, nonce_form, fields);

	if (n <= 0)
		return n;
	memcpy(auth->receiver, fields[0], sizeof(auth->receiver));
	randombytes_buf(auth->host, sizeof(auth->host));
	auth->state = HW_AUTH_PROOF;
	put_line(ret, challenge_form, auth->receiver, auth->host);
	return n;
}

static int take_challenge(struct hw_auth *auth, const char *bytes, size_t len,
			  struct hw_auth_line *ret)
{
	unsigned char fields[FIELDS_MAX][HW_AUTH_NONCE_BYTES];
	int n = parse_line(bytes, len, challenge_form, fields);

	if (n <= 0)
		return n;
	if (memcmp(fields[0], auth->receiver, sizeof(auth->receiver)) != 0)
		return -EBADMSG;
	memcpy(auth->host, fields[1], sizeof(auth->host));
	auth->state = HW_AUTH_PROOF;
	put_proof(auth, ret);
	return n;
}

/* The receiver proves first: a host sends its proof only to a peer that has the secret. */
static int take_proof(struct hw_auth *auth, const char *bytes, size_t len, struct hw_auth_line *ret,
		      const char **ret_why)
{
	bool is_host = auth->role == HW_AUTH_HOST;
	struct proof right = compute_proof(auth, is_host ? HW_AUTH_RECEIVER : HW_AUTH_HOST);
	unsigned char fields[FIELDS_MAX][HW_AUTH_NONCE_BYTES];
	int n = parse_line(bytes, len, proof_form, fields);

	if (n <= 0)
		return n;
	if (sodium_memcmp(fields[0], right.bytes, sizeof(right.bytes)) != 0)
		return refuse(-EACCES,
			      "wrong proof: the secrets of the two ends differ; give both the same "
			      "file",
			      ret_why);
	auth->state = HW_AUTH_DONE;
	if (is_host)
		put_proof(auth, ret);
	return n;
}

static int take_line(struct hw_auth *auth, const char *bytes, size_t len, struct hw_auth_line *ret,
		     const char **ret_why)
{
	int n = -EBADMSG;

	if (auth->state == HW_AUTH_CHALLENGE)
		n = take_challenge(auth, bytes, len, ret);
	else if (auth->state == HW_AUTH_PROOF)
		n = take_proof(auth, bytes, len, ret, ret_why);
	if (n != -EBADMSG)
		return n;
	/* the other end, or the program at it, started over */
	return auth->role == HW_AUTH_HOST ? take_nonce(auth, bytes, len, ret)
					  : take_announce(auth, bytes, len, ret);
}

int hw_auth_take(struct hw_auth *auth, const void *bytes, size_t len, struct hw_auth_line *ret,
		 const char **ret_why)
{
	int n;

	ret->len = 0;
	n = take_line(auth, bytes, len, ret, ret_why);
	if (n != -EBADMSG)
		return n;
	if (hw_auth_is_line(bytes, len))
		return refuse(n, "malformed line of the authentication", ret_why);
	if (auth->role == HW_AUTH_HOST)
		return refuse(
			n,
			"the receiver did not prove that it has the secret; set the same secret "
			"there",
			ret_why);
	return refuse(
		n,
		"the host did not ask for the secret; set secret = FILE in its sink, or remove "
		"the secret here",
		ret_why);
}

size_t hw_auth_skip(const struct hw_auth *auth, const void *bytes, size_t len)
{
	struct hw_auth_line line;
	const char *why;
	size_t at = 0;

	for (; at < len; at++) {
		struct hw_auth copy = *auth;

		if (((const char *)bytes)[at] == '{' &&
		    take_line(&copy, (const char *)bytes + at, len - at, &line, &why) != -EBADMSG)
			break;
	}
	return at;
}
