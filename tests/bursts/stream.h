/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream of one burst under one watcher, and the state of the disk before and after. */
#ifndef HW_TESTS_STREAM_H
#define HW_TESTS_STREAM_H

#include "passage.h"

#include "tests/common/scratch.h"
#include "tests/conformance/trace.h"

#include <stdbool.h>
#include <stddef.h>

/* Paths are owned; "" is the root, NULL means the same as in struct hw_event. */
struct hw_burst_event {
	uint8_t kind;
	uint16_t flags;
	char *path;
	char *from;
	char *before; /* the place of `from`, or else of `path`, before the burst; NULL: none */
	char *after; /* the place of `path` after the burst; NULL: `path` is */
	char *text; /* owned: the whole event */
};

struct hw_stream {
	const char *backend; /* static */
	struct hw_burst_event *events; /* owned */
	size_t count;
	struct hw_census before, after;
	struct hw_passages passages;
	char *broken; /* owned: why the stream is not a history that ends at the state on disk;
		       * NULL: it is one */
};

struct hw_stream_config {
	const char *backend; /* static */
	const struct hw_place *place; /* the place to run in */
	bool turning; /* the loop runs between the operations */
};

/* Returns 0 or -errno; -EOPNOTSUPP: this watcher cannot work here. */
int hw_stream_run(const struct hw_trace *trace, const struct hw_stream_config *config,
		  struct hw_stream *ret);
void hw_stream_release(struct hw_stream *stream);

#endif
