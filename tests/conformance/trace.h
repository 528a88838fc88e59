/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace file in memory. README.md describes the format. Does not depend on the core. */
#ifndef HW_TESTS_TRACE_H
#define HW_TESTS_TRACE_H

#include "tests/common/notation.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HW_OP_ARGS 4u
#define HW_TRACE_LINE_MAX 65536u
#define HW_TRACE_ITEMS_MAX 4096u /* of each list of a trace */
#define HW_RULES 14u

struct hw_verb;

struct hw_op {
	const struct hw_verb *verb; /* static: ops.c */
	struct hw_bytes args[HW_OP_ARGS];
	unsigned argc;
	bool outside; /* names are below the directory beside the share */
	unsigned line;
	char *text; /* owned: the text in the file */
};

struct hw_ops {
	struct hw_op *items; /* owned */
	size_t count;
};

/* One event line, in the form that hw_notation_text() writes. */
struct hw_line {
	char *text; /* owned */
	unsigned line;
	enum hw_where { HW_EVERYWHERE, HW_NOT_POLLING, HW_POLLING_ONLY } where;
};

struct hw_lines {
	struct hw_line *items; /* owned */
	size_t count;
};

/* The operations between two observations, and the events that the second one must report. */
struct hw_step {
	struct hw_ops ops;
	struct hw_lines events;
};

/* A header line "proves KIND NAME". */
struct hw_proof {
	char *kind; /* owned: "rule", "scenario", "failure" */
	char *name; /* owned */
};

/* Operations that "requires" lines name: the test needs permission for them. */
enum hw_trace_need {
	HW_TRACE_CHOWN = 1, /* "chown": give files to other users */
	HW_TRACE_MKNOD = 2, /* "mknod": make device nodes */
	HW_TRACE_MOUNT = 4, /* "mount": mount filesystems */
	HW_TRACE_HANDLES = 8, /* "handles": open file handles */
};

/* A header line "not-on PATTERN REASON" or "only-on PATTERN REASON". */
struct hw_exception {
	bool only;
	char *pattern; /* owned: matches PLACE/WATCHER */
	char *reason; /* owned */
};

struct hw_trace {
	char *name; /* owned: name of the file without .trace */
	char *path; /* owned */
	struct hw_proof *proofs;
	size_t proof_count;
	char **excludes; /* owned, and each string is owned */
	size_t exclude_count;
	struct hw_exception *exceptions; /* owned */
	size_t exception_count;
	uint64_t settle_ns; /* for runs step by step; 0: off */
	unsigned needs; /* enum hw_trace_need */
	unsigned polling_needs; /* additional needs of polling */
	struct hw_ops setup;
	struct hw_step *steps;
	size_t step_count;
	bool has_burst; /* `burst` holds the events that a burst must report */
	struct hw_lines burst;
	char *no_burst; /* owned: why the trace does not run as a burst; NULL: it does */
};

/* Prints mistakes to stderr as file:line: text. Returns 0, -EINVAL, -ENOMEM, or -errno of the
 * file. */
int hw_trace_load(const char *path, struct hw_trace **ret);
/* Like hw_trace_load(), for an open file; `path` is used in messages and for the name. */
int hw_trace_read(FILE *in, const char *path, struct hw_trace **ret);
void hw_trace_destroy(struct hw_trace *trace); /* NULL is allowed */

#endif
