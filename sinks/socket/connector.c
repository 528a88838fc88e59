/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WAIT_FIRST_NS (100 * HW_MS)
#define WAIT_MAX_NS (10 * HW_SEC)
#define STABLE_NS (10 * HW_SEC) /* a connection that lasted this long was successful */

static void try_later(struct connector *c)
{
	struct socket_sink *sink = c->sink;

	sink->host->timer_set(sink->ctx, c->timer, c->wait_ns);
	c->wait_ns = c->wait_ns * 2 > WAIT_MAX_NS ? WAIT_MAX_NS : c->wait_ns * 2;
}

static void drop_socket(struct connector *c)
{
	c->sink->host->io_del(c->sink->ctx, c->io);
	c->io = NULL;
	if (c->fd >= 0)
		(void)close(c->fd); /* it was never connected */
	c->fd = -1;
}

/* Logged once until a connection succeeds again. */
static void give_up(struct connector *c, int error)
{
	struct socket_sink *sink = c->sink;
	bool is_vsock = c->address->transport == HW_TRANSPORT_VSOCK;

	sink->host->log(sink->ctx, c->told ? HW_LOG_DEBUG : HW_LOG_WARNING,
			"cannot connect to %s: %s%s; retrying", c->address->text, strerror(error),
			is_vsock ? hw_vsock_hint(error) : "");
	c->told = true;
	c->error = error;
	drop_socket(c);
	try_later(c);
}

static void finish(struct connector *c)
{
	struct socket_sink *sink = c->sink;
	int fd = c->fd, r;

	if (hw_peer_fault(sink, fd)) {
		give_up(c, EPERM);
		return;
	}
	sink->host->io_del(sink->ctx, c->io);
	c->io = NULL;
	c->fd = -1;
	r = hw_subscriber_create(sink, fd, c, &c->subscriber);
	if (r < 0) {
		give_up(c, -r);
		return;
	}
	sink->host->log(sink->ctx, HW_LOG_INFO, "connected to %s", c->address->text);
	c->told = false;
	c->error = 0;
	c->since_ns = sink->host->now_ns(sink->ctx);
}

static int on_writable(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct connector *c = self;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)io;
	(void)events;
	(void)budget;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		give_up(c, error);
	else
		finish(c);
	return 1;
}

static void try_connect(void *self, struct hw_timer *timer)
{
	struct connector *c = self;
	struct socket_sink *sink = c->sink;
	const struct hw_address *a = c->address;
	int r;

	(void)timer;
	c->fd = socket(a->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		give_up(c, errno);
		return;
	}
	if (connect(c->fd, &a->to.any, a->len) == 0) {
		finish(c);
		return;
	}
	if (errno != EINPROGRESS) {
		give_up(c, errno);
		return;
	}
	r = sink->host->io_add(sink->ctx, c->fd, HW_IO_WRITE, on_writable, c, &c->io);
	if (r < 0)
		give_up(c, -r);
}

int hw_connector_start(struct connector *c, struct socket_sink *sink,
		       const struct hw_address *address)
{
	int r, fd;

	*c = (struct connector){
		.sink = sink, .address = address, .fd = -1, .wait_ns = WAIT_FIRST_NS
	};
	fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT)
		return sink->host->fail(sink->ctx, EAFNOSUPPORT,
					"%s: this kernel does not support %s", address->text,
					address->transport == HW_TRANSPORT_VSOCK ? "vsock"
										 : "such sockets");
	if (fd >= 0)
		(void)close(fd); /* used for getsockopt() only */
	r = sink->host->timer_add(sink->ctx, try_connect, c, &c->timer);
	if (r < 0)
		return sink->host->fail(sink->ctx, r, "%s: %s", address->text, strerror(-r));
	sink->host->timer_set(sink->ctx, c->timer, 1);
	return 0;
}

const char *hw_connector_state(const struct connector *c)
{
	if (c->subscriber)
		return c->subscriber->phase == PHASE_AUTH ? "waiting for the proof" : "connected";
	return c->error ? strerror(c->error) : "not connected";
}

void hw_connector_lost(struct connector *c)
{
	struct socket_sink *sink = c->sink;

	c->subscriber = NULL;
	if (sink->host->now_ns(sink->ctx) - c->since_ns > STABLE_NS)
		c->wait_ns = WAIT_FIRST_NS;
	sink->host->log(sink->ctx, HW_LOG_INFO, "connection to %s closed; reconnecting",
			c->address->text);
	try_later(c);
}

void hw_connector_stop(struct connector *c)
{
	if (!c->sink)
		return;
	drop_socket(c);
	hw_sink_drop_timer(c->sink, c->timer);
	*c = (struct connector){ .fd = -1 };
}
