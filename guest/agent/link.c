/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The host may omit the same event this often before it counts as lost. */
#define GAPS_MAX 3u
#define NEEDS_SECRET "the host requires a secret; set secret = FILE, with the file of its sink"

int hw_link_init(struct hw_link *link, const struct hw_mount *mount, struct hw_position *seen)
{
	*link = (struct hw_link){
		.mount = mount,
		.seen = seen,
		.fd = -1,
		.on = HW_LISTENING_CLOSED,
		.wait_ms = HW_LINK_RETRY_MIN_MS,
		.work_ms = UINT64_MAX,
		.bytes = malloc(2 * HW_FUSE_FRAME_MAX),
	};
	return link->bytes ? 0 : -ENOMEM;
}

static void disconnect(struct hw_link *link)
{
	if (link->fd >= 0)
		(void)close(link->fd); /* all input was handled */
	link->fd = -1;
	link->state = HW_LINK_DOWN;
	link->len = 0;
	link->told_epoch = 0;
}

static void close_inject(struct hw_link *link)
{
	if (link->inject)
		link->inject->ops->close(link->inject);
	link->inject = NULL;
	link->work_ms = UINT64_MAX;
}

void hw_link_finish(struct hw_link *link)
{
	disconnect(link);
	close_inject(link);
	hw_listening_close(&link->on);
	free(link->bytes);
}

static HW_PRINTF(3, 4) void say(struct hw_link *link, enum hw_log_level level, const char *format,
				...)
{
	char text[sizeof(link->said)];
	struct timespec now;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	if (strcmp(text, link->said) == 0)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	hw_log_limited(&link->limit, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		       level, "[mount %s] %s", link->mount->name, text);
	memcpy(link->said, text, sizeof(text));
}

static void try_later(struct hw_link *link, uint64_t now_ms)
{
	/* a host that repeatedly sends hello and disconnects does not shorten the wait */
	if (link->told_epoch != 0 && now_ms - link->live_ms >= HW_LINK_RETRY_MAX_MS)
		link->wait_ms = HW_LINK_RETRY_MIN_MS;
	link->due_ms = now_ms + link->wait_ms;
	link->wait_ms *= 2;
	if (link->wait_ms > HW_LINK_RETRY_MAX_MS)
		link->wait_ms = HW_LINK_RETRY_MAX_MS;
}

/* Ends the connection; schedules the next attempt. */
static HW_PRINTF(4, 5) void drop(struct hw_link *link, uint64_t now_ms, enum hw_log_level level,
				 const char *format, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	say(link, level, "%s", text);
	try_later(link, now_ms);
	disconnect(link);
}

/* ---- input from the host ---- */

/*
 * An agent that has seen nothing starts at the host's hello. If the epoch changed, the agent keeps
 * its position until the rescan arrives: if the connection ends before that, the host must send the
 * rescan again.
 */
static int take_hello(struct hw_link *link, const struct hw_frame_hello *hello, uint64_t now_ms)
{
	const char *share = link->mount->share;
	char told[120], asked[120];

	if (hello->role != HW_FUSE_HOST) {
		drop(link, now_ms, HW_LOG_ERROR, "the other end of the channel is also a guest");
		return -EPROTO;
	}
	if (share &&
	    (strlen(share) != hello->share_len || memcmp(share, hello->share, hello->share_len))) {
		drop(link, now_ms, HW_LOG_ERROR, "the host sends share %s, not %s",
		     hw_quote(told, sizeof(told), hello->share, hello->share_len),
		     hw_quote(asked, sizeof(asked), share, strlen(share)));
		return -EPROTO;
	}
	link->told_epoch = hello->epoch;
	link->told_seq = hello->seq;
	memcpy(link->told_share, hello->share, hello->share_len);
	link->told_share[hello->share_len] = '\0';
	if (link->seen->epoch == 0) {
		link->seen->epoch = hello->epoch;
		link->seen->seq = hello->seq;
	}
	link->live_ms = now_ms;
	say(link, HW_LOG_INFO, "connected, at event %" PRIu64, hello->seq);
	if (link->inject->ops->hello)
		link->inject->ops->hello(link->inject, hello, link->told_share);
	return 0;
}

static int inject(struct hw_link *link, const void *bytes, size_t len, const struct hw_event *event,
		  uint64_t now_ms)
{
	const struct hw_told told = {
		.bytes = bytes, .len = len, .event = event, .share = link->told_share
	};
	int r = link->inject->ops->event(link->inject, &told);

	if (r == -ENODEV) {
		drop(link, now_ms, HW_LOG_WARNING, "the mount was unmounted; waiting for it");
		close_inject(link);
	}
	return r;
}

/* Any number of events may be lost, so the whole share may differ. */
static int inject_rescan(struct hw_link *link, uint64_t seq, uint64_t now_ms)
{
	unsigned char bytes[HW_FRAME_EVENT_BYTES];
	struct hw_event rescan = {
		.struct_size = sizeof(rescan), .kind = HW_RESCAN, .seq = seq, .path = ""
	};
	int n = hw_frame_encode_event(bytes, sizeof(bytes), (uint32_t)link->mount->notify_code,
				      &rescan);

	return n < 0 ? n : inject(link, bytes, (size_t)n, &rescan, now_ms);
}

/* Reconnecting usually gets the missing events. If the host omits them each time, they are lost. */
static int take_gap(struct hw_link *link, const struct hw_event *event, uint64_t now_ms)
{
	uint64_t after = link->seen->seq;
	int r;

	link->gaps = link->gaps && link->gap_seq == after ? link->gaps + 1 : 1;
	link->gap_seq = after;
	if (link->gaps < GAPS_MAX) {
		drop(link, now_ms, HW_LOG_WARNING,
		     "events missing between %" PRIu64 " and %" PRIu64 "%s; asking the host again",
		     after, event->seq,
		     link->seen->epoch == link->told_epoch ? "" : " of another epoch");
		return -EPROTO;
	}
	hw_warning("[mount %s] the host does not send the events after %" PRIu64
		   "; delivering a rescan",
		   link->mount->name, after);
	link->gaps = 0;
	r = inject_rescan(link, event->seq - 1, now_ms);
	if (r < 0)
		return r;
	link->seen->epoch = link->told_epoch;
	link->seen->seq = event->seq - 1;
	return 0;
}

static int take_event(struct hw_link *link, const void *bytes, size_t len,
		      const struct hw_event *event, uint64_t now_ms)
{
	struct hw_position *seen = link->seen;
	int r = 0;

	/* A rescan of the root sets the position, whatever preceded it. One of a directory replaces
	 * the events of this epoch that are missing before it. */
	if (event->kind != HW_RESCAN || event->path_len != 0) {
		bool same = seen->epoch == link->told_epoch;

		if (same && event->seq <= seen->seq)
			return 0; /* sent before the hello */
		if (!same || (event->kind != HW_RESCAN && event->seq != seen->seq + 1))
			r = take_gap(link, event, now_ms);
	}
	if (r == 0)
		r = inject(link, bytes, len, event, now_ms);
	if (r < 0)
		return r;
	seen->epoch = link->told_epoch;
	seen->seq = event->seq;
	link->wait_ms = HW_LINK_RETRY_MIN_MS;
	return 0;
}

static int flush(struct hw_link *link, uint64_t now_ms)
{
	int r = 0;

	if (link->inject && link->inject->ops->flush)
		r = link->inject->ops->flush(link->inject);
	if (r == -ENODEV) {
		drop(link, now_ms, HW_LOG_WARNING, "the mount was unmounted; waiting for it");
		close_inject(link);
	}
	return r;
}

/* ---- output to the host ---- */

/* Appends to the bytes to be sent. Returns -ENOBUFS if the host does not read them. */
static int put(struct hw_link *link, const void *bytes, size_t len)
{
	memmove(link->out, link->out + link->out_at, link->out_len - link->out_at);
	link->out_len -= link->out_at;
	link->out_at = 0;
	if (len > sizeof(link->out) - link->out_len)
		return -ENOBUFS;
	memcpy(link->out + link->out_len, bytes, len);
	link->out_len += len;
	return 0;
}

static void put_hello(struct hw_link *link)
{
	const char *share = link->mount->share;
	const struct hw_frame_hello hello = {
		.role = HW_FUSE_GUEST,
		.epoch = link->seen->epoch,
		.seq = link->seen->seq,
		.mask_supported = HW_FUSE_EVENTS,
		.share = share,
		.share_len = share ? (uint32_t)strlen(share) : 0,
	};
	unsigned char frame[HW_FRAME_HELLO_MAX];
	int n = hw_frame_encode_hello(frame, sizeof(frame), (uint32_t)link->mount->notify_code,
				      &hello);

	/* lengths were checked with the configuration, and there is room behind the lines of the
	 * authentication */
	if (n > 0)
		(void)put(link, frame, (size_t)n);
}

/* ---- the secret ---- */

static bool is_unproved(const struct hw_link *link)
{
	return link->auth.state != HW_AUTH_OFF && link->auth.state != HW_AUTH_DONE;
}

/* Handles one line. Returns its length, 0 if it is incomplete, -EPROTO if the link was dropped. */
static int take_auth(struct hw_link *link, const unsigned char *bytes, size_t len, uint64_t now_ms)
{
	struct hw_auth_line line;
	const char *why = "";
	int n = hw_auth_take(&link->auth, bytes, len, &line, &why);

	if (n > 0 && put(link, line.text, line.len) < 0)
		why = "the host does not read the lines of the authentication";
	if (*why) {
		drop(link, now_ms, HW_LOG_ERROR, "%s", why);
		return -EPROTO;
	}
	if (link->auth.state == HW_AUTH_DONE)
		put_hello(link);
	return n;
}

/* Returns whether the host asks for a proof where it should send a frame. Then the link is dropped,
 * unless these are bytes for an earlier agent. */
static bool is_asked(struct hw_link *link, size_t at, uint64_t now_ms)
{
	if (!hw_auth_is_line(link->bytes + at, link->len - at))
		return false;
	if (link->mount->secret)
		drop(link, now_ms, HW_LOG_INFO, "the host asks for the secret again");
	else if (link->told_epoch == 0 && link->mount->channel.is_virtio)
		say(link, HW_LOG_WARNING, NEEDS_SECRET);
	else
		drop(link, now_ms, HW_LOG_ERROR, NEEDS_SECRET);
	return link->state == HW_LINK_DOWN;
}

/* ---- frames from the host ---- */

/* Handles every complete frame. -EPIPE ends the program, other errors end the connection. */
static int take_complete(struct hw_link *link, uint64_t now_ms)
{
	uint32_t code = (uint32_t)link->mount->notify_code;
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		struct hw_frame frame;
		const char *why = "";
		int n;

		/* a port keeps bytes that an earlier agent did not read */
		if (is_unproved(link)) {
			if (link->mount->channel.is_virtio)
				at += hw_auth_skip(&link->auth, link->bytes + at, link->len - at);
			n = take_auth(link, link->bytes + at, link->len - at, now_ms);
			if (n < 0)
				return n;
			if (n == 0)
				break;
			at += (size_t)n;
			continue;
		}
		if (is_asked(link, at, now_ms))
			return -EPROTO;
		if (link->told_epoch == 0 && link->mount->channel.is_virtio)
			at += hw_frame_find_hello(link->bytes + at, link->len - at, code);
		n = hw_frame_decode(link->bytes + at, link->len - at, code, &frame, &why);
		if (n == 0)
			break;
		if (n > 0 && frame.what == HW_FRAME_EVENT && link->told_epoch == 0) {
			n = -EPROTO;
			why = "an event before the hello";
		}
		if (n < 0) {
			drop(link, now_ms, HW_LOG_ERROR, "bad frame from the host: %s", why);
			return -EPROTO;
		}
		if (frame.what == HW_FRAME_HELLO)
			r = take_hello(link, &frame.hello, now_ms);
		else
			r = take_event(link, link->bytes + at, (size_t)n, &frame.event, now_ms);
		at += (size_t)n;
	}
	if (r < 0)
		return r;
	memmove(link->bytes, link->bytes + at, link->len - at);
	link->len -= at;
	return 0;
}

static int take_frames(struct hw_link *link, uint64_t now_ms)
{
	const struct hw_position before = *link->seen;
	int r = take_complete(link, now_ms);
	int flushed = r == -ENODEV ? r : flush(link, now_ms);

	/* buffered events were lost with the mount: the host must send them again */
	if (flushed == -ENODEV)
		*link->seen = before;
	return r < 0 ? r : flushed;
}

/* ---- the connection ---- */

static void begin_session(struct hw_link *link, uint64_t now_ms)
{
	struct hw_auth_line line;

	link->state = HW_LINK_UP;
	link->out_len = link->out_at = 0;
	link->due_ms = now_ms + HW_LINK_HELLO_MS;
	link->auth.state = HW_AUTH_OFF;
	if (!link->mount->secret) {
		put_hello(link);
		return;
	}
	hw_auth_begin(&link->auth, HW_AUTH_RECEIVER, link->mount->secret, &line);
	/* the host of a port may have been connected for a long time */
	if (link->mount->channel.is_virtio)
		hw_auth_request(&link->auth, &line);
	(void)put(link, line.text, line.len); /* the buffer is empty */
}

static void accept_host(struct hw_link *link, uint64_t now_ms)
{
	const char *why;
	int fd = hw_channel_accept(&link->mount->channel, link->on.fd, &why);

	if (fd == -EPERM) {
		say(link, HW_LOG_WARNING, "refused a connection: %s", why);
		return;
	}
	if (fd < 0) {
		if (fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED)
			drop(link, now_ms, HW_LOG_WARNING, "cannot accept the connection: %s",
			     strerror(-fd));
		return;
	}
	link->fd = fd;
	begin_session(link, now_ms);
}

static void open_channel(struct hw_link *link, uint64_t now_ms)
{
	const struct channel *channel = &link->mount->channel;
	const char *why;
	bool pending = false;
	int fd;

	if (channel->listen) {
		if (link->on.fd < 0 && hw_channel_listen(channel, &link->on, &why) < 0) {
			drop(link, now_ms, HW_LOG_WARNING, "cannot listen on %s: %s",
			     link->mount->channel_text, why);
			return;
		}
		link->due_ms = UINT64_MAX;
		return;
	}
	fd = hw_channel_open(channel, &pending);
	if (fd < 0) {
		drop(link, now_ms, HW_LOG_INFO, "waiting for the host at %s: %s",
		     link->mount->channel_text, strerror(-fd));
		return;
	}
	link->fd = fd;
	link->state = HW_LINK_CONNECTING;
	link->due_ms = now_ms + HW_LINK_HELLO_MS;
	if (!pending)
		begin_session(link, now_ms);
}

int hw_link_start(struct hw_link *link, uint64_t now_ms)
{
	char why[HW_INJECT_WHY_MAX] = "";
	int r = 0;

	if (!link->inject)
		r = hw_inject_open(link->mount, &link->inject, why);
	if (r == -EAGAIN) {
		drop(link, now_ms, HW_LOG_WARNING, "%s", why);
		return 0;
	}
	if (r < 0) {
		hw_error("[mount %s] %s", link->mount->name, why);
		return r;
	}
	open_channel(link, now_ms);
	return 0;
}

void hw_link_mounts_changed(struct hw_link *link, uint64_t now_ms)
{
	if (!link->inject) {
		link->due_ms = now_ms;
	} else if (link->inject->ops->is_there && !link->inject->ops->is_there(link->inject)) {
		drop(link, now_ms, HW_LOG_WARNING, "the mount was unmounted; waiting for it");
		close_inject(link);
	}
}

/* Returns 0; -EAGAIN: the rest has to wait; -errno. */
static int send_output(struct hw_link *link)
{
	while (link->out_at < link->out_len) {
		/* SIGPIPE is ignored; a port is not a socket */
		ssize_t n = write(link->fd, link->out + link->out_at, link->out_len - link->out_at);

		if (n < 0 && errno != EINTR)
			return -errno;
		link->out_at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Reads until a further frame might not fit: an iteration costs more than the reading. */
static int receive(struct hw_link *link, uint64_t now_ms)
{
	size_t before = link->len;
	ssize_t n;

	do {
		n = read(link->fd, link->bytes + link->len, 2 * HW_FUSE_FRAME_MAX - link->len);
		link->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && link->len < HW_FUSE_FRAME_MAX);
	/* the condition that ended the reading is reported again when no data is left */
	if (link->len != before)
		return take_frames(link, now_ms) == -EPIPE ? -EPIPE : 0;
	if (n <= 0 && link->auth.state == HW_AUTH_PROOF && (n == 0 || errno == ECONNRESET)) {
		drop(link, now_ms, HW_LOG_WARNING,
		     "the host closed the connection instead of proving that it has the secret; "
		     "the "
		     "files of the two ends probably differ");
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		/* a port reads as ended while its other end is closed */
		drop(link, now_ms, HW_LOG_INFO, "disconnected: %s",
		     n < 0 ? strerror(errno) : "no host at the other end");
	return 0;
}

static void finish_connect(struct hw_link *link, uint64_t now_ms)
{
	int r = hw_channel_connected(link->fd);

	if (r < 0)
		drop(link, now_ms, HW_LOG_INFO, "waiting for the host at %s: %s",
		     link->mount->channel_text, strerror(-r));
	else
		begin_session(link, now_ms);
}

static int talk(struct hw_link *link, short revents, uint64_t now_ms)
{
	int r = send_output(link);

	if (r < 0 && r != -EAGAIN) {
		drop(link, now_ms, HW_LOG_INFO, "disconnected: %s", strerror(-r));
		return 0;
	}
	if (revents & (POLLIN | POLLHUP | POLLERR))
		return receive(link, now_ms);
	if (link->told_epoch == 0 && now_ms >= link->due_ms)
		drop(link, now_ms, HW_LOG_WARNING,
		     is_unproved(link) ? "the host does not ask for the secret; does its sink have "
					 "secret = FILE?"
				       : "no hello from the host");
	return 0;
}

static int turn(struct hw_link *link, short revents, uint64_t now_ms)
{
	switch (link->state) {
	case HW_LINK_DOWN:
		if (link->due_ms == UINT64_MAX && revents)
			accept_host(link, now_ms);
		else if (now_ms >= link->due_ms)
			return hw_link_start(link, now_ms);
		break;
	case HW_LINK_CONNECTING:
		if (revents)
			finish_connect(link, now_ms);
		else if (now_ms >= link->due_ms)
			drop(link, now_ms, HW_LOG_INFO, "waiting for the host at %s: timed out",
			     link->mount->channel_text);
		break;
	case HW_LINK_UP:
		return talk(link, revents, now_ms);
	}
	return 0;
}

/* `live`: objects that are watched now can be examined, and no earlier change of them is missing.
 */
static int work(struct hw_link *link, uint64_t now_ms)
{
	const struct hw_inject_ops *ops = link->inject ? link->inject->ops : NULL;
	bool live = link->state == HW_LINK_UP && link->told_epoch != 0 &&
		    link->seen->epoch == link->told_epoch && link->seen->seq >= link->told_seq;
	int r = 0;

	if (ops && ops->work)
		r = ops->work(link->inject, live, now_ms, &link->work_ms);
	if (r == -ENODEV) {
		drop(link, now_ms, HW_LOG_WARNING, "the mount was unmounted; waiting for it");
		close_inject(link);
		ops = NULL;
	}
	link->seen->held = ops && ops->is_busy && ops->is_busy(link->inject);
	return 0;
}

int hw_link_turn(struct hw_link *link, short revents, uint64_t now_ms)
{
	int r = turn(link, revents, now_ms);

	return r < 0 ? r : work(link, now_ms);
}
