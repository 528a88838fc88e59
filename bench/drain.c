/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of an event in one process, without waiting: changes are made while nothing reads, then
 * everything that the kernel queued is read, compared, reported and encoded as JSON. For callgrind:
 * drain() is the part to count. Two runs execute nearly the same instructions, because the seed of
 * hashes is fixed, and the monotonic clock only moves when it is read.
 */
#include "candidates.h"
#include "common.h"
#include "loader.h"
#include "loop.h"
#include "share.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/wire.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORIES 8u
#define ROUNDS 4u /* if nothing else is asked for */
#define TURNS_MAX 100000u
#define BUFFER_BYTES 65536u

static struct hw_loop *loop;
static struct hw_share *share;
static bool flushed;
static uint64_t events, cpu_ns;

/* ---- what makes runs alike ---- */

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
	(void)flags;
	memset(bytes, 0x5a, len);
	return (ssize_t)len;
}

/* Another mount of this machine does not give the share a thread, which valgrind could not run.
 * Nor does its state have one. Linked with --wrap. */
bool __wrap_hw_away_is_possible(void);
bool __wrap_hw_away_is_possible(void)
{
	return true;
}

bool __wrap_hw_remote_any(void);
bool __wrap_hw_remote_any(void)
{
	return false;
}

/* The openat2(2) that old versions of valgrind do not know; nothing here needs its checks. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long word[6];
	va_list ap;

	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		word[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2) {
		const struct open_how *how = (const struct open_how *)word[2];

		return openat((int)word[0], (const char *)word[1], (int)how->flags);
	}
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	return real(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}

/* Work rests when 2 ms have passed. Other clocks are compared with the times of files. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static uint64_t now_ns = 1000000000;

	if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	now_ns += 1000;
	*ret = (struct timespec){ (time_t)(now_ns / 1000000000), (long)(now_ns % 1000000000) };
	return 0;
}

/* ---- the share ---- */

static void on_flushed(void *arg, struct hw_share *of, int error, uint64_t seq)
{
	(void)arg;
	(void)of;
	(void)error;
	(void)seq;
	flushed = true;
}

/* Until everything so far has been reported. */
static void run_to_end(void)
{
	flushed = false;
	if (hw_share_flush(share, on_flushed, NULL) < 0)
		bench_die(ENOMEM, "flush");
	for (unsigned i = 0; i < TURNS_MAX && !flushed; i++)
		hw_loop_turn(loop, 1);
	if (!flushed)
		bench_die(0, "the share does not become idle");
}

/* state: the directory that its state is kept in, with the log; NULL: none. */
static void start(const char *dir, const char *watcher, const char *state)
{
	const struct hw_share_config config = { .name = "drain",
						.path = dir,
						.interval_ns = HW_SEC,
						.state_dir = state,
						.state_log_dir = state };
	struct hw_loader *loader;

	if (hw_loop_create(&loop) < 0 || hw_loader_create(&loader) < 0 ||
	    hw_loader_add_defaults(loader, NULL) < 0 || hw_share_create(loop, &config, &share) < 0)
		bench_die(0, "cannot start");
	if (hw_candidates_add(share, loop, loader, watcher, NULL) < 0)
		bench_die(0, "no watcher %s", watcher);
	if (hw_share_start(share) < 0)
		bench_die(0, "%s cannot watch %s", watcher, dir);
	for (unsigned i = 0; i < TURNS_MAX && hw_share_state(share) != HW_SHARE_ONLINE; i++)
		hw_loop_turn(loop, 1);
	if (hw_share_state(share) != HW_SHARE_ONLINE)
		bench_die(0, "the share does not come online");
}

/* ---- changes ---- */

static void write_file(const char *name, int flags)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0 || write(fd, "data", 4) != 4 || close(fd) < 0)
		bench_die(errno, "write %s", name);
}

/* Each file is created, written, closed, appended to, renamed; half of them are removed. */
static void make_changes(unsigned round, unsigned files)
{
	char name[64], other[64];

	for (unsigned i = 0; i < files; i++) {
		(void)snprintf(name, sizeof(name), "d%u/f%u%06u", i % DIRECTORIES, round, i);
		(void)snprintf(other, sizeof(other), "d%u/r%u%06u", i % DIRECTORIES, round, i);
		write_file(name, O_CREAT | O_EXCL);
		write_file(name, O_APPEND);
		if (rename(name, other) < 0)
			bench_die(errno, "rename %s", name);
		if (i % 2 && unlink(other) < 0)
			bench_die(errno, "unlink %s", other);
	}
}

/* ---- the part that is counted ---- */

static void encode(struct hw_journal_cursor *cursor, int output)
{
	struct hw_buf buf = HW_BUF_GROWING(BUFFER_BYTES + HW_JSON_EVENT_MAX);
	struct hw_json_head head = { .len = 0 };
	struct hw_event event;
	int r;

	while ((r = hw_share_cursor_next(share, cursor, &event)) > 0) {
		if (hw_json_put_next_event(&head, &buf, "drain", &event) < 0)
			bench_die(ENOMEM, "encode");
		events++;
		if (buf.len >= BUFFER_BYTES) {
			if (write(output, buf.data, buf.len) < 0)
				bench_die(errno, "/dev/null");
			buf.len = 0;
		}
	}
	if (r < 0 || write(output, buf.data, buf.len) < 0)
		bench_die(-r, "the journal lost events");
	hw_buf_free(&buf);
}

void drain(struct hw_journal_cursor *cursor, int output);
__attribute__((noinline)) void drain(struct hw_journal_cursor *cursor, int output)
{
	run_to_end();
	encode(cursor, output);
}

int main(int argc, char **argv)
{
	int output = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct hw_journal_cursor cursor;
	char dir[] = "d0";
	unsigned files, rounds = ROUNDS;

	if (argc < 4 || argc > 6 || output < 0) {
		(void)fputs("usage: drain WATCHER FILES DIR [ROUNDS [STATE]]\n"
			    "DIR and STATE, where the state is kept, must be empty.\n",
			    stderr);
		return 2;
	}
	if (argc > 4)
		rounds = (unsigned)bench_number("ROUNDS", argv[4], 2000);
	files = (unsigned)bench_number("FILES", argv[2], 2000);
	if (chdir(argv[3]) < 0)
		bench_die(errno, "%s", argv[3]);
	for (unsigned i = 0; i < DIRECTORIES; i++) {
		dir[1] = (char)('0' + i);
		if (mkdir(dir, 0755) < 0)
			bench_die(errno, "mkdir %s", dir);
	}
	start(argv[3], argv[1], argv[5]);
	run_to_end();
	if (hw_share_cursor_init(share, hw_share_seq(share), &cursor) < 0)
		bench_die(0, "no cursor");
	for (unsigned round = 0; round < rounds; round++) {
		make_changes(round, files);
		cpu_ns -= bench_process_cpu_ns();
		drain(&cursor, output);
		cpu_ns += bench_process_cpu_ns();
	}
	(void)fprintf(stderr, "%.0f ns of CPU time for each event\n",
		      (double)cpu_ns / (double)events);
	(void)printf("%llu\n", (unsigned long long)events);
	(void)fflush(stdout);
	_exit(0); /* nothing is released: that is not part of the path */
}
