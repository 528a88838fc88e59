/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs of the bench share. They are small and short-lived: an error ends the program.
 */
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

/* Prints the text and, unless error is 0, what errno value `error` means; exits with 2. */
_Noreturn void bench_die(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A decimal number from the command line, at most max, or bench_die(). */
uint64_t bench_number(const char *option, const char *text, uint64_t max);

/* Raised by SIGTERM and SIGINT after bench_catch_stop(). A blocking read() returns EINTR then, and
 * again one second later in case the first signal came just before it. */
extern volatile sig_atomic_t bench_stop;
void bench_catch_stop(void);

/* One pass over a tree, parents first, without following symlinks; at most BENCH_DEPTH_MAX levels.
 * visit() gets each directory, open, before its entries; it may be NULL. */
#define BENCH_DEPTH_MAX 128
typedef void bench_visit_fn(void *arg, int dirfd, const char *path);
struct bench_walk {
	bench_visit_fn *visit;
	void *arg;
	bool stat_entries; /* fstatat() every entry, as a poller must */
	uint64_t directories, entries; /* out: the root is a directory but no entry */
	uint64_t bytes; /* out: sum of sizes, with stat_entries */
};
void bench_walk(struct bench_walk *walk, const char *root);

#endif
