/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the daemon through its control socket: what framework/daemon/control.h describes, from the other
 * side. */
#ifndef HW_TOOL_CLIENT_H
#define HW_TOOL_CLIENT_H

#include "config.h"
#include <stddef.h>

#define HW_CLIENT_FIELDS_MAX 32u
#define HW_CLIENT_LINE_MAX (1u << 20) /* bytes of a record */

struct hw_record {
	const char *kind;
	struct {
		const char *key, *value; /* unescaped */
	} fields[HW_CLIENT_FIELDS_MAX];
	size_t count;
};

/* The field's value, "" when there is none. */
const char *hw_record_get(const struct hw_record *record, const char *key);

/* Called for each record, the last one (`ok`) included. Strings are valid during the call. */
typedef void hw_record_fn(void *arg, const struct hw_record *record);

/*
 * Sends one command (words joined by spaces) and hands over the answer. Says on stderr what goes
 * wrong, what the daemon calls a mistake included. Returns an exit status. timeout_s: how long to
 * wait for each record, 0 for ever.
 */
int hw_client_ask(const char *socket_path, const char *const *words, size_t count,
		  unsigned timeout_s, hw_record_fn *fn, void *arg);

/* Options that all these commands share: --socket, --timeout, --help. */
struct hw_client_options {
	const char *socket_path;
	unsigned timeout_s;
};
#define HW_CLIENT_USAGE                                                                            \
	"  -s, --socket PATH      the daemon's control socket (" HW_CONTROL_DEFAULT ")\n"          \
	"  -t, --timeout SECONDS  how long to wait for the answer (60); 0 waits for ever\n"        \
	"  -h, --help             this text\n"
/* Returns -1 to go on, with optind at the arguments of which there must be `count`; else the exit
 * status. */
int hw_client_parse(int argc, char **argv, const char *usage, int count,
		    struct hw_client_options *ret);

#endif
