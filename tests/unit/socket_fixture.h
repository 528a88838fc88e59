/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket sink on top of the real core: directories, inotify, journals, and subscribers that are
 * sockets of this process. */
#ifndef SOCKET_FIXTURE_H
#define SOCKET_FIXTURE_H

#include "journal.h"
#include "log.h"
#include "loop.h"
#include "module.h"
#include "share.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/address.h>
#include <hostwatch/wire.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tempdir.h"

#define DEADLINE_MS 60000
#define SHARES_MAX 2

struct fixture {
	struct hw_loop *loop;
	char *dir; /* owned: contains "a" and "b", the roots of the shares, and "s", the socket */
	struct hw_module *watcher, *module;
	struct hw_share *shares[SHARES_MAX];
	uint32_t share_count;
	struct hw_sink *sink;
	bool flushed;
	uint64_t flushed_seq;
	struct hw_sink_receiver_row row; /* of the last status: numbers */
	unsigned rows;
	char row_name[128];
	uint64_t lost; /* of all receivers */
	char addresses[1024]; /* of the last status: lines of "OPTION ADDRESS|STATE" */
};

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Runs the loop until the condition holds; fails the test at the deadline. */
#define UNTIL(f, condition)                                                                        \
	do {                                                                                       \
		uint64_t until_end = now_ms() + DEADLINE_MS;                                       \
		while (!(condition)) {                                                             \
			if (now_ms() > until_end)                                                  \
				fail_msg("not within the deadline: %s", #condition);               \
			hw_loop_turn((f)->loop, 10);                                               \
		}                                                                                  \
	} while (0)

/* ---- the core ---- */

static inline struct hw_share *start_share(struct fixture *f, const char *name)
{
	struct hw_share_config config = { .name = name,
					  .interval_ns = 50 * HW_MS,
					  .journal_bytes = HW_JOURNAL_MIN };
	struct hw_instance *watcher = NULL;
	struct hw_share *share = NULL;
	const char *path = tempdir_path(f->dir, name);

	config.path = path;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(hw_share_create(f->loop, &config, &share), 0);
	assert_int_equal(hw_instance_create(f->loop, &f->watcher->plugin, "inotify", NULL, 0, NULL,
					    &watcher),
			 0);
	assert_int_equal(hw_share_add_watcher(share, watcher), 0);
	assert_int_equal(hw_share_start(share), 0);
	return share;
}

static inline int make_fixture(void **state)
{
	static const char *const names[SHARES_MAX] = { "a", "b" };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	hw_log_set_level(HW_LOG_ERROR);
	f->dir = tempdir_create();
	assert_int_equal(hw_loop_create(&f->loop), 0);
	assert_int_equal(hw_module_load(HW_BUILD_DIR "/plugins/inotify.so", NULL, &f->watcher), 0);
	assert_int_equal(hw_module_load(HW_BUILD_DIR "/sinks/socket.so", NULL, &f->module), 0);
	for (uint32_t i = 0; i < SHARES_MAX; i++)
		f->shares[i] = start_share(f, names[i]);
	for (uint32_t i = 0; i < SHARES_MAX; i++)
		UNTIL(f, hw_share_state(f->shares[i]) == HW_SHARE_ONLINE);
	*state = f;
	return 0;
}

static inline int drop_fixture(void **state)
{
	struct fixture *f = *state;

	hw_sink_destroy(f->sink);
	for (uint32_t i = 0; i < SHARES_MAX; i++)
		hw_share_destroy(f->shares[i]);
	hw_loop_destroy(f->loop);
	hw_module_free(f->module);
	hw_module_free(f->watcher);
	tempdir_remove(f->dir);
	free(f);
	return 0;
}

/* Starts the sink for the first `shares` shares with "key=value" settings, which NULL ends; %s in
 * them is the directory of the test. Returns the result of hw_sink_start(), and the reason of a
 * failure in `reason` unless it is NULL. */
static inline int start_sink(struct fixture *f, uint32_t shares, char *reason,
			     const char *const *texts)
{
	struct hw_setting settings[16];
	char keys[16][512], *value;
	struct hw_instance *instance = NULL;
	size_t count = 0;
	int r;

	for (; texts[count]; count++) {
		const char *hole = strstr(texts[count], "%s");
		int before = hole ? (int)(hole - texts[count]) : (int)strlen(texts[count]);

		snprintf(keys[count], sizeof(keys[count]), "%.*s%s%s", before, texts[count],
			 hole ? f->dir : "", hole ? hole + 2 : "");
		value = strchr(keys[count], '=');
		*value = '\0';
		settings[count] = (struct hw_setting){ keys[count], value + 1 };
	}
	r = hw_instance_create(f->loop, &f->module->plugin, "socket", settings, count, NULL,
			       &instance);
	assert_int_equal(r, 0);
	f->share_count = shares;
	assert_int_equal(hw_sink_create(instance, f->shares, shares, &f->sink), 0);
	r = hw_sink_start(f->sink);
	if (reason)
		snprintf(reason, 512, "%s", hw_sink_instance(f->sink)->reason);
	return r;
}
#define SINK(f, shares, ...)                                                                       \
	assert_int_equal(start_sink(f, shares, NULL, (const char *const[]){ __VA_ARGS__, NULL }), 0)

static inline void stop_sink(struct fixture *f)
{
	hw_sink_destroy(f->sink);
	f->sink = NULL;
}

static inline void note_flush(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct fixture *f = arg;

	(void)share;
	assert_int_equal(error, 0);
	f->flushed = true;
	f->flushed_seq = seq;
}

/* Waits for a barrier. Returns the number of the last event before it. */
static inline uint64_t flush_share(struct fixture *f, uint32_t share)
{
	f->flushed = false;
	assert_int_equal(hw_share_flush(f->shares[share], note_flush, f), 0);
	UNTIL(f, f->flushed);
	return f->flushed_seq;
}

static inline void note_row(void *arg, const struct hw_sink_receiver_row *row)
{
	struct fixture *f = arg;

	f->rows++;
	f->row = *row;
	f->lost += row->lost;
	snprintf(f->row_name, sizeof(f->row_name), "%s", row->name);
}

static inline void note_address(void *arg, const struct hw_sink_address *address)
{
	struct fixture *f = arg;
	size_t len = strlen(f->addresses);

	snprintf(f->addresses + len, sizeof(f->addresses) - len, "%s %s|%s\n", address->option,
		 address->address, address->state);
}

static inline unsigned count_receivers(struct fixture *f)
{
	struct hw_sink_rows rows = { note_address, note_row, f };

	f->rows = 0;
	f->lost = 0;
	f->addresses[0] = '\0';
	hw_sink_status(f->sink, &rows);
	return f->rows;
}

/* ---- changes ---- */

static inline void touch(struct fixture *f, const char *path)
{
	int fd = open(tempdir_path(f->dir, path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

/* Each iteration is a create and a delete: the directory remains small, the journal fills. */
static inline void churn(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		touch(f, "a/churn-with-a-rather-long-name-so-that-the-journal-is-soon-full");
		assert_int_equal(unlink(tempdir_path(f->dir, "a/churn-with-a-rather-long-name-so-"
							     "that-the-journal-is-soon-full")),
				 0);
		if (i % 1000 == 999)
			(void)flush_share(f, 0);
	}
	(void)flush_share(f, 0);
}

/* ---- subscribers ---- */

struct client {
	struct fixture *f;
	int fd;
	bool closed; /* closed by the server */
	size_t len;
	size_t done; /* bytes at the start that were already returned */
	char *data; /* owned */
	size_t size;
};

static inline int connect_path(struct fixture *f, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", f->dir, name);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		(void)close(fd);
		return -error;
	}
	return fd;
}

static inline struct client *wrap_client(struct fixture *f, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	assert_true(fd >= 0);
	c->f = f;
	c->fd = fd;
	c->size = 1 << 21;
	c->data = malloc(c->size);
	assert_non_null(c->data);
	return c;
}

static inline struct client *connect_client(struct fixture *f)
{
	return wrap_client(f, connect_path(f, "s"));
}

static inline void close_client(struct client *c)
{
	(void)close(c->fd);
	free(c->data);
	free(c);
}

static inline void send_client(struct client *c, const void *bytes, size_t len)
{
	assert_int_equal(send(c->fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline void say(struct client *c, const char *line)
{
	send_client(c, line, strlen(line));
}

/* Reads the available bytes. */
static inline void receive(struct client *c)
{
	ssize_t n;

	if (c->done && c->done == c->len)
		c->done = c->len = 0;
	if (c->size - c->len < 65536) {
		memmove(c->data, c->data + c->done, c->len - c->done);
		c->len -= c->done;
		c->done = 0;
	}
	assert_true(c->size > c->len);
	n = recv(c->fd, c->data + c->len, c->size - c->len, MSG_DONTWAIT);
	if (n > 0)
		c->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		c->closed = true;
}

/* Returns the next line, NUL-terminated in place; NULL at the end of the connection. */
static inline char *next_line(struct client *c)
{
	char *newline = NULL, *line;
	uint64_t end = now_ms() + DEADLINE_MS;

	while (!(newline = memchr(c->data + c->done, '\n', c->len - c->done)) && !c->closed) {
		if (now_ms() > end)
			fail_msg("no line within the deadline");
		receive(c);
		if (!memchr(c->data + c->done, '\n', c->len - c->done))
			hw_loop_turn(c->f->loop, 5);
	}
	if (!newline)
		return NULL;
	line = c->data + c->done;
	*newline = '\0';
	c->done = (size_t)(newline - c->data) + 1;
	return line;
}

/* Checks that the next line contains this text. */
static inline char *expect_line(struct client *c, const char *part)
{
	char *line = next_line(c);

	if (!line)
		fail_msg("the connection ended before %s", part);
	if (!strstr(line, part))
		fail_msg("not %s: %s", part, line);
	return line;
}

static inline void expect_end(struct client *c)
{
	char *line = next_line(c);

	if (line)
		fail_msg("not the end: %s", line);
}

/* Returns the next netlink message. */
static inline struct hw_nl_message next_message(struct client *c)
{
	struct hw_nl_message m;
	uint64_t end = now_ms() + DEADLINE_MS;
	int len;

	if (c->done) {
		memmove(c->data, c->data + c->done, c->len - c->done);
		c->len -= c->done;
		c->done = 0;
	}
	while ((len = hw_nl_frame(c->data, c->len, HW_NL_MESSAGE_MAX)) == 0) {
		if (c->closed || now_ms() > end)
			fail_msg("no message: %s", c->closed ? "closed" : "deadline");
		receive(c);
		hw_loop_turn(c->f->loop, hw_nl_frame(c->data, c->len, HW_NL_MESSAGE_MAX) ? 0 : 5);
	}
	assert_true(len > 0);
	assert_int_equal(hw_nl_parse(c->data, (size_t)len, &m), 0);
	c->done = (size_t)len;
	return m;
}

static inline struct hw_nl_message expect_message(struct client *c, enum hw_nl_type type)
{
	struct hw_nl_message m = next_message(c);

	if (m.type != type)
		fail_msg("message %#x instead of %#x: %s", m.type, type, m.text ? m.text : "");
	return m;
}

static inline uint64_t json_number(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

#endif
