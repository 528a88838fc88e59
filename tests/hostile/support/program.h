/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs themselves, run with bad input and under bad conditions. Waits have deadlines, and
 * fail the test when they pass. */
#ifndef HW_HOSTILE_PROGRAM_H
#define HW_HOSTILE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOSTWATCH HW_BUILD_DIR "/hostwatch"
#define HOSTWATCHD HW_BUILD_DIR "/hostwatchd"
#define PROGRAM_DEADLINE_MS 60000

/* What came out of one descriptor. */
struct program_text {
	int fd; /* owned; -1: not read, or at its end */
	char *bytes; /* owned, terminated */
	size_t len, room;
	size_t taken; /* by program_line() */
};

struct program {
	pid_t pid;
	int input; /* owned: standard input's other end */
	struct program_text out, err;
};

/* Runs in the child before the program: closes, redirects, limits. */
typedef void program_prepare_fn(void *arg);

/* Standard output and error are pipes that the other functions read. NULL ends argv. */
void program_start(struct program *p, const char *const *argv, program_prepare_fn *prepare,
		   void *arg);
/* The same with a terminal as its output (in raw mode: bytes arrive as they were written). */
void program_start_on_terminal(struct program *p, const char *const *argv);
#define PROGRAM_START(p, prepare, arg, ...)                                                        \
	program_start(p, (const char *const[]){ __VA_ARGS__, NULL }, prepare, arg)

/* Reads what there is, waits at most this long for something. False: both ends are closed. */
bool program_pump(struct program *p, int timeout_ms);
/* Until this text is in one of its outputs. */
void program_await(struct program *p, struct program_text *text, const char *needle);
/* Until one has been written that many times; counts from the beginning. */
void program_await_count(struct program *p, struct program_text *text, const char *needle,
			 unsigned count);
/* The next whole line of standard output (terminated in place, without its newline); NULL when
 * there is none for this long, or it ended. */
char *program_line(struct program *p, int timeout_ms);
unsigned program_count(const struct program_text *text, const char *needle);

/* Sends a signal (0: none), reads to the end, waits for it. Its exit status; the negative signal
 * that killed it. What it wrote stays until program_free(). */
int program_end(struct program *p, int signal);
void program_free(struct program *p);

/* CPU time it has used so far, in ms. */
unsigned program_cpu_ms(const struct program *p);
/* It waits for something, and not for the processor. */
bool program_is_asleep(const struct program *p);
/* Descriptors it has open. */
unsigned program_descriptors(const struct program *p);

#endif
