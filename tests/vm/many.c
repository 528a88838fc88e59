/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-many make DIR COUNT: makes COUNT directories d0, d1, ... in DIR, with FILES files f0, f1, ...
 * each. vm-many change DIR COUNT STEP: in each STEP-th directory, writes to f0, changes the mode of
 * f1, renames f2, removes f3, and makes "new". vm-many watch DIR COUNT: watches all of them.
 * Whenever "barrier..." is made in DIR, it prints lines "NUMBER KIND EVENT=TIMES...": the number of
 * directories or files that received exactly these events. Equal consecutive events count once;
 * watches without events are left out. Then it prints "late MS barrier...": the longest time since
 * the last barrier for which a program with realtime priority did not get the processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 9u
#define EACH (FILES + 1) /* watches per directory: the directory itself first, then its files */
#define TICK_NS 2000000L

static const struct {
	uint32_t mask;
	const char *name;
} events[] = {
	{ IN_CREATE, "CREATE" },           { IN_MODIFY, "MODIFY" },
	{ IN_CLOSE_WRITE, "CLOSE_WRITE" }, { IN_ATTRIB, "ATTRIB" },
	{ IN_MOVED_FROM, "MOVED_FROM" },   { IN_MOVED_TO, "MOVED_TO" },
	{ IN_MOVE_SELF, "MOVE_SELF" },     { IN_DELETE, "DELETE" },
	{ IN_DELETE_SELF, "DELETE_SELF" }, { IN_IGNORED, "IGNORED" },
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

struct watch {
	bool is_dir;
	uint8_t told[EVENTS];
};

/* The previous event of a watch: the kernel merges equal consecutive events if the first has not
 * been read. */
struct last {
	uint32_t mask;
	char name[8];
};

static int must(int r, const char *what)
{
	if (r >= 0)
		return r;
	perror(what);
	exit(1);
}

static void write_file(const char *path, int flags, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC | flags, 0644), path);

	must((int)write(fd, text, strlen(text)), path);
	must(close(fd), path);
}

static const char *file_of(unsigned dir, const char *name)
{
	static char paths[2][64];
	static unsigned which;
	char *path = paths[which++ % 2];

	(void)snprintf(path, sizeof(paths[0]), "d%u/%s", dir, name);
	return path;
}

static const char *path_of(unsigned index)
{
	static char path[64];
	unsigned dir = index / EACH;

	if (index % EACH == 0)
		(void)snprintf(path, sizeof(path), "d%u", dir);
	else
		(void)snprintf(path, sizeof(path), "d%u/f%u", dir, index % EACH - 1);
	return path;
}

static void make(unsigned count)
{
	for (unsigned i = 0; i < count * EACH; i++)
		if (i % EACH == 0)
			must(mkdir(path_of(i), 0755), path_of(i));
		else
			write_file(path_of(i), O_CREAT | O_EXCL, "text\n");
}

static void change(unsigned count, unsigned step)
{
	for (unsigned i = 0; i < count; i += step) {
		write_file(file_of(i, "f0"), O_APPEND, "more\n");
		must(chmod(file_of(i, "f1"), 0600), "chmod");
		must(rename(file_of(i, "f2"), file_of(i, "moved")), "rename");
		must(unlink(file_of(i, "f3")), "unlink");
		write_file(file_of(i, "new"), O_CREAT | O_EXCL, "text\n");
	}
}

/* ---- a program with realtime priority ---- */

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static _Atomic int64_t *begin_ticking(void)
{
	const struct sched_param first = { .sched_priority = 50 };
	const struct timespec tick = { .tv_nsec = TICK_NS };
	_Atomic int64_t *late_ns = mmap(NULL, sizeof(*late_ns), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (late_ns == MAP_FAILED)
		must(-1, "mmap");
	if (must(fork(), "fork") != 0)
		return late_ns;
	must(sched_setscheduler(0, SCHED_FIFO, &first), "sched_setscheduler");
	while (getppid() != 1) {
		int64_t begin_ns = now_ns(), late;

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
		late = now_ns() - begin_ns - TICK_NS;
		if (late > atomic_load(late_ns))
			atomic_store(late_ns, late);
	}
	exit(0);
}

/* ---- received events ---- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct watch));
}

static void print_watches(const struct watch *watch, unsigned times)
{
	static const struct watch nothing[2] = { { .is_dir = false }, { .is_dir = true } };

	if (compare(watch, &nothing[watch->is_dir]) == 0)
		return;
	(void)printf("%u %s", times, watch->is_dir ? "dir" : "file");
	for (size_t i = 0; i < EVENTS; i++)
		if (watch->told[i])
			(void)printf(" %s=%u", events[i].name, watch->told[i]);
	(void)puts("");
}

static void print_all(const struct watch *watches, unsigned count)
{
	struct watch *sorted = malloc(count * sizeof(*sorted));
	unsigned from = 0;

	if (!sorted)
		must(-1, "malloc");
	memcpy(sorted, watches, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	for (unsigned i = 1; i <= count; i++) {
		if (i < count && compare(&sorted[i], &sorted[from]) == 0)
			continue;
		print_watches(&sorted[from], i - from);
		from = i;
	}
	free(sorted);
}

/* Adds watches in the order of their paths: the kernel numbers them from 1 in this order. The watch
 * of DIR is the last one. */
static struct watch *add_watches(int fd, unsigned count)
{
	const uint32_t mask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE |
			      IN_MOVE_SELF | IN_DELETE | IN_DELETE_SELF;
	struct watch *ret = calloc(count * EACH, sizeof(*ret));

	if (!ret)
		must(-1, "calloc");
	for (unsigned i = 0; i < count * EACH; i++) {
		ret[i].is_dir = i % EACH == 0;
		if (must(inotify_add_watch(fd, path_of(i), mask), path_of(i)) != (int)i + 1) {
			(void)fprintf(stderr, "not numbered as expected: %s\n", path_of(i));
			exit(1);
		}
	}
	must(inotify_add_watch(fd, ".", IN_CREATE), ".");
	return ret;
}

static void take(struct watch *watch, struct last *last, const struct inotify_event *event)
{
	struct last now = { .mask = event->mask };

	(void)snprintf(now.name, sizeof(now.name), "%s", event->len ? event->name : "");
	if (memcmp(last, &now, sizeof(now)) == 0)
		return;
	*last = now;
	for (size_t i = 0; i < EVENTS; i++)
		if ((event->mask & events[i].mask) && watch->told[i] < UINT8_MAX)
			watch->told[i]++;
}

static void watch(unsigned count)
{
	static _Alignas(8) char buf[1 << 20];
	int fd = must(inotify_init1(IN_CLOEXEC), "inotify_init1");
	struct watch *watches = add_watches(fd, count);
	struct last *last = calloc(count * EACH, sizeof(*last));
	_Atomic int64_t *late_ns = begin_ticking();

	if (!last)
		must(-1, "calloc");
	(void)puts("established");
	for (;;) {
		ssize_t len = must((int)read(fd, buf, sizeof(buf)), "read");

		for (char *at = buf; at < buf + len;) {
			const struct inotify_event *event = (const void *)at;

			at += sizeof(*event) + event->len;
			if (event->mask & IN_Q_OVERFLOW)
				(void)puts("overflow");
			else if (event->wd <= (int)(count * EACH))
				take(&watches[event->wd - 1], &last[event->wd - 1], event);
			else if (event->len && strncmp(event->name, "barrier", 7) == 0) {
				print_all(watches, count * EACH);
				(void)printf("late %lld %s\n",
					     (long long)atomic_exchange(late_ns, 0) / 1000000,
					     event->name);
			}
		}
	}
}

int main(int argc, char **argv)
{
	unsigned count = argc < 4 ? 0 : (unsigned)strtoul(argv[3], NULL, 10);

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	must(chdir(argv[2]), argv[2]);
	if (strcmp(argv[1], "make") == 0)
		make(count);
	else if (strcmp(argv[1], "change") == 0 && argc == 5)
		change(count, (unsigned)strtoul(argv[4], NULL, 10));
	else if (strcmp(argv[1], "watch") == 0)
		watch(count);
	else
		return 2;
	return 0;
}
