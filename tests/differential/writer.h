/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that does random things to a share, the same ones for the same seed as far as others
 * let it. */
#ifndef HW_TESTS_WRITER_H
#define HW_TESTS_WRITER_H

#include <stdint.h>
#include <sys/types.h>

struct hw_writer_config {
	const char *base; /* BASE/share and BASE/outside exist */
	uint64_t seed; /* of names and choices */
	uint64_t names_seed; /* writers with the same one use the same names, and meet */
	unsigned operations;
	unsigned number; /* of this writer: its log is BASE/writer-NUMBER.log */
	/* Both write the inode number of each file that got another name to BASE/linked, as ino_t,
	 * that of each whose data or mtime changed to BASE/written, and mode and owner that a chmod
	 * or chown replaced to BASE/attributes, as struct hw_model_attributes. */
};

/* Forks. The writer begins when the writing end of the pipe is closed. Returns the process id,
 * -errno. */
pid_t hw_writer_start(const struct hw_writer_config *config, const int pipe_fds[2]);

#endif
