/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two processes do random operations in a share while a watcher runs, for each seed and each
 * watcher. The reported events, replayed, must result in the state on disk. Every file must have
 * been reported after its last change. Changes of data must have been reported by modify or
 * close_write, and these must not be reported for files whose data did not change. A file that was
 * moved but is reported as new is reported with its data, as if it were new: this is a failure only
 * with --strict. LIMITS of hostwatch-events(7) names such renames.
 */
#include "model_test.h"
#include "tree_check.h"
#include "writer.h"

#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS 2u
#define OLD_DIRS 3u
#define KEPT_EVENTS 40u
#define SCAN_NS (10 * HW_MS)
#define DEADLINE_NS (120 * INT64_C(1000000000))

struct settings {
	uint64_t first;
	uint64_t seeds;
	unsigned operations;
	uint64_t settle_ns;
	unsigned lag_ms;
	bool strict;
};

/* One seed under one watcher. */
struct run {
	uint64_t seed;
	const char *backend;
	char *base;
	char *root; /* owned: BASE/share */
	struct hw_rig *rig;
	struct hw_model *model;
	pid_t writers[WRITERS];
	unsigned running;
	char *events[KEPT_EVENTS]; /* owned: the last ones, in a ring */
	uint64_t event_count;
	FILE *log; /* owned: BASE/events.log, with all events */
	bool failed;
	unsigned lag_state; /* seed of rand_r(3) */
};

static struct settings settings = { .first = 1, .seeds = 20, .operations = 300 };

static void fail_run(struct run *run, const char *what, const char *detail)
{
	print_error("seed %llu, %s: %s: %s\n", (unsigned long long)run->seed, run->backend, what,
		    detail);
	run->failed = true;
}

static void fail_errno(struct run *run, const char *what, int error)
{
	fail_run(run, what, strerror(-error));
}

static void keep_event(struct run *run, const struct hw_event *event)
{
	char **slot = &run->events[run->event_count++ % KEPT_EVENTS];

	free(*slot);
	*slot = hw_notation_text(event);
	if (*slot)
		fprintf(run->log, "%lld %s\n", (long long)event->time_ns, *slot);
}

static void replay(struct run *run)
{
	struct hw_event event;
	char why[160] = "";
	int r = 0;

	while (!run->failed && (r = hw_rig_next(run->rig, &event)) > 0) {
		keep_event(run, &event);
		r = hw_model_apply(run->model, &event, why, sizeof(why));
		if (r)
			fail_run(run, "not a consistent history", why);
		if (event.kind == HW_RESCAN)
			fail_run(run, "a rescan", "nothing here is out of reach");
	}
	if (r < 0 && !run->failed)
		fail_errno(run, "the journal", r);
}

static void fail_writer(struct run *run, int status)
{
	char how[40];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "killed by signal %d",
			       WTERMSIG(status)); /* fits */
	else
		(void)snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status)); /* fits */
	fail_run(run, "a writer", how);
}

static void reap(struct run *run)
{
	int status;

	for (unsigned i = 0; i < WRITERS; i++)
		if (run->writers[i] > 0 && waitpid(run->writers[i], &status, WNOHANG) > 0) {
			if (!WIFEXITED(status) || WEXITSTATUS(status))
				fail_writer(run, status);
			run->writers[i] = 0;
			run->running--;
		}
}

/* Forks the writers before the first thread is started. They wait at a pipe until the share is
 * online. */
static int start_writers(struct run *run)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	for (unsigned i = 0; i < WRITERS; i++) {
		const struct hw_writer_config config = {
			.base = run->base,
			.seed = run->seed * WRITERS + i,
			.names_seed = run->seed,
			.operations = settings.operations,
			.number = i,
		};
		run->writers[i] = hw_writer_start(&config, pipe_fds);
		if (run->writers[i] > 0)
			run->running++;
	}
	(void)close(pipe_fds[0]); /* used by the writers only */
	return run->running == WRITERS ? pipe_fds[1] : -EAGAIN;
}

/* Makes `count` directories with `count` files each: older than the share, and not made by a
 * writer. */
static int fill_outside(const char *outside, unsigned count)
{
	int dir = open(outside, O_PATH | O_DIRECTORY | O_CLOEXEC), r = dir < 0 ? -errno : 0;

	for (unsigned i = 0; !r && i < count * (count + 1); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), i % (count + 1) ? "old%u/%u" : "old%u",
			       i / (count + 1), i % (count + 1)); /* fits */
		int fd = i % (count + 1) ? openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)
					 : -1;

		if (fd < 0 && (i % (count + 1) || mkdirat(dir, path, 0755)))
			r = -errno;
		else if (fd >= 0 && (write(fd, path, strlen(path)) < 0 || close(fd)))
			r = -errno;
	}
	if (dir >= 0)
		(void)close(dir); /* O_PATH */
	return r;
}

static int prepare(struct run *run, const char *parent)
{
	char *outside = NULL, *log = NULL;
	int r = 0;

	run->base = hw_scratch_create(parent);
	if (!run->base || asprintf(&run->root, "%s/share", run->base) < 0 ||
	    asprintf(&outside, "%s/outside", run->base) < 0 ||
	    asprintf(&log, "%s/events.log", run->base) < 0)
		return -ENOMEM;
	run->log = fopen(log, "we");
	if (!run->log || mkdir(run->root, 0755) || mkdir(outside, 0755))
		r = -errno;
	if (!r)
		r = fill_outside(outside, OLD_DIRS);
	hw_clock_tick();
	free(outside);
	free(log);
	return r ? r : hw_model_create(&run->model);
}

/* Sleeps for a random time, as on a busy machine: the disk gets ahead of the events read. */
static void lag(struct run *run)
{
	if (settings.lag_ms)
		(void)poll(NULL, 0, rand_r(&run->lag_state) % (int)settings.lag_ms);
}

static int watch(struct run *run, int start_fd)
{
	const struct hw_rig_config config = {
		.backend = run->backend,
		.root = run->root,
		.interval_ns = SCAN_NS,
		.settle_ns = settings.settle_ns,
	};
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	const char *why;
	int r = hw_rig_start(&config, &run->rig, &why);

	hw_model_look(run->model, run->root);
	(void)close(start_fd); /* starts the writers */
	while (!r && run->running && !run->failed) {
		hw_rig_turn(run->rig, 5);
		replay(run);
		lag(run);
		reap(run);
		if (hw_clock_monotonic_ns() > deadline)
			r = -ETIMEDOUT;
	}
	hw_clock_tick();
	if (!r && !run->failed)
		r = hw_rig_flush(run->rig);
	if (!r)
		replay(run);
	return r;
}

/* Polling and settling compare two states, and miss the states in between. */
static bool compares_states(const struct run *run)
{
	return settings.settle_ns || !strcmp(run->backend, "polling");
}

/* Returns the notes of the writers in BASE/name, allocated, and their size; NULL if there are
 * none. */
static void *read_notes(const struct run *run, const char *name, size_t *ret_size)
{
	char *path, *bytes = NULL;
	size_t size = 0, room = 1 << 20;
	FILE *in;

	if (asprintf(&path, "%s/%s", run->base, name) < 0)
		return NULL;
	in = fopen(path, "re");
	free(path);
	bytes = in ? malloc(room) : NULL;
	if (bytes)
		size = fread(bytes, 1, room, in);
	if (in)
		(void)fclose(in); /* only read */
	*ret_size = size;
	return bytes;
}

/* Checks that every file whose data changed was reported after its last change, and no other
 * file. */
static size_t check_data(const struct run *run, const struct hw_model_excuse *excuse, FILE *report)
{
	size_t size = 0;
	void *inodes = read_notes(run, "written", &size);
	const struct hw_model_written written = { inodes, size / sizeof(ino_t), settings.strict };
	size_t wrong = hw_model_check_data(run->model, &written, excuse, report);

	free(inodes);
	return wrong;
}

/*
 * The kernel does not report changes made through a second name that is removed before its
 * directory is watched. Under inotify and fanotify, files that ever had several names are therefore
 * left out of the check. If states are compared, attributes that changed back are also left out.
 */
static size_t check_beliefs(const struct run *run, FILE *report)
{
	struct hw_model_excuse excuse = { .strangers = compares_states(run) };
	bool hears = strcmp(run->backend, "polling") != 0;
	size_t linked = 0, had = 0;
	void *inodes = hears ? read_notes(run, "linked", &linked) : NULL;
	void *attributes = compares_states(run) ? read_notes(run, "attributes", &had) : NULL;

	excuse.inodes = inodes;
	excuse.inode_count = linked / sizeof(*excuse.inodes);
	excuse.had = attributes;
	excuse.had_count = had / sizeof(*excuse.had);
	size_t stale = hw_model_check_beliefs_but(run->model, &excuse, report);
	stale += check_data(run, &excuse, report);
	free(inodes);
	free(attributes);
	return stale;
}

/* Checks for errors in the tree that the changes of this seed did not show, but others would. */
static size_t check_tree(const struct run *run, FILE *report)
{
	size_t linked = 0;
	void *inodes = read_notes(run, "linked", &linked);
	size_t wrong =
		hw_tree_check(hw_rig_share(run->rig), inodes, linked / sizeof(ino_t), report);

	free(inodes);
	return wrong;
}

static void judge(struct run *run)
{
	struct hw_model *truth;
	char *text = NULL;
	size_t size;
	FILE *report = open_memstream(&text, &size);

	if (!report || hw_model_create(&truth))
		abort();
	int r = hw_model_load(truth, run->root);
	size_t wrong = hw_model_compare(run->model, truth, report);
	size_t stale = wrong ? 0 : check_beliefs(run, report);
	size_t unlike = wrong || stale ? 0 : check_tree(run, report);
	(void)fclose(report); /* memory */
	if (r)
		fail_errno(run, "the disk", r);
	else if (wrong)
		fail_run(run, "the replayed stream is not what is on disk", text);
	else if (stale)
		fail_run(run, "a change was not told, or did not happen", text);
	else if (unlike)
		fail_run(run, "what the share knows is not what is on disk", text);
	free(text);
	hw_model_destroy(truth);
}

static void show_events(const struct run *run)
{
	uint64_t first = run->event_count > KEPT_EVENTS ? run->event_count - KEPT_EVENTS : 0;

	print_error("the last %llu of %llu events:\n",
		    (unsigned long long)(run->event_count - first),
		    (unsigned long long)run->event_count);
	for (uint64_t i = first; i < run->event_count; i++) {
		const char *text = run->events[i % KEPT_EVENTS];

		print_error("  %s\n", text ? text : "?");
	}
	print_error("kept: %s (events.log has all of them, writer-*.log says who did what when)\n",
		    run->base);
}

static void finish(struct run *run)
{
	for (unsigned i = 0; i < WRITERS; i++)
		if (run->writers[i] > 0)
			(void)waitpid(run->writers[i], NULL,
				      0); /* they end because the pipe is closed */
	hw_rig_stop(run->rig);
	hw_model_destroy(run->model);
	if (run->log)
		(void)fclose(run->log); /* read by people only */
	for (unsigned i = 0; i < KEPT_EVENTS; i++)
		free(run->events[i]);
	if (run->base && !run->failed)
		hw_scratch_remove(run->base);
	else
		free(run->base);
	free(run->root);
}

/* Returns 0, -1 if the seed failed, or 1 if this watcher cannot work here. */
static int run_seed(const char *backend, uint64_t seed, const char *parent)
{
	struct run run = { .seed = seed, .backend = backend, .lag_state = (unsigned)seed };
	int start_fd = -1, r = prepare(&run, parent);

	if (!r)
		start_fd = start_writers(&run);
	if (start_fd < 0)
		r = start_fd;
	else if (!r)
		r = watch(&run, start_fd);
	bool unable = r == -EOPNOTSUPP;
	if (!r && !run.failed)
		judge(&run);
	else if (r && !unable)
		fail_errno(&run, "run", r);
	if (run.failed && run.base)
		show_events(&run);
	bool failed = run.failed;
	finish(&run);
	return failed ? -1 : unable;
}

/* The seeds alternate between the filesystems. */
static void stream_replays_to_the_disk(void **state)
{
	const char *backend = *state;
	unsigned places, failed = 0;
	const struct hw_place *place = hw_scratch_places(&places);

	for (uint64_t i = 0; i < settings.seeds; i++) {
		uint64_t seed = settings.first + i;
		int r = run_seed(backend, seed, place[i % places].path);

		if (r > 0) {
			print_message("%s: cannot work here\n", backend);
			skip();
		}
		failed += r < 0;
	}
	if (failed)
		fail_msg("%s: %u of %llu seeds failed", backend, failed,
			 (unsigned long long)settings.seeds);
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--first SEED] [--seeds COUNT] [--operations COUNT] [--settle MS] "
		"[--lag MS] [--strict] [--filter GLOB]\n",
		program);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "first", required_argument, NULL, 'f' },
		{ "seeds", required_argument, NULL, 's' },
		{ "operations", required_argument, NULL, 'o' },
		{ "settle", required_argument, NULL, 'S' },
		{ "lag", required_argument, NULL, 'l' },
		{ "strict", no_argument, NULL, 'x' },
		{ "filter", required_argument, NULL, 'F' },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_replays_consistent_streams),
		cmocka_unit_test(model_refuses_contradictions),
		cmocka_unit_test(model_sees_differences),
		cmocka_unit_test(model_sees_what_was_not_told),
		cmocka_unit_test(model_excuses_only_what_is_as_it_was),
		cmocka_unit_test(model_sees_data_that_was_not_told),
		{ "random/inotify", stream_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "random/fanotify", stream_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "random/fanotify-inode", stream_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "random/polling", stream_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};
	int option;

	while ((option = getopt_long(argc, argv, "f:s:o:S:l:xF:", options, NULL)) >= 0) {
		if (option == 'f')
			settings.first = strtoull(optarg, NULL, 10);
		else if (option == 's')
			settings.seeds = strtoull(optarg, NULL, 10);
		else if (option == 'o')
			settings.operations = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'S')
			settings.settle_ns = strtoull(optarg, NULL, 10) * HW_MS;
		else if (option == 'l')
			settings.lag_ms = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'x')
			settings.strict = true;
		else if (option == 'F')
			cmocka_set_test_filter(optarg);
		else
			return usage(argv[0]);
	}
	return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
