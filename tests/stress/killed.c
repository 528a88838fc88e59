/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A share whose state is kept, in a process that is killed again and again while a writer works: a
 * receiver that resumes gets each event once, in one consistent history, which ends with the tree
 * on the disk, and each change is announced after it was made: the size and times of each file, and
 * its data, are those at its last event. After a loss of power, the receiver may have to read the
 * tree again, but no number comes twice. If the state names a directory, all events that the
 * receiver has, and the state has not, were below it. If events do not wait until the disk names
 * it, numbers are skipped, and nothing else is missing.
 */
#include "share_private.h"
#include "tests/common/cut.h"
#include "tests/common/logs.h"
#include "tests/common/recent.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/common/scribble.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_NS (120 * INT64_C(1000000000))
#define PATH_BYTES 512u
#define INTERVAL_NS (20 * UINT64_C(1000000))
#define CANNOT 77 /* exit status: the watcher does not work here */
#define ABSENT UINT32_MAX
#define READY 0u /* kinds of messages besides those of events */
#define SCOPE 253u /* lost events, after `seq`, were below this directory */
#define FRESH 254u /* the tree follows, with numbers 0 */
#define DONE 255u

static unsigned rounds = 10;
static unsigned long long seed = 1;

struct scene {
	char *base;
	char share[PATH_BYTES], state[PATH_BYTES], log[PATH_BYTES], aside[PATH_BYTES];
	bool power; /* each kill is a loss of power */
	bool impatient; /* events do not wait for the disk: see hw_keep_wait_turn() */
	const char *backend;
	atomic_bool *stop; /* shared with the writer */
	pid_t writer;
	uint64_t random;
};

/* ---- the writer ---- */

static void start_writer(struct scene *s)
{
	uint64_t random = s->random;
	unsigned flags = HW_SCRIBBLE_LINKS | HW_SCRIBBLE_OUTSIDE;

	if (strcmp(s->backend, "polling") != 0)
		flags |= HW_SCRIBBLE_OLD_TIMES;

	s->stop = mmap(NULL, sizeof(*s->stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_true(s->stop != MAP_FAILED);
	s->writer = fork();
	assert_true(s->writer >= 0);
	if (s->writer)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	const struct timespec pace = { .tv_nsec = 100000 };
	int base = open(s->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int below = openat(base, "share/below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; base >= 0 && !atomic_load(s->stop); i++) {
		/* Most of the time everything happens below one directory. */
		hw_scribble(below >= 0 && i % 256 ? below : base, flags, &random);
		(void)nanosleep(&pace, NULL); /* so that renames have something to rename */
	}
	_exit(base < 0);
}

static void stop_writer(struct scene *s)
{
	int status;

	atomic_store(s->stop, true);
	assert_int_equal(waitpid(s->writer, &status, 0), s->writer);
	assert_int_equal(status, 0);
}

/* ---- the process that is killed ---- */

struct message {
	uint8_t kind, type;
	uint16_t flags;
	uint32_t from_len, path_len;
	uint64_t seq, epoch;
};

static void send_bytes(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			_exit(3);
		p += n;
		len -= (size_t)n;
	}
}

static void send_event(int fd, const struct hw_event *event, uint64_t epoch)
{
	const struct message message = {
		.kind = event->kind,
		.type = event->type,
		.flags = event->flags,
		.from_len = event->from ? event->from_len : ABSENT,
		.path_len = event->path ? event->path_len : ABSENT,
		.seq = event->seq,
		.epoch = epoch,
	};

	send_bytes(fd, &message, sizeof(message));
	if (event->from)
		send_bytes(fd, event->from, event->from_len);
	if (event->path)
		send_bytes(fd, event->path, event->path_len);
}

static atomic_int terminated; /* any thread may get the signal */
static struct hw_share *running;

static void on_term(int number)
{
	(void)number;
	terminated = 1;
}

static void send_all(int fd, struct hw_share *share, struct hw_journal_cursor *cursor)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	int r;

	while ((r = hw_share_cursor_next(share, cursor, &event)) == 1)
		send_event(fd, &event, hw_share_epoch(share));
	if (r < 0)
		_exit(4);
}

static int send_entry(void *arg, const struct hw_event *event)
{
	const int *fd = arg;

	send_event(*fd, event, hw_share_epoch(running));
	return 0;
}

/* Returns whether the next event is a rescan of a directory, which the receiver gets as SCOPE. */
static bool has_scope(struct hw_share *share, int fd, uint64_t after)
{
	const struct hw_journal_gap *gap = hw_journal_scoped_gap(&share->journal, after);
	struct hw_event note = { .kind = SCOPE };

	if (!gap)
		return false;
	note.seq = gap->last;
	note.path = gap->scope;
	note.path_len = gap->scope_len;
	send_event(fd, &note, hw_share_epoch(share));
	return true;
}

/* Returns whether a cursor is placed: after that event, or at the end, after the tree was sent. */
static bool place(struct hw_rig *rig, int fd, uint64_t after, struct hw_journal_cursor *cursor)
{
	struct hw_event note = { .kind = FRESH };
	struct hw_share *share = hw_rig_share(rig);

	if (!has_scope(share, fd, after) && hw_share_cursor_init(share, after, cursor) == 0)
		return true;
	while (hw_share_publish(share) < 0)
		hw_rig_turn(rig, 1);
	note.seq = hw_share_seq(share);
	running = share;
	send_event(fd, &note, hw_share_epoch(share));
	return hw_share_entries(share, send_entry, &fd) == 0 &&
	       hw_share_cursor_init(share, note.seq, cursor) == 0;
}

static bool has_snapshot(const struct scene *s)
{
	char path[PATH_BYTES + 16];

	(void)snprintf(path, sizeof(path), "%s/test.open", s->state);
	return access(path, F_OK) == 0;
}

static void run_share(const struct scene *s, int fd, uint64_t after, bool last)
{
	const struct hw_rig_config config = {
		.backend = s->backend,
		.root = s->share,
		.interval_ns = INTERVAL_NS,
		.state_dir = s->state,
		.state_log_dir = s->log,
	};
	struct hw_journal_cursor cursor;
	struct hw_event note = { .kind = READY };
	const char *why = "";
	struct hw_rig *rig;
	int r = hw_rig_start(&config, &rig, &why);

	if (r == -EOPNOTSUPP)
		_exit(CANNOT);
	if (r < 0)
		_exit(5);
	struct hw_share *share = hw_rig_share(rig);

	share->keep.scope.every_ns = 0;
	share->keep.scope.patience_ns = s->impatient ? 0 : DEADLINE_NS;
	while (!has_snapshot(s) && !terminated)
		hw_rig_turn(rig, 10);
	if (!place(rig, fd, after, &cursor))
		_exit(6);
	send_event(fd, &note, hw_share_epoch(share));
	while (!terminated && !last) {
		hw_rig_turn(rig, 10);
		send_all(fd, share, &cursor);
	}
	if (last && hw_rig_flush(rig) < 0)
		_exit(7);
	if (last && hw_rig_unwatched(rig))
		_exit(8);
	send_all(fd, share, &cursor);
	note.kind = DONE;
	if (last)
		send_event(fd, &note, hw_share_epoch(share));
	hw_rig_stop(rig);
	_exit(0);
}

struct process {
	pid_t pid;
	int fd;
};

static struct process start_share(const struct scene *s, uint64_t after, bool last)
{
	struct process process;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	process.pid = fork();
	assert_true(process.pid >= 0);
	if (!process.pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)setpgid(0, 0);
		(void)signal(SIGTERM, on_term);
		run_share(s, fds[1], after, last);
	}
	(void)close(fds[1]);
	(void)setpgid(process.pid, process.pid);
	process.fd = fds[0];
	return process;
}

/* ---- the receiver ---- */

struct receiver {
	struct hw_recent recent;
	unsigned scopes, skips;
	struct hw_model *told;
	const char *share;
	uint64_t seq, epoch, events;
	unsigned fresh; /* times that the tree was read again */
	unsigned gaps; /* how often numbers may be missing from now on */
	bool impatient; /* they may be missing at any time, because no scope was logged for them */
	bool ready, done;
};

/* Returns whether all bytes came; false at the end of the stream. */
static bool receive(int fd, void *to, size_t len, int64_t until)
{
	char *p = to;

	while (len) {
		int64_t left = until - hw_clock_monotonic_ns();
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&poll_fd, 1, left > 0 ? (int)(left / 1000000) : 0) == 0)
			fail_msg("no message within the deadline");
		n = read(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void apply(struct receiver *to, const struct message *m, const char *from, const char *path)
{
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = m->kind,
		.type = m->type,
		.flags = m->flags,
		.seq = m->seq,
		.from = m->from_len == ABSENT ? NULL : from,
		.path = m->path_len == ABSENT ? NULL : path,
		.from_len = m->from_len == ABSENT ? 0 : m->from_len,
		.path_len = m->path_len == ABSENT ? 0 : m->path_len,
	};
	char why[200] = "";

	if (m->seq && to->gaps && m->seq > to->seq + 1) {
		to->gaps--;
		hw_model_skip(to->told);
	} else if (m->seq && to->impatient && m->seq > to->seq) {
		to->skips += m->seq > to->seq + 1;
		hw_model_skip(to->told);
	} else if (m->seq)
		assert_int_equal(m->seq, to->seq + 1);
	if (hw_model_apply(to->told, &event, why, sizeof(why)) < 0)
		fail_msg("event %llu: %s", (unsigned long long)m->seq, why);
	if (!m->seq)
		return;
	to->seq = m->seq;
	hw_recent_add(&to->recent, &event);
	to->events++;
}

static void check_scope(struct receiver *to, uint64_t kept, const char *dir, uint32_t len)
{
	const char *elsewhere = hw_recent_elsewhere(&to->recent, kept, dir, len);

	assert_true(kept < to->seq && len);
	if (elsewhere)
		fail_msg("%s is not below %.*s", elsewhere, (int)len, dir);
	to->scopes++;
}

static void begin_anew(struct receiver *to, uint64_t seq)
{
	assert_true(to->gaps);
	if (seq < to->seq)
		fail_msg("the share is at %llu, the receiver at %llu", (unsigned long long)seq,
			 (unsigned long long)to->seq);
	hw_model_destroy(to->told);
	assert_int_equal(hw_model_create(&to->told), 0);
	hw_model_look(to->told, to->share);
	hw_model_read_always(to->told);
	to->gaps = 0;
	to->seq = seq;
	to->fresh++;
}

/* Receives one message; false at the end of the stream. */
static bool receive_one(struct receiver *to, int fd)
{
	static char from[HW_PATH_MAX], path[HW_PATH_MAX];
	int64_t until = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct message m;

	if (!receive(fd, &m, sizeof(m), until) ||
	    (m.from_len != ABSENT && !receive(fd, from, m.from_len, until)) ||
	    (m.path_len != ABSENT && !receive(fd, path, m.path_len, until)))
		return false;
	assert_true(!to->epoch || m.epoch == to->epoch);
	to->epoch = m.epoch;
	if (m.kind == READY)
		to->ready = true;
	else if (m.kind == DONE)
		to->done = true;
	else if (m.kind == SCOPE)
		check_scope(to, m.seq, path, m.path_len);
	else if (m.kind == FRESH)
		begin_anew(to, m.seq);
	else
		apply(to, &m, from, path);
	return true;
}

/* ---- losses and the end ---- */

/* What the receiver has now will be left after a loss of power. */
static void receive_until_copied(struct scene *s, struct receiver *to, struct process process)
{
	int64_t until = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct pollfd poll_fd = { .fd = process.fd, .events = POLLIN };
	struct hw_logs logs;

	assert_int_equal(hw_logs_note(&logs, s->log), 0);
	while (!hw_logs_are_copied(&logs, s->log, s->state)) {
		assert_true(hw_clock_monotonic_ns() < until);
		if (poll(&poll_fd, 1, 1) == 1 && !receive_one(to, process.fd))
			return;
	}
}

/* Receives for a random number of messages or a random time, kills the process, and receives what
 * it has sent. */
static void receive_and_kill(struct scene *s, struct receiver *to, struct process process)
{
	bool early = hw_pick(&s->random, 3) == 0, gently = hw_pick(&s->random, 8) == 0;
	int64_t until = hw_clock_monotonic_ns() + hw_pick(&s->random, 40) * INT64_C(1000000);
	unsigned messages = 1 + hw_pick(&s->random, 60);
	struct pollfd poll_fd = { .fd = process.fd, .events = POLLIN };
	int status;

	to->ready = false;
	while (!to->ready && !early && receive_one(to, process.fd))
		;
	if (s->power && !early && hw_pick(&s->random, 3) == 0)
		receive_until_copied(s, to, process);
	while ((early || messages--) && hw_clock_monotonic_ns() < until)
		if (poll(&poll_fd, 1, 1) == 1 && !receive_one(to, process.fd))
			break;
	assert_int_equal(kill(process.pid, gently ? SIGTERM : SIGKILL), 0);
	while (receive_one(to, process.fd))
		;
	assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
	(void)close(process.fd);
	while (waitpid(-process.pid, NULL, 0) > 0) /* the child that writes a snapshot */
		;
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL && !gently : status != 0)
		fail_msg("the share ended with the status 0x%x", (unsigned)status);
}

static void finish(struct scene *s, struct receiver *to)
{
	struct process process = start_share(s, to->seq, true);
	const struct hw_model_excuse excuse = { .strangers = true };
	struct hw_model *truth;
	int status;

	while (receive_one(to, process.fd))
		;
	assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
	assert_int_equal(status, 0);
	(void)close(process.fd);
	assert_true(to->done);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, s->share), 0);
	assert_int_equal(hw_model_compare(to->told, truth, stderr), 0);
	assert_int_equal(hw_model_check_beliefs_but(to->told, &excuse, stderr), 0);
	assert_int_equal(hw_model_check_announced(to->told, stderr), 0);
	assert_int_equal(hw_model_rescans(to->told), 0);
	hw_model_destroy(truth);
}

static bool works_here(const struct scene *s)
{
	struct process process = start_share(s, 0, true);
	int status;

	assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
	(void)close(process.fd);
	assert_true(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT));
	return status == 0;
}

/* The log is gone, the state is what was durable. */
static void lose_power(struct scene *s, struct receiver *to)
{
	hw_cut_arm(0);
	assert_int_equal(hw_scratch_remove_at(AT_FDCWD, s->log), 0);
	assert_int_equal(mkdir(s->log, 0700), 0);
	hw_cut_apply(s->random);
	to->gaps++;
}

static void kill_and_resume(struct scene *s)
{
	static struct receiver to;

	to = (struct receiver){ .share = s->share, .impatient = s->impatient };
	assert_int_equal(hw_model_create(&to.told), 0);
	assert_int_equal(hw_model_load(to.told, s->share), 0);
	hw_model_look(to.told, s->share);
	hw_model_read_always(to.told);
	start_writer(s);
	for (unsigned i = 0; i < rounds; i++) {
		if (s->power && hw_pick(&s->random, 2))
			hw_cut_arm(1 + hw_pick(&s->random, 30));
		receive_and_kill(s, &to, start_share(s, to.seq, false));
		if (s->power)
			lose_power(s, &to);
	}
	stop_writer(s);
	finish(s, &to);
	print_message("%u times killed, %llu events, tree read again %u times, %u of them below a "
		      "directory; numbers skipped %u times\n",
		      rounds, (unsigned long long)to.events, to.fresh, to.scopes, to.skips);
	hw_model_destroy(to.told);
}

static void make_below(const struct scene *s)
{
	static const char *const names[] = { "below", "below/share", "below/outside" };
	int share = open(s->share, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(share >= 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mkdirat(share, names[i], 0755), 0);
	(void)close(share);
}

struct losses {
	const char *name, *backend;
	bool power;
};

static void nothing_is_lost(const struct losses *losses, const char *place, bool impatient)
{
	struct scene s = {
		.backend = losses->backend,
		.power = losses->power,
		.impatient = impatient,
		.random = seed,
	};
	char outside[PATH_BYTES];

	s.base = hw_scratch_create(place);
	assert_non_null(s.base);
	(void)snprintf(s.share, sizeof(s.share), "%s/share", s.base);
	(void)snprintf(s.state, sizeof(s.state), "%s/state", s.base);
	(void)snprintf(s.log, sizeof(s.log), "%s/log", s.base);
	(void)snprintf(s.aside, sizeof(s.aside), "%s/aside", s.base);
	(void)snprintf(outside, sizeof(outside), "%s/outside", s.base);
	assert_int_equal(mkdir(s.share, 0755), 0);
	if (s.power)
		make_below(&s);
	assert_int_equal(mkdir(s.state, 0700), 0);
	assert_int_equal(mkdir(s.log, 0700), 0);
	assert_int_equal(mkdir(s.aside, 0700), 0);
	assert_int_equal(mkdir(outside, 0755), 0);
	if (works_here(&s)) {
		if (s.power)
			hw_cut_begin(s.state, s.aside);
		kill_and_resume(&s);
		hw_cut_end();
	} else
		print_message("%s needs rights or a kernel that are not there\n", s.backend);
	hw_scratch_remove(s.base);
}

static void play(void **state)
{
	const struct losses *losses = *state;
	unsigned count;
	const struct hw_place *places = hw_scratch_places(&count);

	for (unsigned i = 0; i < count; i++)
		nothing_is_lost(losses, places[i].path, (seed + i) % 2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	static struct losses losses[] = {
		{ "killed/inotify", "inotify", false }, { "killed/fanotify", "fanotify", false },
		{ "killed/polling", "polling", false }, { "power/inotify", "inotify", true },
		{ "power/fanotify", "fanotify", true }, { "power/polling", "polling", true },
	};
	struct CMUnitTest tests[sizeof(losses) / sizeof(losses[0])];
	int option;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i] = (struct CMUnitTest){ losses[i].name, play, NULL, NULL, &losses[i] };
	/* Children of a process that is killed are waited for, too. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	return cmocka_run_group_tests_name("killed", tests, NULL, NULL);
}
