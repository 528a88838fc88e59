/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The notation for names and events in traces and failure messages. tests/conformance/README.md
 * documents it. */
#ifndef HW_TESTS_NOTATION_H
#define HW_TESTS_NOTATION_H

#include <hostwatch/event.h>
#include <stddef.h>

/* Bytes with a length. A NUL follows the last one, so names can be passed to system calls. */
struct hw_bytes {
	char *data; /* owned */
	size_t len;
};

#define HW_TOKEN_MAX ((size_t)1 << 17) /* of one token after its escapes are replaced */

void hw_bytes_release(struct hw_bytes *bytes);
/* Appends to `bytes`. Returns 0, -ENOMEM or -E2BIG. */
int hw_bytes_append(struct hw_bytes *bytes, const char *data, size_t len);

/*
 * Reads one token at *at and moves *at past it: a bare word or a "quoted one", with the escapes
 * \n \t \\ \" \xHH and
 * \(text*N), which repeats text N times. Returns 1 and the token, 0 at the end of the line or
 * before a #, or -EINVAL, -ENOMEM, -E2BIG above HW_TOKEN_MAX. The caller releases the token.
 */
int hw_notation_token(const char **at, struct hw_bytes *ret);

/* Reads an event line: "move file a -> b (replaced)". *rest is the remainder of the line. The
 * caller owns the paths: hw_notation_release(). Returns 0, -EINVAL or -ENOMEM. */
int hw_notation_parse(const char *line, struct hw_event *ret, const char **rest);
void hw_notation_release(struct hw_event *event);

/* Writes an event as such a line. An event has only one such form, so lines can be compared. NULL:
 * out of memory. The caller frees the string. */
char *hw_notation_text(const struct hw_event *event);

#endif
