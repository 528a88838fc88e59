/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers of a channel that listens, side by side until one of them shows to be the guest. So one
 * that does not keeps no other one out. */
#include "virtiofs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>
#include <netinet/in.h>

static hw_io_fn peer_ready;

static void close_peer(struct peer *peer, bool keep_fd)
{
	struct virtiofs *v = peer->sink;

	v->host->io_del(v->ctx, peer->io);
	v->host->timer_del(v->ctx, peer->timer);
	if (!keep_fd)
		(void)close(peer->fd); /* unsent data may be lost */
	*peer = (struct peer){ .fd = -1 };
}

static void refuse(struct peer *peer, const char *why)
{
	struct virtiofs *v = peer->sink;

	close_peer(peer, false);
	hw_link_say(v, false, why);
}

void hw_peers_close(struct virtiofs *v)
{
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (v->peers[i].sink)
			close_peer(&v->peers[i], false);
}

/* ---- output ---- */

/* A new connection has room for a line and a hello. */
static bool send_all(struct peer *peer, const void *bytes, size_t len)
{
	ssize_t n = send(peer->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n == (ssize_t)len)
		return true;
	close_peer(peer, false);
	return false;
}

/* Nothing but random numbers is sent to a peer that needs a proof. */
static bool greet(struct peer *peer)
{
	struct virtiofs *v = peer->sink;
	unsigned char hello[HW_FRAME_HELLO_MAX];
	int n;

	if (v->secret || peer->greeted)
		return true;
	n = hw_session_encode_hello(v, hello, &peer->epoch, &peer->hello_seq);
	peer->greeted = n > 0;
	return n <= 0 || send_all(peer, hello, (size_t)n);
}

void hw_peers_ready(struct virtiofs *v)
{
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (v->peers[i].sink)
			(void)greet(&v->peers[i]);
}

/* ---- input ---- */

static void become_guest(struct peer *peer)
{
	struct virtiofs *v = peer->sink;
	struct peer guest = *peer;

	close_peer(peer, true);
	hw_link_take(v, &guest);
}

/* Returns whether it has proved that it has the secret; otherwise more input is needed, or it was
 * closed. */
static bool take_proof(struct peer *peer)
{
	struct virtiofs *v = peer->sink;

	while (peer->auth.state != HW_AUTH_DONE && peer->input_len) {
		struct hw_auth_line line;
		const char *why = "";
		int n = hw_auth_take(&peer->auth, peer->input, peer->input_len, &line, &why);

		if (n < 0) {
			v->unproved++;
			refuse(peer, hw_secret_explain(v, n, peer->input, peer->input_len, why));
			return false;
		}
		if (n == 0)
			return false;
		memmove(peer->input, peer->input + n, peer->input_len - (size_t)n);
		peer->input_len -= (size_t)n;
		if (line.len && !send_all(peer, line.text, line.len))
			return false;
	}
	return peer->auth.state == HW_AUTH_DONE;
}

static void take_input(struct peer *peer)
{
	struct virtiofs *v = peer->sink;
	struct hw_frame frame;
	char text[sizeof(v->link.said)];
	const char *why;
	int n;

	if (v->secret) {
		if (take_proof(peer))
			become_guest(peer);
		return;
	}
	n = hw_session_look(v, peer->input, peer->input_len, &frame, &why);
	if (n > 0) {
		become_guest(peer);
	} else if (n < 0) {
		(void)snprintf(text, sizeof(text), "bad frame from the guest: %s", why);
		refuse(peer, text);
	}
}

static int peer_ready(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct peer *peer = self;
	size_t room = sizeof(peer->input) - peer->input_len;
	ssize_t n;

	(void)io;
	(void)events;
	(void)budget; /* one buffer per call is less than any budget */
	do
		n = recv(peer->fd, peer->input + peer->input_len, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		struct virtiofs *v = peer->sink;

		close_peer(peer, false);
		hw_link_say(v, true, "the guest closed the channel");
		return 0;
	}
	peer->input_len += (size_t)n;
	take_input(peer);
	return 1;
}

static void peer_timer(void *self, struct hw_timer *timer)
{
	struct peer *peer = self;
	struct virtiofs *v = peer->sink;

	(void)timer;
	if (v->secret)
		v->unproved++;
	refuse(peer, v->secret ? "no proof from the guest that it has the secret"
			       : "no hello from the guest");
}

/* ---- a new connection ---- */

/* Connections of the same user, guest or address have the same number. */
static uint64_t who_is(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} peer = { .room = { .ss_family = AF_UNSPEC } };
	socklen_t len = sizeof(peer);
	struct ucred credentials;
	uint64_t halves[2];

	if (getpeername(fd, &peer.any, &len) < 0)
		return 0;
	switch (peer.any.sa_family) {
	case AF_UNIX:
		len = sizeof(credentials);
		return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0
			       ? 0
			       : credentials.uid;
	case AF_VSOCK:
		return peer.vm.svm_cid;
	case AF_INET:
		return peer.in.sin_addr.s_addr;
	case AF_INET6:
		memcpy(halves, &peer.in6.sin6_addr, sizeof(halves));
		return halves[0]; /* one machine may have all addresses of a network */
	default:
		return 0;
	}
}

static unsigned count_of(const struct virtiofs *v, uint64_t who)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PEERS_MAX; i++)
		count += v->peers[i].sink && v->peers[i].who == who;
	return count;
}

/* Returns a free place, if necessary that of the oldest connection of those who have the most. */
static struct peer *take_place(struct virtiofs *v)
{
	struct peer *worst = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &v->peers[i];
		unsigned count = peer->sink ? count_of(v, peer->who) : 0;

		if (!peer->sink)
			return peer;
		if (count > most || (count == most && peer->number < worst->number)) {
			most = count;
			worst = peer;
		}
	}
	refuse(worst, "too many connections that do not show to be the guest");
	return worst;
}

void hw_peers_add(struct virtiofs *v, int fd)
{
	struct peer *peer = take_place(v);
	struct hw_auth_line line;
	int r;

	*peer = (struct peer){ .sink = v, .fd = fd, .who = who_is(fd), .number = v->peer_count++ };
	r = v->host->io_add(v->ctx, fd, HW_IO_READ, peer_ready, peer, &peer->io);
	if (r == 0)
		r = v->host->timer_add(v->ctx, peer_timer, peer, &peer->timer);
	if (r < 0) {
		refuse(peer, "cannot poll a connection: out of memory or descriptors");
		return;
	}
	v->host->timer_set(v->ctx, peer->timer, v->hello_timeout_ns);
	if (v->secret) {
		hw_auth_begin(&peer->auth, HW_AUTH_HOST, v->secret, &line);
		(void)send_all(peer, line.text, line.len);
		return;
	}
	(void)greet(peer);
}
