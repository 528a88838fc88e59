/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Proof that both ends of a connection have the same secret. hostwatch-protocol(7) describes the
 * lines that are exchanged before any other byte. The host is the end that sends events, the
 * receiver the end that gets them, whichever of them opened the connection:
 *
 *	host        {"auth":{"protocol":1}}
 *	receiver    {"auth":{"nonce":"R"}}
 *	host        {"auth":{"nonce":"R","challenge":"H"}}
 *	receiver    {"auth":{"proof":"HMAC-SHA256(secret, "hostwatch receiver 1\n" R H)"}}
 *	host        {"auth":{"proof":"HMAC-SHA256(secret, "hostwatch host 1\n" R H)"}}
 *
 * R and H are 32 random bytes, new for each connection. They and the proofs are written as 64
 * lowercase hexadecimal digits. Every line has a fixed length and must match byte by byte.
 *
 * The functions keep no state except in objects that the caller owns. They need libsodium.
 */
#ifndef HOSTWATCH_AUTH_H
#define HOSTWATCH_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HW_SECRET_MIN 32u /* bytes of a secret */
#define HW_SECRET_MAX 4096u
#define HW_AUTH_NONCE_BYTES 32u
#define HW_AUTH_LINE_MAX 192u

/* ---- secrets --------------------------------------------------------------------------------- */

struct hw_secret {
	size_t len;
	unsigned char bytes[];
};

/*
 * Reads a secret: all bytes of the file. Returns -EINVAL unless it is a regular file of root or the
 * effective user, without any permission for others or a group, with HW_SECRET_MIN to HW_SECRET_MAX
 * bytes. Also returns the -errno of open(2). *ret_why is then set to a static string with the
 * reason and the remedy. The caller frees *ret.
 */
int hw_secret_read(const char *path, struct hw_secret **ret, const char **ret_why);
/* Overwrites and frees the secret. NULL is allowed. */
void hw_secret_free(struct hw_secret *secret);

/* ---- the handshake --------------------------------------------------------------------------- */

enum hw_auth_role { HW_AUTH_HOST = 1, HW_AUTH_RECEIVER = 2 };

enum hw_auth_state {
	HW_AUTH_OFF, /* not begun: no secret is needed */
	HW_AUTH_ANNOUNCE, /* the receiver expects the first line of the host */
	HW_AUTH_NONCE, /* the host expects R */
	HW_AUTH_CHALLENGE, /* the receiver expects H */
	HW_AUTH_PROOF, /* the proof of the peer is expected */
	HW_AUTH_DONE, /* both ends have proved that they have the secret */
};

struct hw_auth {
	const struct hw_secret *secret; /* borrowed */
	enum hw_auth_role role;
	enum hw_auth_state state;
	unsigned char receiver[HW_AUTH_NONCE_BYTES]; /* R */
	unsigned char host[HW_AUTH_NONCE_BYTES]; /* H */
};

/* A line to be sent; len 0: nothing. */
struct hw_auth_line {
	char text[HW_AUTH_LINE_MAX];
	size_t len;
};

/* Starts over for a new connection. The host must send *ret; a receiver has nothing to send. */
void hw_auth_begin(struct hw_auth *auth, enum hw_auth_role role, const struct hw_secret *secret,
		   struct hw_auth_line *ret);

/*
 * Sends R without waiting for the first line of the host: for a virtio-serial port, whose host may
 * have been connected for a long time. A host accepts this at any time, and then starts over.
 */
void hw_auth_request(struct hw_auth *auth, struct hw_auth_line *ret);

/*
 * Handles the line at the start of the `len` bytes. Returns its length and the line to send, or 0
 * if the line is incomplete. Returns -EBADMSG if the bytes are not the expected line, and -EACCES
 * if the proof is wrong, with a static string in *ret_why: the connection must be closed.
 */
int hw_auth_take(struct hw_auth *auth, const void *bytes, size_t len, struct hw_auth_line *ret,
		 const char **ret_why);

/* Returns the number of bytes that a receiver skips on a port, which may begin with the end of an
 * older stream: they cannot be the beginning of an expected line. */
size_t hw_auth_skip(const struct hw_auth *auth, const void *bytes, size_t len);

/* Returns whether the bytes begin a line of the handshake. An end that has no secret thus learns
 * that the other end has one. */
bool hw_auth_is_line(const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
