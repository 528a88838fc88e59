/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files that are broken or malicious, and plugins that must not be loaded. */
#include "support/fixture.h"

#include "tests/common/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define EX_CONFIG 78
#define LINE_MAX_BYTES 1024u /* of a message */

/* ---- configurations ---- */

/* Checks the messages: only lines that are safe to print, each about this file. */
static void expect_sound_complaint(const struct program *p, const char *conf)
{
	size_t prefix = strlen(conf);

	assert_true(p->err.len > 0 && p->err.bytes[p->err.len - 1] == '\n');
	for (const char *line = p->err.bytes; *line; line = strchr(line, '\n') + 1) {
		size_t len = strcspn(line, "\n");

		assert_true(len <= LINE_MAX_BYTES);
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
				fail_msg("byte 0x%02x in: %.*s", (unsigned char)line[i], (int)len,
					 line);
		if (strncmp(line, conf, prefix) == 0)
			assert_true(line[prefix] == ':');
		else if (!strstr(line, "more") && strncmp(line, "hostwatchd: ", 12))
			fail_msg("not about the file: %.*s", (int)len, line);
	}
}

/* Both programs must refuse the file with the same text; the caller frees *ret_text. */
static void refused(struct fixture *f, const void *bytes, size_t len, char **ret_text)
{
	const char *conf = world_path(f->dir, "conf");
	FILE *file = fopen(conf, "we");
	struct program p;

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	PROGRAM_START(&p, NULL, NULL, HOSTWATCHD, "-c", conf);
	int status = program_end(&p, 0);

	if (status != EX_CONFIG)
		fail_msg("hostwatchd ends with %d: %.500s", status, p.err.bytes);
	program_free(&p);
	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "check", conf);
	status = program_end(&p, 0);
	if (status != EX_CONFIG)
		fail_msg("hostwatch check ends with %d: %.500s", status, p.err.bytes);
	assert_int_equal(p.out.len, 0);
	expect_sound_complaint(&p, conf);
	if (ret_text)
		*ret_text = strdup(p.err.bytes);
	program_free(&p);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void random_bytes_are_refused(void **state)
{
	enum { BYTES = 20000 };
	uint64_t random = 42;
	char *bytes = malloc(BYTES);

	assert_non_null(bytes);
	for (unsigned round = 0; round < 10; round++) {
		for (size_t i = 0; i < BYTES; i++)
			bytes[i] = (char)next_random(&random);
		refused(*state, bytes, BYTES, NULL);
	}
	/* Meaningful characters get further through the parser than random bytes. */
	for (unsigned round = 0; round < 20; round++) {
		static const char letters[] = "[]=;#\n\n \t\"\\share path watcher sink\xff\0";

		for (size_t i = 0; i < BYTES; i++)
			bytes[i] = letters[next_random(&random) % (sizeof(letters) - 1)];
		refused(*state, bytes, BYTES, NULL);
	}
	free(bytes);
}

static void programs_and_devices_are_no_configuration(void **state)
{
	static const char *const files[] = { HOSTWATCH, "/dev/null", "/proc/self/mem", "/",
					     "/nowhere/x" };

	(void)state;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct program p;

		PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "check", files[i]);
		int status = program_end(&p, 0);

		if (status != EX_CONFIG || !p.err.len)
			fail_msg("%s: status %d: %s", files[i], status, p.err.bytes);
		program_free(&p);
	}
}

static void a_file_without_end_is_refused_soon(void **state)
{
	struct program p;

	(void)state;
	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "check", "/dev/zero");
	assert_int_equal(program_end(&p, 0), EX_CONFIG);
	assert_non_null(strstr(p.err.bytes, "larger than 1 MiB"));
	program_free(&p);
}

static void a_line_of_a_mebibyte_is_refused(void **state)
{
	enum { BYTES = 1 << 20 };
	char *bytes = malloc(BYTES), *said;

	assert_non_null(bytes);
	memset(bytes, 'x', BYTES);
	memcpy(bytes, "[share x]\npath = ", 17);
	refused(*state, bytes, BYTES, &said);
	assert_non_null(strstr(said, ":2: line longer than 4096 bytes"));
	free(said);
	/* Quotes within quotes, and escapes within escapes. */
	for (size_t i = 17; i < BYTES; i++)
		bytes[i] = "\"\\'"[i % 3];
	refused(*state, bytes, BYTES, &said);
	free(said);
	for (size_t i = 17; i < 4000; i++)
		bytes[i] = "\"\\\x1b"[i % 3];
	refused(*state, bytes, 4000, &said);
	free(said);
	free(bytes);
}

static void ten_thousand_sections_are_refused_once(void **state)
{
	char *text = NULL, *said;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	for (unsigned i = 0; i < 10000; i++)
		(void)fprintf(file, "[share s%u]\npath = /\n", i);
	assert_int_equal(fclose(file), 0);
	refused(*state, text, len, &said);
	assert_non_null(strstr(said, "more than 1024 sections"));
	free(said);
	free(text);
}

/* Every mistake in a section must be reported with its line. */
static void every_key_with_a_bad_value_is_told_with_its_line(void **state)
{
	static const char text[] =
		"[hostwatch]\n" /* 1 */
		"log_level = loud\n"
		"control = /nowhere/at/all/ctl\n" /* 3: not detected by a check */
		"colour = blue\n"
		"[share one]\n" /* 5 */
		"path = relative/path\n"
		"interval = 5q\n"
		"settle = -1ms\n"
		"settle_max = 1e9s\n"
		"journal = 64K\n" /* 10: smaller than its longest events need */
		"watcher = inotifi\n"
		"exclude = [a\n"
		"path = /again\n"
		"[watcher inotify]\n"
		"join_window = 10s\n" /* 15 */
		"remote = perhaps\n"
		"[watcher fanotify]\n"
		"mark = everything\n"
		"unlimited_queue = 2\n"
		"[watcher polling]\n" /* 20 */
		"interval = 0ms\n"
		"budget = 99999999999999999999999\n"
		"[sink s]\n"
		"plugin = socket\n"
		"format = xml\n" /* 25 */
		"max_subscribers = 0\n"
		"send_buffer = 1T\n"
		"hello_wait = forever\n"
		"allow_remote = \n"
		"[sink v]\n" /* 30 */
		"plugin = virtiofs\n"
		"notify_code = 0x1\n"
		"send_buffer = 1\n"
		"[sink s]\n"
		"[sink]\n" /* 35 */
		"[cellar x]\n"
		"[share two]\n";
	static const unsigned wrong[] = { 2,  4,  6,  7,  8,  9,  10, 11, 12, 13, 15, 16, 18, 19,
					  21, 22, 25, 26, 27, 28, 29, 32, 33, 34, 35, 36, 37 };
	struct fixture *f = *state;
	char *said, line[600];

	refused(f, text, sizeof(text) - 1, &said);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(line, sizeof(line), "%s/conf:%u: ", f->dir, wrong[i]);
		if (!strstr(said, line))
			fail_msg("nothing about line %u:\n%s", wrong[i], said);
	}
	free(said);
}

static void a_broken_file_changes_nothing_that_runs(void **state)
{
	struct fixture *f = *state;
	const char *bad[] = { "[", "[share one]\npath = /nowhere\n", "\xff\xfe\x00", "" };

	fixture_daemon(f, "[share one]\npath = %s/share\n", NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world_write(world_path(f->dir, "conf"), bad[i]);
		assert_int_equal(kill(f->program.pid, SIGHUP), 0);
		program_await_count(&f->program, &f->program.err, "cannot reload", i + 1);
	}
	assert_int_equal(unlink(world_path(f->dir, "conf")), 0);
	assert_int_equal(kill(f->program.pid, SIGHUP), 0);
	program_await_count(&f->program, &f->program.err, "cannot reload", 5);
	assert_int_equal(fixture_end(f), 0);
}

/* ---- plugins found by the environment variable ---- */

static void use_plugins(void *arg)
{
	(void)setenv("HOSTWATCH_PLUGIN_PATH", arg, 1);
}

static void use_plugins_as_nobody(void *arg)
{
	use_plugins(arg);
	world_become_nobody(NULL);
}

static void copy(const char *from, const char *to)
{
	char bytes[65536];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	size_t n;

	if (!in || !out)
		fail_msg("%s, %s: %s", from, to, strerror(errno));
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	(void)fclose(in); /* only read */
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(to, 0755), 0);
}

static void expect_refusal(struct fixture *f, const char *path, const char *watcher,
			   const char *reason, program_prepare_fn *prepare)
{
	struct program p;

	PROGRAM_START(&p, prepare, (void *)(uintptr_t)path, HOSTWATCH, "watch", "--watcher",
		      watcher, "--exit-after-idle", "10ms", f->root);
	int status = program_end(&p, 0);

	if (status != 1 || !strstr(p.err.bytes, reason) || p.out.len)
		fail_msg("%s: exit status %d, not 1 with \"%s\": %s", watcher, status, reason,
			 p.err.bytes);
	program_free(&p);
}

static void plugins_of_another_abi_are_refused(void **state)
{
	static const struct {
		const char *file, *reason;
	} cases[] = {
		{ "broken_major.so", "built for plugin ABI 2" },
		{ "broken_newer.so", "built for the newer ABI" },
		{ "broken_magic.so", "is not a plugin header" },
		{ "nothing.so", "no symbol" },
	};
	struct fixture *f = *state;
	char *dir = strdup(world_path(f->dir, "plugins"));

	world_mkdir(dir);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char from[512];

		(void)snprintf(from, sizeof(from), "%s/tests/plugins/%s", HW_BUILD_DIR,
			       cases[i].file);
		copy(from, world_path(dir, "broken.so"));
		expect_refusal(f, dir, "broken", cases[i].reason, use_plugins);
	}
	/* The watcher "auto" must also report such a plugin. */
	copy(HW_BUILD_DIR "/tests/plugins/broken_major.so", world_path(dir, "fanotify.so"));
	struct program p;

	PROGRAM_START(&p, use_plugins, dir, HOSTWATCH, "watch", "--exit-after-idle", "10ms",
		      f->root);
	int status = program_end(&p, 0);

	if (status != 1 || !strstr(p.err.bytes, "built for plugin ABI 2"))
		fail_msg("exit status %d: %s", status, p.err.bytes);
	program_free(&p);
	free(dir);
}

/* The environment variable takes precedence over the plugins of the build directory. */
static void root_loads_nothing_that_others_may_write(void **state)
{
	struct fixture *f = *state;
	char *dir = strdup(world_path(f->dir, "plugins"));
	struct program p;

	world_need_nobody(f->dir);
	world_mkdir(dir);
	copy(HW_BUILD_DIR "/plugins/inotify.so", world_path(dir, "inotify.so"));
	assert_int_equal(chmod(dir, 0777), 0);
	expect_refusal(f, dir, "inotify", "writable by", use_plugins);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(world_path(dir, "inotify.so"), 0666), 0);
	expect_refusal(f, dir, "inotify", "writable by", use_plugins);
	assert_int_equal(chmod(world_path(dir, "inotify.so"), 0644), 0);
	assert_int_equal(chown(world_path(dir, "inotify.so"), HW_NOBODY, HW_NOBODY), 0);
	expect_refusal(f, dir, "inotify", "root loads only", use_plugins);
	assert_int_equal(chown(world_path(dir, "inotify.so"), 0, 0), 0);
	PROGRAM_START(&p, use_plugins, dir, HOSTWATCH, "watch", "--watcher", "inotify",
		      "--exit-after-idle", "10ms", f->root);
	assert_int_equal(program_end(&p, 0), 3);
	program_free(&p);
	/* Users other than root may load such plugins. */
	assert_int_equal(chmod(dir, 0777), 0);
	PROGRAM_START(&p, use_plugins_as_nobody, dir, HOSTWATCH, "watch", "--watcher", "inotify",
		      "--exit-after-idle", "10ms", f->root);
	assert_int_equal(program_end(&p, 0), 3);
	program_free(&p);
	free(dir);
}

static void names_do_not_lead_out_of_the_plugin_directories(void **state)
{
	static const char *const names[] = {
		"../sinks/socket", "/bin/true", "..",       ".",
		"inotify.so",      "inotify\n", "\x1b[31m", "a/../inotify"
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct program p;

		PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "watch", "--watcher", names[i],
			      "--exit-after-idle", "10ms", f->root);
		int status = program_end(&p, 0);

		if (status != 1 && status != 2) /* not a plugin; no such plugin */
			fail_msg("exit status %d: %s", status, p.err.bytes);
		assert_null(memchr(p.err.bytes, 0x1b, p.err.len));
		program_free(&p);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(random_bytes_are_refused),
		HOSTILE_TEST(programs_and_devices_are_no_configuration),
		HOSTILE_TEST(a_file_without_end_is_refused_soon),
		HOSTILE_TEST(a_line_of_a_mebibyte_is_refused),
		HOSTILE_TEST(ten_thousand_sections_are_refused_once),
		HOSTILE_TEST(every_key_with_a_bad_value_is_told_with_its_line),
		HOSTILE_TEST(a_broken_file_changes_nothing_that_runs),
		HOSTILE_TEST(plugins_of_another_abi_are_refused),
		HOSTILE_TEST(root_loads_nothing_that_others_may_write),
		HOSTILE_TEST(names_do_not_lead_out_of_the_plugin_directories),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
