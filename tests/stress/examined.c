/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories are compared with the disk while another process changes names and files in them, so
 * that comparisons find changes whose records the kernel has not queued yet. Each change must be
 * reported once, as what it was. A write, truncation or change of mode may be reported by each
 * comparison that finds it before its record, too (LIMITS), but a file is never reported as closed
 * too early.
 *
 * stress-examined --count 10000 --filter examined/inotify
 */
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/scene.h"

#include "framework/share/share_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define AT_ONCE 4u /* changes during one comparison */
#define BIG_BYTES (4u << 20) /* of a file whose change takes long */
#define NAME_BYTES 24u
#define REPORT_MAX 5u
#define DEADLINE_NS (120 * INT64_C(1000000000))

static unsigned count = 160;

/* ---- the changes; each has a number, and names of its own ---- */

static const char *name(char prefix, unsigned number)
{
	static char buf[4][NAME_BYTES];
	static unsigned next;
	char *ret = buf[next++ % 4];

	(void)snprintf(ret, NAME_BYTES, "%c%u", prefix, number);
	return ret;
}

static void must(bool good, const char *what)
{
	if (!good) {
		perror(what);
		_exit(1);
	}
}

static void put(int dir, const char *path, int flags, size_t bytes)
{
	static char data[BIG_BYTES];
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | flags, 0600);

	must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && close(fd) == 0, path);
}

static void make_f(int dir, unsigned i)
{
	put(dir, name('f', i), O_CREAT | O_EXCL, 1);
}

static void make_t(int dir, unsigned i)
{
	put(dir, name('t', i), O_CREAT | O_EXCL, 1);
}

static void make_both(int dir, unsigned i)
{
	make_f(dir, i);
	make_t(dir, i);
}

static void make_big(int dir, unsigned i)
{
	put(dir, name('f', i), O_CREAT | O_EXCL, i % 8 ? 1 : BIG_BYTES);
}

static void nothing(int dir, unsigned i)
{
	(void)dir;
	(void)i;
}

static void unlink_f(int dir, unsigned i)
{
	must(unlinkat(dir, name('f', i), 0) == 0, "unlink");
}

static void create_f(int dir, unsigned i)
{
	put(dir, name('f', i), O_CREAT | O_EXCL, 0);
}

static void rename_t(int dir, unsigned i)
{
	must(renameat(dir, name('t', i), dir, name('f', i)) == 0, "rename");
}

static void mkdir_f(int dir, unsigned i)
{
	must(mkdirat(dir, name('f', i), 0700) == 0, "mkdir");
}

static void link_t(int dir, unsigned i)
{
	must(linkat(dir, name('t', i), dir, name('f', i), 0) == 0, "link");
}

static void exchange_t(int dir, unsigned i)
{
	must(renameat2(dir, name('t', i), dir, name('f', i), RENAME_EXCHANGE) == 0, "exchange");
}

static void append_f(int dir, unsigned i)
{
	put(dir, name('f', i), O_APPEND, i % 8 ? 1 : BIG_BYTES);
}

static void chmod_f(int dir, unsigned i)
{
	must(fchmodat(dir, name('f', i), 0640, 0) == 0, "chmod");
}

static void truncate_f(int dir, unsigned i)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name('f', i));
	must(truncate(path, 0) == 0, "truncate");
}

static const struct kind {
	const char *name;
	void (*before)(int dir, unsigned number);
	void (*change)(int dir, unsigned number);
	const char *events; /* of number 7 */
	bool may_repeat; /* its record is queued long after the change: LIMITS */
} kinds[] = {
	{ "unlink", make_f, unlink_f, "delete file f7\n", false },
	{ "create", nothing, create_f, "create file f7\nclose_write f7\n", false },
	{ "rename", make_t, rename_t, "move file t7 -> f7\n", false },
	{ "replace", make_both, rename_t, "move file t7 -> f7 (replaced)\n", false },
	{ "exchange", make_both, exchange_t, "move file f7 <-> t7 (exchange)\n", false },
	{ "mkdir", nothing, mkdir_f, "create dir f7\n", false },
	{ "link", make_t, link_t, "create file f7\n", false },
	{ "write", make_f, append_f, "modify f7\nclose_write f7\n", true },
	{ "chmod", make_f, chmod_f, "attrib file f7\n", true },
	{ "truncate", make_big, truncate_f, "modify f7\nclose_write f7\n", true },
};
#define EXAMPLE "7"

/* ---- a run ---- */

static struct {
	struct hw_scene scene;
	const struct kind *kind;
	char (*events)[1024]; /* of each number */
	atomic_uint *allowed; /* shared with the writer: changes below this number */
} t;

static pid_t start_writer(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (unsigned i = 0; i < count; i++) {
		while (atomic_load(t.allowed) <= i)
			(void)sched_yield();
		t.kind->change(t.scene.fd, i);
	}
	_exit(0);
}

/* Returns whether the last line of these events is this text. */
static bool ends_with(const char *events, const char *text)
{
	size_t used = strlen(events), len = strlen(text);

	return used > len && !strncmp(events + used - len - 1, text, len);
}

static void collect(void)
{
	struct hw_event event;
	int r;

	while ((r = hw_rig_next(t.scene.rig, &event)) == 1) {
		char *text = hw_notation_text(&event);
		const char *digits = event.path ? event.path + 1 : event.from + 1;
		unsigned number = (unsigned)strtoul(digits, NULL, 10);

		assert_true(number < count);
		char *events = t.events[number];
		size_t used = strlen(events);

		/* Their number is not limited if the writer is suspended. */
		if (!(t.kind->may_repeat && ends_with(events, text)))
			(void)snprintf(events + used, sizeof(*t.events) - used, "%s\n", text);
		free(text);
	}
	assert_int_equal(r, 0);
}

/* Compares the directory again as soon as the last comparison has ended, and allows the writer some
 * changes during each. */
static void follow(void)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	pid_t writer = start_writer();
	int status = 0;

	assert_true(writer > 0);
	while (!waitpid(writer, &status, WNOHANG)) {
		struct hw_share *share = hw_rig_share(t.scene.rig);

		assert_true(hw_clock_monotonic_ns() < deadline);
		if (hw_scan_is_idle(share)) {
			hw_scan_below(share, HW_ROOT);
			atomic_fetch_add(t.allowed, AT_ONCE);
		}
		hw_rig_turn(t.scene.rig, 1);
		collect();
	}
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	assert_int_equal(hw_rig_flush(t.scene.rig), 0);
	collect();
}

static void expect_text(char *buf, size_t size, unsigned number)
{
	size_t used = 0;

	buf[0] = '\0';
	for (const char *at = t.kind->events; *at; at++)
		used += (size_t)(*at == *EXAMPLE ? snprintf(buf + used, size - used, "%u", number)
						 : snprintf(buf + used, size - used, "%c", *at));
}

/* Returns whether these are the expected events, repeated, and the file is closed at the end. */
static bool is_repeated(const char *events, const char *expected)
{
	size_t modify = strcspn(expected, "\n") + 1, close = strlen(expected + modify);
	const char *at = events;

	while (!strncmp(at, expected, modify)) {
		at += modify;
		if (!strncmp(at, expected + modify, close))
			at += close;
	}
	return !*at && strlen(events) >= modify + close && !strcmp(at - close, expected + modify);
}

static bool is_right(unsigned number, const char *expected)
{
	const char *events = t.events[number];

	return !strcmp(expected, events) || (t.kind->may_repeat && is_repeated(events, expected));
}

static unsigned judge(const char *backend, const char *place)
{
	unsigned wrong = 0;
	char expected[128];

	for (unsigned i = 0; i < count; i++) {
		expect_text(expected, sizeof(expected), i);
		if (!is_right(i, expected) && wrong++ < REPORT_MAX)
			print_error("%s on %s, %s:\n%sexpected:\n%s", backend, place, t.kind->name,
				    t.events[i], expected);
	}
	if (wrong)
		print_error("%s on %s, %s: %u of %u are wrong\n", backend, place, t.kind->name,
			    wrong, count);
	return wrong;
}

static unsigned run(const char *backend, const struct kind *kind, bool on_disk)
{
	unsigned wrong = 0;

	t.kind = kind;
	t.events = calloc(count, sizeof(*t.events));
	t.allowed = mmap(NULL, sizeof(*t.allowed), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_non_null(t.events);
	assert_true(t.allowed != MAP_FAILED);
	(on_disk ? hw_scene_prepare_on_disk : hw_scene_prepare)(&t.scene);
	for (unsigned i = 0; i < count; i++)
		kind->before(t.scene.fd, i);
	bool works = hw_scene_start(&t.scene, backend, 0);

	if (works) {
		follow();
		wrong = judge(backend, on_disk ? "disk" : "tmpfs");
	}
	hw_scene_finish(&t.scene);
	assert_int_equal(munmap(t.allowed, sizeof(*t.allowed)), 0);
	free(t.events);
	if (!works)
		skip();
	return wrong;
}

static void each_change_is_reported_once(void **state)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		wrong += run(*state, &kinds[i], false) + run(*state, &kinds[i], true);
	assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
	const struct hw_argument arguments[] = {
		{ "count", &count, NULL },
		{ 0 },
	};
	const struct CMUnitTest tests[] = { HW_UNDER_EACH("examined",
							  each_change_is_reported_once) };
	int r = hw_arguments_parse(argc, argv, arguments);

	return r ? r : cmocka_run_group_tests_name("examined", tests, NULL, NULL);
}
