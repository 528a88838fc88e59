/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the programs themselves, with bad input and under bad conditions. All waits have deadlines,
 * and fail the test when these expire. */
#ifndef HW_HOSTILE_PROGRAM_H
#define HW_HOSTILE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOSTWATCH HW_BUILD_DIR "/hostwatch"
#define HOSTWATCHD HW_BUILD_DIR "/hostwatchd"
#define PROGRAM_DEADLINE_MS 60000

/* The output of one descriptor. */
struct program_text {
	int fd; /* owned; -1: not read, or at its end */
	char *bytes; /* owned, NUL-terminated */
	size_t len, room;
	size_t taken; /* bytes consumed by program_line() */
};

struct program {
	pid_t pid;
	int input; /* owned: write end of its standard input */
	struct program_text out, err;
};

/* Runs in the child process before the program: closes or redirects descriptors, sets limits. */
typedef void program_prepare_fn(void *arg);

/* Starts a program; the other functions read its standard output and error through pipes. NULL ends
 * argv. */
void program_start(struct program *p, const char *const *argv, program_prepare_fn *prepare,
		   void *arg);
/* Like program_start(), with a terminal as its output (in raw mode: bytes arrive unchanged). */
void program_start_on_terminal(struct program *p, const char *const *argv);
#define PROGRAM_START(p, prepare, arg, ...)                                                        \
	program_start(p, (const char *const[]){ __VA_ARGS__, NULL }, prepare, arg)

/* Reads the available output; waits at most this long for it. Returns false if both outputs are
 * closed. */
bool program_pump(struct program *p, int timeout_ms);
/* Waits until this text appears in one of its outputs. */
void program_await(struct program *p, struct program_text *text, const char *needle);
/* Waits until the text has appeared this many times, counted from the start of the output. */
void program_await_count(struct program *p, struct program_text *text, const char *needle,
			 unsigned count);
/* Returns the next complete line of standard output (NUL-terminated in place, without its newline).
 * Returns NULL if there is none within the timeout, or if the output ended. */
char *program_line(struct program *p, int timeout_ms);
unsigned program_count(const struct program_text *text, const char *needle);

/* Sends a signal (0: none), reads all output, and waits for the program. Returns its exit status,
 * or the negative number of the signal that killed it. The output remains until program_free(). */
int program_end(struct program *p, int signal);
void program_free(struct program *p);

/* Returns the CPU time that the program has used, in ms. */
unsigned program_cpu_ms(const struct program *p);
/* Returns whether the program sleeps. */
bool program_is_asleep(const struct program *p);
/* Returns the number of open descriptors of the program. */
unsigned program_descriptors(const struct program *p);
/* Returns the largest resident size that the program has had, in KiB. */
unsigned program_memory_kb(const struct program *p);

#endif
