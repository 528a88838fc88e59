/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard input, output and error of a program, from its beginning to its end. */
#ifndef HW_STANDARD_H
#define HW_STANDARD_H

#include <stdbool.h>

/* First in main(). Descriptors 0 to 2 that are closed would otherwise become something that is
 * written into: what takes their place fails when it is used. As many descriptors as the hard limit
 * allows are made usable. SIGPIPE is ignored: a reader that left is an error of write(). */
void hw_standard_begin(void);
/* In a child, before exec(): puts back the limit of descriptors and the action of SIGPIPE that
 * hw_standard_begin() found. Async-signal-safe. */
void hw_standard_restore(void);
/* Last in main(): what stdout still holds is written. The exit status to end with: `status`, or 1
 * with a line on stderr when it could not be written. A reader that left is no failure, and neither
 * is output that was cut short by a signal of hw_standard_catch(). */
int hw_standard_end(int status);
/* fflush(stdout), for programs that print while they run. 0; -EPIPE: the reader left; -errno. After
 * a failure the program ends; hw_standard_end() reports it. */
int hw_standard_flush(void);

/*
 * From here on SIGINT, SIGTERM and SIGHUP ask the program to end, and do nothing else but to
 * interrupt system calls; output to a reader that takes none does not block any more and is lost.
 * A SIGHUP that was ignored stays so. -errno.
 */
int hw_standard_catch(void);
/* Whether such a signal came, and a descriptor that is readable from then on (not to be read). */
bool hw_standard_caught(void);
int hw_standard_caught_fd(void);

#endif
