/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard input, output and error of a program, from its start to its end. */
#ifndef HW_STANDARD_H
#define HW_STANDARD_H

#include <stdbool.h>

/* Call this first in main(). Opens descriptors 0 to 2 if they are closed, so that no other file
 * gets these numbers; using such a descriptor fails. Raises the limit of descriptors to the hard
 * limit. Ignores SIGPIPE: if the reader has left, write() returns an error. */
void hw_standard_begin(void);
/* Call this in a child before exec(): restores the descriptor limit and the SIGPIPE action that
 * hw_standard_begin() found. Async-signal-safe. */
void hw_standard_restore(void);
/* Call this last in main(): flushes stdout. Returns the exit status: `status`, or 1 with a line on
 * stderr if the output could not be written. It is not a failure if the reader left, or if a signal
 * of hw_standard_catch() cut the output short. */
int hw_standard_end(int status);
/* Calls fflush(stdout), for programs that print while they run. Returns 0; -EPIPE if the reader
 * left; -errno. After a failure the program should end; hw_standard_end() reports it. */
int hw_standard_flush(void);

/*
 * After this call, SIGINT, SIGTERM and SIGHUP request the end of the program and interrupt system
 * calls; they have no other effect. Output to a reader that does not read then no longer blocks,
 * and is lost. A SIGHUP that was ignored stays ignored. Returns 0 or -errno.
 */
int hw_standard_catch(void);
/* Returns whether such a signal arrived, and a descriptor that is readable after it (do not read
 * from it). */
bool hw_standard_caught(void);
int hw_standard_caught_fd(void);

#endif
