/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hw_peer_credentials(int fd, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);
	struct sockaddr_storage addr;
	socklen_t addr_len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0 || addr.ss_family != AF_UNIX)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0;
}

static void name_address(const struct sockaddr_storage *addr, char name[PEER_NAME_MAX])
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_vm *vm = (const void *)addr;
	char text[INET6_ADDRSTRLEN];

	if (addr->ss_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)))
		snprintf(name, PEER_NAME_MAX, "tcp %s:%u", text, ntohs(in->sin_port));
	else if (addr->ss_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)))
		snprintf(name, PEER_NAME_MAX, "tcp [%s]:%u", text, ntohs(in6->sin6_port));
	else if (addr->ss_family == AF_VSOCK)
		snprintf(name, PEER_NAME_MAX, "vsock %u:%u", vm->svm_cid, vm->svm_port);
	else
		snprintf(name, PEER_NAME_MAX, "family %u", addr->ss_family);
}

void hw_peer_name(int fd, char name[PEER_NAME_MAX])
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct ucred credentials;

	if (hw_peer_credentials(fd, &credentials))
		snprintf(name, PEER_NAME_MAX, "unix pid %d uid %u", credentials.pid,
			 credentials.uid);
	else if (getpeername(fd, (struct sockaddr *)&addr, &len) == 0)
		name_address(&addr, name);
	else
		snprintf(name, PEER_NAME_MAX, "unknown");
}

/* ---- what each peer holds ---- */

/* The name of the peer without the part that differs between its connections. */
static void name_peer(int fd, char key[PEER_NAME_MAX])
{
	struct ucred credentials;
	char *colon;

	if (hw_peer_credentials(fd, &credentials)) {
		snprintf(key, PEER_NAME_MAX, "uid %u", credentials.uid);
		return;
	}
	hw_peer_name(fd, key);
	colon = strrchr(key, ':');
	if (colon)
		*colon = '\0';
}

static struct peer *create_peer(struct socket_sink *sink, const char key[PEER_NAME_MAX])
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	memcpy(peer->key, key, PEER_NAME_MAX);
	LIST_INSERT_HEAD(&sink->peers, peer, link);
	return peer;
}

struct peer *hw_peer_get(struct socket_sink *sink, int fd)
{
	struct peer *peer = LIST_FIRST(&sink->peers);
	char key[PEER_NAME_MAX];

	name_peer(fd, key);
	while (peer && strcmp(peer->key, key) != 0)
		peer = LIST_NEXT(peer, link);
	if (!peer)
		peer = create_peer(sink, key);
	if (peer)
		peer->references++;
	return peer;
}

void hw_peer_put(struct peer *peer)
{
	if (!peer || --peer->references)
		return;
	LIST_REMOVE(peer, link);
	free(peer);
}

struct peer *hw_peer_largest(struct socket_sink *sink)
{
	struct peer *largest = LIST_FIRST(&sink->peers);

	for (struct peer *peer = largest; peer; peer = LIST_NEXT(peer, link))
		if (peer->accepted > largest->accepted)
			largest = peer;
	return largest;
}

static bool has_uid(const struct socket_sink *sink, int fd)
{
	struct ucred credentials;

	if (!hw_peer_credentials(fd, &credentials))
		return false;
	for (uint32_t i = 0; i < sink->uid_count; i++)
		if (sink->uids[i] == credentials.uid)
			return true;
	return false;
}

static bool has_cid(const struct socket_sink *sink, const struct sockaddr_vm *peer)
{
	for (uint32_t i = 0; i < sink->cid_count; i++)
		if (hw_sockaddr_is_cid(peer, sink->cids[i]))
			return true;
	return peer->svm_family != AF_VSOCK || !sink->cid_count;
}

const char *hw_peer_fault(const struct socket_sink *sink, int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (sink->uid_count && !has_uid(sink, fd))
		return "user not permitted (allow_uid)";
	if (sink->cid_count && (getpeername(fd, (struct sockaddr *)&addr, &len) < 0 ||
				!has_cid(sink, (const void *)&addr)))
		return "guest not permitted (allow_cid)";
	return NULL;
}
