/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handshake.h"
#include "virtiofs.h"

#include <hostwatch/address.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_MIN_NS (100 * HW_MS)
#define RETRY_MAX_NS (5 * HW_SEC)
#define CONNECT_NS (30 * HW_SEC) /* time limit for connect() and the VMM's answer */

static hw_io_fn link_ready;
static hw_io_fn listen_ready;
static int take_input(struct virtiofs *v, uint32_t events);

/* ---- a new connection ---- */

/* The session may end the link at once. */
static void enter_up(struct virtiofs *v)
{
	v->link.state = LINK_UP;
	v->host->timer_set(v->ctx, v->link.timer, v->hello_timeout_ns);
	hw_session_begin(v);
}

static void enter_connected(struct virtiofs *v)
{
	v->host->io_set(v->ctx, v->link.io, HW_IO_READ);
	if (v->channel.kind != CHANNEL_HYBRID || v->channel.listen) {
		enter_up(v);
		return;
	}
	v->link.state = LINK_HANDSHAKE;
	if (hw_handshake_ask(v->link.fd, v->channel.port) < 0)
		hw_link_drop(v, false, "cannot send the CONNECT request to the VMM");
}

/* Takes over fd. */
static void adopt_fd(struct virtiofs *v, int fd, bool connecting)
{
	struct link *link = &v->link;
	int r;

	link->fd = fd;
	link->input_len = 0;
	link->live_ns = 0;
	link->state = LINK_CONNECTING;
	r = v->host->io_add(v->ctx, fd, connecting ? HW_IO_WRITE : HW_IO_READ, link_ready, v,
			    &link->io);
	if (r < 0) {
		hw_link_drop(v, false, "cannot poll the channel: %s", strerror(-r));
		return;
	}
	v->host->timer_set(v->ctx, link->timer, CONNECT_NS);
	if (!connecting)
		enter_connected(v);
}

static const char *vsock_hint(const struct virtiofs *v, int error)
{
	return v->channel.kind == CHANNEL_VSOCK ? hw_vsock_hint(-error) : "";
}

static int begin_connect(struct virtiofs *v)
{
	int fd = -1;
	int r = hw_channel_connect(&v->channel, &fd);

	if (r >= 0)
		adopt_fd(v, fd, r == 1);
	else
		hw_link_drop(v, false, "cannot connect: %s%s", strerror(-r), vsock_hint(v, r));
	return r;
}

/* The connection waits in the backlog until the retry of the link, or until the current peer has
 * ended. */
static void cannot_accept(struct virtiofs *v, int error)
{
	if (v->link.state == LINK_DOWN)
		hw_link_drop(v, false, "cannot accept a connection: %s", strerror(-error));
	else
		v->host->io_set(v->ctx, v->link.listen_io, 0);
}

/* Its end may be known, but not handled yet. */
static bool is_served(struct virtiofs *v)
{
	if (v->session.live)
		(void)take_input(v, 0);
	return v->session.live;
}

static int listen_ready(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct virtiofs *v = self;
	int fd = -1;
	int r = hw_channel_accept(&v->channel, v->link.on.fd, &fd);

	(void)io;
	(void)events;
	(void)budget;
	if (r == -EAGAIN)
		return 0;
	if (r == -EPERM) {
		v->host->log(v->ctx, HW_LOG_WARNING,
			     "%s: refused a connection: it comes from another CID", v->label);
		return 1;
	}
	if (r < 0) {
		cannot_accept(v, r);
		return 1;
	}
	if (is_served(v)) {
		(void)close(fd); /* nothing was sent */
		v->host->log(v->ctx, HW_LOG_WARNING,
			     "%s: refused a connection: the guest is connected already", v->label);
		return 1;
	}
	hw_peers_add(v, fd);
	return 1;
}

/* ---- the end of a connection ---- */

static void close_fd(struct virtiofs *v)
{
	struct link *link = &v->link;

	v->host->io_del(v->ctx, link->io);
	link->io = NULL;
	if (link->fd >= 0)
		(void)close(link->fd); /* unsent data may be lost */
	link->fd = -1;
	link->input_len = 0;
	link->state = LINK_DOWN;
}

void hw_link_say(struct virtiofs *v, bool calm, const char *text)
{
	struct link *link = &v->link;
	uint32_t level = calm ? HW_LOG_INFO : HW_LOG_WARNING;

	if (strcmp(link->said, text) == 0)
		level = HW_LOG_DEBUG;
	(void)snprintf(link->said, sizeof(link->said), "%s",
		       text); /* truncation is acceptable for the comparison */
	v->host->log(v->ctx, level, "%s: %s", v->label, text);
}

/* Returns the wait before the next attempt. It starts over if the connection served its guest for a
 * while, or ended normally. */
static uint64_t next_retry(struct virtiofs *v, bool calm, uint64_t live_ns)
{
	struct link *link = &v->link;
	uint64_t now = v->host->now_ns(v->ctx);

	if (live_ns != 0 && (calm || now - live_ns >= RETRY_MAX_NS))
		link->retry_ns = 0;
	link->retry_ns = link->retry_ns ? 2 * link->retry_ns : RETRY_MIN_NS;
	if (link->retry_ns > RETRY_MAX_NS)
		link->retry_ns = RETRY_MAX_NS;
	return link->retry_ns;
}

void hw_link_drop(struct virtiofs *v, bool calm, const char *format, ...)
{
	struct link *link = &v->link;
	uint64_t live_ns = link->live_ns, wait_ns;
	char text[sizeof(link->said)];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	close_fd(v);
	hw_session_end(v);
	link->live_ns = 0;
	hw_link_say(v, calm, text);

	wait_ns = next_retry(v, calm, live_ns);
	if (v->channel.kind == CHANNEL_FD && link->on.fd < 0) {
		link->spent = true;
		v->host->timer_set(v->ctx, link->timer, 0);
		v->host->log(v->ctx, HW_LOG_ERROR,
			     "%s: a passed descriptor cannot be reopened; restart the service",
			     v->label);
	} else if (link->on.fd >= 0 && calm) {
		v->host->io_set(v->ctx, link->listen_io, HW_IO_READ);
		v->host->timer_set(v->ctx, link->timer, 0);
	} else {
		if (link->on.fd >= 0)
			v->host->io_set(v->ctx, link->listen_io, 0);
		v->host->timer_set(v->ctx, link->timer, wait_ns);
	}
}

static void link_timer(void *self, struct hw_timer *timer)
{
	struct virtiofs *v = self;

	(void)timer;
	switch (v->link.state) {
	case LINK_DOWN:
		if (v->link.on.fd >= 0)
			v->host->io_set(v->ctx, v->link.listen_io, HW_IO_READ);
		else
			(void)begin_connect(v); /* on failure, it sets the next wait */
		break;
	case LINK_CONNECTING:
		hw_link_drop(v, false, "cannot connect: timed out");
		break;
	case LINK_HANDSHAKE:
		hw_link_drop(v, false, "no answer from the VMM");
		break;
	case LINK_UP:
		if (!hw_secret_is_proved(v))
			v->unproved++;
		hw_link_drop(v, false,
			     hw_secret_is_proved(v)
				     ? "no hello from the guest"
				     : "no proof from the guest that it has the secret");
		break;
	}
}

/* ---- an open connection ---- */

void hw_link_live(struct virtiofs *v)
{
	v->link.live_ns = v->host->now_ns(v->ctx);
	v->link.said[0] = '\0';
	v->host->timer_set(v->ctx, v->link.timer, 0);
	v->host->log(v->ctx, HW_LOG_INFO, "%s: guest connected", v->label);
	hw_peers_close(v);
}

void hw_link_restart(struct virtiofs *v)
{
	v->link.live_ns = 0;
	v->host->timer_set(v->ctx, v->link.timer, v->hello_timeout_ns);
}

void hw_link_want_write(struct virtiofs *v, bool on)
{
	v->host->io_set(v->ctx, v->link.io, HW_IO_READ | (on ? HW_IO_WRITE : 0));
}

/* Parses the VMM's answer; the bytes after it are from the guest. */
static void take_handshake(struct virtiofs *v)
{
	struct link *link = &v->link;
	int n = hw_handshake_answer(link->input, link->input_len);

	if (n < 0)
		hw_link_drop(v, false, "the VMM rejected the CONNECT request");
	if (n <= 0)
		return;
	memmove(link->input, link->input + n, link->input_len - (size_t)n);
	link->input_len -= (size_t)n;
	enter_up(v);
}

static ssize_t receive(struct link *link)
{
	unsigned char *to = link->input + link->input_len;
	size_t room = sizeof(link->input) - link->input_len;
	ssize_t n;

	do
		n = link->is_socket ? recv(link->fd, to, room, MSG_DONTWAIT)
				    : read(link->fd, to, room);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Returns how many frames it handled. */
static int take_input(struct virtiofs *v, uint32_t events)
{
	struct link *link = &v->link;
	ssize_t n = receive(link);
	int count = 0;

	if (n == -EAGAIN && !(events & HW_IO_HANGUP))
		return 0;
	if (n <= 0) {
		const char *who = link->state == LINK_HANDSHAKE ? "the VMM" : "the guest";

		/* a VMM disconnects if no program in the guest listens on the port */
		hw_link_drop(v, link->state == LINK_UP, "%s closed the channel", who);
		return 0;
	}
	link->input_len += (size_t)n;
	if (link->state == LINK_HANDSHAKE)
		take_handshake(v);
	if (link->state == LINK_UP)
		count = hw_session_input(v);
	return count;
}

static int link_ready(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct virtiofs *v = self;
	int count = 0;

	(void)io;
	(void)budget; /* one buffer per call is less than any budget */
	if (v->link.state == LINK_CONNECTING) {
		int r = hw_channel_connected(v->link.fd);
		if (r < 0)
			hw_link_drop(v, false, "cannot connect: %s%s", strerror(-r),
				     vsock_hint(v, r));
		else
			enter_connected(v);
		return 0;
	}
	if (events & (HW_IO_READ | HW_IO_HANGUP))
		count = take_input(v, events);
	if (v->link.state == LINK_UP)
		(void)hw_session_pump(v); /* the rest is sent when the socket is writable */
	return count;
}

void hw_link_take(struct virtiofs *v, const struct peer *peer)
{
	struct link *link = &v->link;
	int r;

	if (link->state != LINK_DOWN)
		hw_link_drop(v, true, "replaced by a new connection");
	link->fd = peer->fd;
	link->live_ns = 0;
	link->state = LINK_UP;
	v->auth = peer->auth;
	hw_session_take(v, peer);
	r = v->host->io_add(v->ctx, link->fd, HW_IO_READ, link_ready, v, &link->io);
	if (r < 0) {
		hw_link_drop(v, false, "cannot poll the channel: %s", strerror(-r));
		return;
	}
	v->host->io_set(v->ctx, link->listen_io, HW_IO_READ);
	v->host->timer_set(v->ctx, link->timer, v->hello_timeout_ns);
	memcpy(link->input, peer->input, peer->input_len);
	link->input_len = peer->input_len;
	(void)hw_session_input(v);
	if (link->state == LINK_UP)
		(void)hw_session_pump(v); /* the rest is sent when the socket is writable */
}

/* ---- start and stop ---- */

static bool is_vsock_listener(int fd)
{
	int domain = 0, listening = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_VSOCK &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Uses a descriptor of the service manager: a listening socket, or the channel itself. */
static int start_fd(struct virtiofs *v)
{
	struct link *link = &v->link;
	int given = v->host->activation_fd(v->ctx, v->channel.path);
	int fd, flags, listening = 0;
	socklen_t len = sizeof(listening);

	if (given < 0)
		return v->host->fail(v->ctx, given,
				     "%s: the service manager passed no descriptor with this name "
				     "(FileDescriptorName= in the socket unit)",
				     v->label);
	fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return v->host->fail(v->ctx, errno, "%s: %s", v->label, strerror(errno));
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		int error = errno;

		(void)close(fd); /* unused */
		return v->host->fail(v->ctx, error, "%s: %s", v->label, strerror(error));
	}
	if ((!v->allow_remote || !v->secret) && is_vsock_listener(fd)) {
		(void)close(fd); /* unused */
		return v->host->fail(v->ctx, EPERM,
				     "%s: every guest could connect to this vsock socket; set "
				     "allow_remote = yes and secret = FILE to permit this",
				     v->label);
	}
	link->is_socket = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0;
	if (listening)
		link->on.fd = fd;
	else
		adopt_fd(v, fd, false);
	return 0;
}

static int start_listening(struct virtiofs *v)
{
	const char *why;
	int r = hw_channel_listen(&v->channel, v->mode, &v->link.on, &why);

	return r < 0 ? v->host->fail(v->ctx, r, "cannot listen on %s: %s%s", v->label, why,
				     vsock_hint(v, r))
		     : 0;
}

static int start_connecting(struct virtiofs *v)
{
	if (begin_connect(v) == -EAFNOSUPPORT)
		return v->host->fail(v->ctx, EAFNOSUPPORT, "cannot connect to %s: %s%s", v->label,
				     strerror(EAFNOSUPPORT), vsock_hint(v, -EAFNOSUPPORT));
	return 0;
}

int hw_link_start(struct virtiofs *v)
{
	struct link *link = &v->link;
	int r = v->host->timer_add(v->ctx, link_timer, v, &link->timer);

	if (r < 0)
		return v->host->fail(v->ctx, r, "%s: %s", v->label, strerror(-r));
	link->is_socket = true;
	if (v->channel.kind == CHANNEL_FD)
		r = start_fd(v);
	else if (v->channel.listen)
		r = start_listening(v);
	else
		r = start_connecting(v);
	if (r < 0 || link->on.fd < 0)
		return r;
	r = v->host->io_add(v->ctx, link->on.fd, HW_IO_READ, listen_ready, v, &link->listen_io);
	if (r < 0)
		return v->host->fail(v->ctx, r, "%s: %s", v->label, strerror(-r));
	return 0;
}

void hw_link_stop(struct virtiofs *v)
{
	struct link *link = &v->link;

	hw_peers_close(v);
	close_fd(v);
	v->host->timer_del(v->ctx, link->timer);
	link->timer = NULL;
	v->host->io_del(v->ctx, link->listen_io);
	link->listen_io = NULL;
	hw_listening_close(&link->on);
}
