/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops the program itself with a signal while 200,000 files are written, and continues it: its
 * JSON must replay to the state on disk. */
#include "tests/common/flood.h"
#include "tests/common/model.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DIRS 200u
#define FILES 1000u
#define LINE_DEADLINE_MS 60000
#define QUIET_MS 100
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
		(void)dup2(fds[1], STDOUT_FILENO); /* if this fails, the parent reads an empty
						    * output */
		execl(PROGRAM, PROGRAM, "watch", "--json", "--watcher", backend, root,
		      (char *)NULL);
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

static void stop_and_flood(const char *backend, const char *root)
{
	static struct watch watch;
	struct hw_model *told, *truth;
	json_t *hello = NULL;
	int status;

	assert_int_equal(hw_flood_prepare(root, DIRS), 0);
	assert_int_equal(hw_model_create(&told), 0);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(told, root), 0);
	start(&watch, backend, root);
	if (read_line(&watch, LINE_DEADLINE_MS, &hello) <= 0) {
		print_message("%s cannot watch with %s here\n", PROGRAM, backend);
		assert_int_not_equal(finish(&watch), 0);
		skip();
	}
	assert_non_null(json_object_get(hello, "hello"));
	json_decref(hello);
	assert_int_equal(kill(watch.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(watch.pid, &status, WUNTRACED), watch.pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(hw_flood_wide(root, DIRS, FILES), 0);
	assert_int_equal(kill(watch.pid, SIGCONT), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	replay(&watch, told, truth);
	assert_int_equal(finish(&watch), 0);
	hw_model_destroy(told);
	hw_model_destroy(truth);
}

static void nothing_is_lost_while_stopped(void **state)
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
	stop_and_flood(*state, root);
	hw_scratch_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "stopped/inotify", nothing_is_lost_while_stopped, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "stopped/fanotify", nothing_is_lost_while_stopped, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
	};

	return cmocka_run_group_tests_name("stopped", tests, NULL, NULL);
}
