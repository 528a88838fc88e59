/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run-faults [FUNCTION[:FIRST[:LAST]]]...: for each N, starts the daemon so that the N-th call of a
 * function fails once (fail.c), with one share, one subscriber and a short workload. Then one of
 * these must be true: the subscriber's stream leads to the state on disk; it received a rescan; the
 * daemon ended with a message and a status other than 0. Changes after the fault must be reported.
 * A crash, a deadline or a difference is a failure. Without arguments: a sample of all functions.
 *
 *	-w WATCHER   inotify (default), fanotify or polling
 *	-k           keep the state of the share (state_dir)
 *	-s STEP      only each STEP-th call
 *	-v           print the verdict of each call
 *
 * The sample: calls 1, 3, 7, 15 and so on under inotify, calls 1, 2, 4, 8 and so on under fanotify,
 * and the functions of the state under polling with a state.
 */
#include "functions.h"
#include "tests/common/model.h"
#include "tests/common/scratch.h"
#include "tests/hostile/support/program.h"
#include "tests/hostile/support/world.h"

#include <errno.h>
#include <getopt.h>
#include <hostwatch/wire.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 20000
#define FAILURES_MAX 20u /* of one function */

enum verdict { SAME, RESCAN, ENDED, NOT_REACHED, FAILED, VERDICTS };
static const char *const verdict_names[] = { "consistent", "rescan", "ended", "not reached",
					     "FAILED" };

static const char *watcher = "inotify";
static bool verbose, keeps; /* keeps: a state */

/* One run. */
struct run {
	char *dir; /* owned */
	char *root; /* owned */
	char fault[80], fired[300]; /* of the preloaded object */
	struct program daemon, tail;
	struct hw_model *model; /* owned */
	unsigned rescans;
	bool rescanned; /* since the model was loaded */
	bool ended; /* the daemon has ended */
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static _Noreturn void fail_run(struct run *run, const char *what)
{
	char caller[200] = "";
	FILE *file = fopen(run->fired, "re");

	if (file)
		(void)!fgets(caller, sizeof(caller), file);
	print_message("%s: %s; called by %s\nstderr: %s%s\n", run->fault, what, caller,
		      run->daemon.err.bytes ? run->daemon.err.bytes : "",
		      run->tail.err.bytes ? run->tail.err.bytes : "");
	if (run->daemon.pid > 0)
		(void)kill(run->daemon.pid, SIGKILL);
	if (run->tail.pid > 0)
		(void)kill(run->tail.pid, SIGKILL);
	exit(FAILED);
}

static bool has_fired(const struct run *run)
{
	FILE *file = fopen(run->fired, "re");
	int c = file ? getc(file) : EOF;

	if (file)
		(void)fclose(file);
	return c != EOF && c != '\0';
}

/* ---- the daemon ---- */

static void prepare_daemon(void *arg)
{
	const struct run *run = arg;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setenv("LD_PRELOAD", HW_BUILD_DIR "/tests/fail.so", 1);
	(void)setenv("HW_FAIL", run->fault, 1);
	(void)setenv("HW_FAIL_FILE", run->fired, 1);
}

static void prepare_tail(void *arg)
{
	(void)arg;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void start_daemon(struct run *run)
{
	const char *conf = world_path(run->dir, "conf");
	FILE *file = fopen(conf, "we");
	char state[300] = "";

	assert_non_null(file);
	if (keeps)
		(void)snprintf(state, sizeof(state),
			       "state_dir = %s/state\nstate_log_dir = %s/log\n", run->dir,
			       run->dir);
	fprintf(file,
		"[hostwatch]\ncontrol = %s/ctl\n%s[share one]\npath = %s\nwatcher = %s\n"
		"interval = 50ms\n[sink out]\nplugin = socket\nlisten = unix:%s/out\n",
		run->dir, state, run->root, watcher, run->dir);
	assert_int_equal(fclose(file), 0);
	PROGRAM_START(&run->daemon, prepare_daemon, run, HOSTWATCHD, "-c", conf);
}

/* libuv has no other way to end. */
static bool is_abort(const struct run *run, int status)
{
	return status == -SIGABRT && strstr(run->daemon.err.bytes, "error: aborted: ");
}

/* The daemon closed its output: returns its verdict. */
static enum verdict judge_end(struct run *run)
{
	int status = program_end(&run->daemon, 0);

	run->daemon.pid = 0;
	if (status < 0 && !is_abort(run, status))
		fail_run(run, "crash");
	if (status == 0)
		fail_run(run, "it ended with status 0");
	if (run->daemon.err.len == 0)
		fail_run(run, "it ended without a message");
	if (verbose)
		print_message("%s", run->daemon.err.bytes);
	run->ended = true;
	return ENDED;
}

/* Reads what the daemon logs. Returns false if it has ended. */
static bool pump_daemon(struct run *run, int timeout_ms)
{
	return program_pump(&run->daemon, timeout_ms) || run->daemon.err.fd >= 0;
}

/* Returns false if it has ended. The line may be the one that could not be written. */
static bool await_ready(struct run *run)
{
	int64_t begun = now_ms();

	for (;;) {
		bool running = pump_daemon(run, 100);

		if (run->daemon.err.bytes && strstr(run->daemon.err.bytes, "ready: "))
			return true;
		if (!running)
			return false;
		if (now_ms() > begun + 1000 && strncmp(run->fault, "write:", 6) == 0 &&
		    has_fired(run))
			return true;
		if (now_ms() > begun + DEADLINE_MS)
			fail_run(run, "it does not start");
	}
}

/* ---- the subscriber ---- */

static void load_model(struct run *run)
{
	hw_model_destroy(run->model);
	assert_int_equal(hw_model_create(&run->model), 0);
	assert_int_equal(hw_model_load(run->model, run->root), 0);
	run->rescanned = false;
}

/* Entries that could not be examined, listed or watched when the share was armed, which was logged,
 * are reported when that works: as new, or as moved in. */
static bool was_late(const struct run *run, const struct hw_event *event)
{
	return (event->kind == HW_CREATE || event->kind == HW_MOVE) &&
	       strstr(run->daemon.err.bytes, "warning: share one: ");
}

static void take_line(struct run *run, char *line)
{
	struct hw_json_message message;
	char why[200] = "", text[600];

	(void)snprintf(text, sizeof(text), "%s", line);
	if (hw_json_parse_line(line, strlen(line), &message) < 0)
		fail_run(run, "bad line");
	if (message.what != HW_JSON_EVENT)
		return;
	if (message.event.kind == HW_RESCAN) {
		run->rescans++;
		run->rescanned = true;
	}
	if (hw_model_apply(run->model, &message.event, why, sizeof(why)) < 0 && !run->rescanned &&
	    !was_late(run, &message.event)) {
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ": %s", why);
		fail_run(run, text);
	}
}

static bool is_equal(struct run *run, FILE *to)
{
	struct hw_model *truth;

	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, run->root), 0);
	size_t different = hw_model_compare(run->model, truth, to);

	hw_model_destroy(truth);
	return different == 0;
}

/* The server sends events only after it has read the request that follows hello. */
static bool start_tail_once(struct run *run)
{
	int64_t deadline = now_ms() + DEADLINE_MS;
	const char *probe = world_path(run->root, "probe");
	char address[300];

	(void)snprintf(address, sizeof(address), "unix:%s/out", run->dir);
	load_model(run);
	PROGRAM_START(&run->tail, prepare_tail, NULL, HOSTWATCH, "tail", "--json", address);
	while (!run->ended && !(run->tail.out.bytes && strstr(run->tail.out.bytes, "probe"))) {
		world_write(probe, "x");
		if (!program_pump(&run->tail, 10))
			return false;
		if (run->tail.out.bytes && strstr(run->tail.out.bytes, "\"rescan\""))
			break;
		if (!pump_daemon(run, 0))
			(void)judge_end(run);
		if (now_ms() > deadline)
			fail_run(run, "the subscriber receives nothing");
	}
	return true;
}

/* A subscriber that was disconnected connects again. */
static void start_tail(struct run *run)
{
	int64_t deadline = now_ms() + DEADLINE_MS;

	while (!run->ended && !start_tail_once(run)) {
		(void)program_end(&run->tail, 0);
		program_free(&run->tail);
		run->tail = (struct program){ 0 };
		run->rescans++;
		if (!pump_daemon(run, 0))
			(void)judge_end(run);
		if (now_ms() > deadline)
			fail_run(run, "the subscriber is disconnected");
	}
}

/* Reads until the stream has led to the state on disk. A rescan lets the receiver read it. */
static void await_equal(struct run *run, const char *when)
{
	int64_t deadline = now_ms() + DEADLINE_MS;
	FILE *null = fopen("/dev/null", "we");
	char *line, text[200];

	assert_non_null(null);
	while (!run->ended) {
		(void)pump_daemon(run, 0); /* before the events that a logged line explains */
		while ((line = program_line(&run->tail, 10)))
			take_line(run, line);
		if (run->tail.out.fd < 0) {
			(void)program_end(&run->tail, 0);
			program_free(&run->tail);
			run->tail = (struct program){ 0 };
			run->rescans++;
			start_tail(run);
		}
		if (run->rescanned)
			load_model(run);
		if (is_equal(run, null))
			break;
		if (!pump_daemon(run, 0))
			(void)judge_end(run);
		if (now_ms() > deadline) {
			(void)is_equal(run, stderr);
			(void)snprintf(text, sizeof(text), "not reported %s", when);
			fail_run(run, text);
		}
	}
	(void)fclose(null); /* nothing depends on it */
}

/* ---- work ---- */

static void prepare_share(const struct run *run)
{
	static const char *const dirs[] = { "d1", "d2", "d3", "d3/x", "d3/x/y" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		world_mkdir(world_path(run->root, "%s", dirs[i]));
	world_write(world_path(run->root, "probe"), "x");
	world_write(world_path(run->root, "d1/f1"), "1");
	world_write(world_path(run->root, "d1/f2"), "2");
	world_write(world_path(run->root, "d3/x/y/deep"), "3");
}

static void work(const struct run *run)
{
	world_write(world_path(run->root, "d1/new"), "new");
	world_mkdir(world_path(run->root, "d2/sub"));
	world_write(world_path(run->root, "d2/sub/a"), "a");
	world_mkdir(world_path(run->root, "d2/sub/below"));
	world_write(world_path(run->root, "d2/sub/below/b"), "b");
	(void)rename(world_path(run->root, "d1/f1"), world_path(run->root, "d2/f1"));
	(void)unlink(world_path(run->root, "d1/f2"));
	(void)rename(world_path(run->root, "d3/x"), world_path(run->root, "d1/x"));
	(void)link(world_path(run->root, "d1/new"), world_path(run->root, "d3/link"));
	(void)rename(world_path(run->dir, "outside"), world_path(run->root, "d3/inside"));
	world_write(world_path(run->root, "d1/x/y/deep"), "changed");
}

static void work_later(const struct run *run)
{
	world_mkdir(world_path(run->root, "late"));
	world_write(world_path(run->root, "late/file"), "x");
	world_write(world_path(run->root, "d2/sub/below/late"), "x");
	(void)unlink(world_path(run->root, "d1/new"));
	(void)rename(world_path(run->root, "d1/x"), world_path(run->root, "late/x"));
}

/* Asks through the control socket until there is an answer: only one call fails. */
static void ask(struct run *run, const char *command, const char *expected)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int64_t deadline = now_ms() + DEADLINE_MS;
	char answer[16384];

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/ctl", run->dir);
	while (!run->ended) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		size_t len = 0;
		ssize_t n = 1;

		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
			(void)send(fd, command, strlen(command), MSG_NOSIGNAL);
			(void)shutdown(fd, SHUT_WR); /* then the answer ends with the connection */
			while (n > 0 && len < sizeof(answer) - 1 &&
			       poll(&pollfd, 1, DEADLINE_MS) > 0) {
				n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
				len += n > 0 ? (size_t)n : 0;
			}
		}
		answer[len] = '\0';
		(void)close(fd);
		if (strstr(answer, expected))
			return;
		if (!pump_daemon(run, 10))
			(void)judge_end(run);
		if (now_ms() > deadline)
			fail_run(run, "no answer on the control socket");
	}
}

static enum verdict end_run(struct run *run)
{
	if (!run->ended) {
		int status = program_end(&run->daemon, SIGTERM);

		run->daemon.pid = 0;
		run->ended = is_abort(run, status);
		if (status < 0 && !run->ended)
			fail_run(run, "crash at the end");
		if (status > 0 && !has_fired(run))
			fail_run(run, "a status other than 0");
	}
	if (!has_fired(run))
		return NOT_REACHED;
	return run->ended ? ENDED : run->rescans ? RESCAN : SAME;
}

static enum verdict work_under_fault(struct run *run)
{
	prepare_share(run);
	world_mkdir(world_path(run->dir, "outside"));
	world_write(world_path(run->dir, "outside/in"), "x");
	start_daemon(run);
	if (!await_ready(run))
		return judge_end(run);
	start_tail(run);
	await_equal(run, "at the start");
	work(run);
	await_equal(run, "during the work");
	ask(run, "sync one\n", "ok\tseq=");
	work_later(run);
	await_equal(run, "after the fault");
	ask(run, "status\n", "ok\tversion=");
	return end_run(run);
}

/* A state that was written meanwhile must not prevent the next start. */
static void start_again(struct run *run)
{
	program_free(&run->daemon);
	if (run->tail.pid > 0)
		(void)program_end(&run->tail, SIGTERM);
	run->tail.pid = 0;
	*run->fault = '\0';
	start_daemon(run);
	if (!await_ready(run))
		fail_run(run, "it does not start again");
	run->ended = false;
	ask(run, "sync one\n", "ok\tseq=");
	if (program_end(&run->daemon, SIGTERM) != 0)
		fail_run(run, "a status other than 0 after the next start");
}

static enum verdict run_once(const struct function *function, unsigned long n)
{
	struct run run = { .dir = hw_scratch_create("/tmp") };
	enum verdict verdict;

	assert_non_null(run.dir);
	assert_true(asprintf(&run.root, "%s/share", run.dir) > 0);
	(void)snprintf(run.fired, sizeof(run.fired), "%s/fired", run.dir);
	(void)snprintf(run.fault, sizeof(run.fault), "%s:%lu:%d", function->name, n,
		       function->error);
	world_mkdir(run.root);
	verdict = work_under_fault(&run);
	if (keeps)
		start_again(&run);
	if (run.tail.pid > 0)
		(void)program_end(&run.tail, SIGTERM);
	hw_scratch_remove(run.dir);
	return verdict;
}

/* In a process of its own, so that a failed run does not end the others. */
static enum verdict run_apart(const struct function *function, unsigned long n)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		exit((int)run_once(function, n));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) < VERDICTS
		       ? (enum verdict)WEXITSTATUS(status)
		       : FAILED;
}

/* ---- the list of calls ---- */

struct range {
	unsigned long first, last, step;
	bool growing; /* each number is twice the one before, plus step */
};

static unsigned long step_of(const struct range *range, unsigned long n)
{
	return range->growing ? n + range->step : range->step;
}

static unsigned run_range(const struct function *function, const struct range *range)
{
	unsigned counts[VERDICTS] = { 0 };

	for (unsigned long n = range->first; n <= range->last; n += step_of(range, n)) {
		enum verdict verdict = run_apart(function, n);

		counts[verdict]++;
		if (verbose || verdict == FAILED)
			print_message("%s:%lu:%s %s\n", function->name, n,
				      strerror(function->error), verdict_names[verdict]);
		if (verdict == NOT_REACHED || counts[FAILED] == FAILURES_MAX)
			break;
	}
	print_message("%-18s %-28s %4u consistent, %4u rescan, %4u ended, %u failed\n",
		      function->name, strerror(function->error), counts[SAME], counts[RESCAN],
		      counts[ENDED], counts[FAILED]);
	return counts[FAILED];
}

#define CALLS_MAX ((unsigned long)-1 / 4)

static unsigned run_named(const char *text, unsigned long step)
{
	struct range range = { 1, CALLS_MAX, step, false };
	char name[40] = "";
	unsigned failed = 0;

	(void)sscanf(text, "%39[^:]:%lu:%lu", name, &range.first, &range.last);
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (strcmp(functions[i].name, name) == 0)
			failed += run_range(&functions[i], &range);
	return failed;
}

static void faults_are_survived(void **state)
{
	struct range range = { 1, CALLS_MAX, 1, true };
	unsigned failed = 0;

#ifdef __SANITIZE_ADDRESS__
	print_message("AddressSanitizer replaces the same functions\n");
	skip();
#endif
	watcher = *state;
	if (strcmp(watcher, "fanotify") == 0)
		range.step = 0;
	for (size_t i = 0; i < FUNCTIONS; i++)
		failed += run_range(&functions[i], &range);
	assert_int_equal(failed, 0);
}

/* The calls that only a share with a state makes, or mostly. */
static void faults_of_the_state_are_survived(void **state)
{
	static const char *const names[] = { "write",    "openat",   "open",  "calloc",
					     "renameat", "unlinkat", "fsync", "fork" };
	const struct range range = { 1, CALLS_MAX, 1, true };
	unsigned failed = 0;

#ifdef __SANITIZE_ADDRESS__
	print_message("AddressSanitizer replaces the same functions\n");
	skip();
#endif
	watcher = *state;
	keeps = true;
	for (size_t i = 0; i < FUNCTIONS; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (strcmp(functions[i].name, names[k]) == 0)
				failed += run_range(&functions[i], &range);
	keeps = false;
	assert_int_equal(failed, 0);
}

static int run_sample(void)
{
	const struct CMUnitTest tests[] = {
		{ "faults_are_survived/inotify", faults_are_survived, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "faults_are_survived/fanotify", faults_are_survived, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "faults_of_the_state_are_survived/polling", faults_of_the_state_are_survived,
		  NULL, NULL, (void *)(uintptr_t) "polling" },
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	unsigned long step = 1;
	unsigned failed = 0;
	int option;

	while ((option = getopt(argc, argv, "w:s:kv")) != -1) {
		if (option == 'w')
			watcher = optarg;
		else if (option == 's')
			step = strtoul(optarg, NULL, 10);
		else if (option == 'k')
			keeps = true;
		else if (option == 'v')
			verbose = true;
		else
			return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (optind == argc)
		return run_sample();
	for (int i = optind; i < argc; i++)
		failed += run_named(argv[i], step);
	return failed ? 1 : 0;
}
