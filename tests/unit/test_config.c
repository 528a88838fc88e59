/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "tempdir.h"

#include <errno.h>

#define PLUGINS HW_BUILD_DIR "/tests/plugins"

struct fixture {
	struct hw_loader *loader;
	struct hw_errors errors;
	struct hw_config *config;
	char *dir;
	char file[256];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = tempdir_create();
	(void)snprintf(fixture->file, sizeof(fixture->file), "%s/conf", fixture->dir);
	assert_int_equal(hw_loader_create(&fixture->loader), 0);
	assert_int_equal(hw_loader_add_path(fixture->loader, PLUGINS), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	hw_config_free(fixture->config);
	hw_loader_destroy(fixture->loader);
	hw_errors_free(&fixture->errors);
	tempdir_remove(fixture->dir);
	free(fixture);
	return 0;
}

static int load_bytes(struct fixture *fixture, const char *bytes, size_t len)
{
	int r;

	tempdir_write(fixture->dir, "conf", bytes, len);
	r = hw_config_read(fixture->file, fixture->loader, &fixture->errors, &fixture->config);
	hw_errors_sort(&fixture->errors);
	if (r == 0 && fixture->errors.total) {
		hw_config_free(fixture->config);
		fixture->config = NULL;
		r = -EINVAL;
	}
	return r;
}

static void accepted(struct fixture *fixture, const char *text)
{
	if (load_bytes(fixture, text, strlen(text)) < 0)
		fail_msg("refused: %s", fixture->errors.count ? fixture->errors.lines[0] : "?");
	assert_int_equal(fixture->errors.total, 0);
}

/* Expects these mistakes, in the order of lines: "LINE: text". */
static void refuse(struct fixture *fixture, const char *text, const char *const *expected)
{
	size_t count = 0;

	assert_int_equal(load_bytes(fixture, text, strlen(text)), -EINVAL);
	for (; expected[count]; count++) {
		char line[1024];

		(void)snprintf(line, sizeof(line), "%s:%s", fixture->file, expected[count]);
		if (count >= fixture->errors.count)
			fail_msg("not told: %s", expected[count]);
		assert_string_equal(fixture->errors.lines[count], line);
	}
	if (fixture->errors.count > count)
		fail_msg("too much: %s", fixture->errors.lines[count]);
	assert_null(fixture->config);
	hw_errors_free(&fixture->errors);
}

#define REFUSE(fixture, text, ...) refuse(fixture, text, (const char *const[]){ __VA_ARGS__, NULL })

static void a_share_needs_no_more_than_a_path(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_config_share *share;

	accepted(fixture, "[share all]\npath = /tmp\nwatcher = null\n");
	assert_int_equal(fixture->config->share_count, 1);
	share = &fixture->config->shares[0];
	assert_string_equal(share->name, "all");
	assert_string_equal(share->path, "/tmp");
	assert_int_equal(share->interval_ns, HW_SEC);
	assert_int_equal(share->settle_ns, 0);
	assert_int_equal(share->journal_bytes, 16u << 20);
	assert_int_equal(share->watcher_count, 1);
	assert_null(fixture->config->control); /* the default for the user */
	assert_int_equal(fixture->config->log_level, HW_LOG_INFO);
}

static void every_key_is_read(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_config *config;
	const struct hw_config_share *share;

	accepted(fixture, "\xef\xbb\xbf# comment\n"
			  "[hostwatch]\n"
			  "  control = /run/x.sock   \n"
			  "log_level = debug\n"
			  "; another\n"
			  "[watcher blind]\n"
			  "plugin = null\n"
			  "refuse = yes\n"
			  "\n"
			  "[share a.b-c_D]\r\n"
			  "path=/tmp\r\n"
			  "watcher = blind, null\n"
			  "interval = 250ms\n"
			  "settle = 50ms\n"
			  "settle_max = 1s\n"
			  "journal = 1M\n"
			  "exclude = *.o ; no comment\n"
			  "exclude = /build/ # no comment either\n"
			  "[sink out]\n"
			  "plugin = nowhere\n"
			  "shares = a.b-c_D\n"
			  "address = x = y\n"
			  "tag = 1\n"
			  "tag = 2\n");
	config = fixture->config;
	share = &config->shares[0];
	assert_string_equal(config->control, "/run/x.sock");
	assert_int_equal(config->log_level, HW_LOG_DEBUG);
	assert_int_equal(share->interval_ns, 250 * HW_MS);
	assert_int_equal(share->settle_ns, 50 * HW_MS);
	assert_int_equal(share->settle_max_ns, HW_SEC);
	assert_int_equal(share->journal_bytes, 1u << 20);
	assert_int_equal(share->exclude_count, 2);
	assert_string_equal(share->excludes[0], "*.o ; no comment");
	assert_string_equal(share->excludes[1], "/build/ # no comment either");
	assert_int_equal(share->watcher_count, 2);
	assert_string_equal(config->watchers[share->watchers[0]].name, "blind");
	assert_string_equal(config->watchers[share->watchers[1]].name, "null");
	assert_int_equal(config->sinks[0].count, 3);
	assert_string_equal(config->sinks[0].settings[0].value, "x = y");
	assert_true(hw_config_sink_serves(&config->sinks[0], "a.b-c_D"));
	assert_false(hw_config_sink_serves(&config->sinks[0], "a.b"));
}

static void a_share_inside_another_and_the_same_path_twice_are_fine(void **state)
{
	struct fixture *fixture = *state;

	accepted(fixture,
		 "[share a]\npath = /\nwatcher = null\n[share b]\npath = /tmp\nwatcher = null\n"
		 "[share c]\npath = /tmp\nwatcher = null\n");
	assert_int_equal(fixture->config->share_count, 3);
	assert_int_equal(fixture->config->watcher_count, 1);
}

static void all_mistakes_are_told_with_their_lines(void **state)
{
	REFUSE(*state,
	       "stray = 1\n"
	       "[hostwatch]\n"
	       "log_level = loud\n"
	       "[share one]\n"
	       "pahth = /tmp\n"
	       "watcher = null\n"
	       "[share two]\n"
	       "path = /tmp\n"
	       "interval = soon\n"
	       "no equals sign\n"
	       "[share two]\n"
	       "path = /tmp\n"
	       "[shares three]\n"
	       "path = /tmp\n"
	       "[sink s]\n"
	       "plugin = nowhere\n"
	       "[sink t]\n"
	       "plugin = nowhere\n"
	       "address = a\n"
	       "adress = b\n"
	       "shares = one, three\n",
	       "1: setting before the first section header",
	       "3: [hostwatch] log_level: \"loud\" is not one of error, warning, info, debug",
	       "4: [share one] path: required, but not set",
	       "5: [share one] unknown key \"pahth\", did you mean \"path\"?",
	       "9: [share two] interval: \"soon\" is not a duration (like 50ms, 1s or 2m)",
	       "10: expected KEY = VALUE, got \"no equals sign\"",
	       "11: duplicate section [share two], first defined on line 7",
	       "13: unknown section [shares], did you mean [share]?",
	       "15: [sink s] address: required, but not set",
	       "20: [sink t] unknown key \"adress\", did you mean \"address\"?",
	       "21: [sink t] shares: there is no share \"three\"; the shares are: one, two");
}

static void sections_are_written_one_way(void **state)
{
	REFUSE(*state,
	       "[hostwatch x]\n"
	       "[share]\n"
	       "[share a/b]\n"
	       "path = /tmp\n"
	       "[share a b]\n"
	       "[share\n"
	       "[] \n"
	       "[share a] path = /tmp\n"
	       "[share ok] # with a comment\n"
	       "path = /tmp\n"
	       "watcher = null\n",
	       "1: section [hostwatch] takes no name",
	       "2: section [share] needs a name: [share NAME]",
	       "3: malformed section header; expected [KIND] or [KIND NAME], with letters, digits, "
	       "'.', '_' and '-' in the name",
	       "5: malformed section header; expected [KIND] or [KIND NAME], with letters, digits, "
	       "'.', '_' and '-' in the name",
	       "6: malformed section header; expected [KIND] or [KIND NAME], with letters, digits, "
	       "'.', '_' and '-' in the name",
	       "7: malformed section header; expected [KIND] or [KIND NAME], with letters, digits, "
	       "'.', '_' and '-' in the name",
	       "8: malformed section header; expected [KIND] or [KIND NAME], with letters, digits, "
	       "'.', '_' and '-' in the name");
}

static void an_empty_section_is_seen(void **state)
{
	REFUSE(*state, "[share a]\n[sink b]\n", "1: [share a] path: required, but not set",
	       "2: [sink b] no sink named \"b\" in \"" PLUGINS "\"");
}

static void an_empty_file_watches_nothing(void **state)
{
	REFUSE(*state, "", "1: no [share NAME] section: there is nothing to watch");
	REFUSE(*state, "\n\n# nothing\n", "1: no [share NAME] section: there is nothing to watch");
}

static void paths_must_be_directories(void **state)
{
	REFUSE(*state,
	       "[share a]\nwatcher = null\npath = tmp\n"
	       "[share b]\nwatcher = null\npath = /nonexistent\n"
	       "[share c]\nwatcher = null\npath = /etc/passwd\n"
	       "[share d]\nwatcher = null\npath =\n",
	       "3: [share a] path: \"tmp\" is not an absolute path",
	       "6: [share b] path: cannot access \"/nonexistent\": No such file or directory",
	       "9: [share c] path: \"/etc/passwd\" is not a directory",
	       "12: [share d] path: must not be empty");
}

static void watchers_must_exist_and_accept_their_options(void **state)
{
	REFUSE(*state,
	       "[watcher a]\nplugin = null\nrefuse = perhaps\n"
	       "[watcher b]\nplugin = nowhere\n"
	       "[watcher c]\nplugin = nul\n"
	       "[share s]\npath = /tmp\nwatcher = null, null\n"
	       "[share t]\npath = /tmp\nwatcher = nonesuch\n"
	       "[share u]\npath = /tmp\nwatcher = ,\n"
	       "[share v]\npath = /tmp\nwatcher = null\ninterval = 50ms\n",
	       "3: [watcher a] refuse: \"perhaps\" is not one of yes, no",
	       "5: [watcher b] plugin \"nowhere\" is a sink, not a watcher",
	       "7: [watcher c] no watcher named \"nul\", did you mean \"null\"?",
	       "10: [share s] watcher: null is listed twice",
	       "13: [share t] no watcher named \"nonesuch\" in \"" PLUGINS "\"",
	       "16: [share u] watcher: must not be empty",
	       "20: [share v] interval: watcher null: \"50ms\" is out of range (100ms to 1m)");
}

static void a_share_hands_its_interval_to_its_watcher(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_config *config;
	struct hw_setting settings[4];

	accepted(fixture, "[watcher slow]\nplugin = null\ninterval = 5s\n"
			  "[share a]\npath = /tmp\nwatcher = slow, null\ninterval = 200ms\n"
			  "[share b]\npath = /tmp\nwatcher = null\n");
	config = fixture->config;
	assert_int_equal(hw_config_watcher_settings(&config->shares[0], &config->watchers[0],
						    settings),
			 1);
	assert_string_equal(settings[0].value, "5s");
	assert_int_equal(hw_config_watcher_settings(&config->shares[0], &config->watchers[1],
						    settings),
			 1);
	assert_string_equal(settings[0].key, "interval");
	assert_string_equal(settings[0].value, "200ms");
	assert_int_equal(hw_config_watcher_settings(&config->shares[1], &config->watchers[1],
						    settings),
			 1);
	assert_string_equal(settings[0].value, "1s");
}

static void bad_patterns_are_told_with_their_own_line(void **state)
{
	REFUSE(*state, "[share a]\npath = /tmp\nwatcher = null\nexclude = fine\nexclude =\n",
	       "5: [share a] exclude: \"\": the pattern is empty");
}

/* ---- hostile files ---- */

static char *filled(size_t len, char c)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, c, len);
	text[len] = '\0';
	return text;
}

/* Loads a comment of exactly this many bytes, followed by a share. */
static int load_with_line(struct fixture *fixture, size_t len)
{
	static const char share[] = "\n[share a]\npath = /tmp\nwatcher = null\n";
	char *text = filled(len + sizeof(share), '#');
	int r;

	memcpy(text + len, share, sizeof(share));
	r = load_bytes(fixture, text, len + sizeof(share) - 1);
	free(text);
	return r;
}

static void lines_may_have_4096_bytes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load_with_line(fixture, HW_INI_LINE_MAX), 0);
	hw_config_free(fixture->config);
	fixture->config = NULL;
	assert_int_equal(load_with_line(fixture, HW_INI_LINE_MAX + 1), -EINVAL);
	assert_int_equal(fixture->errors.count, 1);
	assert_non_null(strstr(fixture->errors.lines[0], ":1: line longer than 4096 bytes"));
}

static void long_values_arrive_whole(void **state)
{
	struct fixture *fixture = *state;
	char *value = filled(3000, 'v'), *text;

	assert_true(asprintf(&text,
			     "[share a]\npath = /tmp\nwatcher = null\nexclude = %s\n"
			     "[sink s]\nplugin = nowhere\naddress = %s\n",
			     value, value) > 0);
	accepted(fixture, text);
	assert_string_equal(fixture->config->shares[0].excludes[0], value);
	assert_string_equal(fixture->config->sinks[0].settings[0].value, value);
	free(text);
	free(value);
}

static void section_names_may_have_64_bytes(void **state)
{
	struct fixture *fixture = *state;
	char *name = filled(HW_INI_NAME_MAX + 1, 'n'), *text;

	assert_true(asprintf(&text, "[share %s]\npath = /tmp\nwatcher = null\n", name + 1) > 0);
	accepted(fixture, text);
	assert_string_equal(fixture->config->shares[0].name, name + 1);
	hw_config_free(fixture->config);
	fixture->config = NULL;
	free(text);
	assert_true(asprintf(&text, "[share %s]\npath = /tmp\n", name) > 0);
	REFUSE(fixture, text, "1: section name longer than 64 characters");
	free(text);
	free(name);
}

static void a_file_may_have_a_mebibyte(void **state)
{
	struct fixture *fixture = *state;
	char *text = filled(HW_INI_FILE_MAX + 1, '\n');

	assert_int_equal(load_bytes(fixture, text, HW_INI_FILE_MAX + 1), -EINVAL);
	assert_non_null(strstr(fixture->errors.lines[0], "larger than 1 MiB"));
	free(text);
}

static void nul_bytes_and_terminal_escapes_are_harmless(void **state)
{
	static const char text[] = "[share a]\npath = /tmp\nwatcher = null\n"
				   "x\0y = 1\n"
				   "\033[31m = \033[0m\n"
				   "= value\n";
	struct fixture *fixture = *state;

	assert_int_equal(load_bytes(fixture, text, sizeof(text) - 1), -EINVAL);
	assert_int_equal(fixture->errors.count, 3);
	assert_non_null(strstr(fixture->errors.lines[0], ":4: line contains a NUL byte"));
	assert_non_null(strstr(fixture->errors.lines[1], ":5: "));
	assert_null(strchr(fixture->errors.lines[1], '\033'));
	assert_non_null(
		strstr(fixture->errors.lines[2], ":6: expected KEY = VALUE, got \"= value\""));
}

static void a_thousand_mistakes_are_enough(void **state)
{
	struct fixture *fixture = *state;
	char *text = filled(4 * 1500, 'x');

	for (size_t i = 3; i < 4 * 1500; i += 4)
		text[i] = '\n';
	assert_int_equal(load_bytes(fixture, text, strlen(text)), -EINVAL);
	assert_int_equal(fixture->errors.count, HW_ERRORS_MAX);
	assert_int_equal(fixture->errors.total, 1500);
	free(text);
}

static void files_that_cannot_be_read_are_told(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(hw_config_read("/nonexistent", fixture->loader, &fixture->errors,
					&fixture->config),
			 -ENOENT);
	assert_string_equal(fixture->errors.lines[0],
			    "cannot open \"/nonexistent\": No such file or directory");
	assert_int_equal(hw_config_read("/tmp", fixture->loader, &fixture->errors,
					&fixture->config),
			 -EISDIR);
	assert_string_equal(fixture->errors.lines[1], "cannot read /tmp: Is a directory");
}

#define CONFIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CONFIG_TEST(a_share_needs_no_more_than_a_path),
		CONFIG_TEST(every_key_is_read),
		CONFIG_TEST(a_share_inside_another_and_the_same_path_twice_are_fine),
		CONFIG_TEST(all_mistakes_are_told_with_their_lines),
		CONFIG_TEST(sections_are_written_one_way),
		CONFIG_TEST(an_empty_section_is_seen),
		CONFIG_TEST(an_empty_file_watches_nothing),
		CONFIG_TEST(paths_must_be_directories),
		CONFIG_TEST(watchers_must_exist_and_accept_their_options),
		CONFIG_TEST(a_share_hands_its_interval_to_its_watcher),
		CONFIG_TEST(bad_patterns_are_told_with_their_own_line),
		CONFIG_TEST(lines_may_have_4096_bytes),
		CONFIG_TEST(long_values_arrive_whole),
		CONFIG_TEST(section_names_may_have_64_bytes),
		CONFIG_TEST(a_file_may_have_a_mebibyte),
		CONFIG_TEST(nul_bytes_and_terminal_escapes_are_harmless),
		CONFIG_TEST(a_thousand_mistakes_are_enough),
		CONFIG_TEST(files_that_cannot_be_read_are_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
