/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replays a recorded workload (bench/README) in a directory: the same calls in the same order, with
 * contents of the same sizes, as fast as one process can. */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLES 1024u
#define WORDS 4
#define BYTES_MAX (64u << 20) /* of one write */

struct step {
	const struct verb *verb; /* static */
	char *word[WORDS]; /* borrowed from the text of the workload; NULL: not there */
	uint64_t line;
};

struct replay {
	int root; /* owned */
	int handles[HANDLES]; /* owned; -1: free */
	char *text; /* owned */
	struct step *steps; /* owned */
	size_t count, begin; /* steps before begin make the state in which the program started */
	char *data; /* owned: as many bytes as the largest write has */
	size_t data_size;
};

struct verb {
	const char *name;
	unsigned words; /* required */
	int (*run)(struct replay *replay, const struct step *step); /* 0, or -1 with errno */
};

static uint64_t number(const struct step *step, int word)
{
	return bench_number(step->verb->name, step->word[word], INT64_MAX);
}

static int *handle(struct replay *replay, const struct step *step)
{
	return &replay->handles[bench_number(step->verb->name, step->word[0], HANDLES - 1)];
}

static int run_dir(struct replay *replay, const struct step *step)
{
	return mkdirat(replay->root, step->word[0], 0755);
}

static int run_file(struct replay *replay, const struct step *step)
{
	int fd = openat(replay->root, step->word[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 ? -1 : ftruncate(fd, (off_t)number(step, 0));

	return fd >= 0 && close(fd) < 0 ? -1 : r;
}

static int run_symlink(struct replay *replay, const struct step *step)
{
	return symlinkat(step->word[0], replay->root, step->word[1]);
}

static int open_flags(const char *letters)
{
	int flags = strchr(letters, 'w') ? O_WRONLY : O_RDONLY;

	flags |= strchr(letters, 'c') ? O_CREAT : 0;
	flags |= strchr(letters, 'x') ? O_EXCL : 0;
	flags |= strchr(letters, 't') ? O_TRUNC : 0;
	flags |= strchr(letters, 'a') ? O_APPEND : 0;
	return flags | O_CLOEXEC;
}

static int run_open(struct replay *replay, const struct step *step)
{
	int *fd = handle(replay, step);
	mode_t mode = step->word[3] ? (mode_t)strtoul(step->word[3], NULL, 8) : 0644;

	*fd = openat(replay->root, step->word[2], open_flags(step->word[1]), mode);
	return *fd < 0 ? -1 : 0;
}

static int run_write(struct replay *replay, const struct step *step)
{
	size_t bytes = number(step, 1);
	int fd = *handle(replay, step);
	ssize_t done = step->word[2] ? pwrite(fd, replay->data, bytes, (off_t)number(step, 2))
				     : write(fd, replay->data, bytes);

	if (done >= 0 && (size_t)done != bytes)
		errno = ENOSPC;
	return (size_t)done == bytes ? 0 : -1;
}

static int run_truncate(struct replay *replay, const struct step *step)
{
	return ftruncate(*handle(replay, step), (off_t)number(step, 1));
}

static int run_sync(struct replay *replay, const struct step *step)
{
	return fsync(*handle(replay, step));
}

static int run_close(struct replay *replay, const struct step *step)
{
	int *fd = handle(replay, step);
	int r = close(*fd);

	*fd = -1;
	return r;
}

static int run_unlink(struct replay *replay, const struct step *step)
{
	return unlinkat(replay->root, step->word[0], 0);
}

static int run_rmdir(struct replay *replay, const struct step *step)
{
	return unlinkat(replay->root, step->word[0], AT_REMOVEDIR);
}

static int run_rename(struct replay *replay, const struct step *step)
{
	return renameat(replay->root, step->word[0], replay->root, step->word[1]);
}

static int run_link(struct replay *replay, const struct step *step)
{
	return linkat(replay->root, step->word[0], replay->root, step->word[1], 0);
}

static int run_mode(struct replay *replay, const struct step *step)
{
	return fchmodat(replay->root, step->word[1], (mode_t)strtoul(step->word[0], NULL, 8), 0);
}

/* An ordinary user may not give a file to another one. */
static int run_owner(struct replay *replay, const struct step *step)
{
	return fchownat(replay->root, step->word[0], geteuid(), getegid(), AT_SYMLINK_NOFOLLOW);
}

static int run_time(struct replay *replay, const struct step *step)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };

	if (strcmp(step->word[0], "now") != 0)
		times[1] = (struct timespec){ (time_t)number(step, 0), 0 };
	return utimensat(replay->root, step->word[1], times, AT_SYMLINK_NOFOLLOW);
}

static int run_begin(struct replay *replay, const struct step *step)
{
	(void)replay;
	(void)step;
	return 0;
}

static const struct verb verbs[] = {
	{ "dir", 1, run_dir },           { "file", 2, run_file },   { "link-to", 2, run_symlink },
	{ "begin", 0, run_begin },       { "open", 3, run_open },   { "write", 2, run_write },
	{ "truncate", 2, run_truncate }, { "sync", 1, run_sync },   { "close", 1, run_close },
	{ "mkdir", 1, run_dir },         { "rmdir", 1, run_rmdir }, { "unlink", 1, run_unlink },
	{ "rename", 2, run_rename },     { "link", 2, run_link },   { "symlink", 2, run_symlink },
	{ "mode", 2, run_mode },         { "owner", 1, run_owner }, { "time", 2, run_time },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void parse(struct replay *replay, char *line, uint64_t at)
{
	struct step *step = &replay->steps[replay->count];
	char *next = strchr(line, '\t');
	unsigned words = 0;

	if (next)
		*next++ = '\0';
	*step = (struct step){ .verb = find_verb(line), .line = at };
	if (!step->verb)
		bench_die(0, "line %llu: unknown step", (unsigned long long)at);
	for (; next && words < WORDS; words++) {
		char *word = next;

		next = strchr(word, '\t');
		if (next)
			*next++ = '\0';
		step->word[words] = word;
	}
	if (words < step->verb->words)
		bench_die(0, "line %llu: %s needs %u words", (unsigned long long)at, line,
			  step->verb->words);
	if (step->verb->run == run_write && number(step, 1) > replay->data_size)
		replay->data_size = number(step, 1);
	if (step->verb->run == run_begin)
		replay->begin = replay->count;
	replay->count++;
}

/* No byte of a workload is 0. */
static void read_text(struct replay *replay, const char *path)
{
	FILE *stream = fopen(path, "re");
	size_t size = 0;

	if (!stream || getdelim(&replay->text, &size, '\0', stream) < 0)
		bench_die(errno, "%s", path);
	(void)fclose(stream); /* only read from */
}

static void read_workload(struct replay *replay, const char *path)
{
	static const char head[] = "hostwatch-workload 1\nabout\t";
	size_t lines = 0;
	uint64_t at = 2;
	char *line, *end;

	read_text(replay, path);
	if (strncmp(replay->text, head, sizeof(head) - 1) != 0)
		bench_die(0, "%s: not a workload of this version", path);
	for (line = replay->text; (line = strchr(line, '\n')); line++)
		lines++;
	replay->steps = calloc(lines, sizeof(replay->steps[0]));
	if (!replay->steps)
		bench_die(ENOMEM, "steps");
	line = strchr(replay->text + sizeof(head) - 1, '\n');
	for (line = line ? line + 1 : NULL; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		parse(replay, line, ++at);
	}
	if (!replay->count || replay->steps[replay->begin].verb->run != run_begin)
		bench_die(0, "%s: no line begin", path);
	if (replay->data_size > BYTES_MAX)
		bench_die(0, "%s: a write of more than %u bytes", path, BYTES_MAX);
	replay->data = malloc(replay->data_size + 1);
	if (!replay->data)
		bench_die(ENOMEM, "data");
	memset(replay->data, 'x', replay->data_size + 1);
}

static void run(struct replay *replay, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		const struct step *step = &replay->steps[i];

		if (step->verb->run(replay, step) < 0)
			bench_die(errno, "line %llu: %s %s", (unsigned long long)step->line,
				  step->verb->name, step->word[0]);
	}
}

static void replay_all(struct replay *replay)
{
	uint64_t start = bench_monotonic_ns(), cpu = bench_process_cpu_ns();

	run(replay, replay->begin + 1, replay->count);
	(void)printf("changes %zu ns %llu cpu_ns %llu\n", replay->count - replay->begin - 1,
		     (unsigned long long)(bench_monotonic_ns() - start),
		     (unsigned long long)(bench_process_cpu_ns() - cpu));
}

int main(int argc, char **argv)
{
	static struct replay replay;
	bool prepare = false;
	int option;

	while ((option = getopt(argc, argv, "p")) != -1) {
		if (option == 'p')
			prepare = true;
		else
			optind = argc + 1;
	}
	if (optind + 2 != argc)
		bench_die(0, "usage: replay [-p] WORKLOAD DIR\n"
			     "-p  only make the files that were there before the program ran");
	for (size_t i = 0; i < HANDLES; i++)
		replay.handles[i] = -1;
	read_workload(&replay, argv[optind]);
	umask(022);
	replay.root = open(argv[optind + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (replay.root < 0)
		bench_die(errno, "%s", argv[optind + 1]);
	if (prepare)
		run(&replay, 0, replay.begin);
	else
		replay_all(&replay);
	free(replay.steps);
	free(replay.text);
	free(replay.data);
	return 0;
}
