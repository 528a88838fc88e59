/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the authentication from a hostile peer, for both ends: no input without the secret is
 * accepted as a proof. */
#include <hostwatch/auth.h>

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hw_secret *make_secret(void)
{
	struct hw_secret *secret = calloc(1, sizeof(*secret) + HW_SECRET_MIN);

	assert(secret);
	secret->len = HW_SECRET_MIN;
	memset(secret->bytes, 's', secret->len);
	return secret;
}

static void feed(struct hw_auth *auth, const uint8_t *data, size_t size)
{
	struct hw_auth_line line;
	size_t at = 0;
	int n = 1;

	while (n > 0 && at < size) {
		const char *why = NULL;

		n = hw_auth_take(auth, data + at, size - at, &line, &why);
		assert(n >= 0 || ((n == -EBADMSG || n == -EACCES) && why));
		assert(n <= 0 || (size_t)n <= size - at);
		assert(line.len <= sizeof(line.text));
		assert(auth->state != HW_AUTH_DONE);
		at += n > 0 ? (size_t)n : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hw_secret *secret;
	struct hw_auth_line line;
	struct hw_auth auth;

	if (!secret)
		secret = make_secret();
	hw_auth_begin(&auth, HW_AUTH_HOST, secret, &line);
	feed(&auth, data, size);
	hw_auth_begin(&auth, HW_AUTH_RECEIVER, secret, &line);
	feed(&auth, data, size);
	hw_auth_begin(&auth, HW_AUTH_RECEIVER, secret, &line);
	hw_auth_request(&auth, &line);
	assert(hw_auth_skip(&auth, data, size) <= size);
	/* the challenge that the fuzzer cannot guess */
	memset(auth.receiver, 0, sizeof(auth.receiver));
	feed(&auth, data, size);
	(void)hw_auth_is_line(data, size);
	return 0;
}
