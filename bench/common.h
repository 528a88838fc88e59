/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the programs of the bench. They are small and short-lived: an error ends the
 * program. */
#ifndef HW_BENCH_COMMON_H
#define HW_BENCH_COMMON_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define BENCH_TOKEN_DIGITS 8 /* names are a prefix and this many decimal digits */
#define BENCH_COUNT_MAX 99999999u

uint64_t bench_monotonic_ns(void);
uint64_t bench_realtime_ns(void);
uint64_t bench_process_cpu_ns(void);

/* Prints the text and, unless error is 0, the message for errno value `error`; exits with status
 * 2. */
_Noreturn void bench_die(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Parses a decimal number from the command line. Calls bench_die() if it is invalid or above
 * max. */
uint64_t bench_number(const char *option, const char *text, uint64_t max);

/* Connects to the unix socket. The caller owns the descriptor. */
int bench_connect(const char *path);

/* Set by SIGTERM and SIGINT after bench_catch_stop(). A blocking read() then returns EINTR, and
 * again one second later, in case the first signal arrived just before read(). */
extern volatile sig_atomic_t bench_stop;
void bench_catch_stop(void);

/* Walks a tree once, parents first, without following symlinks; at most BENCH_DEPTH_MAX levels.
 * Calls visit() with each open directory before its entries; visit may be NULL. */
#define BENCH_DEPTH_MAX 128
typedef void bench_visit_fn(void *arg, int dirfd, const char *path);
struct bench_walk {
	bench_visit_fn *visit;
	void *arg;
	bool stat_entries; /* call fstatat() for every entry, like a poller */
	uint64_t directories, entries; /* out: the root counts as a directory, not as an entry */
	uint64_t bytes; /* out: sum of sizes, if stat_entries is set */
};
void bench_walk(struct bench_walk *walk, const char *root);

#endif
