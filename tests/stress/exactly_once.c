/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two busy writers make new files with content in five styles, with --more in ten, beside load on
 * all processors. Create, modify and close_write must be reported once for each write, and a rename
 * as one move. An append of two writes is one or two modifies, because records of consecutive
 * writes are merged (rule 2 of hostwatch-events(7)).
 *
 * stress-exactly_once --files 20000 --strict --within 50
 *
 * needs fs.inotify.max_queued_events and fs.fanotify.max_queued_events of 262144: the writers are
 * faster than a reader that shares two processors with them and the load.
 */
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS 2u
#define DEADLINE_NS (300 * INT64_C(1000000000))
#define CLOSES_NS (30 * INT64_C(1000000000))
#define REPORT_MAX 10u
#define FILES_MAX 10000000u
#define NAME_BYTES 32u

static unsigned files = 1000;
static bool more; /* also those of the styles that are not in `make test`: a file of some 10,000 is
		   * reported as written twice */
static bool strict; /* no rename may be split, and no O_TMPFILE may wait for the barrier */
static unsigned
	within_ms; /* all must be reported so long after writers and load end; 0: no limit */
static unsigned loads; /* number of load processes; 0: the number of processors */

enum style {
	PLAIN,
	ATOMIC,
	APPEND,
	TMPFILE,
	MAPPED,
	STYLES_AT_FIRST,
	RENAMED = STYLES_AT_FIRST,
	LINKED,
	REWRITTEN,
	IN_DIR,
	THROUGH_DIR,
	STYLES
};

/* The numbers of events; a move out of a new directory may be reported as the create alone. */
static const struct {
	const char *name;
	unsigned creates, writes, closes, moves, deletes;
} styles[STYLES] = {
	[PLAIN] = { "plain", 1, 1, 1, 0, 0 },
	[ATOMIC] = { "atomic save", 1, 1, 1, 1, 0 },
	[APPEND] = { "append", 1, 2, 1, 0, 0 },
	[TMPFILE] = { "O_TMPFILE", 1, 1, 1, 0, 0 },
	[MAPPED] = { "mmap", 1, 1, 1, 0, 0 },
	[RENAMED] = { "renamed while open", 1, 2, 1, 1, 0 },
	[LINKED] = { "linked while open", 2, 2, 1, 0, 1 },
	[REWRITTEN] = { "rewritten", 1, 3, 2, 0, 0 },
	[IN_DIR] = { "in a new directory", 1, 1, 1, 0, 0 },
	[THROUGH_DIR] = { "through a new directory", 1, 1, 1, 1, 0 },
};

/* Events of one file. Events reported under its temporary name are included. */
struct count {
	unsigned creates, modifies, closes, moves, deletes, others;
	bool open; /* it was modified since its last close_write */
};

struct check {
	struct hw_rig *rig;
	struct hw_model *model;
	struct count *counts; /* owned, of `files` */
};

/* ---- the writers ---- */

static int write_text(int fd, const char *text)
{
	return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -1 : 0;
}

static int make_plain(int dir, const char *name, int flags, bool twice)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | flags, 0600);
	int r = write_text(fd, "hello");

	if (!r && twice)
		r = write_text(fd, "again");
	return fd < 0 || close(fd) ? -1 : r;
}

static int make_atomic(int dir, const char *name)
{
	char temporary[NAME_BYTES + 1];

	(void)snprintf(temporary, sizeof(temporary), ".%s", name); /* fits */
	return make_plain(dir, temporary, 0, false) ? -1 : renameat(dir, temporary, dir, name);
}

static int make_tmpfile(int dir, const char *name)
{
	char proc[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	int r = write_text(fd, "hello");

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* fits */
	if (!r)
		r = linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW);
	return fd < 0 || close(fd) ? -1 : r;
}

static int make_mapped(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 100))
		return -1;
	char *map = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	memcpy(map, "abc", 3);
	return munmap(map, 100) | close(fd) ? -1 : 0;
}

static int make_renamed(int dir, const char *name, bool linked)
{
	char first[NAME_BYTES + 1];

	(void)snprintf(first, sizeof(first), ".%s", name); /* fits */
	int fd = openat(dir, first, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = write_text(fd, "hello");

	if (!r && linked)
		r = linkat(dir, first, dir, name, 0) || unlinkat(dir, first, 0) ? -1 : 0;
	else if (!r)
		r = renameat(dir, first, dir, name);
	if (!r)
		r = write_text(fd, "again");
	return fd < 0 || close(fd) ? -1 : r;
}

static int make_rewritten(int dir, const char *name)
{
	if (make_plain(dir, name, 0, false))
		return -1;
	int fd = openat(dir, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int r = write_text(fd, "again");

	return fd < 0 || close(fd) ? -1 : r;
}

static int make_in_dir(int dir, const char *name, bool moved)
{
	char in[NAME_BYTES + 1], path[2 * NAME_BYTES + 2];

	(void)snprintf(in, sizeof(in), "d%s", name); /* fits, like the path */
	(void)snprintf(path, sizeof(path), "%s/%s", in, name);
	if (mkdirat(dir, in, 0700) || make_plain(dir, path, 0, false))
		return -1;
	return moved && (renameat(dir, path, dir, name) || unlinkat(dir, in, AT_REMOVEDIR)) ? -1
											    : 0;
}

static enum style style_of(unsigned number)
{
	return (enum style)(number / WRITERS % (more ? STYLES : STYLES_AT_FIRST));
}

static int make_file(int dir, unsigned number)
{
	char name[NAME_BYTES];

	(void)snprintf(name, sizeof(name), "%u", number); /* fits */
	switch (style_of(number)) {
	case ATOMIC:
		return make_atomic(dir, name);
	case APPEND:
		return make_plain(dir, name, O_APPEND, true);
	case TMPFILE:
		return make_tmpfile(dir, name);
	case MAPPED:
		return make_mapped(dir, name);
	case RENAMED:
	case LINKED:
		return make_renamed(dir, name, style_of(number) == LINKED);
	case REWRITTEN:
		return make_rewritten(dir, name);
	case IN_DIR:
	case THROUGH_DIR:
		return make_in_dir(dir, name, style_of(number) == THROUGH_DIR);
	default:
		return make_plain(dir, name, 0, false);
	}
}

static pid_t start_writer(const char *root, unsigned writer)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), r = dir < 0;

	for (unsigned i = writer; !r && i < files; i += WRITERS)
		r = make_file(dir, i);
	_exit(r ? 1 : 0);
}

/* Ends when this process ends. */
static pid_t start_load(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* if this fails, the load is killed at the end of
						 * the run */
	for (volatile unsigned spin = 0;; spin++)
		;
}

/* ---- reported events ---- */

/* The last name of a path is the number of the file, after a prefix. */
static bool read_number(const char *path, uint32_t len, unsigned *ret)
{
	char name[NAME_BYTES];
	const char *slash = path ? memrchr(path, '/', len) : NULL,
		   *first = slash ? slash + 1 : path;
	size_t used = path ? len - (size_t)(first - path) : 0;
	char *end;

	if (!used || used >= sizeof(name))
		return false;
	memcpy(name, first, used);
	name[used] = '\0';
	*ret = (unsigned)strtoul(name + (*name == '.' || *name == 'd'), &end, 10);
	return !*end && *ret < files;
}

static void count_event(struct check *c, const struct hw_event *event)
{
	unsigned number = 0;

	if (!read_number(event->path, event->path_len, &number))
		fail_msg("an event of something else");
	struct count *count = &c->counts[number];

	if (event->type == HW_TYPE_DIR)
		return;
	if (event->kind == HW_CREATE)
		count->creates++;
	else if (event->kind == HW_MODIFY)
		count->modifies++;
	else if (event->kind == HW_CLOSE_WRITE)
		count->closes++;
	else if (event->kind == HW_MOVE && event->from && !event->flags)
		count->moves++;
	else if (event->kind == HW_DELETE)
		count->deletes++;
	else
		count->others++;
	if (event->kind == HW_MODIFY || event->kind == HW_CLOSE_WRITE)
		count->open = event->kind == HW_MODIFY;
}

static void drain(struct check *c)
{
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(c->rig, &event)) > 0) {
		if (hw_model_apply(c->model, &event, why, sizeof(why)))
			fail_msg("%.*s: %s", (int)event.path_len, event.path ? event.path : "",
				 why);
		count_event(c, &event);
	}
	assert_int_equal(r, 0);
}

/* See LIMITS: on a busy machine, a rename may be reported as a delete and a create of a new
 * file. */
static bool is_split(const struct count *count, unsigned number)
{
	return style_of(number) == ATOMIC && count->creates == 2 && count->deletes == 1 &&
	       !count->moves && !count->others && count->modifies >= 1 && count->modifies <= 2 &&
	       count->closes >= 1 && count->closes <= 2;
}

/* Consecutive writes may be reported as one, and closes between them; a file with two names is
 * written under both. */
static bool is_right(const struct count *count, unsigned number)
{
	enum style style = style_of(number);
	unsigned names = styles[style].creates;

	return count->creates == names && count->closes >= 1 &&
	       count->closes <= names * styles[style].closes && count->modifies >= 1 &&
	       count->modifies <= names * styles[style].writes &&
	       (count->moves == styles[style].moves || (style == THROUGH_DIR && !count->moves)) &&
	       count->deletes == styles[style].deletes && !count->others && !count->open;
}

static bool is_complete(const struct check *c)
{
	for (unsigned i = 0; i < files; i++)
		if ((strict || style_of(i) != TMPFILE) &&
		    (!c->counts[i].closes || c->counts[i].open))
			return false;
	return true;
}

static unsigned judge(const struct check *c)
{
	unsigned wrong = 0, split = 0;

	for (unsigned i = 0; i < files; i++) {
		const struct count *n = &c->counts[i];
		bool excused = !strict && is_split(n, i);

		split += excused;
		if (excused || is_right(n, i) || wrong++ >= REPORT_MAX)
			continue;
		print_error("file %u (%s): create %u, modify %u, close_write %u, move %u, delete "
			    "%u, other %u\n",
			    i, styles[style_of(i)].name, n->creates, n->modifies, n->closes,
			    n->moves, n->deletes, n->others);
	}
	if (split)
		print_message("renames reported as delete and create: %u\n", split);
	return wrong;
}

/* ---- a run ---- */

/* Records must lead to close_write for each file. A barrier would also report files whose records
 * did not, and the interval is an hour. */
static void wait_for_closes(struct check *c)
{
	const int64_t begun = hw_clock_monotonic_ns(), deadline = begun + CLOSES_NS;
	int64_t took_ms;

	while (!is_complete(c)) {
		if (hw_clock_monotonic_ns() > deadline) {
			print_error("no close_write before the barrier:\n");
			(void)judge(c);
			fail();
		}
		hw_rig_turn(c->rig, 5);
		drain(c);
	}
	took_ms = (hw_clock_monotonic_ns() - begun) / 1000000;
	print_message("last close_write: %lld ms after writers and load ended\n",
		      (long long)took_ms);
	assert_true(!within_ms || took_ms <= within_ms);
}

static void end_load(const pid_t *load, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		(void)kill(load[i], SIGKILL);
		(void)waitpid(load[i], NULL, 0); /* the process spins until it is killed */
	}
}

static void follow(struct check *c, const pid_t *writers, const pid_t *load, unsigned load_count)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	unsigned running = WRITERS;
	int status;

	while (running) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(c->rig, 5);
		drain(c);
		for (unsigned i = 0; i < WRITERS; i++)
			if (waitpid(writers[i], &status, WNOHANG) == writers[i]) {
				assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
				running--;
			}
	}
	end_load(load, load_count);
	wait_for_closes(c);
	assert_int_equal(hw_rig_flush(c->rig), 0);
	assert_int_equal(hw_rig_unwatched(c->rig), 0);
	drain(c);
}

static unsigned run(const char *backend, const char *root, const pid_t *load, unsigned load_count)
{
	const struct hw_rig_config config = { .backend = backend, .root = root };
	struct check c = { .counts = calloc(files, sizeof(*c.counts)) };
	pid_t writers[WRITERS];
	const char *why;
	unsigned wrong;

	assert_non_null(c.counts);
	int r = hw_rig_start(&config, &c.rig, &why);

	if (!r) {
		assert_int_equal(hw_model_create(&c.model), 0);
		for (unsigned i = 0; i < WRITERS; i++)
			assert_true((writers[i] = start_writer(root, i)) > 0);
		follow(&c, writers, load, load_count);
	} else {
		end_load(load, load_count);
	}
	wrong = r ? 0 : judge(&c);
	hw_rig_stop(c.rig);
	hw_model_destroy(c.model);
	free(c.counts);
	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", backend, why);
		skip();
	}
	assert_int_equal(r, 0);
	return wrong;
}

static void each_write_is_reported_once(void **state)
{
	const char *backend = *state;
	unsigned places, failed = 0;
	const struct hw_place *place = hw_scratch_places(&places);
	unsigned count = loads ? loads : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

	for (unsigned i = 0; i < places; i++) {
		char *root = hw_scratch_create(place[i].path);
		pid_t *load = calloc(count, sizeof(*load));

		assert_non_null(root);
		assert_non_null(load);
		for (unsigned k = 0; k < count; k++)
			assert_true((load[k] = start_load()) > 0);
		unsigned wrong = run(backend, root, load, count);

		print_message("%s: %u of %u files wrong\n", place[i].name, wrong, files);
		failed += wrong;
		hw_scratch_remove(root);
		free(load);
	}
	assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
	const struct hw_argument arguments[] = {
		{ "files", &files, NULL },      { "load", &loads, NULL },
		{ "within", &within_ms, NULL }, { "strict", NULL, &strict },
		{ "more", NULL, &more },        { 0 },
	};
	const struct CMUnitTest tests[] = { HW_UNDER_EACH("exactly_once",
							  each_write_is_reported_once) };
	int r = hw_arguments_parse(argc, argv, arguments);

	if (!r && (!files || files > FILES_MAX))
		r = 2;
	return r ? r : cmocka_run_group_tests_name("exactly once", tests, NULL, NULL);
}
