/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A subscriber: its model is built from lines only. */
#include "soak.h"

#include "tests/common/scratch.h"
#include <hostwatch/wire.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define CHUNK ((size_t)64 << 10)
#define RESERVED ((uint64_t)1 << 32) /* numbers, with each snapshot */

void soak_reader_init(struct soak_reader *r, const struct soak_host *host, struct soak_share *share)
{
	*r = (struct soak_reader){ .host = host, .share = share, .fd = -1, .lost = true };
}

void soak_reader_disconnect(struct soak_reader *r)
{
	if (r->fd >= 0)
		(void)close(r->fd); /* nothing more is expected */
	r->fd = -1;
	r->len = 0;
	r->asked = 0;
	r->lost |= r->starts;
}

void soak_reader_end(struct soak_reader *r)
{
	soak_reader_disconnect(r);
	hw_model_destroy(r->told);
	free(r->bytes);
}

int soak_connect(const char *path, const char *request)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		return fd;
	(void)close(fd);
	return -1;
}

static void begin_anew(struct soak_reader *r)
{
	hw_model_destroy(r->told);
	assert_int_equal(hw_model_create(&r->told), 0);
	hw_model_look(r->told, r->share->root);
	hw_model_read_always(r->told);
	r->epoch = r->seq = 0;
	r->lost = false;
	r->starts = true;
}

static void reach(struct soak_reader *r)
{
	char request[256];

	if (r->lost)
		(void)snprintf(request, sizeof(request),
			       "{\"subscribe\":{\"share\":\"%s\",\"snapshot\":true}}\n",
			       r->share->name);
	else
		(void)snprintf(request, sizeof(request),
			       "{\"subscribe\":{\"share\":\"%s\",\"epoch\":\"%016" PRIx64
			       "\",\"after\":%" PRIu64 "}}\n",
			       r->share->name, r->epoch, r->seq);
	r->fd = soak_connect(r->host->socket, request);
	if (r->fd >= 0 && r->lost)
		begin_anew(r);
}

/* The epoch of the share in a hello. */
static uint64_t epoch_of(const struct soak_reader *r, const char *line)
{
	char key[64];
	const char *at;

	(void)snprintf(key, sizeof(key), "{\"name\":\"%s\",\"epoch\":\"", r->share->name);
	at = strstr(line, key);
	if (!at)
		fail_msg("no share %s in %s", r->share->name, line);
	return strtoull(at + strlen(key), NULL, 16);
}

/* The journal, or the history, does not continue what the model has. */
static void lose(struct soak_reader *r, const char *line)
{
	struct soak_counts *counts = r->host->counts;

	r->lost = true;
	if (r->host->weak)
		counts->epochs++;
	else if (r->share->small)
		counts->rescans++;
	else
		fail_msg("%s, a subscriber at %" PRIu64 " of epoch %016" PRIx64
			 ": lost its place: %s",
			 r->share->root, r->seq, r->epoch, line);
}

static void take_hello(struct soak_reader *r, const char *line)
{
	uint64_t epoch = epoch_of(r, line);

	if (r->starts)
		r->epoch = epoch;
	else if (r->epoch != epoch)
		lose(r, "the epoch is another one");
}

/* After a log that was lost on a full disk, a receiver that has all events before the gap in the
 * numbers continues behind it. */
static bool follows(const struct soak_reader *r, uint64_t seq)
{
	return seq == r->seq + 1 || (r->host->weak && seq > r->seq + RESERVED / 2);
}

static void take_event(struct soak_reader *r, const struct hw_event *event, const char *line)
{
	char why[200] = "";

	if (event->kind == HW_RESCAN) {
		lose(r, line);
		return;
	}
	/* Events beside a snapshot are repeated after it. */
	if (r->starts && event->seq)
		return;
	if (!r->starts && !follows(r, event->seq))
		fail_msg("%s: event %" PRIu64 " after %" PRIu64 ": %s", r->share->root, event->seq,
			 r->seq, line);
	if (hw_model_apply(r->told, event, why, sizeof(why)) < 0)
		fail_msg("%s: %s: %s", r->share->root, why, line);
	if (event->seq) {
		r->seq = event->seq;
		r->host->counts->events++;
	}
}

static void take_line(struct soak_reader *r, char *line, size_t len)
{
	struct hw_json_message message;
	char copy[400];

	(void)snprintf(copy, sizeof(copy), "%s", line);
	if (strncmp(line, "{\"hello\"", 8) == 0) {
		take_hello(r, line);
		return;
	}
	if (hw_json_parse_line(line, len, &message) < 0)
		fail_msg("%s: not a line of the protocol: %s", r->share->root, copy);
	if (message.what == HW_JSON_ERROR)
		fail_msg("%s: %s", r->share->root, copy);
	if (message.what == HW_JSON_EVENT)
		take_event(r, &message.event, copy);
	if (message.what == HW_JSON_SNAPSHOT_END) {
		r->starts = false;
		r->seq = message.seq;
	}
	if (message.what == HW_JSON_SYNCED && !r->starts) {
		assert_int_equal(message.epoch, r->epoch);
		assert_int_equal(message.seq, r->seq);
		r->synced = strtoull(message.text, NULL, 10);
	}
}

static void take_lines(struct soak_reader *r)
{
	char *at = r->bytes, *end = r->bytes + r->len, *newline;

	while (!r->lost && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		*newline = '\0';
		take_line(r, at, (size_t)(newline - at));
		at = newline + 1;
	}
	r->len = (size_t)(end - at);
	memmove(r->bytes, at, r->len);
}

void soak_reader_pump(struct soak_reader *r, int timeout_ms)
{
	struct pollfd poll_fd = { .events = POLLIN };
	ssize_t n;

	if (r->fd < 0)
		reach(r);
	poll_fd.fd = r->fd;
	if (poll(&poll_fd, 1, timeout_ms) < 1 || r->fd < 0)
		return;
	if (r->room - r->len < CHUNK) {
		r->room = 2 * r->room + CHUNK;
		r->bytes = realloc(r->bytes, r->room);
		assert_non_null(r->bytes);
	}
	n = recv(r->fd, r->bytes + r->len, r->room - r->len, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		r->len += (size_t)n;
		take_lines(r);
	}
	if (n <= 0 || r->lost)
		soak_reader_disconnect(r);
}

void soak_reader_sync(struct soak_reader *r, uint64_t barrier)
{
	int64_t until = hw_clock_monotonic_ns() + SOAK_DEADLINE_NS;
	char request[64];
	int len = snprintf(request, sizeof(request), "{\"sync\":\"%" PRIu64 "\"}\n", barrier);

	while (r->synced != barrier) {
		if (hw_clock_monotonic_ns() > until)
			fail_msg("%s: no barrier within the deadline", r->share->root);
		if (r->fd >= 0 && r->asked != barrier) {
			if (send(r->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
				soak_reader_disconnect(r);
			else
				r->asked = barrier;
		}
		soak_reader_pump(r, 20);
	}
}
