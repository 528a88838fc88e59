/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends commands to the daemon's control socket: see framework/daemon/control.h for the protocol.
 * */
#ifndef HW_TOOL_CLIENT_H
#define HW_TOOL_CLIENT_H

#include "args.h"
#include <hostwatch/plugin.h>

#define HW_CLIENT_LINE_MAX (1u << 20) /* bytes of a record */
#define HW_CLIENT_TIMEOUT_NS (60 * HW_SEC)

struct hw_field {
	const char *key, *value; /* unescaped */
};

struct hw_record {
	const char *kind;
	struct hw_field *fields; /* a key may occur several times */
	size_t count;
};

/* Returns the first value of this key, "" if it is absent. */
const char *hw_record_get(const struct hw_record *record, const char *key);

/* Called for each record, including the last one (`ok`). Strings are valid during the call. */
typedef void hw_record_fn(void *arg, const struct hw_record *record);

/* Options common to all these commands. */
struct hw_client_options {
	const char *socket; /* NULL: $HOSTWATCH_CONTROL, else the default of this user */
	uint64_t timeout_ns; /* for each record; 0: no limit */
};
#define HW_CLIENT_ARGS(T, field)                                                                   \
	{ .name = "socket",                                                                        \
	  .letter = 's',                                                                           \
	  .type = HW_ARG_TEXT,                                                                     \
	  .value = "PATH",                                                                         \
	  .help = "The daemon's control socket. Default: $HOSTWATCH_CONTROL, or else "             \
		  "/run/hostwatch/control.sock, of an ordinary user "                              \
		  "$XDG_RUNTIME_DIR/hostwatch/control.sock.",                                      \
	  .offset = offsetof(T, field.socket),                                                     \
	  .complete = HW_COMPLETE_FILE },                                                          \
	{                                                                                          \
		.name = "timeout", .letter = 't', .type = HW_ARG_DURATION, .value = "TIME",        \
		.help = "How long to wait for the answer. Default: 60s; 0 waits for ever.",        \
		.offset = offsetof(T, field.timeout_ns)                                            \
	}

struct hw_request {
	const char *words[4]; /* the command and its arguments; NULL ends them */
	hw_record_fn *fn; /* NULL: only the exit status is needed */
	void *arg;
	bool is_quick; /* the daemon answers at once; if it does not, say so on a terminal */
};

/*
 * Sends one command and passes on the records of the answer. Writes errors to stderr in the form of
 * `line`, and `mistake` records unchanged. Returns an exit status: HW_EXIT_CONFIG if the daemon
 * reports that the configuration is invalid.
 */
int hw_client_ask(const struct hw_command_line *line, const struct hw_client_options *options,
		  const struct hw_request *request);

#endif
