/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries that pass through names and directories before these can be examined or watched. The
 * tests check the events reported on the way, not only the final state. Another process does each
 * case many times while the share is followed, each time in a directory of its own.
 */
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMES 60u
#define OLD_FILES 3u
#define DEADLINE_NS (120 * INT64_C(1000000000))

/* Events reported for one time. */
struct seen {
	unsigned one_sided; /* moves without a source or without a target */
	unsigned modified, closed; /* of the file f, or of the first old file */
	unsigned old_modified; /* of another old file */
	unsigned deleted, created; /* of f, or of cur */
	unsigned guessed; /* a symlink or FIFO that was reported as created with another type */
};

struct passing {
	const char *name;
	void (*setup)(int dir, int outside);
	void (*run)(int dir, int outside);
	bool (*is_right)(const struct seen *seen);
	uint64_t settle_ns;
	bool polling; /* also run under polling */
};

/* ---- operations; a failure ends the process ---- */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(1);
}

static void write_flags(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | flags, 0600);

	must(fd >= 0 && write(fd, "data", 4) == 4 && close(fd) == 0, name);
}

static void write_file(int dir, const char *name)
{
	write_flags(dir, name, O_CREAT | O_TRUNC);
}

static void make_dir(int dir, const char *name)
{
	must(mkdirat(dir, name, 0700) == 0, name);
}

static void rename_to(int dir, const char *name, const char *to)
{
	must(renameat(dir, name, dir, to) == 0, to);
}

static void link_to(int dir, const char *name, const char *to)
{
	must(linkat(dir, name, dir, to, 0) == 0, to);
}

static void remove_file(int dir, const char *name)
{
	must(unlinkat(dir, name, 0) == 0, name);
}

static void remove_dir(int dir, const char *name)
{
	must(unlinkat(dir, name, AT_REMOVEDIR) == 0, name);
}

/* ---- the cases ---- */

static void nothing(int dir, int outside)
{
	(void)dir;
	(void)outside;
}

static void file_f(int dir, int outside)
{
	(void)outside;
	write_file(dir, "f");
}

static bool is_new_file(const struct seen *seen)
{
	return !seen->one_sided && seen->modified && seen->closed;
}

static void dir_out_of_dir(int dir, int outside)
{
	(void)outside;
	make_dir(dir, "t");
	make_dir(dir, "t/x");
	write_file(dir, "t/x/f");
	rename_to(dir, "t/x", "x");
	remove_dir(dir, "t");
}

static void file_out_of_dir(int dir, int outside)
{
	(void)outside;
	make_dir(dir, "t");
	write_file(dir, "t/f");
	rename_to(dir, "t/f", "f");
	remove_dir(dir, "t");
}

static void dir_d(int dir, int outside)
{
	(void)outside;
	make_dir(dir, "d");
	write_file(dir, "d/f");
}

static void into_and_back(int dir, int outside)
{
	(void)outside;
	make_dir(dir, "t");
	rename_to(dir, "d", "t/d");
	write_flags(dir, "t/d/f", O_APPEND);
	rename_to(dir, "t/d", "d");
	remove_dir(dir, "t");
}

static void save(int dir, int outside)
{
	(void)outside;
	write_file(dir, ".t");
	rename_to(dir, ".t", "f");
}

static void save_in_place(int dir, int outside)
{
	write_flags(dir, "f", O_TRUNC);
	save(dir, outside);
}

static void append_and_rename(int dir, int outside)
{
	(void)outside;
	write_flags(dir, "f", O_APPEND);
	rename_to(dir, "f", "g");
	save(dir, outside);
}

static bool is_closed(const struct seen *seen)
{
	return seen->modified && seen->closed;
}

static bool is_never_absent(const struct seen *seen)
{
	return !seen->deleted && !seen->created && seen->closed;
}

static void save_by_link(int dir, int outside)
{
	(void)outside;
	write_file(dir, ".t");
	remove_file(dir, "f");
	link_to(dir, ".t", "f");
	remove_file(dir, ".t");
}

/* As ln -f does it. */
static void link_over(int dir, int outside)
{
	(void)outside;
	write_file(dir, ".t");
	link_to(dir, ".t", ".u");
	rename_to(dir, ".u", "f");
	remove_file(dir, ".t");
}

static void link_away_and_back(int dir, int outside)
{
	(void)outside;
	link_to(dir, "f", "g");
	remove_file(dir, "f");
	link_to(dir, "g", "f");
	remove_file(dir, "g");
}

static void replace_and_restore(int dir, int outside)
{
	link_to(dir, "f", "g");
	save(dir, outside);
	remove_file(dir, "f");
	rename_to(dir, "g", "f");
}

static bool is_once(const struct seen *seen)
{
	return seen->deleted <= 1 && seen->created <= 1;
}

static void into_new_dir(int dir, int outside)
{
	(void)outside;
	write_file(dir, "f");
	make_dir(dir, "d");
	rename_to(dir, "f", "d/f");
}

static void into_new_dirs(int dir, int outside)
{
	(void)outside;
	write_file(dir, "f");
	make_dir(dir, "d");
	make_dir(dir, "d/e");
	rename_to(dir, "f", "d/e/f");
}

static void old_into_new_dir(int dir, int outside)
{
	(void)outside;
	make_dir(dir, "d");
	rename_to(dir, "f", "d/f");
}

static bool is_inside(const struct seen *seen)
{
	return !seen->one_sided;
}

static void old_files(int dir, int outside)
{
	char name[16];

	(void)dir;
	make_dir(outside, "p");
	for (unsigned i = 0; i < OLD_FILES; i++) {
		(void)snprintf(name, sizeof(name), "p/old%u", i);
		write_file(outside, name);
	}
}

static void in_and_on(int dir, int outside)
{
	must(renameat(outside, "p", dir, "p") == 0, "p");
	rename_to(dir, "p", "q");
}

static void in_and_on_twice(int dir, int outside)
{
	in_and_on(dir, outside);
	rename_to(dir, "q", "r");
}

static bool is_old(const struct seen *seen)
{
	return !seen->old_modified && seen->one_sided == 1;
}

static void link_cur(int dir, int outside)
{
	(void)outside;
	must(symlinkat("old", dir, "cur") == 0, "cur");
}

static void switch_link(int dir, int outside)
{
	(void)outside;
	must(symlinkat("new", dir, ".l") == 0, ".l");
	rename_to(dir, ".l", "cur");
}

static void switch_link_in_two_steps(int dir, int outside)
{
	(void)outside;
	must(symlinkat("new", dir, ".l") == 0, ".l");
	rename_to(dir, ".l", ".m");
	rename_to(dir, ".m", "cur");
}

static void exchange_link(int dir, int outside)
{
	(void)outside;
	must(symlinkat("new", dir, ".l") == 0, ".l");
	must(renameat2(dir, ".l", dir, "cur", RENAME_EXCHANGE) == 0, "cur");
	remove_file(dir, ".l");
}

static void switch_to_fifo(int dir, int outside)
{
	(void)outside;
	must(mkfifoat(dir, ".p", 0600) == 0, ".p");
	rename_to(dir, ".p", "cur");
}

static void switch_to_private_fifo(int dir, int outside)
{
	(void)outside;
	must(mkfifoat(dir, ".p", 0666) == 0, ".p");
	must(fchmodat(dir, ".p", 0600, 0) == 0, ".p");
	rename_to(dir, ".p", "cur");
}

static bool is_switched(const struct seen *seen)
{
	return !seen->deleted && !seen->guessed;
}

static const struct passing cases[] = {
	{ "directory out of a temporary one", nothing, dir_out_of_dir, is_new_file, 0, false },
	{ "file out of a temporary one", nothing, file_out_of_dir, is_new_file, 0, false },
	{ "into a temporary one and back", dir_d, into_and_back, is_new_file, 0, false },
	{ "atomic save", file_f, save, is_never_absent, 20 * HW_MS, true },
	{ "saved in place and replaced", file_f, save_in_place, is_closed, 0, true },
	{ "appended to, renamed and replaced", file_f, append_and_rename, is_closed, 0, false },
	{ "saved by a link", file_f, save_by_link, is_once, 0, false },
	{ "replaced by a link", file_f, link_over, is_once, 0, true },
	{ "linked away and back", file_f, link_away_and_back, is_once, 0, true },
	{ "replaced and restored", file_f, replace_and_restore, is_once, 0, true },
	{ "into a new directory", nothing, into_new_dir, is_inside, 0, true },
	{ "into new directories", nothing, into_new_dirs, is_inside, 0, false },
	{ "an old one into a new directory", file_f, old_into_new_dir, is_inside, 0, true },
	{ "moved in and on", old_files, in_and_on, is_old, 0, true },
	{ "moved in and twice on", old_files, in_and_on_twice, is_old, 0, true },
	{ "switched symlink", link_cur, switch_link, is_switched, 0, true },
	{ "symlink switched in two steps", link_cur, switch_link_in_two_steps, is_switched, 0,
	  true },
	{ "exchanged symlink", link_cur, exchange_link, is_switched, 0, true },
	{ "FIFO in place of a symlink", link_cur, switch_to_fifo, is_switched, 0, true },
	{ "FIFO with another mode", link_cur, switch_to_private_fifo, is_switched, 0, true },
};

/* ---- following ---- */

static bool ends_with(const char *path, uint32_t len, const char *name)
{
	size_t size = strlen(name);

	return path && len > size && path[len - size - 1] == '/' &&
	       memcmp(path + len - size, name, size) == 0;
}

static void count(struct seen *seen, const struct hw_event *event)
{
	const char *path = event->path;
	uint32_t len = event->path_len;
	bool is_f = ends_with(path, len, "f") || ends_with(path, len, "cur");

	seen->one_sided += event->kind == HW_MOVE && (!path || !event->from) &&
			   !(event->flags & HW_FLAG_REPLACED);
	seen->modified += event->kind == HW_MODIFY && is_f;
	seen->closed += event->kind == HW_CLOSE_WRITE && is_f;
	seen->old_modified += event->kind == HW_MODIFY && !is_f && !ends_with(path, len, ".t");
	seen->deleted += event->kind == HW_DELETE && is_f;
	seen->created += event->kind == HW_CREATE && is_f;
	seen->guessed += event->kind == HW_CREATE &&
			 ((ends_with(path, len, ".l") && event->type != HW_TYPE_SYMLINK) ||
			  (ends_with(path, len, ".p") && event->type != HW_TYPE_OTHER));
}

static void collect(struct hw_rig *rig, struct seen *seen)
{
	struct hw_event event;

	while (hw_rig_next(rig, &event) == 1) {
		const char *path = event.path ? event.path : event.from;
		unsigned number = path ? (unsigned)strtoul(path, NULL, 10) : TIMES;

		if (number < TIMES)
			count(&seen[number], &event);
	}
}

static int open_number(int top, const char *kind, unsigned number)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%s/%u", kind, number);
	if (mkdirat(top, name, 0700) < 0)
		must(errno == EEXIST, name);
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(fd >= 0, name);
	return fd;
}

static void each_time(int top, void (*fn)(int dir, int outside))
{
	for (unsigned i = 0; i < TIMES; i++) {
		int dir = open_number(top, "share", i), outside = open_number(top, "outside", i);

		fn(dir, outside);
		close(dir);
		close(outside);
	}
}

static void follow(struct hw_rig *rig, const struct passing *passing, int top, struct seen *seen)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	int status = 0;
	pid_t writer = fork();

	if (!writer) {
		each_time(top, passing->run);
		_exit(0);
	}
	assert_true(writer > 0);
	while (!waitpid(writer, &status, WNOHANG)) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(rig, 1);
		collect(rig, seen);
	}
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	assert_int_equal(hw_rig_flush(rig), 0);
	collect(rig, seen);
}

static void judge(const struct passing *passing, const struct seen *seen, const char *place)
{
	unsigned wrong = 0, example = 0;

	for (unsigned i = 0; i < TIMES; i++) {
		if (passing->is_right(&seen[i]))
			continue;
		example = i;
		wrong++;
	}
	if (!wrong)
		return;
	seen += example;
	fail_msg("%s on %s: %u of %u wrong; %u: one-sided %u, modify %u, close_write %u, of old "
		 "files %u, delete %u, create %u, guessed %u",
		 passing->name, place, wrong, TIMES, example, seen->one_sided, seen->modified,
		 seen->closed, seen->old_modified, seen->deleted, seen->created, seen->guessed);
}

static void pass(const char *backend, const struct passing *passing, const struct hw_place *place)
{
	char *scratch = hw_scratch_create(place->path), root[4200];
	struct seen *seen = calloc(TIMES, sizeof(*seen));
	struct hw_rig *rig;
	const char *why;

	assert_non_null(scratch);
	assert_non_null(seen);
	int top = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	make_dir(top, "share");
	make_dir(top, "outside");
	each_time(top, passing->setup);
	(void)snprintf(root, sizeof(root), "%s/share", scratch);
	hw_clock_tick();
	const struct hw_rig_config config = {
		.backend = backend,
		.root = root,
		.settle_ns = passing->settle_ns,
		.interval_ns = strcmp(backend, "polling") ? 0 : 20 * HW_MS,
	};
	int r = hw_rig_start(&config, &rig, &why);

	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", backend, why);
		skip();
	}
	assert_int_equal(r, 0);
	hw_clock_tick();
	follow(rig, passing, top, seen);
	hw_rig_stop(rig);
	judge(passing, seen, place->name);
	free(seen);
	close(top);
	hw_scratch_remove(scratch);
}

static void is_reported_as_it_was(void **state)
{
	const char *backend = *state;
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned p = 0; p < places; p++)
			if (cases[i].polling || strcmp(backend, "polling") != 0)
				pass(backend, &cases[i], &place[p]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "passing/inotify", is_reported_as_it_was, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "passing/fanotify", is_reported_as_it_was, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "passing/fanotify-inode", is_reported_as_it_was, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "passing/polling", is_reported_as_it_was, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("passing", tests, NULL, NULL);
}
