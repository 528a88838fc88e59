/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How to reach a NATS server, for the sink and for the program that reads a stream back. */
#ifndef HW_NATS_SETTINGS_H
#define HW_NATS_SETTINGS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

#define NATS_URLS_MAX 16u
#define NATS_FILE_MAX (1u << 20) /* bytes of a file with certificates, keys or a password */
#define NATS_WHY_MAX 512u

/* All strings are owned. NULL: not set. */
struct nats_settings {
	char *urls[NATS_URLS_MAX];
	int url_count;
	char *stream;
	char *user, *password;
	char *token;
	char *nkey; /* the public key of a user; its seed is below */
	char *jwt, *seed; /* of a credentials file */
	char *ca, *cert, *key; /* PEM */
};

/* Frees what the settings own; secrets are overwritten. */
void nats_settings_free(struct nats_settings *settings);

/* Adds one URL. Returns 0, -ENOMEM, or -EINVAL with a static message. */
int nats_settings_add_url(struct nats_settings *settings, const char *url, size_t len,
			  const char **ret_why);

/*
 * Reads a whole file into memory, with a NUL after it. A secret file must belong to root or to the
 * effective user and permit nothing to others or a group. Returns 0, or -errno with a message.
 */
int nats_file_read(const char *path, bool secret, char **ret, const char **ret_why);
/* Takes JWT and seed from the text of a credentials file. -EINVAL with a message; -ENOMEM. */
int nats_settings_take_credentials(struct nats_settings *settings, const char *text,
				   const char **ret_why);
/* Cuts a text after its first line, without the blanks around it. */
void nats_cut_line(char *text);
/* Returns NULL, or the reason why a connection with these settings makes no sense: a login that is
 * set in more than one way, or the half of one. *ret_keys are the options that it is about. */
const char *nats_settings_check(const struct nats_settings *settings, const char **ret_keys);
/* Overwrites and frees a text that may be a secret. NULL is allowed. */
void nats_secret_free(char *text);

/*
 * Connects; blocks for some seconds at most. The connection does not reconnect by itself. `closed`
 * is called on a thread of the library when the connection has failed or was closed. Returns 0, or
 * -ENOTCONN with cause and remedy in `why`.
 */
int nats_open(const struct nats_settings *settings, natsConnectionHandler closed, void *arg,
	      natsConnection **ret, char why[NATS_WHY_MAX]);
/* Describes the failure of a call of the library on this thread. */
void nats_explain(natsStatus status, const char *what, char why[NATS_WHY_MAX]);

#endif
