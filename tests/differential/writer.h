/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that does random operations in a share. The same seed leads to the same operations,
 * unless other processes interfere. */
#ifndef HW_TESTS_WRITER_H
#define HW_TESTS_WRITER_H

#include <stdint.h>
#include <sys/types.h>

struct hw_writer_config {
	const char *base; /* BASE/share and BASE/outside exist */
	uint64_t seed; /* of names and choices */
	uint64_t names_seed; /* writers with the same value use the same names and conflict */
	unsigned operations;
	unsigned number; /* of this writer: its log is BASE/writer-NUMBER.log */
	/* Each writer appends to three files: BASE/linked has the inode number (ino_t) of each file
	 * that got another name, BASE/written that of each file whose data or mtime changed,
	 * BASE/attributes the mode and owner before a chmod or chown (struct
	 * hw_model_attributes). */
};

/* Forks. The writer starts when the write end of the pipe is closed. Returns the process id or
 * -errno. */
pid_t hw_writer_start(const struct hw_writer_config *config, const int pipe_fds[2]);

#endif
