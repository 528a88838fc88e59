/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How traces and failure messages write names and events. tests/conformance/README.md describes it
 * for people. */
#ifndef HW_TESTS_NOTATION_H
#define HW_TESTS_NOTATION_H

#include <hostwatch/event.h>
#include <stddef.h>

/* Bytes with a length; a NUL stands behind the last one, so names can go to system calls. */
struct hw_bytes {
	char *data; /* owned */
	size_t len;
};

#define HW_TOKEN_MAX ((size_t)1 << 17) /* bytes of one token after its escapes */

void hw_bytes_release(struct hw_bytes *bytes);
/* -ENOMEM. `bytes` may hold something already. */
int hw_bytes_append(struct hw_bytes *bytes, const char *data, size_t len);

/*
 * Reads one token at *at and moves *at behind it: a bare word or a "quoted one", with the escapes
 * \n \t \\ \" \xHH and
 * \(text*N), which repeats text N times. 1 and the token, 0 at the end of the line or before a #,
 * -EINVAL, -ENOMEM, -E2BIG above HW_TOKEN_MAX. Whoever calls releases the token.
 */
int hw_notation_token(const char **at, struct hw_bytes *ret);

/* Reads an event line: "move file a -> b (replaced)". *rest is what stands behind it. The paths are
 * owned by whoever calls: hw_notation_release(). -EINVAL, -ENOMEM. */
int hw_notation_parse(const char *line, struct hw_event *ret, const char **rest);
void hw_notation_release(struct hw_event *event);

/* Writes an event as such a line, the only way it can be written, so that lines can be compared.
 * NULL: no memory. The string is the caller's. */
char *hw_notation_text(const struct hw_event *event);

#endif
