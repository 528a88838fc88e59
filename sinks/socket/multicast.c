/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sends events to a group of NETLINK_USERSOCK. Sending needs no privilege; joining the group needs
 * CAP_NET_ADMIN. The sink does not know its listeners: a listener whose buffer is full gets ENOBUFS
 * from its own socket.
 */
#include "socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATAGRAM_BYTES 32768u /* bytes of a batch; a single long event may exceed this */
#define DATAGRAMS_PER_TURN 16u

static int send_datagram(struct multicast *m, const struct hw_buf *buf)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK,
				  .nl_groups = 1u << (m->address->group - 1) };

	if (sendto(m->fd, buf->data, buf->len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) >=
	    0)
		return 0;
	/* After the multicast, the kernel tries the unicast address 0, which has no socket. */
	return errno == ECONNREFUSED || errno == ESRCH ? 0 : -errno;
}

/* Returns 1: there is more; 0: nothing; -errno. */
static int pump_feed(struct multicast *m, struct feed *feed)
{
	static const struct feed_filter everything = { .below = NULL };
	struct hw_buf *buf = &m->sink->scratch;
	int more = 1, r;

	for (unsigned i = 0; more && i < DATAGRAMS_PER_TURN; i++) {
		buf->len = 0;
		more = hw_feed_pull(m->sink, feed, &everything, buf, DATAGRAM_BYTES);
		if (more < 0)
			return more;
		r = buf->len ? send_datagram(m, buf) : 0;
		if (r < 0)
			return r;
		hw_feed_done(m->sink, feed);
	}
	return more;
}

void hw_multicast_pump(struct multicast *m)
{
	struct socket_sink *sink = m->sink;

	for (uint32_t i = 0; i < sink->share_count; i++) {
		int r = pump_feed(m, &m->feeds[i]);

		if (r < 0) {
			sink->host->log(sink->ctx, HW_LOG_WARNING,
					"%s: events lost: %s; sending a rescan", m->address->text,
					strerror(-r));
			m->feeds[i].owes_rescan = true;
			m->feeds[i].seq = m->feeds[i].done_seq; /* unsent events are lost */
		}
		if (r != 0)
			hw_sink_kick(sink);
	}
}

static int open_socket(struct multicast *m)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int size = 1 << 20;

	m->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_USERSOCK);
	if (m->fd < 0 || bind(m->fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return m->sink->host->fail(m->sink->ctx, errno, "%s: %s", m->address->text,
					   strerror(errno));
	(void)setsockopt(m->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* as far as permitted
									      * */
	return 0;
}

static int open_feeds(struct multicast *m)
{
	struct socket_sink *sink = m->sink;
	int r = 0;

	m->feeds = calloc(sink->share_count ? sink->share_count : 1, sizeof(*m->feeds));
	if (!m->feeds)
		return -ENOMEM;
	hw_sink_refresh_all(sink);
	for (uint32_t i = 0; r == 0 && i < sink->share_count; i++)
		r = hw_feed_init(sink, &m->feeds[i], i);
	return r;
}

int hw_multicast_start(struct multicast *m, struct socket_sink *sink,
		       const struct hw_address *address)
{
	struct hw_buf *buf = &sink->scratch;
	int r;

	*m = (struct multicast){ .sink = sink, .address = address, .fd = -1 };
	r = open_socket(m);
	if (r < 0)
		return r;
	r = open_feeds(m);
	buf->len = 0;
	if (r == 0)
		r = sink->stream->put_hello(sink, buf);
	if (r < 0)
		return sink->host->fail(sink->ctx, r, "%s: %s", address->text, strerror(-r));
	(void)send_datagram(m, buf); /* there may be no listener yet */
	hw_multicast_pump(m);
	sink->host->log(sink->ctx, HW_LOG_INFO, "sending to %s", address->text);
	return 0;
}

void hw_multicast_stop(struct multicast *m)
{
	if (!m->sink)
		return;
	for (uint32_t i = 0; m->feeds && i < m->sink->share_count; i++)
		hw_feed_fini(m->sink, &m->feeds[i]);
	free(m->feeds);
	if (m->fd >= 0)
		(void)close(m->fd); /* sent datagrams are already in the receivers' buffers */
	*m = (struct multicast){ .fd = -1 };
}
