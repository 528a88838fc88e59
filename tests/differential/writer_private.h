/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What writer.c (choices, names, the log) and attributes.c share. */
#ifndef HW_TESTS_WRITER_PRIVATE_H
#define HW_TESTS_WRITER_PRIVATE_H

#include "writer.h"

#include <stdio.h>

#define NAMES 14u
#define NAME_MAX_BYTES 12u
#define DEPTH_MAX 5u
#define PATH_BYTES 512u /* BASE, DEPTH_MAX names and their slashes */

struct writer {
	const struct hw_writer_config *config;
	uint64_t state; /* of the random numbers */
	char names[NAMES][NAME_MAX_BYTES + 1];
	FILE *log;
	int linked; /* BASE/linked */
	int written; /* BASE/written */
	int attributes; /* BASE/attributes */
};

unsigned hw_writer_pick(struct writer *w, unsigned below);
/* A name below BASE/top that was there a moment ago, if there is any. */
void hw_writer_pick_old(struct writer *w, const char *top, char *path);

/* Notes that this file was or will be written, or gets another mtime. 0, -1. */
int hw_writer_note_written(struct writer *w, int fd);

/* Operations: 0, or -1 with errno. */
int hw_writer_chmod(struct writer *w, char *a, char *b);
int hw_writer_chown(struct writer *w, char *a, char *b);
int hw_writer_utimens(struct writer *w, char *a, char *b);
int hw_writer_xattr(struct writer *w, char *a, char *b);

#endif
