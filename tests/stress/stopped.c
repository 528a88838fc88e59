/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops the program itself with a signal while 200,000 files are written, and continues it: its
 * JSON must replay to the state on disk. Also stops it in a scan, which must not delay the next
 * one. */
#include "tests/common/flood.h"
#include "tests/common/model.h"
#include "tests/common/sanitized.h"
#include "tests/common/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DIRS 200u
#ifdef HW_SANITIZED_THREADS /* each step is more expensive */
#define FILES 200u
#define LINE_DEADLINE_MS 300000
#else
#define FILES 1000u
#define LINE_DEADLINE_MS 60000
#endif
#define QUIET_MS 100
#define STOPPED_MS 3000
#define SOON_MS (4 * STOPPED_MS)
#define BUFFER_BYTES (1u << 18)
#define PROGRAM HW_BUILD_DIR "/hostwatch"

struct watch {
	pid_t pid;
	int fd; /* its standard output */
	char buffer[BUFFER_BYTES];
	size_t start, end; /* unread part of the buffer */
};

static int index_of(const char *const *table, int end, const char *word)
{
	for (int i = 1; word && i < end; i++)
		if (!strcmp(table[i], word))
			return i;
	return 0;
}

static const char *text_of(const json_t *object, const char *key, uint32_t *ret_len)
{
	const json_t *value = json_object_get(object, key);

	*ret_len = value ? (uint32_t)json_string_length(value) : 0;
	return json_string_value(value);
}

/* Strings are borrowed from the object. All names in this test are plain text, without base64. */
static struct hw_event event_of(const json_t *object)
{
	static const char *const kinds[HW_KIND_END] = {
		"", "create", "delete", "move", "modify", "attrib", "close_write", "rescan"
	};
	static const char *const types[HW_TYPE_END] = { "", "file", "dir", "symlink", "other" };
	struct hw_event event = { .struct_size = sizeof(event) };

	event.kind = (uint8_t)index_of(kinds, HW_KIND_END,
				       json_string_value(json_object_get(object, "event")));
	event.type = (uint8_t)index_of(types, HW_TYPE_END,
				       json_string_value(json_object_get(object, "type")));
	event.seq = (uint64_t)json_integer_value(json_object_get(object, "seq"));
	event.from = text_of(object, "from", &event.from_len);
	event.path = text_of(object, event.kind == HW_MOVE ? "to" : "path", &event.path_len);
	if (json_is_true(json_object_get(object, "replaced")))
		event.flags = HW_FLAG_REPLACED;
	if (json_is_true(json_object_get(object, "exchange")))
		event.flags = HW_FLAG_EXCHANGE;
	return event;
}

static void start(struct watch *watch, const char *backend, const char *root)
{
	int fds[2];

	watch->start = watch->end = 0;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch->pid = fork();
	if (!watch->pid) {
		/* A test that fails does not call finish(). */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(fds[1], STDOUT_FILENO); /* if this fails, the parent reads an empty
						    * output */
		execl(PROGRAM, PROGRAM, "watch", "--json", "--interval", "100ms", "--watcher",
		      backend, root, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]); /* used by the child only */
	watch->fd = fds[0];
}

/* Reads more output of the program. Returns the number of bytes, 0 at the end of the output, or
 * -ETIMEDOUT. */
static ssize_t fill(struct watch *watch, int timeout_ms)
{
	struct pollfd fd = { .fd = watch->fd, .events = POLLIN };

	memmove(watch->buffer, watch->buffer + watch->start, watch->end - watch->start);
	watch->end -= watch->start;
	watch->start = 0;
	assert_true(watch->end < BUFFER_BYTES);
	if (!poll(&fd, 1, timeout_ms))
		return -ETIMEDOUT;
	ssize_t got = read(watch->fd, watch->buffer + watch->end, BUFFER_BYTES - watch->end);
	assert_true(got >= 0);
	watch->end += (size_t)got;
	return got;
}

/* Returns 1 and the next line, which the caller releases; 0 at the end of the output; or
 * -ETIMEDOUT. */
static int read_line(struct watch *watch, int timeout_ms, json_t **ret)
{
	json_error_t error;
	const char *newline;

	while (!(newline = memchr(watch->buffer + watch->start, '\n', watch->end - watch->start))) {
		ssize_t got = fill(watch, timeout_ms);

		if (got <= 0)
			return (int)got;
	}
	const char *line = watch->buffer + watch->start;
	size_t len = (size_t)(newline - line);
	*ret = json_loadb(line, len, 0, &error);
	if (!*ret)
		fail_msg("not JSON: %s: %.*s", error.text, (int)len, line);
	watch->start += len + 1;
	return 1;
}

/* Returns the exit status, or -1 if a signal ended the program. */
static int finish(struct watch *watch)
{
	int status = 0;

	(void)kill(watch->pid, SIGTERM); /* the program may have ended */
	(void)waitpid(watch->pid, &status, 0);
	(void)close(watch->fd); /* only read */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void replay_line(struct hw_model *told, const json_t *object)
{
	struct hw_event event = event_of(object);
	char why[160] = "";

	if (hw_model_apply(told, &event, why, sizeof(why)))
		fail_msg("%s: %s", why, json_dumps(object, 0));
}

/* Replays until the program is silent and the replica equals the disk, or until the deadline. */
static void replay(struct watch *watch, struct hw_model *told, const struct hw_model *truth)
{
	int64_t deadline = hw_clock_monotonic_ns() + LINE_DEADLINE_MS * INT64_C(1000000);
	FILE *null = fopen("/dev/null", "we");
	json_t *object;
	int r;

	assert_non_null(null);
	while ((r = read_line(watch, QUIET_MS, &object))) {
		if (r > 0) {
			replay_line(told, object);
			json_decref(object);
		} else if (!hw_model_compare(told, truth, null) ||
			   hw_clock_monotonic_ns() > deadline) {
			break;
		}
	}
	(void)fclose(null); /* nothing depends on it */
	assert_int_equal(hw_model_compare(told, truth, stderr), 0);
	assert_int_equal(hw_model_rescans(told), 0);
}

static void start_and_greet(struct watch *watch, const char *backend, const char *root)
{
	json_t *hello = NULL;

	start(watch, backend, root);
	if (read_line(watch, LINE_DEADLINE_MS, &hello) <= 0) {
		print_message("%s cannot watch with %s here\n", PROGRAM, backend);
		assert_int_not_equal(finish(watch), 0);
		skip();
	}
	assert_non_null(json_object_get(hello, "hello"));
	json_decref(hello);
}

static void stop(const struct watch *watch)
{
	int status;

	assert_int_equal(kill(watch->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(watch->pid, &status, WUNTRACED), watch->pid);
	assert_true(WIFSTOPPED(status));
}

static void stop_and_flood(const char *backend, const char *root)
{
	static struct watch watch;
	struct hw_model *told, *truth;

	assert_int_equal(hw_flood_prepare(root, DIRS), 0);
	assert_int_equal(hw_model_create(&told), 0);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(told, root), 0);
	start_and_greet(&watch, backend, root);
	stop(&watch);
	assert_int_equal(hw_flood_wide(root, DIRS, FILES), 0);
	assert_int_equal(kill(watch.pid, SIGCONT), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	replay(&watch, told, truth);
	assert_int_equal(finish(&watch), 0);
	hw_model_destroy(told);
	hw_model_destroy(truth);
}

/* Returns whether the descriptor is one that lists a directory below the root. */
static bool lists(const struct watch *watch, const char *fd, const char *root)
{
	char path[300], target[PATH_MAX] = "", line[100];
	size_t len = strlen(root);
	bool path_only = true;
	FILE *info;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)watch->pid, fd);
	if (readlink(path, target, sizeof(target) - 1) < 0 || strncmp(target, root, len) != 0 ||
	    target[len] != '/')
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)watch->pid, fd);
	info = fopen(path, "re");
	assert_non_null(info);
	while (fgets(line, sizeof(line), info))
		if (!strncmp(line, "flags:", 6))
			path_only = strtoul(line + 6, NULL, 8) & O_PATH;
	(void)fclose(info); /* only read */
	return !path_only;
}

static bool is_scanning(const struct watch *watch, const char *root)
{
	const struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)watch->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (!found && (entry = readdir(dir)))
		found = lists(watch, entry->d_name, root);
	(void)closedir(dir); /* only read */
	return found;
}

static void stop_in_scan(const struct watch *watch, const char *root)
{
	int64_t deadline = hw_clock_monotonic_ns() + LINE_DEADLINE_MS * INT64_C(1000000);

	stop(watch);
	while (!is_scanning(watch, root)) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		assert_int_equal(kill(watch->pid, SIGCONT), 0);
		(void)poll(NULL, 0, 3); /* a scan begins every 100 ms */
		stop(watch);
	}
}

/* The scan takes STOPPED_MS longer because of the stop. Its successor has to begin soon. */
static void stop_the_scan(const char *backend, const char *root)
{
	static struct watch watch;
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int64_t deadline;
	bool found = false;

	assert_int_equal(hw_flood_prepare(root, DIRS), 0);
	assert_int_equal(hw_flood_wide(root, DIRS, FILES / 20), 0);
	start_and_greet(&watch, backend, root);
	stop_in_scan(&watch, root);
	(void)poll(NULL, 0, STOPPED_MS);
	assert_int_equal(mkdirat(dir, "late", 0755), 0); /* the root was listed first */
	assert_int_equal(kill(watch.pid, SIGCONT), 0);
	deadline = hw_clock_monotonic_ns() + SOON_MS * INT64_C(1000000);
	while (!found && hw_clock_monotonic_ns() < deadline) {
		json_t *object = NULL;

		if (read_line(&watch, QUIET_MS, &object) <= 0)
			continue;
		const char *path = json_string_value(json_object_get(object, "path"));

		found = path && !strcmp(path, "late");
		json_decref(object);
	}
	assert_int_equal(finish(&watch), 0);
	assert_true(found);
	(void)close(dir); /* O_PATH */
}

static void in_new_root(void (*test)(const char *backend, const char *root), const char *backend)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);
	char *root = hw_scratch_create(place[places - 1].path);

	assert_non_null(root);
	if (access(PROGRAM, X_OK)) {
		print_message("%s is not built\n", PROGRAM);
		hw_scratch_remove(root);
		skip();
	}
	test(backend, root);
	hw_scratch_remove(root);
}

static void nothing_is_lost_while_stopped(void **state)
{
	in_new_root(stop_and_flood, *state);
}

static void a_stopped_scan_does_not_delay_the_next_one(void **state)
{
	in_new_root(stop_the_scan, *state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "stopped/inotify", nothing_is_lost_while_stopped, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "stopped/fanotify", nothing_is_lost_while_stopped, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "stopped/polling", nothing_is_lost_while_stopped, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
		{ "stopped/scan", a_stopped_scan_does_not_delay_the_next_one, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("stopped", tests, NULL, NULL);
}
