/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BUFFER_MAX 65536u

/* Iterates over the values of a list option. */
static bool next_value(const char **list, const char **ret, size_t *ret_len)
{
	const char *end;

	if (!*list || !**list)
		return false;
	end = strchrnul(*list, '\n');
	*ret = *list;
	*ret_len = (size_t)(end - *list);
	*list = *end ? end + 1 : end;
	return true;
}

/* `value` is one item of a list, not terminated. */
static int refuse_value(struct socket_sink *sink, const char *keys, const char *value, size_t len,
			const char *error)
{
	char *text = strndup(value, len);
	int r;

	if (!text)
		return -ENOMEM;
	r = sink->host->fail_option(sink->ctx, keys, text, EINVAL, "%s", error);
	free(text);
	return r;
}

static uint32_t count_values(const char *list)
{
	const char *value;
	size_t len;
	uint32_t count = 0;

	while (next_value(&list, &value, &len))
		count++;
	return count;
}

/* All mistakes are reported, not only the first. A lack of memory ends the check. */
static void note(int *result, int r)
{
	if (r < 0 && (*result == 0 || r == -ENOMEM))
		*result = r;
}

/* A relative path is below the default directory of sockets. */
static int parse_address(struct socket_sink *sink, const char *value, size_t len,
			 struct hw_address *ret, const char **ret_error)
{
	char expanded[2 * HW_ADDRESS_TEXT_MAX];
	const char *dir;
	int r;

	if (hw_address_expand(value, len, NULL, NULL, 0) == 0)
		return hw_address_parse(value, len, ret, ret_error);
	*ret_error = "a relative path needs XDG_RUNTIME_DIR, which is not set";
	if (sink->host->runtime_dir(sink->ctx, 0, &dir) < 0)
		return -ENOENT;
	*ret_error = "unix: the path is longer than 107 bytes";
	if (hw_address_expand(value, len, dir, expanded, sizeof(expanded)) < 0)
		return -ENAMETOOLONG;
	sink->in_runtime_dir = true;
	r = hw_address_parse(expanded, strlen(expanded), ret, ret_error);
	if (r == 0)
		(void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)len, value);
	return r;
}

static int parse_addresses(struct socket_sink *sink, const char *key, const char *list,
			   struct hw_address **ret, uint32_t *ret_count)
{
	uint32_t count = count_values(list), n = 0;
	const char *value, *error;
	size_t len;
	int r = 0;

	*ret_count = 0;
	if (count > ADDRESSES_MAX)
		return sink->host->fail_option(sink->ctx, key, NULL, EINVAL,
					       "more than %u addresses", ADDRESSES_MAX);
	*ret = calloc(count ? count : 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	while (next_value(&list, &value, &len)) {
		if (parse_address(sink, value, len, &(*ret)[n], &error) == 0)
			n++;
		else
			note(&r, refuse_value(sink, key, value, len, error));
	}
	*ret_count = n;
	return r;
}

static bool is_open_to_guests(const struct socket_sink *sink, const struct hw_address *a,
			      bool connect)
{
	return a->transport == HW_TRANSPORT_VSOCK && !connect && !count_values(sink->allow_cid) &&
	       !hw_sockaddr_is_cid(&a->to.vm, VMADDR_CID_LOCAL);
}

/* Returns whether programs of other machines, or of any guest, could be at the other end. */
static bool needs_secret(const struct socket_sink *sink, const struct hw_address *a, bool connect)
{
	if (a->transport == HW_TRANSPORT_TCP)
		return hw_sockaddr_is_remote(&a->to.any);
	return is_open_to_guests(sink, a, connect);
}

static int check_address(struct socket_sink *sink, const char *key, const struct hw_address *a)
{
	const char *error = NULL, *other = "";
	char keys[64];
	bool connect = sink->connect_to <= a && a < sink->connect_to + sink->connect_count;

	if (a->transport == HW_TRANSPORT_TCP && !sink->allow_remote &&
	    hw_sockaddr_is_remote(&a->to.any)) {
		error = "not a loopback address; set allow_remote = yes and secret = FILE to "
			"permit this";
		other = ",allow_remote";
	} else if (is_open_to_guests(sink, a, connect) && !sink->allow_remote) {
		error = "every guest of this host could connect; set allow_cid to the CIDs of "
			"guests, or allow_remote = yes and secret = FILE";
		other = ",allow_remote";
	} else if (needs_secret(sink, a, connect) && !sink->secret_path) {
		error = "allow_remote = yes also needs secret = FILE: without it, any program "
			"that can connect receives the events";
		other = ",secret";
	} else if (a->transport == HW_TRANSPORT_NETLINK && sink->secret_path) {
		error = "a netlink group cannot ask for a secret; use another sink for this "
			"address";
		other = ",secret";
	} else if (sink->uid_count && a->transport != HW_TRANSPORT_UNIX &&
		   a->transport != HW_TRANSPORT_FD) {
		error = "allow_uid works for unix sockets only; use another sink for this address";
		other = ",allow_uid";
	} else if (connect &&
		   (a->transport == HW_TRANSPORT_NETLINK || a->transport == HW_TRANSPORT_FD)) {
		error = "netlink: and fd: can be used in listen only";
	} else if (a->transport == HW_TRANSPORT_NETLINK && sink->format != FORMAT_NETLINK) {
		error = "a netlink group needs format = netlink";
		other = ",format";
	} else if (connect && a->transport == HW_TRANSPORT_VSOCK &&
		   a->to.vm.svm_cid == VMADDR_CID_ANY) {
		error = "the CID \"any\" can be used in listen only";
	} else if (connect && a->transport == HW_TRANSPORT_TCP && !a->to.in.sin_port) {
		error = "port 0 can be used in listen only"; /* also used for IPv6 */
	}
	if (!error)
		return 0;
	(void)snprintf(keys, sizeof(keys), "%s%s", key, other);
	return sink->host->fail_option(sink->ctx, keys, a->text, EINVAL, "%s", error);
}

static int check_addresses(struct socket_sink *sink)
{
	int r = 0;

	if (!count_values(sink->listen) && !count_values(sink->connect))
		return sink->host->fail_option(sink->ctx, "listen,connect", NULL, EINVAL,
					       "no address: set listen or connect");
	for (uint32_t i = 0; i < sink->listen_count; i++)
		note(&r, check_address(sink, "listen", &sink->listen_on[i]));
	for (uint32_t i = 0; i < sink->connect_count; i++)
		note(&r, check_address(sink, "connect", &sink->connect_to[i]));
	return r;
}

/* Accepts only digits of this base. */
static int parse_digits(const char *text, size_t len, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!len || len > 20)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char)text[i] - (unsigned)'0';

		if (digit >= base)
			return -EINVAL;
		value = value * base + digit;
		if (value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

static int parse_mode(struct socket_sink *sink)
{
	uint64_t mode;

	if (parse_digits(sink->mode, strlen(sink->mode), 8, 0777, &mode) < 0)
		return sink->host->fail_option(sink->ctx, "mode", NULL, EINVAL,
					       "not an octal number from 0 to 0777, such as 0660");
	sink->socket_mode = (mode_t)mode;
	return 0;
}

static int find_group(const char *name, gid_t *ret)
{
	char *buffer = malloc(GROUP_BUFFER_MAX);
	struct group group, *found = NULL;
	int r;

	if (!buffer)
		return -ENOMEM;
	r = -getgrnam_r(name, &group, buffer, GROUP_BUFFER_MAX, &found);
	if (found)
		*ret = found->gr_gid;
	else if (r == 0)
		r = -ENOENT;
	free(buffer);
	return r;
}

static int parse_group(struct socket_sink *sink)
{
	uint64_t gid;

	sink->socket_group = (gid_t)-1;
	if (!sink->group || !*sink->group)
		return 0;
	if (parse_digits(sink->group, strlen(sink->group), 10, UINT32_MAX - 1, &gid) == 0) {
		sink->socket_group = (gid_t)gid;
		return 0;
	}
	if (find_group(sink->group, &sink->socket_group) < 0)
		return sink->host->fail_option(sink->ctx, "group", sink->group, EINVAL,
					       "no such group");
	return 0;
}

static int parse_uids(struct socket_sink *sink)
{
	const char *list = sink->allow_uid, *value;
	uint32_t count = count_values(list);
	uint64_t uid;
	size_t len;
	int r = 0;

	if (count > UIDS_MAX)
		return sink->host->fail_option(sink->ctx, "allow_uid", NULL, EINVAL,
					       "more than %u users", UIDS_MAX);
	sink->uids = calloc(count ? count : 1, sizeof(*sink->uids));
	if (!sink->uids)
		return -ENOMEM;
	while (next_value(&list, &value, &len)) {
		if (parse_digits(value, len, 10, UINT32_MAX - 1, &uid) == 0)
			sink->uids[sink->uid_count++] = (uid_t)uid;
		else
			note(&r,
			     refuse_value(sink, "allow_uid", value, len, "not a numeric user ID"));
	}
	return r;
}

static int parse_cids(struct socket_sink *sink)
{
	const char *list = sink->allow_cid, *value;
	uint32_t count = count_values(list);
	uint64_t cid;
	size_t len;
	int r = 0;

	if (count > UIDS_MAX)
		return sink->host->fail_option(sink->ctx, "allow_cid", NULL, EINVAL,
					       "more than %u guests", UIDS_MAX);
	sink->cids = calloc(count ? count : 1, sizeof(*sink->cids));
	if (!sink->cids)
		return -ENOMEM;
	while (next_value(&list, &value, &len)) {
		if (parse_digits(value, len, 10, UINT32_MAX - 1, &cid) == 0)
			sink->cids[sink->cid_count++] = (uint32_t)cid;
		else
			note(&r, refuse_value(sink, "allow_cid", value, len, "not a CID"));
	}
	return r;
}

static int read_secret(struct socket_sink *sink)
{
	const char *why;
	int r;

	if (!sink->secret_path)
		return 0;
	if (sink->secret_path[0] != '/')
		return sink->host->fail_option(sink->ctx, "secret", sink->secret_path, EINVAL,
					       "must be an absolute path");
	r = hw_secret_read(sink->secret_path, &sink->secret, &why);
	if (r < 0)
		(void)sink->host->fail_option(sink->ctx, "secret", sink->secret_path, -r, "%s",
					      why);
	return r;
}

int hw_options_parse(struct socket_sink *sink)
{
	int r = 0;

	note(&r, parse_mode(sink));
	note(&r, parse_group(sink));
	note(&r, parse_uids(sink));
	note(&r, parse_cids(sink));
	note(&r, read_secret(sink));
	note(&r,
	     parse_addresses(sink, "listen", sink->listen, &sink->listen_on, &sink->listen_count));
	note(&r, parse_addresses(sink, "connect", sink->connect, &sink->connect_to,
				 &sink->connect_count));
	if (sink->handshake_timeout_ns < sink->hello_wait_ns)
		note(&r, sink->host->fail_option(sink->ctx, "handshake_timeout,hello_wait", NULL,
						 EINVAL, "must not be shorter than hello_wait"));
	if (r != -ENOMEM)
		note(&r, check_addresses(sink));
	return r;
}

void hw_options_free(struct socket_sink *sink)
{
	free(sink->listen_on);
	free(sink->connect_to);
	free(sink->uids);
	free(sink->cids);
	sink->cids = NULL;
	hw_secret_free(sink->secret);
	sink->secret = NULL;
	sink->listen_on = sink->connect_to = NULL;
	sink->uids = NULL;
	sink->listen_count = sink->connect_count = sink->uid_count = sink->cid_count = 0;
}
