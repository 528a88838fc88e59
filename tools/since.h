/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of `hostwatch since`: command line and output (since.c), the conversation with a socket
 * sink (since_link.c), its address (since_find.c), and names without repetitions (since_names.c).
 * git_fsmonitor.c uses them for git. */
#ifndef HW_SINCE_H
#define HW_SINCE_H

#include "args.h"

#include <hostwatch/address.h>
#include <hostwatch/protocol.h>
#include <hostwatch/wire.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HW_WHERE_MAX */
#define SINCE_TOO_LONG                                                                             \
	"its absolute path has more than 4095 bytes, so no sink can be asked for it; name a "      \
	"directory above it"
_Static_assert(HW_WHERE_MAX == 4095, "SINCE_TOO_LONG says so");

#define SINCE_TOKEN_MAX 40u /* 16 digits, a colon, 20 digits */
#define SINCE_INPUT_MAX (4u << 20) /* bytes of one message or line */

/* ---- since_names.c ---- */

/* Names below the directory. */
struct since_names {
	char **items; /* owned */
	size_t count, room;
};

/* Adds a copy; `dir` appends a slash. -ENOMEM. */
int hw_since_names_add(struct since_names *names, const char *name, size_t len, bool dir);
/* Sorts the names and removes repetitions. */
void hw_since_names_finish(struct since_names *names);
void hw_since_names_free(struct since_names *names);

/* ---- the question ---- */

struct since {
	const struct hw_command_line *line; /* borrowed: the form of messages */
	const char *dir; /* borrowed: absolute, without symbolic links */
	const char *token; /* borrowed; NULL: none */
	const char *socket; /* borrowed: an address; NULL: to be found */
	uint64_t timeout_ns; /* for each message */
	/* the connection */
	int fd; /* owned; -1 */
	bool json; /* its format */
	bool answered; /* a sink has said that it has no such directory */
	struct hw_buf in, out; /* owned */
	size_t taken; /* bytes of the message at the start of `in` that was returned last */
	struct hw_nl_writer *writer; /* owned */
	char *share, *below; /* owned: the place of dir */
	uint32_t below_len;
	uint64_t epoch, after; /* of a valid token */
	/* the answer */
	struct since_names names;
	bool unknown; /* anything may have changed */
	char next[SINCE_TOKEN_MAX + 1]; /* the new token */
};

/* Asks for the changes below since->dir. Returns -1 and the answer, or an exit status after a line
 * on stderr. The caller frees it in both cases. */
int hw_since_ask(struct since *since);
void hw_since_free(struct since *since);

/* ---- since_find.c ---- */

/* Called for each address. Returns -1 to continue, otherwise a result. */
typedef int since_address_fn(struct since *since, const struct hw_address *address);
/* Calls fn for the addresses of socket sinks that this user may know: the one that was given;
 * otherwise those of the default path, and those that a daemon lists whose control socket this user
 * may open. Returns the result of fn; -1: none had one; HW_EXIT_USAGE after a line on stderr. */
int hw_since_find(struct since *since, since_address_fn *fn);

#endif
