/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets, and the proof that both ends of a connection have the same one. */
#include <hostwatch/auth.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tempdir.h"

#define NOBODY 65534

static const unsigned char key[64] =
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int make_dir(void **state)
{
	*state = tempdir_create();
	return 0;
}

static int remove_dir(void **state)
{
	tempdir_remove(*state);
	return 0;
}

static struct hw_secret *make_secret(const char *dir, const char *name, size_t len)
{
	struct hw_secret *secret = NULL;
	const char *why;

	tempdir_write(dir, name, key, len);
	assert_int_equal(chmod(tempdir_path(dir, name), 0600), 0);
	assert_int_equal(hw_secret_read(tempdir_path(dir, name), &secret, &why), 0);
	return secret;
}

/* ---- files ---- */

static void assert_refused(const char *path, int error, const char *text)
{
	struct hw_secret *secret = NULL;
	const char *why = "";

	assert_int_equal(hw_secret_read(path, &secret, &why), -error);
	assert_null(secret);
	assert_non_null(strstr(why, text));
}

static void a_secret_is_all_bytes_of_its_file(void **state)
{
	struct hw_secret *secret = make_secret(*state, "s", 33);

	assert_int_equal(secret->len, 33);
	assert_memory_equal(secret->bytes, key, 33);
	hw_secret_free(secret);
	hw_secret_free(NULL);
}

static void a_file_that_others_may_use_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0620, 0604, 0602, 0610, 0601 };
	const char *path;

	hw_secret_free(make_secret(*state, "s", 32));
	path = tempdir_path(*state, "s");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_refused(path, EINVAL, "chmod 600");
	}
}

static void a_file_of_another_user_is_refused(void **state)
{
	const char *path;

	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	hw_secret_free(make_secret(*state, "s", 32));
	path = tempdir_path(*state, "s");
	assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
	assert_refused(path, EINVAL, "belongs to another user");
}

static void a_file_of_the_wrong_kind_or_length_is_refused(void **state)
{
	static unsigned char bytes[HW_SECRET_MAX + 1];

	assert_refused(*state, EINVAL, "not a regular file");
	assert_refused("/dev/zero", EINVAL, "not a regular file");
	assert_refused(tempdir_path(*state, "absent"), ENOENT, "No such file");
	assert_int_equal(mkfifo(tempdir_path(*state, "fifo"), 0600), 0);
	assert_refused(tempdir_path(*state, "fifo"), EINVAL, "not a regular file");
	tempdir_write(*state, "s", bytes, HW_SECRET_MIN - 1);
	assert_int_equal(chmod(tempdir_path(*state, "s"), 0600), 0);
	assert_refused(tempdir_path(*state, "s"), EINVAL, "32 to 4096 bytes");
	tempdir_write(*state, "s", bytes, sizeof(bytes));
	assert_refused(tempdir_path(*state, "s"), EINVAL, "32 to 4096 bytes");
}

/* ---- the handshake ---- */

struct pair {
	struct hw_secret *secret, *other;
	struct hw_auth host, receiver;
	struct hw_auth_line line; /* the last line that was sent */
	const char *why;
};

static void begin(struct pair *p, const char *dir, bool same)
{
	*p = (struct pair){ .secret = make_secret(dir, "a", 32) };
	p->other = make_secret(dir, "b", same ? 32 : 33);
	hw_auth_begin(&p->receiver, HW_AUTH_RECEIVER, p->other, &p->line);
	assert_int_equal(p->line.len, 0);
	hw_auth_begin(&p->host, HW_AUTH_HOST, p->secret, &p->line);
}

static void end(struct pair *p)
{
	hw_secret_free(p->secret);
	hw_secret_free(p->other);
}

/* Gives the last line to this end, which answers with the next one. */
static int pass(struct pair *p, struct hw_auth *to)
{
	struct hw_auth_line line = p->line;

	return hw_auth_take(to, line.text, line.len, &p->line, &p->why);
}

static void assert_passes(struct pair *p, struct hw_auth *to)
{
	int len = (int)p->line.len;

	assert_int_equal(pass(p, to), len);
}

static void both_ends_prove_that_they_have_the_secret(void **state)
{
	struct pair p;

	begin(&p, *state, true);
	assert_string_equal("{\"auth\":{\"protocol\":1}}\n",
			    (p.line.text[p.line.len] = '\0', p.line.text));
	assert_passes(&p, &p.receiver); /* R */
	assert_passes(&p, &p.host); /* H */
	assert_passes(&p, &p.receiver); /* proof of the receiver */
	assert_int_equal(p.receiver.state, HW_AUTH_PROOF);
	assert_passes(&p, &p.host); /* proof of the host */
	assert_int_equal(p.host.state, HW_AUTH_DONE);
	assert_passes(&p, &p.receiver);
	assert_int_equal(p.receiver.state, HW_AUTH_DONE);
	assert_int_equal(p.line.len, 0);
	end(&p);
}

static void a_wrong_secret_is_refused_by_the_host(void **state)
{
	struct pair p;

	begin(&p, *state, false);
	assert_passes(&p, &p.receiver);
	assert_passes(&p, &p.host);
	assert_passes(&p, &p.receiver);
	assert_int_equal(pass(&p, &p.host), -EACCES);
	assert_int_equal(p.line.len, 0); /* no proof for a peer without one */
	assert_non_null(strstr(p.why, "give both the same"));
	end(&p);
}

static void a_host_with_a_wrong_secret_is_refused_by_the_receiver(void **state)
{
	struct hw_auth_line right;
	struct pair p;

	begin(&p, *state, false);
	assert_passes(&p, &p.receiver);
	assert_passes(&p, &p.host);
	assert_passes(&p, &p.receiver);
	p.host.secret = p.other; /* a host that accepts everything ... */
	assert_passes(&p, &p.host);
	p.host.secret = p.secret;
	p.host.state = HW_AUTH_PROOF; /* ... and does not have the secret */
	right = p.line;
	right.text[25] = right.text[25] == '0' ? '1' : '0';
	assert_int_equal(hw_auth_take(&p.receiver, right.text, right.len, &p.line, &p.why),
			 -EACCES);
	end(&p);
}

static void the_proof_of_another_connection_is_refused(void **state)
{
	struct hw_auth_line nonce, proof, line;
	struct pair p;

	begin(&p, *state, true);
	assert_passes(&p, &p.receiver);
	nonce = p.line; /* sent again, so that only H differs */
	assert_passes(&p, &p.host);
	assert_passes(&p, &p.receiver);
	proof = p.line;
	hw_auth_begin(&p.host, HW_AUTH_HOST, p.secret, &line);
	assert_int_equal(hw_auth_take(&p.host, nonce.text, nonce.len, &line, &p.why), nonce.len);
	assert_int_equal(hw_auth_take(&p.host, proof.text, proof.len, &line, &p.why), -EACCES);
	end(&p);
}

/* An attacker without the secret sends back what he receives, or asks one end for the proof that
 * the other one expects. */
static void a_reflected_proof_is_refused(void **state)
{
	struct hw_auth_line challenge;
	struct pair p;

	begin(&p, *state, true);
	assert_passes(&p, &p.receiver);
	assert_passes(&p, &p.host);
	challenge = p.line;
	assert_int_equal(pass(&p, &p.host), -EBADMSG); /* its own challenge */
	p.line = challenge;
	assert_passes(&p, &p.receiver);
	assert_int_equal(pass(&p, &p.receiver), -EACCES); /* its own proof */
	end(&p);
}

static void a_challenge_for_another_nonce_is_refused(void **state)
{
	struct pair p;

	begin(&p, *state, true);
	assert_passes(&p, &p.receiver);
	assert_passes(&p, &p.host);
	p.line.text[20] = p.line.text[20] == '0' ? '1' : '0';
	assert_int_equal(pass(&p, &p.receiver), -EBADMSG);
	end(&p);
}

static void every_truncated_line_is_incomplete_and_every_changed_byte_refused(void **state)
{
	struct hw_auth_line line, reply;
	struct pair p;

	begin(&p, *state, true);
	for (int step = 0; step < 5; step++) {
		struct hw_auth *to = step % 2 ? &p.host : &p.receiver, copy = *to;

		line = p.line;
		for (size_t len = 0; len < line.len; len++)
			assert_int_equal(hw_auth_take(&copy, line.text, len, &reply, &p.why), 0);
		for (size_t i = 0; i < line.len; i++) {
			struct hw_auth_line bad = line;
			int r;

			copy = *to;
			bad.text[i] ^= 0x20; /* also makes digits upper case */
			r = hw_auth_take(&copy, bad.text, bad.len, &reply, &p.why);
			assert_true(r < 0);
			assert_int_equal(reply.len, 0);
		}
		assert_passes(&p, to);
	}
	assert_int_equal(p.host.state, HW_AUTH_DONE);
	end(&p);
}

static void nonces_are_new_each_time(void **state)
{
	struct hw_auth_line first;
	struct pair p;

	begin(&p, *state, true);
	hw_auth_request(&p.receiver, &first);
	hw_auth_request(&p.receiver, &p.line);
	assert_memory_not_equal(first.text, p.line.text, first.len);
	assert_passes(&p, &p.host);
	assert_passes(&p, &p.receiver);
	end(&p);
}

static void an_end_without_secret_learns_that_the_other_has_one(void **state)
{
	static const char hello[] = "{\"hello\":{\"protocol\":1}}\n";
	struct pair p;

	begin(&p, *state, true);
	assert_true(hw_auth_is_line(p.line.text, p.line.len));
	assert_passes(&p, &p.receiver);
	assert_true(hw_auth_is_line(p.line.text, p.line.len));
	assert_false(hw_auth_is_line(hello, sizeof(hello) - 1));
	hw_auth_begin(&p.receiver, HW_AUTH_RECEIVER, p.other, &p.line);
	assert_int_equal(hw_auth_take(&p.receiver, hello, sizeof(hello) - 1, &p.line, &p.why),
			 -EBADMSG);
	assert_non_null(strstr(p.why, "set secret = FILE in its sink"));
	assert_int_equal(hw_auth_take(&p.host, hello, sizeof(hello) - 1, &p.line, &p.why),
			 -EBADMSG);
	assert_non_null(strstr(p.why, "set the same secret there"));
	end(&p);
}

/* A port keeps the bytes that its last reader left: also half a handshake of it. */
static void a_port_may_begin_with_an_older_stream(void **state)
{
	struct hw_auth_line old, line;
	char bytes[1024];
	size_t len = 0, skipped;
	struct pair p;

	begin(&p, *state, true);
	hw_auth_request(&p.receiver, &p.line);
	assert_passes(&p, &p.host);
	old = p.line; /* a challenge for another nonce */
	hw_auth_request(&p.receiver, &p.line); /* the next agent */
	assert_passes(&p, &p.host);
	memcpy(bytes, "frames{\"au{\"auth\"", 16), len = 16;
	memcpy(bytes + len, old.text, old.len), len += old.len;
	memcpy(bytes + len, old.text, 30), len += 30;
	for (size_t part = 1; part <= p.line.len; part++) {
		memcpy(bytes + len, p.line.text, part);
		skipped = hw_auth_skip(&p.receiver, bytes, len + part);
		assert_int_equal(skipped, len);
	}
	assert_int_equal(hw_auth_take(&p.receiver, bytes + len, p.line.len, &line, &p.why),
			 p.line.len);
	p.line = line;
	assert_passes(&p, &p.host);
	assert_passes(&p, &p.receiver);
	assert_int_equal(p.receiver.state, HW_AUTH_DONE);
	end(&p);
}

/* The lines are documented, so that other programs can write them: an HMAC that Python computed. */
static void the_proof_is_the_documented_one(void **state)
{
	static const char nonce[] = "{\"auth\":{\"nonce\":\""
				    "000102030405060708090a0b0c0d0e0f"
				    "101112131415161718191a1b1c1d1e1f\"}}\n";
	static const char proof[] = "{\"auth\":{\"proof\":\""
				    "268daf2ace45d7c8544e3203621018f2"
				    "52a7a5f60319c42a7925e4db12b561a4\"}}\n";
	struct pair p;

	begin(&p, *state, true);
	assert_int_equal(hw_auth_take(&p.host, nonce, sizeof(nonce) - 1, &p.line, &p.why),
			 sizeof(nonce) - 1);
	for (size_t i = 0; i < sizeof(p.host.host); i++)
		p.host.host[i] = (unsigned char)(0xff - i);
	assert_int_equal(hw_auth_take(&p.host, proof, sizeof(proof) - 1, &p.line, &p.why),
			 sizeof(proof) - 1);
	p.line.text[p.line.len] = '\0';
	assert_string_equal(p.line.text, "{\"auth\":{\"proof\":\""
					 "933371c45669d8001ab8c21f4b472aa2"
					 "725426a4d072d7e31b9326357a4f6403\"}}\n");
	end(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_secret_is_all_bytes_of_its_file),
		TEST(a_file_that_others_may_use_is_refused),
		TEST(a_file_of_another_user_is_refused),
		TEST(a_file_of_the_wrong_kind_or_length_is_refused),
		TEST(both_ends_prove_that_they_have_the_secret),
		TEST(a_wrong_secret_is_refused_by_the_host),
		TEST(a_host_with_a_wrong_secret_is_refused_by_the_receiver),
		TEST(the_proof_of_another_connection_is_refused),
		TEST(a_reflected_proof_is_refused),
		TEST(a_challenge_for_another_nonce_is_refused),
		TEST(every_truncated_line_is_incomplete_and_every_changed_byte_refused),
		TEST(nonces_are_new_each_time),
		TEST(an_end_without_secret_learns_that_the_other_has_one),
		TEST(a_port_may_begin_with_an_older_stream),
		TEST(the_proof_is_the_documented_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
