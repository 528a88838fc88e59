/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch_run.h"
#include "log.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMAND_MAX (2u << 20) /* maximum size of a command line; the kernel may allow less */
#define COMMAND_SPARE 4096u /* part of it reserved for programs that the command executes */
#define SETTLE_TIMES                                                                               \
	10u /* with continuous changes, the wait is at most this multiple, as for a                \
	     * share with settle */
#define FRESH_MAX 4096u /* events kept before they are attributed */
#define STATUS_NOT_FOUND 127 /* the status that shells use */
#define STATUS_NOT_EXECUTABLE 126

static void gather(struct runner *runner);

static void set_state(struct runner *runner, enum runner_state state)
{
	struct watch *w = runner->watch;

	runner->state = state;
	if (state == RUNNER_IDLE && runner->knows_writers)
		hw_writers_rest(&runner->writers);
	else if (state == RUNNER_IDLE)
		hw_activity_end(&runner->activity);
	if (w->settings.idle_ns)
		hw_timer_set(w->idle, state == RUNNER_IDLE ? w->settings.idle_ns : 0);
}

static bool is_last(const struct runner *runner)
{
	uint64_t count = runner->watch->settings.select.count;

	return count && runner->runs + 1 >= count;
}

/* ---- attribution of changes ---- */

/* The origin of a change, and its certainty. */
enum verdict { OWN, OTHERS, PROBABLY_OTHERS };

/* Uses the last change of the entry, or of the directory that it was removed from. */
static bool changed_in(const struct hw_rest *rest, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *dir = NULL;
	struct stat st;
	int64_t ctime_ns;
	bool known;

	if (!rest->until_ns)
		return false;
	known = lstat(name, &st) == 0;
	if (!known) {
		dir = slash ? strndup(name, (size_t)(slash - name) + 1) : strdup(".");
		known = dir && stat(dir, &st) == 0;
		free(dir);
	}
	if (!known)
		return false;
	ctime_ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec;
	return ctime_ns > rest->since_ns && ctime_ns <= rest->until_ns;
}

static enum verdict judge_name(struct runner *runner, const char *name, bool appeared)
{
	bool running = runner->state >= RUNNER_RUNNING;
	enum hw_writer writer = HW_WRITER_UNKNOWN;

	if (runner->knows_writers)
		writer = hw_writers_of(&runner->writers, name);
	if (writer == HW_WRITER_OWN)
		return OWN; /* also changes by remaining processes of an earlier run */
	if (writer == HW_WRITER_OTHER)
		return OTHERS;
	if (running && changed_in(&runner->rest, name))
		return OTHERS;
	if (running)
		return hw_outputs_changed(&runner->outputs, name, appeared) ? OWN : PROBABLY_OTHERS;
	hw_outputs_changed_outside(&runner->outputs, name);
	return OTHERS;
}

static enum verdict judge_change(struct runner *runner, const struct hw_change *change)
{
	const char *path = hw_batch_name(&runner->fresh, change->path);
	const char *from = hw_batch_name(&runner->fresh, change->from);
	bool appeared = change->kind == HW_CREATE || (change->kind == HW_MOVE && !change->flags);
	enum verdict of_from = from ? judge_name(runner, from, false) : OWN;
	enum verdict of_path = path ? judge_name(runner, path, appeared) : OWN;

	return of_from == OWN ? of_path : of_from;
}

/* Printed once per run: it may be a file that the command writes. */
static void say_why_again(struct runner *runner, const struct hw_change *change)
{
	const char *name = hw_batch_name(&runner->fresh,
					 change->path == SIZE_MAX ? change->from : change->path);
	char quoted[300];

	if (runner->said_why || runner->watch->settings.restart || is_last(runner))
		return;
	runner->said_why = true;
	(void)hw_args_failure(runner->watch->line,
			      "%s changed while the command ran: it runs once more",
			      hw_quote(quoted, sizeof(quoted), name, strlen(name)));
}

/* Adds changes by other processes to the pending ones. */
static void judge(struct runner *runner)
{
	struct hw_batch *fresh = &runner->fresh;

	if (runner->knows_writers)
		hw_writers_read(&runner->writers);
	else if (runner->state >= RUNNER_RUNNING && !hw_batch_is_empty(fresh))
		runner->rest = hw_activity_rest(&runner->activity);
	for (size_t i = 0; i < fresh->count; i++) {
		enum verdict verdict = judge_change(runner, &fresh->changes[i]);

		if (verdict == OWN)
			continue;
		if (verdict == PROBABLY_OTHERS)
			say_why_again(runner, &fresh->changes[i]);
		hw_batch_add_from(&runner->pending, fresh, i);
	}
	if (fresh->overflow)
		hw_batch_overflow(&runner->pending);
	hw_batch_clear(fresh);
}

/* ---- one run ---- */

/* Returns the size that the environment leaves for a command line. */
static size_t room_for_command(void)
{
	long max = sysconf(_SC_ARG_MAX);
	size_t room = max > 0 ? (size_t)max : 131072, used = COMMAND_SPARE;

	for (char **at = environ; *at; at++)
		used += strlen(*at) + 1 + sizeof(*at);
	if (room > COMMAND_MAX)
		room = COMMAND_MAX;
	return room > used ? room - used : 0;
}

static void close_events(struct runner *runner)
{
	if (runner->events_fd >= 0)
		(void)close(runner->events_fd); /* in memory */
	runner->events_fd = -1;
}

/* Creates a file without a name: it needs no removal, and changes no watched directory. */
static int write_events(struct runner *runner, const struct hw_buf *lines, char *setting,
			size_t size)
{
	const char *at = lines->data, *end = at + lines->len;
	ssize_t n = 0;

	runner->events_fd = memfd_create("hostwatch events", MFD_CLOEXEC);
	if (runner->events_fd < 0)
		return -errno;
	for (; at < end; at += n) {
		n = write(runner->events_fd, at, (size_t)(end - at));
		if (n < 0)
			return -errno;
	}
	(void)snprintf(setting, size, "HOSTWATCH_EVENTS_FILE=/proc/%d/fd/%d", (int)getpid(),
		       runner->events_fd);
	return 0;
}

/* With --restart, the command is not run several times for many names: it gets all operands
 * instead. */
static int take_command(struct runner *runner, struct hw_batch_command *ret)
{
	struct hw_batch *pending = &runner->pending;
	size_t room = room_for_command();
	int r = hw_batch_take(pending, runner->command, runner->all, room, ret);

	if (r < 0 || !runner->watch->settings.restart || hw_batch_is_empty(pending))
		return r;
	hw_batch_command_free(ret);
	hw_batch_overflow(pending);
	return hw_batch_take(pending, runner->command, runner->all, room, ret);
}

static int start_command(struct runner *runner)
{
	struct hw_batch_command command;
	char setting[80];
	int r = take_command(runner, &command);

	if (r == 0)
		r = write_events(runner, &command.lines, setting, sizeof(setting));
	if (r == 0)
		r = hw_run_start(&runner->run, command.argv, setting);
	hw_batch_command_free(&command);
	return r;
}

/* Prints the status of a command that was executed. */
static void say_status(const struct runner *runner, int status)
{
	const char *name = runner->command[0];
	char quoted[300];

	if (hw_quote_is_needless(name, strlen(name)))
		(void)snprintf(quoted, sizeof(quoted), "%s", name);
	else
		hw_quote(quoted, sizeof(quoted), name, strlen(name));
	if (status > 128 && status - 128 < NSIG)
		(void)hw_args_failure(runner->watch->line, "%s: killed by signal %d (%s)", quoted,
				      status - 128, strsignal(status - 128));
	else
		(void)hw_args_failure(runner->watch->line, "%s: exit status %d", quoted, status);
}

/* Called when all changes so far are in the journals. */
static void flushed(void *arg, struct hw_share *share, int error, uint64_t seq);
static void flush(struct runner *runner)
{
	struct watch *w = runner->watch;

	if (runner->knows_writers && runner->state != RUNNER_JUDGING)
		hw_writers_turn(&runner->writers);
	runner->flushes = 1; /* counts this function until all shares were asked */
	for (size_t i = 0; i < w->targets.count; i++) {
		runner->flushes++;
		if (hw_share_flush(w->shares[i].share, flushed, runner) < 0)
			runner->flushes--; /* memory is short: an unnecessary run may follow */
	}
	flushed(runner, NULL, 0, 0);
}

static void end_run(struct runner *runner, int status)
{
	struct watch *w = runner->watch;
	bool stopped = runner->state == RUNNER_STOPPING;

	close_events(runner);
	if (!runner->knows_writers)
		hw_activity_note_end(&runner->activity);
	if (runner->state == RUNNER_ENDING) {
		hw_watch_stop(w, w->status);
		return;
	}
	if (is_last(runner)) {
		hw_watch_stop(w, status);
		return;
	}
	runner->runs++;
	if (!stopped)
		set_state(runner, RUNNER_JUDGING);
	flush(runner);
}

static void run_ended(void *arg, int status)
{
	struct runner *runner = arg;

	if (status && runner->state == RUNNER_RUNNING)
		say_status(runner, status);
	end_run(runner, status);
}

static void start_run(struct runner *runner)
{
	const char *name = runner->command[0];
	char quoted[300];
	int r;

	hw_outputs_begin(&runner->outputs);
	if (runner->knows_writers)
		hw_writers_forget(&runner->writers);
	runner->said_why = false;
	set_state(runner, RUNNER_RUNNING);
	r = start_command(runner);
	if (r == 0) {
		if (!runner->knows_writers)
			hw_activity_begin(&runner->activity);
		return;
	}
	(void)hw_args_failure(runner->watch->line, "%s: %s",
			      hw_quote(quoted, sizeof(quoted), name, strlen(name)), strerror(-r));
	end_run(runner, r == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/* ---- state transitions ---- */

static void settle(struct runner *runner)
{
	struct watch *w = runner->watch;
	uint64_t now = hw_loop_now_ns(w->loop), delay = w->settings.settle_ns;

	if (runner->state != RUNNER_SETTLING)
		runner->settle_until_ns = now + SETTLE_TIMES * delay;
	set_state(runner, RUNNER_SETTLING);
	if (now + delay > runner->settle_until_ns)
		delay = runner->settle_until_ns > now ? runner->settle_until_ns - now : 1;
	hw_timer_set(runner->settle, delay);
}

static void settled(void *arg, struct hw_timer *timer)
{
	struct runner *runner = arg;

	(void)timer;
	if (runner->state == RUNNER_SETTLING)
		gather(runner);
}

static void gather(struct runner *runner)
{
	set_state(runner, RUNNER_GATHERING);
	flush(runner);
}

static void run_or_rest(struct runner *runner)
{
	if (hw_batch_is_empty(&runner->pending))
		set_state(runner, RUNNER_IDLE);
	else
		start_run(runner);
}

static void all_flushed(struct runner *runner)
{
	hw_watch_pull(runner->watch);
	switch (runner->state) {
	case RUNNER_GATHERING:
	case RUNNER_STOPPING:
		judge(runner);
		run_or_rest(runner);
		break;
	case RUNNER_JUDGING:
		judge(runner);
		if (hw_batch_is_empty(&runner->pending))
			set_state(runner, RUNNER_IDLE);
		else
			settle(runner);
		break;
	default:
		break;
	}
}

static void flushed(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct runner *runner = arg;

	(void)share;
	(void)error; /* the end of the program also ends the wait */
	(void)seq;
	if (--runner->flushes == 0 && runner->state != RUNNER_OVER)
		all_flushed(runner);
}

void hw_runner_advance(struct runner *runner)
{
	switch (runner->state) {
	case RUNNER_IDLE:
		judge(runner);
		if (!hw_batch_is_empty(&runner->pending))
			gather(runner);
		else if (runner->knows_writers)
			hw_writers_rest(&runner->writers);
		break;
	case RUNNER_SETTLING:
		if (hw_batch_is_empty(&runner->fresh))
			break;
		judge(runner);
		settle(runner);
		break;
	case RUNNER_RUNNING:
		judge(runner);
		if (!runner->watch->settings.restart || is_last(runner) ||
		    hw_batch_is_empty(&runner->pending))
			break;
		set_state(runner, RUNNER_STOPPING);
		hw_run_stop(&runner->run, SIGTERM);
		break;
	default:
		break;
	}
}

void hw_runner_take(struct runner *runner, const struct watched *watched,
		    const struct hw_event *event)
{
	hw_batch_add(&runner->fresh, watched->target, watched->name, event);
	if (runner->fresh.count == FRESH_MAX)
		judge(runner);
}

void hw_runner_begin(struct runner *runner)
{
	set_state(runner, RUNNER_IDLE);
	if (!runner->watch->settings.initial)
		return;
	hw_batch_overflow(&runner->pending);
	gather(runner);
}

bool hw_runner_end(struct runner *runner, int number)
{
	if (!runner->run.pid)
		return false;
	set_state(runner, RUNNER_ENDING);
	hw_run_stop(&runner->run, number);
	return true;
}

/* ---- life ---- */

/* If the kernel does not report which process makes changes, the time of a change decides. */
static int find_writers(struct runner *runner)
{
	const struct hw_targets *targets = &runner->watch->targets;

	runner->dirs = calloc(targets->count, sizeof(*runner->dirs));
	if (!runner->dirs)
		return -ENOMEM;
	for (size_t i = 0; i < targets->count; i++)
		runner->dirs[i] = targets->items[i].dir;
	runner->knows_writers = hw_writers_init(&runner->writers, runner->watch->loop, runner->dirs,
						targets->count) == 0;
	return 0;
}

int hw_runner_init(struct runner *runner, struct watch *w, char *const *command, char *const *all)
{
	int r;

	runner->watch = w;
	runner->command = command;
	runner->all = all;
	runner->state = RUNNER_IDLE;
	runner->events_fd = -1;
	hw_batch_init(&runner->fresh);
	hw_batch_init(&runner->pending);
	r = find_writers(runner);
	if (r == 0)
		r = hw_run_init(&runner->run, w->loop, w->settings.kill_after_ns, run_ended,
				runner);
	if (r == 0)
		r = hw_activity_init(&runner->activity, w->loop);
	if (r == 0)
		r = hw_timer_add(w->loop, settled, runner, &runner->settle);
	return r == 0 ? 0 : hw_args_failure(w->line, "cannot start: %s", strerror(-r));
}

void hw_runner_stop(struct runner *runner)
{
	runner->state = RUNNER_OVER;
}

void hw_runner_free(struct runner *runner)
{
	hw_run_free(&runner->run);
	hw_timer_del(runner->settle);
	close_events(runner);
	hw_batch_free(&runner->fresh);
	hw_batch_free(&runner->pending);
	hw_outputs_free(&runner->outputs);
	hw_activity_free(&runner->activity);
	if (runner->knows_writers)
		hw_writers_free(&runner->writers);
	free(runner->dirs);
}
