/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that are long or deep, or that attack a terminal or a parser. */
#include "support/fixture.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- bytes that must not reach a terminal ---- */

static const char *const evil_names[] = {
	"new\nline",
	"carriage\rreturn",
	"escape \x1b[2J\x1b[31m red",
	"title \x1b]0;owned\x07",
	"bell\x07 backspace\x08 tab\t delete\x7f",
	"c1 \xc2\x9b"
	"31m",
	"raw \x9b"
	"31m \xff\xfe",
	"half \xe2\x82",
	"overlong \xc0\xaf",
	"surrogate \xed\xa0\x80",
	"right \xe2\x80\xae to left",
	"bom \xef\xbb\xbf",
	"separator \xe2\x80\xa8 line",
	"quote \" and \\ backslash \\n",
	"%s%n%d {} $(id) `id` ; | &",
	" leading and trailing ",
	"-rf",
	"\x01",
	"...",
	"plain \xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac",
};
#define EVIL_NAMES (sizeof(evil_names) / sizeof(evil_names[0]))

/* Returns the length of a colour sequence, "\x1b[1;31m" or "\x1b[K"; 0 if there is none. */
static size_t colour_len(const char *at, size_t left)
{
	size_t len = 2;

	if (left < 3 || at[0] != '\x1b' || at[1] != '[')
		return 0;
	while (len < left && len < 8 && (at[len] == ';' || (at[len] >= '0' && at[len] <= '9')))
		len++;
	return len < left && at[len] == 'm' ? len + 1 : 0;
}

/* Returns the length of the UTF-8 character at this place; 0 if it is invalid or not printable. */
static size_t letter_len(const unsigned char *at, size_t left)
{
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (!len || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (len == 1)
		return at[0] >= ' ' && at[0] < 0x7f;
	if (len == 2 && at[0] == 0xc2 && at[1] < 0xa0)
		return 0; /* C1 */
	if (len == 3 && at[0] == 0xe0 && at[1] < 0xa0)
		return 0;
	if (len == 3 && at[0] == 0xed && at[1] >= 0xa0)
		return 0;
	if (len == 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0x8b && at[2] <= 0xae)
		return 0; /* text direction, separators, zero width */
	return memcmp(at, "\xef\xbb\xbf", 3) ? len : 0;
}

/* Checks every byte: lines of printable characters, with colours where the program chose them. */
static void expect_clean(const struct program_text *text)
{
	for (size_t i = 0; i < text->len;) {
		const char *at = text->bytes + i;
		size_t n = colour_len(at, text->len - i);

		if (!n)
			n = *at == '\n' ? 1 : letter_len((const unsigned char *)at, text->len - i);
		if (!n)
			fail_msg("byte %zu is 0x%02x in: %.60s", i, (unsigned char)*at,
				 i > 30 ? at - 30 : text->bytes);
		i += n;
	}
}

/* Skips names that cannot be created on this filesystem. */
static unsigned make_evil_names(const char *dir)
{
	unsigned made = 0;

	for (unsigned i = 0; i < EVIL_NAMES; i++) {
		int fd = open(world_path(dir, "%s", evil_names[i]), O_WRONLY | O_CREAT | O_EXCL,
			      0644);

		made += fd >= 0;
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
	}
	return made;
}

static void a_terminal_gets_no_raw_bytes_from_watch(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = { HOSTWATCH, "watch", f->root, NULL };

	f->started = true;
	program_start_on_terminal(&f->program, argv);
	program_await(&f->program, &f->program.out, " watches ");
	unsigned made = make_evil_names(f->root);

	for (unsigned i = 0; i < EVIL_NAMES; i++) {
		const char *from = strdup(world_path(f->root, "%s", evil_names[i]));

		(void)rename(from, world_path(f->root, "%s moved", evil_names[i]));
		free((char *)from);
	}
	assert_true(made >= EVIL_NAMES - 2);
	world_write(world_path(f->root, "the end"), "x");
	program_await(&f->program, &f->program.out, "the end");
	expect_clean(&f->program.out);
	/* Events are in colour, on one line each. */
	assert_non_null(strstr(f->program.out.bytes, "\x1b[32m"));
	assert_true(program_count(&f->program.out, "\n") >= 2 * made);
	assert_non_null(strstr(f->program.out.bytes, "new\\nline"));
	assert_int_equal(program_end(&f->program, SIGINT), 0);
	expect_clean(&f->program.out);
	f->started = false;
	program_free(&f->program);
}

static void a_terminal_gets_no_raw_bytes_from_tail(void **state)
{
	struct fixture *f = *state;
	struct program tail;
	char *address = strdup(world_path("unix:", "%s/s", f->dir));

	fixture_daemon(f,
		       "[share evil]\npath = %s/share\n[sink s]\nplugin = socket\n"
		       "listen = unix:%s/s\n",
		       NULL);
	memmove(address + 5, address + 6, strlen(address + 5)); /* removes the slash after
								 * "unix:" */
	program_start_on_terminal(&tail, (const char *const[]){ HOSTWATCH, "tail", address, NULL });
	/* tail does not print that it is ready: wait for an event before making the names. */
	for (unsigned i = 0; i < 200 && !strstr(tail.out.bytes, "probe"); i++) {
		world_write(world_path(f->root, "probe%u", i), "x");
		(void)program_pump(&tail, 50);
	}
	(void)make_evil_names(f->root);
	world_write(world_path(f->root, "the end"), "x");
	program_await(&tail, &tail.out, "the end");
	expect_clean(&tail.out);
	assert_non_null(strstr(tail.out.bytes, "new\\nline"));
	assert_int_equal(program_end(&tail, SIGINT), 0);
	program_free(&tail);
	free(address);
	assert_int_equal(fixture_end(f), 0);
}

static void evil_names_are_exact_in_json(void **state)
{
	struct fixture *f = *state;

	fixture_watch(f, NULL, NULL);
	assert_true(make_evil_names(f->root) >= EVIL_NAMES - 2);
	fixture_expect_equal(f);
	for (unsigned i = 0; i < EVIL_NAMES; i++) {
		(void)mkdir(world_path(f->root, "%s dir", evil_names[i]), 0755);
		(void)rename(world_path(f->root, "%s", evil_names[i]),
			     world_path(f->root, "%s dir/%s", evil_names[i], evil_names[i]));
	}
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

/* Strings that a server sends are also untrusted. */
static void a_terminal_gets_no_raw_bytes_from_a_server(void **state)
{
	static const char says[] = "{\"hello\":{\"protocol\":1,\"version\":\"\\u001b[31m\","
				   "\"shares\":[{\"name\":\"\\u001b]0;x\","
				   "\"epoch\":\"00000000000000ff\",\"seq\":1,\"state\":\"online\"},"
				   "{\"name\":\"b\",\"epoch\":"
				   "\"00000000000000fe\",\"seq\":1,\"state\":\"online\"}]}}\n"
				   "{\"seq\":1,\"time\":1,\"share\":\"\\u001b[2J\\n\",\"event\":"
				   "\"create\",\"type\":\"file\","
				   "\"path\":\"a\\u001b[31m\\u009b\\u202e\"}\n"
				   "{\"seq\":2,\"time\":2,\"share\":\"b\",\"event\":\"create\","
				   "\"type\":\"file\",\"path\":\"x\","
				   "\"path_b64\":\"G1sySv8=\"}\n"
				   "{\"error\":\"go \\u001b[41m away\\u0007\\n\\nnow\"}\n";
	struct fixture *f = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct program tail;
	char address[128];
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", f->dir);
	(void)snprintf(address, sizeof(address), "unix:%s", at.sun_path);
	assert_int_equal(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server, 1), 0);
	program_start_on_terminal(&tail, (const char *const[]){ HOSTWATCH, "tail", address, NULL });
	fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, says, sizeof(says) - 1), sizeof(says) - 1);
	program_await(&tail, &tail.out, "away");
	assert_int_equal(program_end(&tail, 0), 1);
	expect_clean(&tail.out);
	program_free(&tail);
	(void)close(fd);
	(void)close(server);
}

/* Messages about a root or a file with such a name must quote it. */
static void messages_quote_the_names_they_are_about(void **state)
{
	struct fixture *f = *state;
	char *evil = strdup(world_path(f->dir, "evil \x1b[31m\n\xff"));
	char *conf = strdup(world_path(evil, "conf\x1b[2J"));

	assert_int_equal(rename(f->root, evil), 0);
	free(f->root);
	f->root = evil;
	PROGRAM_START(&f->program, NULL, NULL, HOSTWATCH, "watch", f->root);
	f->started = true;
	program_await(&f->program, &f->program.err, " watches ");
	assert_int_equal(rename(evil, world_path(f->dir, "away")), 0);
	program_await(&f->program, &f->program.err, "waiting for it to reappear");
	assert_int_equal(rename(world_path(f->dir, "away"), evil), 0);
	program_await(&f->program, &f->program.err, "has reappeared");
	assert_int_equal(program_end(&f->program, SIGTERM), 0);
	expect_clean(&f->program.err);
	expect_clean(&f->program.out);
	program_free(&f->program);

	world_write(conf, "[hostwatch]\ncontrol =\n[share x]\npath = /nowhere\x1b[31m\n");
	PROGRAM_START(&f->program, NULL, NULL, HOSTWATCH, "check", conf);
	assert_int_equal(program_end(&f->program, 0), 78);
	expect_clean(&f->program.err);
	program_free(&f->program);

	FILE *file = fopen(conf, "we");

	(void)fprintf(file, "[hostwatch]\ncontrol =\n[share x]\npath = /tmp\nexclude = *\n");
	assert_int_equal(fclose(file), 0);
	PROGRAM_START(&f->program, NULL, NULL, HOSTWATCHD, "-c", conf);
	program_await(&f->program, &f->program.err, "ready: ");
	world_write(conf, "nonsense\x1b[31m");
	assert_int_equal(kill(f->program.pid, SIGHUP), 0);
	program_await(&f->program, &f->program.err, "cannot reload");
	assert_int_equal(program_end(&f->program, SIGTERM), 0);
	expect_clean(&f->program.err);
	f->started = false;
	program_free(&f->program);
	free(conf);
}

/* ---- long names, deep paths ---- */

/* Returns a name of 255 bytes that begins with the number. */
static const char *long_name(unsigned number)
{
	static char name[256];
	int len = snprintf(name, sizeof(name), "%u-", number);

	memset(name + len, 'x', sizeof(name) - 1 - (size_t)len);
	return name;
}

static void names_of_255_bytes_are_told(void **state)
{
	struct fixture *f = *state;

	world_mkdir(world_path(f->root, "%s", long_name(1)));
	fixture_watch(f, NULL, NULL);
	for (unsigned i = 2; i < 20; i++)
		world_write(world_path(f->root, "%s", long_name(i)), "x");
	char *dir = strdup(world_path(f->root, "%s", long_name(1)));

	world_write(world_path(dir, "%s", long_name(50)), "x");
	fixture_expect_equal(f);
	for (unsigned i = 2; i < 20; i++) {
		char *from = strdup(world_path(f->root, "%s", long_name(i)));

		assert_int_equal(rename(from, world_path(dir, "%s", long_name(i + 100))), 0);
		free(from);
	}
	fixture_expect_equal(f);
	free(dir);
	assert_int_equal(fixture_end(f), 0);
}

/* Makes nested directories, which may exceed the maximum length of a path. Returns a descriptor of
 * the deepest one. */
static int make_deep(int dir, unsigned levels)
{
	for (unsigned i = 0; i < levels; i++) {
		const char *name = long_name(i);

		assert_int_equal(mkdirat(dir, name, 0755), 0);
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(next >= 0);
		(void)close(dir); /* only read */
		dir = next;
	}
	return dir;
}

static void make_file_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

static int open_root(const struct fixture *f)
{
	int fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

#define BEYOND_PATH_MAX 40u /* levels: 10,240 bytes */
#define BEYOND_EVENTS 280u /* levels: 71,680 bytes, HW_PATH_MAX is 65,531 */

static void paths_beyond_4096_bytes_are_told(void **state)
{
	struct fixture *f = *state;
	int before = make_deep(open_root(f), BEYOND_PATH_MAX), after;

	fixture_watch(f, NULL, NULL);
	make_file_at(before, "file");
	fixture_expect_equal(f);
	world_mkdir(world_path(f->root, "new"));
	after = make_deep(open(world_path(f->root, "new"), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			  BEYOND_PATH_MAX);
	make_file_at(after, "file");
	fixture_expect_equal(f);
	/* The rename changes the paths of all entries below, but not their inodes. */
	assert_int_equal(rename(world_path(f->root, "new"), world_path(f->root, "renamed")), 0);
	make_file_at(after, "another");
	assert_int_equal(unlinkat(before, "file", 0), 0);
	fixture_expect_equal(f);
	assert_int_equal(hw_model_rescans(f->replay.told), 0);
	(void)close(before);
	(void)close(after);
	assert_int_equal(fixture_end(f), 0);
}

struct longest {
	size_t rescan_len;
	unsigned rescans;
};

static void note_rescan(void *arg, const struct hw_event *event)
{
	struct longest *longest = arg;

	if (event->kind != HW_RESCAN)
		return;
	longest->rescans++;
	longest->rescan_len = event->path_len;
}

/* Reads until a rescan of a deep directory is reported. */
static void expect_deep_rescan(struct fixture *f)
{
	struct longest longest = { 0 };
	char *line = NULL;

	f->replay.seen = note_rescan;
	f->replay.arg = &longest;
	while (!longest.rescans && (line = program_line(&f->program, PROGRAM_DEADLINE_MS)))
		replay_line(&f->replay, line);
	f->replay.seen = NULL;
	if (!longest.rescans)
		fail_msg("no rescan: %s", f->program.err.bytes);
	/* The rescan must be for the deepest directory whose path fits. */
	assert_true(longest.rescan_len <= HW_PATH_MAX && longest.rescan_len > HW_PATH_MAX - 512);
}

static void paths_beyond_what_an_event_carries_are_told_as_a_rescan(void **state)
{
	struct fixture *f = *state;
	int before, after;

	world_mkdir(world_path(f->root, "old"));
	before = make_deep(open(world_path(f->root, "old"), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			   BEYOND_EVENTS);
	assert_int_equal(hw_model_create(&f->replay.told), 0);
	f->replay.root = f->root;
	const struct hw_event old = {
		.kind = HW_CREATE, .type = HW_TYPE_DIR, .path = "old", .path_len = 3
	};

	assert_int_equal(hw_model_apply(f->replay.told, &old, NULL, 0), 0);
	fixture_watch(f, NULL, NULL);
	world_mkdir(world_path(f->root, "new"));
	after = make_deep(open(world_path(f->root, "new"), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			  BEYOND_EVENTS);
	make_file_at(after, "file");
	expect_deep_rescan(f);
	/* Other entries must not be affected. */
	world_write(world_path(f->root, "beside"), "x");
	fixture_expect_event(f, HW_CLOSE_WRITE, "beside");
	assert_int_equal(rename(world_path(f->root, "new"), world_path(f->root, "renamed")), 0);
	fixture_expect_event(f, HW_MOVE, "renamed");
	make_file_at(before, "file");
	(void)close(before);
	(void)close(after);
	assert_int_equal(hw_scratch_remove_at(AT_FDCWD, world_path(f->root, "renamed")), 0);
	fixture_expect_event(f, HW_DELETE, "renamed");
	assert_int_equal(fixture_end(f), 0);
}

struct move_out {
	bool gone; /* a move of `from` to no path, or a rescan of the root */
	const char *from;
	unsigned rescans;
};

static void note_move_out(void *arg, const struct hw_event *event)
{
	struct move_out *out = arg;

	out->gone |= event->kind == HW_MOVE && event->from && !event->path &&
		     event->from_len == strlen(out->from) &&
		     memcmp(event->from, out->from, event->from_len) == 0;
	out->rescans += event->kind == HW_RESCAN;
}

/* Receivers know the old name, and no event can name the new one. */
static void a_move_beyond_what_an_event_carries_leaves_no_old_name(void **state)
{
	struct fixture *f = *state;
	struct move_out out = { .from = "leaves" };
	char *line = NULL;
	int deep;

	world_mkdir(world_path(f->root, "old"));
	deep = make_deep(open(world_path(f->root, "old"), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			 BEYOND_EVENTS);
	world_mkdir(world_path(f->root, "leaves"));
	assert_int_equal(hw_model_create(&f->replay.told), 0);
	f->replay.root = f->root;
	const struct hw_event known[] = {
		{ .kind = HW_CREATE, .type = HW_TYPE_DIR, .path = "old", .path_len = 3 },
		{ .kind = HW_CREATE, .type = HW_TYPE_DIR, .path = "leaves", .path_len = 6 },
	};

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hw_model_apply(f->replay.told, &known[i], NULL, 0), 0);
	fixture_watch(f, NULL, NULL);
	int root = open_root(f);

	f->replay.seen = note_move_out;
	f->replay.arg = &out;
	assert_int_equal(renameat(root, "leaves", deep, "arrived"), 0);
	while ((!out.gone || !out.rescans) &&
	       (line = program_line(&f->program, PROGRAM_DEADLINE_MS)))
		replay_line(&f->replay, line);
	if (!out.gone || !out.rescans)
		fail_msg("gone %d, rescans %u: %s", out.gone, out.rescans, f->program.err.bytes);
	f->replay.seen = NULL;
	(void)close(root);
	(void)close(deep);
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(a_terminal_gets_no_raw_bytes_from_watch),
		HOSTILE_TEST(a_terminal_gets_no_raw_bytes_from_tail),
		HOSTILE_TEST(a_terminal_gets_no_raw_bytes_from_a_server),
		HOSTILE_TEST(messages_quote_the_names_they_are_about),
		HOSTILE_TEST_EACH(evil_names_are_exact_in_json),
		HOSTILE_TEST_EACH(names_of_255_bytes_are_told),
		HOSTILE_TEST_EACH(paths_beyond_4096_bytes_are_told),
		HOSTILE_TEST_EACH(paths_beyond_what_an_event_carries_are_told_as_a_rescan),
		HOSTILE_TEST_EACH(a_move_beyond_what_an_event_carries_leaves_no_old_name),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
