/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader.h"
#include "tempdir.h"
#include "tests/common/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>

#define PLUGINS HW_BUILD_DIR "/tests/plugins"
#define OBJECT_MAX (4u << 20)

struct fixture {
	struct hw_loader *loader;
	struct hw_errors errors;
	char *dir;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = tempdir_create();
	assert_int_equal(hw_loader_create(&fixture->loader), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	hw_loader_destroy(fixture->loader);
	hw_errors_free(&fixture->errors);
	tempdir_remove(fixture->dir);
	free(fixture);
	return 0;
}

static const struct hw_module *load(struct fixture *fixture, uint32_t kind, const char *name)
{
	const struct hw_module *module = NULL;

	if (hw_loader_load(fixture->loader, kind, name, &fixture->errors, &module) < 0)
		fail_msg("%s: %s", name, fixture->errors.count ? fixture->errors.lines[0] : "");
	return module;
}

/* Expects an error that contains this text, and that nothing is loaded. */
static void refused(struct fixture *fixture, uint32_t kind, const char *name, int error,
		    const char *expected)
{
	const struct hw_module *module = NULL;
	size_t before = fixture->errors.count;

	assert_int_equal(hw_loader_load(fixture->loader, kind, name, &fixture->errors, &module),
			 error);
	assert_null(module);
	assert_int_equal(fixture->errors.count, before + 1);
	if (!strstr(fixture->errors.lines[before], expected))
		fail_msg("\"%s\" says nothing of \"%s\"", fixture->errors.lines[before], expected);
}

static void a_plugin_is_found_by_name(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_module *module;

	assert_int_equal(hw_loader_add_path(fixture->loader, "/nonexistent:" PLUGINS), 0);
	module = load(fixture, HW_PLUGIN_WATCHER, "null");
	assert_string_equal(module->plugin.name, "null");
	assert_ptr_equal(load(fixture, 0, "null"), module);
	assert_ptr_equal(load(fixture, HW_PLUGIN_WATCHER, PLUGINS "/null.so"), module);
	assert_ptr_equal(hw_loader_get(fixture->loader, 0), module);
	assert_null(hw_loader_get(fixture->loader, 1));
}

static void callbacks_that_were_left_out_do_nothing(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_module *module = load(fixture, 0, PLUGINS "/null.so");
	const struct hw_plugin *plugin = &module->plugin;

	assert_int_equal(plugin->start(NULL), 0);
	assert_int_equal(plugin->flush(NULL), 0);
	assert_int_equal(plugin->drain(NULL), 0);
	plugin->stop(NULL);
	plugin->close(NULL);
	plugin->status(NULL);
	plugin->scanned(NULL, NULL);
	plugin->stats(NULL, NULL);
	plugin->cost(NULL, -1, NULL);
}

static void a_missing_plugin_is_told_with_a_suggestion(void **state)
{
	struct fixture *fixture = *state;

	refused(fixture, HW_PLUGIN_WATCHER, "null", -ENOENT, "in the plugin directories");
	assert_int_equal(hw_loader_add_path(fixture->loader, PLUGINS), 0);
	refused(fixture, HW_PLUGIN_WATCHER, "nul", -ENOENT, "did you mean \"null\"?");
	refused(fixture, HW_PLUGIN_WATCHER, "../null", -ENOENT, "No such file");
	refused(fixture, HW_PLUGIN_WATCHER, "Null\n", -ENOENT, "\"Null\\n\"");
	refused(fixture, HW_PLUGIN_SINK, "null", -EINVAL, "is a watcher, not a sink");
	refused(fixture, HW_PLUGIN_WATCHER, PLUGINS "/nowhere.so", -EINVAL,
		"is a sink, not a watcher");
}

static void plugins_that_are_unsound_are_refused(void **state)
{
	static const struct {
		const char *file;
		int error;
		const char *expected;
	} cases[] = {
		{ PLUGINS "/broken_major.so", -ENOEXEC,
		  "built for plugin ABI 2, but this is ABI 1" },
		{ PLUGINS "/broken_magic.so", -ENOEXEC, "is not a plugin header" },
		{ PLUGINS "/broken_short.so", -ENOEXEC, "invalid header size of 64 bytes" },
		{ PLUGINS "/broken_long.so", -ENOEXEC, "invalid header size of 4096 bytes" },
		{ PLUGINS "/broken_newer.so", -ENOEXEC, "built for the newer ABI" },
		{ PLUGINS "/broken_newer_option.so", -ENOEXEC, "built for the newer ABI" },
		{ PLUGINS "/broken_unsized_option.so", -EINVAL, "its struct_size is not set" },
		{ PLUGINS "/broken_name.so", -EINVAL, "invalid plugin name" },
		{ PLUGINS "/broken_option.so", -EINVAL, "option outside has an offset that is" },
		{ PLUGINS "/nothing.so", -ENOEXEC, "no symbol hw_plugin_1" },
		{ PLUGINS "/absent.so", -ENOENT, "No such file" },
		{ PLUGINS, -ENOEXEC, "not a regular file" },
		{ "/etc/passwd", -ENOEXEC, "not a shared object" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(fixture, 0, cases[i].file, cases[i].error, cases[i].expected);
	assert_null(hw_loader_get(fixture->loader, 0));
}

static void a_newer_plugin_that_uses_nothing_new_is_loaded(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_module *module = load(fixture, HW_PLUGIN_WATCHER, PLUGINS "/newer.so");

	assert_string_equal(module->plugin.name, "newer");
	assert_int_equal(module->plugin.abi_minor, 9);
}

static void a_file_must_be_called_like_its_plugin(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(hw_loader_add_path(fixture->loader, PLUGINS), 0);
	refused(fixture, 0, "misnamed", -EINVAL, "the name in the plugin is broken");
}

static void truncated_objects_are_refused_at_every_length(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	assert_int_equal(stat(PLUGINS "/null.so", &st), 0);
	/* after the last segment there are only sections, which loading does not need */
	for (off_t len = 0; len < st.st_size / 3; len += 509) {
		tempdir_copy(PLUGINS "/null.so", fixture->dir, "cut.so", (size_t)len + 1);
		assert_int_equal(truncate(tempdir_path(fixture->dir, "cut.so"), len), 0);
		refused(fixture, 0, tempdir_path(fixture->dir, "cut.so"), -ENOEXEC, "cut.so");
	}
}

static void listing_goes_on_behind_a_bad_plugin(void **state)
{
	struct fixture *fixture = *state;
	const struct hw_module *module;
	bool found_null = false, found_nowhere = false;

	assert_int_equal(hw_loader_add_path(fixture->loader, PLUGINS), 0);
	assert_int_equal(hw_loader_load_all(fixture->loader, &fixture->errors), 0);
	for (size_t i = 0; (module = hw_loader_get(fixture->loader, i)); i++) {
		found_null |= strcmp(module->plugin.name, "null") == 0;
		found_nowhere |= strcmp(module->plugin.name, "nowhere") == 0;
	}
	assert_true(found_null);
	assert_true(found_nowhere);
	assert_int_equal(fixture->errors.count, 10);
}

static void need_root(void)
{
	HW_NEED(geteuid() ? "only root refuses plugins of other users" : hw_lacks_chown("/tmp"));
}

static void root_refuses_what_others_may_write(void **state)
{
	struct fixture *fixture = *state;
	char path[256];

	need_root();
	tempdir_copy(PLUGINS "/null.so", fixture->dir, "null.so", OBJECT_MAX);
	(void)snprintf(path, sizeof(path), "%s/null.so", fixture->dir);
	assert_int_equal(hw_loader_add_path(fixture->loader, fixture->dir), 0);

	assert_int_equal(chmod(fixture->dir, 0777), 0);
	refused(fixture, 0, "null", -EPERM, "writable by everyone");
	assert_int_equal(chmod(fixture->dir, 01777), 0);
	refused(fixture, 0, path, -EPERM, fixture->dir);
	assert_int_equal(chmod(fixture->dir, 0775), 0);
	refused(fixture, 0, "null", -EPERM, "writable by its group");
	assert_int_equal(chmod(fixture->dir, 0755), 0);

	assert_int_equal(chmod(path, 0666), 0);
	refused(fixture, 0, "null", -EPERM, "(chmod go-w)");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	refused(fixture, 0, "null", -EPERM, "owned by uid 65534");
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chown(fixture->dir, 65534, 0), 0);
	refused(fixture, 0, "null", -EPERM, "owned by uid 65534");
	assert_int_equal(chown(fixture->dir, 0, 0), 0);
	assert_string_equal(load(fixture, 0, "null")->plugin.name, "null");
}

static void root_looks_at_both_ends_of_a_link(void **state)
{
	struct fixture *fixture = *state;
	char open_dir[128], target[256];

	need_root();
	(void)snprintf(open_dir, sizeof(open_dir), "%s/open", fixture->dir);
	(void)snprintf(target, sizeof(target), "%s/null.so", open_dir);
	assert_int_equal(mkdir(open_dir, 0755), 0);
	tempdir_copy(PLUGINS "/null.so", open_dir, "null.so", OBJECT_MAX);
	assert_int_equal(chmod(open_dir, 0777), 0);
	assert_int_equal(symlink(target, tempdir_path(fixture->dir, "null.so")), 0);
	assert_int_equal(hw_loader_add_path(fixture->loader, fixture->dir), 0);
	refused(fixture, 0, "null", -EPERM, "open\": writable by everyone");
}

/* A user who owns a directory above could exchange everything below it. */
static void root_looks_at_all_directories_above(void **state)
{
	static const struct {
		uid_t uid;
		mode_t mode;
		const char *reason; /* NULL: accepted */
	} cases[] = {
		{ 65534, 0755, "owned by uid 65534" },
		{ 65534, 01755, "owned by uid 65534" },
		{ 0, 0777, "writable by everyone" },
		{ 0, 0775, "writable by its group" },
		{ 0, 01777, NULL },
		{ 0, 0755, NULL },
	};
	struct fixture *fixture = *state;
	char top[128], above[160], dir[192], path[256];

	need_root();
	(void)snprintf(top, sizeof(top), "%s/top", fixture->dir);
	(void)snprintf(above, sizeof(above), "%s/above", top);
	(void)snprintf(dir, sizeof(dir), "%s/plugins", above);
	(void)snprintf(path, sizeof(path), "%s/null.so", dir);
	assert_int_equal(mkdir(top, 0755), 0);
	assert_int_equal(mkdir(above, 0755), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	tempdir_copy(PLUGINS "/null.so", dir, "null.so", OBJECT_MAX);
	assert_int_equal(hw_loader_add_path(fixture->loader, dir), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const which[] = { top, above };

		for (size_t j = 0; j < 2; j++) {
			assert_int_equal(chown(which[j], cases[i].uid, cases[i].uid), 0);
			assert_int_equal(chmod(which[j], cases[i].mode), 0);
			if (cases[i].reason) {
				refused(fixture, 0, "null", -EPERM, cases[i].reason);
				refused(fixture, 0, path, -EPERM, which[j]);
			} else {
				assert_string_equal(load(fixture, 0, "null")->plugin.name, "null");
			}
			assert_int_equal(chown(which[j], 0, 0), 0);
			assert_int_equal(chmod(which[j], 0755), 0);
		}
	}
}

static void root_checks_the_owner_of_links(void **state)
{
	struct fixture *fixture = *state;
	char link[128], path[192];

	need_root();
	(void)snprintf(link, sizeof(link), "%s/link", fixture->dir);
	(void)snprintf(path, sizeof(path), "%s/null.so", link);
	assert_int_equal(symlink(PLUGINS, link), 0);
	assert_int_equal(lchown(link, 65534, 65534), 0);
	refused(fixture, 0, path, -EPERM, "link\": owned by uid 65534");
	assert_int_equal(lchown(link, 0, 0), 0);
	assert_string_equal(load(fixture, 0, path)->plugin.name, "null");
}

/* Exchanges two names in a directory until it is killed. */
static pid_t start_exchanging(const char *dir, const char *a, const char *b)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	while (pid == 0)
		(void)renameat2(fd, a, fd, b, RENAME_EXCHANGE);
	assert_int_equal(close(fd), 0);
	return pid;
}

enum attempt { LOADED, REFUSED, WRONG, ATTEMPTS };

/* In a process of its own: dlopen(3) does not open a path again that it has loaded before. */
static enum attempt attempt(const char *path)
{
	struct hw_errors errors = { 0 };
	struct hw_module *module;
	int status, r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		r = hw_module_load(path, &errors, &module);
		if (r == 0)
			r = strcmp(module->plugin.name, "null") ? WRONG : LOADED;
		else
			r = r == -EPERM ? REFUSED : WRONG;
		_exit(r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < ATTEMPTS);
	return (enum attempt)WEXITSTATUS(status);
}

/* The owner of a directory, or of a file, that is exchanged for the plugin must not get it loaded.
 */
static void load_while_exchanged(const char *path, pid_t other)
{
	unsigned counts[ATTEMPTS] = { 0 };

	for (unsigned i = 0; i < 500 || counts[LOADED] < 100 || counts[REFUSED] < 100; i++)
		counts[attempt(path)]++;
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, NULL, 0), other);
	assert_int_equal(counts[WRONG], 0);
}

static void what_was_checked_is_loaded(void **state)
{
	struct fixture *fixture = *state;
	char now[128], evil[128], path[160];

	need_root();
	(void)snprintf(now, sizeof(now), "%s/now", fixture->dir);
	(void)snprintf(evil, sizeof(evil), "%s/evil", fixture->dir);
	(void)snprintf(path, sizeof(path), "%s/null.so", now);
	assert_int_equal(mkdir(now, 0755), 0);
	assert_int_equal(mkdir(evil, 0755), 0);
	tempdir_copy(PLUGINS "/null.so", now, "null.so", OBJECT_MAX);
	tempdir_copy(PLUGINS "/nowhere.so", now, "evil.so", OBJECT_MAX);
	tempdir_copy(PLUGINS "/nowhere.so", evil, "null.so", OBJECT_MAX);
	assert_int_equal(chown(tempdir_path(now, "evil.so"), 65534, 65534), 0);
	assert_int_equal(chown(evil, 65534, 65534), 0);
	load_while_exchanged(path, start_exchanging(fixture->dir, "now", "evil"));
	/* The last exchange may have left them either way. */
	if (access(tempdir_path(now, "evil.so"), F_OK) < 0)
		assert_int_equal(renameat2(AT_FDCWD, now, AT_FDCWD, evil, RENAME_EXCHANGE), 0);
	load_while_exchanged(path, start_exchanging(now, "null.so", "evil.so"));
}

#define LOADER_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		LOADER_TEST(a_plugin_is_found_by_name),
		LOADER_TEST(callbacks_that_were_left_out_do_nothing),
		LOADER_TEST(a_missing_plugin_is_told_with_a_suggestion),
		LOADER_TEST(plugins_that_are_unsound_are_refused),
		LOADER_TEST(a_newer_plugin_that_uses_nothing_new_is_loaded),
		LOADER_TEST(a_file_must_be_called_like_its_plugin),
		LOADER_TEST(truncated_objects_are_refused_at_every_length),
		LOADER_TEST(listing_goes_on_behind_a_bad_plugin),
		LOADER_TEST(root_refuses_what_others_may_write),
		LOADER_TEST(root_looks_at_both_ends_of_a_link),
		LOADER_TEST(root_looks_at_all_directories_above),
		LOADER_TEST(root_checks_the_owner_of_links),
		LOADER_TEST(what_was_checked_is_loaded),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
