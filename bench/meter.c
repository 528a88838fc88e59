/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures another process from outside: its CPU time, its memory, and whether it is idle. */
#include "common.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_MS 5
#define REST_CPU_NS                                                                                \
	300000u /* CPU time in one step that still counts as idle, because timers                  \
		 * tick */
/* A program that writes nothing for so many times the time of rest is at rest, although it uses CPU
 * time: a mark on a whole filesystem also reports changes that other programs make elsewhere. */
#define BUSY_RESTS 8u
#define BLOCK_BYTES 65536

/* Returns the value of a field of a status file or of /proc/meminfo, in kB if it has a unit. */
static unsigned long field_of(const char *path, const char *field)
{
	FILE *stream = fopen(path, "re");
	char line[256];
	size_t len = strlen(field);
	unsigned long value = 0;

	while (stream && fgets(line, sizeof(line), stream)) {
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			value = strtoul(line + len + 1, NULL, 10);
	}
	if (stream)
		(void)fclose(stream); /* only read from */
	return value;
}

/* Returns the sum of `of` over the named file of all threads. Threads that have ended are not
 * counted. Returns 0 if the process is gone. */
static uint64_t sum_threads(const char *pid, const char *name, uint64_t (*of)(const char *path))
{
	char path[64];
	uint64_t sum = 0;
	const struct dirent *entry;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		char file[sizeof(path) + 300];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s/%s", path, entry->d_name, name);
		sum += of(file);
	}
	if (tasks)
		(void)closedir(tasks); /* only read from */
	return sum;
}

static uint64_t first_number(const char *path)
{
	unsigned long long ns = 0;
	FILE *stream = fopen(path, "re");

	if (stream && fscanf(stream, "%llu", &ns) != 1)
		ns = 0;
	if (stream)
		(void)fclose(stream); /* only read from */
	return ns;
}

static uint64_t waits(const char *path)
{
	return field_of(path, "voluntary_ctxt_switches");
}

/* Returns the CPU time in ns. */
static uint64_t cpu_of(const char *pid)
{
	return sum_threads(pid, "schedstat", first_number);
}

/* Returns the number of voluntary context switches, that is, how often the process has slept. */
static uint64_t switches_of(const char *pid)
{
	return sum_threads(pid, "status", waits);
}

static void print_memory(const char *pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
	(void)printf("rss_kb %lu peak_kb %lu slab_kb %lu\n", field_of(path, "VmRSS"),
		     field_of(path, "VmHWM"), field_of("/proc/meminfo", "Slab"));
}

static bool is_alive(const char *pid)
{
	char path[64], state = 'X';
	FILE *stream;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	if (fscanf(stream, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	(void)fclose(stream); /* only read from */
	return state != 'Z' && state != 'X';
}

static off_t size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) < 0 ? 0 : st.st_size;
}

/*
 * Waits until, for rest_ms, the process has not written to the file and (with idle) has not used
 * CPU time; prints its CPU time and the time of its last activity. Returns 1 on timeout.
 */
static int wait_rest(const char *pid, const char *file, bool idle, uint64_t rest_ms,
		     uint64_t timeout_ms)
{
	uint64_t start = bench_monotonic_ns(), active = start, now = start, cpu = cpu_of(pid);
	uint64_t written = start;
	off_t size = size_of(file);

	while (now - active < rest_ms * 1000000 && now - written < BUSY_RESTS * rest_ms * 1000000 &&
	       now - start < timeout_ms * 1000000) {
		uint64_t now_cpu;
		off_t now_size;

		(void)poll(NULL, 0, STEP_MS);
		now = bench_monotonic_ns();
		now_cpu = cpu_of(pid);
		now_size = size_of(file);
		if ((idle && now_cpu > cpu + REST_CPU_NS) || now_size != size)
			active = now;
		if (now_size != size)
			written = now;
		if (now_cpu > cpu)
			cpu = now_cpu;
		size = now_size;
	}
	(void)printf("cpu_ns %llu switches %llu active_until_ns %llu\n", (unsigned long long)cpu,
		     (unsigned long long)switches_of(pid), (unsigned long long)active);
	return now - start >= timeout_ms * 1000000;
}

/*
 * Measures the next spell of activity that begins after this call, for example a pass of a poller.
 * Ignores spells that take less CPU time than least_ns, such as timers.
 */
static int measure_spell(const char *pid, uint64_t rest_ms, uint64_t least_ns, uint64_t timeout_ms)
{
	uint64_t start = bench_monotonic_ns(), now = start, cpu = cpu_of(pid), first_cpu = cpu;
	uint64_t begin = 0, active = 0;

	for (; now - start < timeout_ms * 1000000; now = bench_monotonic_ns()) {
		uint64_t before = cpu;

		(void)poll(NULL, 0, STEP_MS);
		cpu = cpu_of(pid);
		if (cpu > before + REST_CPU_NS) {
			active = bench_monotonic_ns();
			if (!begin) {
				begin = now;
				first_cpu = before;
			}
		} else if (begin && now > active + rest_ms * 1000000) {
			if (cpu - first_cpu >= least_ns)
				break;
			begin = 0;
		}
	}
	if (!begin || cpu - first_cpu < least_ns)
		return 1;
	(void)printf("spell_ns %llu spell_cpu_ns %llu\n", (unsigned long long)(active - begin),
		     (unsigned long long)(cpu - first_cpu));
	return 0;
}

/* Returns whether the text is in the file after *at, which is moved to where the next search
 * begins. */
static bool file_has(const char *file, const char *text, off_t *at)
{
	static char data[BLOCK_BYTES];
	size_t text_len = strlen(text);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	bool found = false;
	ssize_t len;

	if (fd < 0)
		return false;
	while (!found && (len = pread(fd, data, sizeof(data), *at)) >= (ssize_t)text_len) {
		found = memmem(data, (size_t)len, text, text_len);
		*at += len - (ssize_t)text_len + 1;
	}
	(void)close(fd); /* only read from */
	return found;
}

/* Waits until the file contains the text after its first `from` bytes. Returns 1 if the process
 * ends, or on timeout. */
static int wait_text(const char *pid, const char *file, const char *text, uint64_t from,
		     uint64_t timeout_ms)
{
	uint64_t start = bench_monotonic_ns();
	off_t at = (off_t)from;

	while (bench_monotonic_ns() - start < timeout_ms * 1000000) {
		if (file_has(file, text, &at)) {
			(void)printf("at_ns %llu\n", (unsigned long long)bench_monotonic_ns());
			return 0;
		}
		if (!is_alive(pid))
			return 1;
		(void)poll(NULL, 0, 1);
	}
	return 1;
}

static const char usage[] = "usage: meter now\n"
			    "       meter nap MS\n"
			    "       meter cpu|memory PID\n"
			    "       meter rest|quiet PID OUTPUT REST_MS TIMEOUT_MS\n"
			    "       meter spell PID REST_MS LEAST_CPU_NS TIMEOUT_MS\n"
			    "       meter text PID FILE TEXT FROM TIMEOUT_MS\n";

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t limit = argc > 4 ? bench_number("timeout", argv[argc - 1], 3600000) : 0;

	if (strcmp(what, "now") == 0 && argc == 2)
		(void)printf("%llu\n", (unsigned long long)bench_monotonic_ns());
	else if (strcmp(what, "nap") == 0 && argc == 3)
		(void)poll(NULL, 0, (int)bench_number("nap", argv[2], 60000));
	else if (strcmp(what, "cpu") == 0 && argc == 3)
		(void)printf("cpu_ns %llu switches %llu\n", (unsigned long long)cpu_of(argv[2]),
			     (unsigned long long)switches_of(argv[2]));
	else if (strcmp(what, "memory") == 0 && argc == 3)
		print_memory(argv[2]);
	else if ((strcmp(what, "rest") == 0 || strcmp(what, "quiet") == 0) && argc == 6)
		return wait_rest(argv[2], argv[3], what[0] == 'r',
				 bench_number("rest", argv[4], 60000), limit);
	else if (strcmp(what, "spell") == 0 && argc == 6)
		return measure_spell(argv[2], bench_number("rest", argv[3], 60000),
				     bench_number("least", argv[4], UINT64_MAX), limit);
	else if (strcmp(what, "text") == 0 && argc == 7)
		return wait_text(argv[2], argv[3], argv[4],
				 bench_number("from", argv[5], INT64_MAX), limit);
	else
		return (void)fputs(usage, stderr), 2;
	return 0;
}
