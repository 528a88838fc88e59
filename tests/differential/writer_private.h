/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by writer.c (choices, names, the log) and attributes.c. */
#ifndef HW_TESTS_WRITER_PRIVATE_H
#define HW_TESTS_WRITER_PRIVATE_H

#include "writer.h"

#include <stdio.h>

#define NAMES 14u
#define NAME_MAX_BYTES 12u
#define DEPTH_MAX 5u
#define PATH_BYTES 512u /* BASE, DEPTH_MAX names, and their slashes */

struct writer {
	const struct hw_writer_config *config;
	uint64_t state; /* of the random number generator */
	char names[NAMES][NAME_MAX_BYTES + 1];
	FILE *log;
	int linked; /* BASE/linked */
	int written; /* BASE/written */
	int attributes; /* BASE/attributes */
	int held; /* a file that is open for writing, or -1 */
};

unsigned hw_writer_pick(struct writer *w, unsigned below);
/* Picks the name of an entry below BASE/top that existed a moment ago, if there is one. */
void hw_writer_pick_old(struct writer *w, const char *top, char *path);

/* Notes that data or mtime of this file changes. Returns 0 or -1. */
int hw_writer_note_written(struct writer *w, int fd);

/* Operations: return 0, or -1 with errno. */
int hw_writer_chmod(struct writer *w, char *a, char *b);
int hw_writer_chown(struct writer *w, char *a, char *b);
int hw_writer_utimens(struct writer *w, char *a, char *b);
int hw_writer_xattr(struct writer *w, char *a, char *b);
/* Opens a file and keeps it open; writes to it, under whatever name it has; closes it. */
int hw_writer_hold(struct writer *w, char *a, char *b);
int hw_writer_write_held(struct writer *w, char *a, char *b);
int hw_writer_release(struct writer *w, char *a, char *b);

#endif
