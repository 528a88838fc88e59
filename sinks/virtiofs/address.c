/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad_address(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EINVAL;
}

/* Parses a decimal number without sign or spaces, up to the end of the text. */
static bool parse_u32(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value >= UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static bool copy_path(const char *path, size_t len, struct channel *ret)
{
	if (len == 0 || len >= sizeof(ret->path))
		return false;
	memcpy(ret->path, path, len);
	ret->path[len] = '\0';
	return true;
}

static int parse_unix(const char *rest, struct channel *ret, const char **ret_why)
{
	if (!copy_path(rest, strlen(rest), ret))
		return bad_address("the socket's path must have 1 to 107 bytes", ret_why);
	return 0;
}

static int parse_unix_listen(const char *rest, struct channel *ret, const char **ret_why)
{
	ret->listen = true;
	return parse_unix(rest, ret, ret_why);
}

static int parse_vsock(const char *rest, struct channel *ret, const char **ret_why)
{
	const char *colon = strchr(rest, ':');
	char cid[16] = "";

	if (!colon || (size_t)(colon - rest) >= sizeof(cid))
		return bad_address("expected vsock:CID:PORT", ret_why);
	memcpy(cid, rest, (size_t)(colon - rest));
	ret->cid = CHANNEL_CID_ANY;
	if (strcmp(cid, "any") != 0 && !parse_u32(cid, &ret->cid))
		return bad_address("the CID must be a number or \"any\"", ret_why);
	if (ret->cid == CHANNEL_CID_ANY && !ret->listen)
		return bad_address("the CID \"any\" needs listen = yes", ret_why);
	if (!parse_u32(colon + 1, &ret->port))
		return bad_address("the port must be a number", ret_why);
	return 0;
}

/* The VMM listens on PATH, to which the host connects. If a guest connects to the host's CID 2, the
 * VMM connects to PATH_PORT, where the host listens. */
static int parse_hybrid(const char *rest, struct channel *ret, const char **ret_why)
{
	const char *colon = strrchr(rest, ':');
	size_t len;

	if (!colon || !parse_u32(colon + 1, &ret->port))
		return bad_address("expected hybrid-vsock:PATH:PORT", ret_why);
	len = (size_t)(colon - rest);
	if (!copy_path(rest, len, ret))
		return bad_address("the socket's path must have 1 to 107 bytes", ret_why);
	if (!ret->listen)
		return 0;
	if (len == 0 || len + 1 + strlen(colon + 1) >= sizeof(ret->path))
		return bad_address("the path with _PORT appended is longer than 107 bytes",
				   ret_why);
	ret->path[len] = '_';
	strcpy(ret->path + len + 1, colon + 1);
	return 0;
}

static int parse_name(const char *rest, struct channel *ret, const char **ret_why)
{
	if (!copy_path(rest, strlen(rest), ret))
		return bad_address("the name must have 1 to 107 bytes", ret_why);
	return 0;
}

static const struct scheme {
	const char *prefix;
	enum channel_kind kind;
	int (*parse)(const char *rest, struct channel *ret, const char **ret_why);
} schemes[] = {
	{ "unix:", CHANNEL_UNIX, parse_unix },
	{ "unix-listen:", CHANNEL_UNIX, parse_unix_listen },
	{ "vsock:", CHANNEL_VSOCK, parse_vsock },
	{ "hybrid-vsock:", CHANNEL_HYBRID, parse_hybrid },
	{ "fd:", CHANNEL_FD, parse_name },
	{ "fuse:", CHANNEL_FUSE, parse_name },
};

int hw_channel_parse(const char *text, bool listen, struct channel *ret, const char **ret_why)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].prefix);
		struct channel channel = { .kind = schemes[i].kind, .listen = listen };
		int r;

		if (strncmp(text, schemes[i].prefix, len) != 0)
			continue;
		r = schemes[i].parse(text + len, &channel, ret_why);
		if (r == 0)
			*ret = channel;
		return r;
	}
	return bad_address("expected unix:PATH, unix-listen:PATH, vsock:CID:PORT, "
			   "hybrid-vsock:PATH:PORT or fd:NAME",
			   ret_why);
}
