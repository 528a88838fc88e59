/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the output of a watcher, notes the time at which each line could be read, and matches the
 * numbered names in it with the log of the load generator: how many changes were reported, and how
 * late. Does not depend on an output format: a name is a letter and eight digits anywhere in a
 * line. If a line has a JSON member "time", the delay is split into the parts before and after the
 * watcher saw the change.
 */
#include "common.h"
#include "frames.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 262144 /* longer lines are matched in parts */
#define LINES_MAX_BYTES (64u << 20) /* of the frames in one read */

struct seen {
	uint64_t arrival_ns; /* CLOCK_MONOTONIC when the first line with the name could be read; 0:
			      * never */
	uint64_t observed_ns; /* "time" of that line; 0: it has none */
};

struct matcher {
	char prefix;
	const char *barrier; /* borrowed: a word that begins so in a line is printed; NULL: none */
	const char *must; /* borrowed: only lines that contain this text count; NULL: all lines */
	uint64_t count;
	struct seen *seen; /* owned: count items */
	uint64_t reported, lines, repeats;
	bool frames; /* the input is the guest's end of a virtiofs channel */
	FILE *copy; /* owned: gets all that was read; or NULL */
};

static uint64_t time_of(const char *line)
{
	const char *at = strstr(line, "\"time\":");

	return at ? strtoull(at + strlen("\"time\":"), NULL, 10) : 0;
}

/* Returns the number that follows the prefix at `text`, or UINT64_MAX. */
static uint64_t number_at(const struct matcher *matcher, const char *text)
{
	uint64_t number = 0;

	if (text[0] != matcher->prefix)
		return UINT64_MAX;
	for (int i = 1; i <= BENCH_TOKEN_DIGITS; i++) {
		if (!isdigit((unsigned char)text[i]))
			return UINT64_MAX;
		number = 10 * number + (uint64_t)(text[i] - '0');
	}
	return number < matcher->count ? number : UINT64_MAX;
}

static void print_barrier(const char *word)
{
	(void)printf("barrier %.*s\n", (int)strcspn(word, ". \"") + 1, word);
	(void)fflush(stdout);
}

static void take_line(struct matcher *matcher, const char *line, uint64_t now)
{
	const char *barrier = matcher->barrier ? strstr(line, matcher->barrier) : NULL;

	matcher->lines++;
	if (barrier)
		print_barrier(barrier);
	if (matcher->must && !strstr(line, matcher->must))
		return;
	for (const char *at = strchr(line, matcher->prefix); at;
	     at = strchr(at + 1, matcher->prefix)) {
		uint64_t number = number_at(matcher, at);

		if (number == UINT64_MAX)
			continue;
		if (matcher->seen[number].arrival_ns) {
			matcher->repeats++;
			continue;
		}
		matcher->reported++;
		matcher->seen[number].arrival_ns = now;
		matcher->seen[number].observed_ns = time_of(line);
	}
}

/* Handles the complete lines of the buffer and returns the number of remaining bytes. */
static size_t take_lines(struct matcher *matcher, char *buffer, size_t len, uint64_t now)
{
	char *line = buffer, *end;

	while ((end = memchr(line, '\n', len - (size_t)(line - buffer)))) {
		*end = '\0';
		take_line(matcher, line, now);
		line = end + 1;
	}
	len -= (size_t)(line - buffer);
	memmove(buffer, line, len);
	return len;
}

static void copy_bytes(const struct matcher *matcher, const char *bytes, size_t len)
{
	if (matcher->copy && len && fwrite(bytes, 1, len, matcher->copy) != len)
		bench_die(errno, "copy");
}

/* The same for frames, which become lines. */
static size_t take_frames(struct matcher *matcher, char *buffer, size_t len, uint64_t now)
{
	static struct hw_buf lines = HW_BUF_GROWING(LINES_MAX_BYTES);

	len = frames_take((unsigned char *)buffer, len, &lines);
	copy_bytes(matcher, lines.data, lines.len);
	(void)take_lines(matcher, lines.data, lines.len, now); /* no part of a line is left */
	return len;
}

static void read_all(struct matcher *matcher)
{
	static char buffer[LINE_MAX_BYTES + 1];
	bool first = true;
	size_t len = 0;

	while (!bench_stop) {
		ssize_t got = read(STDIN_FILENO, buffer + len, LINE_MAX_BYTES - len);
		uint64_t now = bench_monotonic_ns();

		if (got < 0 && errno != EINTR)
			bench_die(errno, "read");
		if (got == 0)
			break;
		if (got < 0)
			continue;
		if (first) {
			(void)printf("first_line_ns %llu\n", (unsigned long long)now);
			(void)fflush(stdout);
		}
		first = false;
		if (matcher->frames) {
			len = take_frames(matcher, buffer, len + (size_t)got, now);
			continue;
		}
		copy_bytes(matcher, buffer + len, (size_t)got);
		len = take_lines(matcher, buffer, len + (size_t)got, now);
		if (len == LINE_MAX_BYTES)
			len = 0;
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_percentiles(const char *name, uint64_t *values, size_t count)
{
	if (!count)
		return;
	qsort(values, count, sizeof(values[0]), compare);
	(void)printf("%s_p50_ns %llu %s_p99_ns %llu %s_p999_ns %llu %s_max_ns %llu\n", name,
		     (unsigned long long)values[count / 2], name,
		     (unsigned long long)values[count * 99 / 100], name,
		     (unsigned long long)values[count * 999 / 1000], name,
		     (unsigned long long)values[count - 1]);
}

/* Prints "hist_N COUNT" for each used interval of the histogram: delays below N ns that no smaller
 * interval contains. There are four intervals for each power of two. */
static void print_histogram(const uint64_t *values, size_t count)
{
	uint64_t limit = 1024, step = 256;
	size_t at = 0;

	while (at < count) {
		size_t first = at;

		while (at < count && values[at] < limit)
			at++;
		if (at > first)
			(void)printf("hist_%llu %zu\n", (unsigned long long)limit, at - first);
		limit += step;
		if (limit == 8 * step)
			step *= 2;
	}
}

/* Delays are measured from just before the system call. */
static void match_log(const struct matcher *matcher, const char *path)
{
	unsigned long long number, monotonic, realtime, after;
	uint64_t *total = calloc(matcher->count + 1, sizeof(*total));
	uint64_t *observed = calloc(matcher->count + 1, sizeof(*observed));
	size_t totals = 0, observations = 0;
	FILE *log = fopen(path, "re");

	if (!log || !total || !observed)
		bench_die(errno, "%s", path);
	while (totals < matcher->count &&
	       fscanf(log, "%llu %llu %llu %llu", &number, &monotonic, &realtime, &after) == 4) {
		const struct seen *seen = number < matcher->count ? &matcher->seen[number] : NULL;

		if (!seen || !seen->arrival_ns)
			continue;
		total[totals++] = seen->arrival_ns > monotonic ? seen->arrival_ns - monotonic : 0;
		if (seen->observed_ns)
			observed[observations++] =
				seen->observed_ns > realtime ? seen->observed_ns - realtime : 0;
	}
	print_percentiles("line", total, totals);
	print_histogram(total, totals);
	print_percentiles("observed", observed, observations);
	(void)fclose(log); /* only read from */
	free(total);
	free(observed);
}

/* Without a request, the server would wait for one before it sends events. */
static int subscribe(const char *path)
{
	static const char request[] = "{\"subscribe\":{}}\n";
	int fd = bench_connect(path);

	if (write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
		bench_die(errno, "subscribe");
	return fd;
}

static void read_from(int fd)
{
	if (dup2(fd, STDIN_FILENO) < 0)
		bench_die(errno, "dup2");
	(void)close(fd); /* standard input is a duplicate */
}

/* The copy is written at the end, unless it is very large, so that it costs no time before. */
static FILE *open_copy(const char *path)
{
	FILE *copy = fopen(path, "we");

	if (!copy || setvbuf(copy, NULL, _IOFBF, 16u << 20) != 0)
		bench_die(errno, "%s", path);
	return copy;
}

int main(int argc, char **argv)
{
	struct matcher matcher = { .prefix = 'f', .count = 1000 };
	const char *log = NULL;
	int option;

	while ((option = getopt(argc, argv, "n:p:m:l:c:f:o:b:")) != -1) {
		if (option == 'n')
			matcher.count = bench_number("-n", optarg, BENCH_COUNT_MAX);
		else if (option == 'p')
			matcher.prefix = optarg[0];
		else if (option == 'm')
			matcher.must = optarg;
		else if (option == 'b')
			matcher.barrier = optarg;
		else if (option == 'l')
			log = optarg;
		else if (option == 'c')
			read_from(subscribe(optarg));
		else if (option == 'f')
			read_from(frames_connect(optarg)), matcher.frames = true;
		else if (option == 'o')
			matcher.copy = open_copy(optarg);
		else
			optind = argc + 1;
	}
	if (optind != argc || !matcher.prefix)
		bench_die(0,
			  "usage: latency [-n COUNT] [-p LETTER] [-m TEXT] [-b TEXT] [-l LOADLOG] "
			  "[-o COPY] -c SOCKET | -f CHANNEL | < LINES");
	matcher.seen = calloc(matcher.count + 1, sizeof(matcher.seen[0]));
	if (!matcher.seen)
		bench_die(ENOMEM, "matcher");
	bench_catch_stop();
	read_all(&matcher);
	(void)printf("reported %llu of %llu lines %llu repeats %llu\n",
		     (unsigned long long)matcher.reported, (unsigned long long)matcher.count,
		     (unsigned long long)matcher.lines, (unsigned long long)matcher.repeats);
	if (log)
		match_log(&matcher, log);
	free(matcher.seen);
	if (matcher.copy && fclose(matcher.copy) != 0)
		bench_die(errno, "copy");
	return 0;
}
