/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's table: options, lifecycle, status. */
#include "virtiofs.h"
#include <hostwatch/address.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#define T struct virtiofs

static const struct hw_option option_share =
	HW_OPT_STRING_FLAGS("share", T, share_option, NULL, HW_OPTION_SHARE,
			    "Share whose events are sent; required if the sink serves several");
static const struct hw_option option_channel =
	HW_OPT_STRING_FLAGS("channel", T, channel_option, NULL,
			    HW_OPTION_REQUIRED | HW_OPTION_ADDRESS,
			    "Address of the guest: unix:PATH, unix-listen:PATH, vsock:CID:PORT, "
			    "hybrid-vsock:PATH:PORT or fd:NAME");
static const struct hw_option option_listen = HW_OPT_BOOL(
	"listen", T, listen_option, "no",
	"Wait for the guest to connect to the address of channel, instead of connecting to it");
static const struct hw_option option_mode =
	HW_OPT_STRING("mode", T, mode_option, "0600",
		      "Permissions of the socket, in octal, when the sink listens");
static const struct hw_option option_allow_remote = HW_OPT_BOOL(
	"allow_remote", T, allow_remote, "no",
	"Permit vsock:any, where every guest of this host can connect; also needs secret");
static const struct hw_option option_secret = HW_OPT_STRING(
	"secret", T, secret_option, NULL,
	"File with a secret that the guest must also have, 32 to 4096 bytes; nothing is sent to a "
	"guest that cannot prove it");
static const struct hw_option option_code =
	HW_OPT_NUMBER("notify_code", T, notify_code, "26743", HW_FRAME_CODE_MIN, HW_FRAME_CODE_MAX,
		      "FUSE notify code of event frames; hello frames use the next one");
static const struct hw_option option_send_buffer =
	HW_OPT_SIZE("send_buffer", T, send_buffer_bytes, "256K", 192 * 1024, 64 * 1024 * 1024,
		    "Bytes buffered for a slow guest; further events stay in the journal");
static const struct hw_option option_hello_timeout =
	HW_OPT_DURATION("hello_timeout", T, hello_timeout_ns, "30s", 0, 3600 * HW_SEC,
			"How long to wait for the hello of a guest; 0s waits forever");
_Static_assert(HW_FUSE_NOTIFY_FSNOTIFY == 26743, "the default of notify_code");
_Static_assert(HW_FUSE_FRAME_MAX + HW_FRAME_HELLO_MAX < 192 * 1024, "any frame fits the buffer");

static const struct hw_option *const options[] = {
	&option_share,       &option_channel,       &option_listen,
	&option_mode,        &option_allow_remote,  &option_code,
	&option_send_buffer, &option_hello_timeout, &option_secret,
};

/* Writes the channel with a printable path, for messages. */
static void make_label(struct virtiofs *v, const char *channel)
{
	size_t i;

	for (i = 0; i < sizeof(v->label) - 1 && channel[i]; i++) {
		char c = channel[i];

		v->label[i] = c >= 0x20 && c < 0x7f ? c : '?';
	}
	v->label[i] = '\0';
}

/* A relative path is below the default directory of sockets. */
static int parse_channel(struct virtiofs *v, const char **ret_why)
{
	const char *text = v->channel_option, *dir;
	char expanded[sizeof(v->label) + 256];
	size_t len = strlen(text);

	if (hw_address_expand(text, len, NULL, NULL, 0) == 0)
		return hw_channel_parse(text, v->listen_option != 0, &v->channel, ret_why);
	*ret_why = "a relative path needs XDG_RUNTIME_DIR, which is not set";
	if (v->host->runtime_dir(v->ctx, 0, &dir) < 0)
		return -ENOENT;
	*ret_why = "the socket's path must have 1 to 107 bytes";
	if (hw_address_expand(text, len, dir, expanded, sizeof(expanded)) < 0)
		return -ENAMETOOLONG;
	v->in_runtime_dir = true;
	if (hw_channel_parse(expanded, v->listen_option != 0, &v->channel, ret_why) < 0)
		return -EINVAL;
	make_label(v, expanded);
	return 0;
}

static int make_runtime_dir(struct virtiofs *v)
{
	const char *dir;
	int r = v->host->runtime_dir(v->ctx, 1, &dir);

	return r < 0 ? v->host->fail(v->ctx, r, "cannot use the directory for relative paths: %s",
				     r == -EPERM ? "other users can change it" : strerror(-r))
		     : 0;
}

static int parse_mode(const char *text, mode_t *ret)
{
	unsigned value = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 4 || strspn(text, "01234567") != len)
		return -EINVAL;
	for (; *text; text++)
		value = value * 8 + (unsigned)(*text - '0');
	if (value > 0777)
		return -EINVAL;
	*ret = value;
	return 0;
}

/*
 * The kernel's own FUSE notifications name inodes by node IDs, which only the FUSE server knows.
 * Without these, only changes directly below the root, whose ID is 1, could be sent: the channel
 * would seem to work, but would miss the rest of the tree. In addition, mainline answers unknown
 * notify codes with EINVAL.
 */
static int refuse_fuse(struct virtiofs *v)
{
	return v->host->fail_option(
		v->ctx, "channel", v->channel_option, EOPNOTSUPP,
		"FUSE notifications name inodes by node IDs, which only the FUSE server knows; "
		"let the server receive frames on a unix: channel and notify by itself");
}

static int find_share(struct virtiofs *v)
{
	uint32_t count = v->host->share_count(v->ctx);

	if (!v->share_option && count != 1)
		return v->host->fail_option(v->ctx, "share", NULL, EINVAL,
					    "required, since the sink serves %u shares", count);
	for (uint32_t i = 0; i < count; i++) {
		struct hw_share_info info = { .struct_size = sizeof(info) };

		if (v->host->share_info(v->ctx, i, &info) < 0)
			continue;
		if (v->share_option && strcmp(v->share_option, info.name) != 0)
			continue;
		v->share = i;
		v->share_name = info.name;
		return 0;
	}
	return v->host->fail_option(v->ctx, "share", v->share_option, ENOENT,
				    "this sink does not serve that share");
}

static int virtiofs_open(void *self, const struct hw_host *host, void *ctx)
{
	struct virtiofs *v = self;
	const char *why = "";
	int r;

	v->host = host;
	v->ctx = ctx;
	v->link.fd = -1;
	v->link.on = HW_LISTENING_CLOSED;
	v->opened = true;
	make_label(v, v->channel_option);
	/* calls fail_option() once for each mistake: all of them are printed */
	r = host->share_count(ctx) ? find_share(v) : 0; /* there may be none yet: start() checks
							 * again */
	if (parse_channel(v, &why) < 0)
		r = host->fail_option(ctx, "channel,listen", v->channel_option, EINVAL, "%s", why);
	else if (v->channel.kind == CHANNEL_FUSE)
		r = refuse_fuse(v);
	else if (v->channel.kind == CHANNEL_VSOCK && v->channel.cid == CHANNEL_CID_ANY &&
		 !v->allow_remote)
		r = host->fail_option(ctx, "channel,allow_remote", v->channel_option, EPERM,
				      "every guest could connect and receive the events; set the "
				      "CID of the guest, or allow_remote = yes and secret = FILE "
				      "to permit this");
	else if (v->channel.kind == CHANNEL_VSOCK && v->channel.cid == CHANNEL_CID_ANY &&
		 !v->secret_option)
		r = host->fail_option(ctx, "channel,secret", v->channel_option, EPERM,
				      "allow_remote = yes also needs secret = FILE: without it, "
				      "every guest receives the events");
	if (hw_secret_open(v) < 0)
		r = -EINVAL;
	if (parse_mode(v->mode_option, &v->mode) < 0)
		r = host->fail_option(ctx, "mode", NULL, EINVAL,
				      "not an octal number from 0 to 0777");
	return r;
}

static int virtiofs_start(void *self)
{
	struct virtiofs *v = self;
	int r = v->share_name ? 0 : find_share(v);

	if (r < 0)
		return r;
	if (strlen(v->share_name) > HW_FRAME_SHARE_MAX)
		return v->host->fail(v->ctx, ENAMETOOLONG,
				     "the name of the share is longer than 255 bytes");
	if (v->in_runtime_dir && (r = make_runtime_dir(v)) < 0)
		return r;
	if (hw_output_init(&v->output, v->send_buffer_bytes) < 0)
		return v->host->fail(v->ctx, ENOMEM, "out of memory for send_buffer");
	return hw_link_start(v);
}

static void virtiofs_stop(void *self)
{
	struct virtiofs *v = self;

	if (!v->opened)
		return;
	hw_session_end(v);
	hw_link_stop(v);
	hw_output_fini(&v->output);
}

static void virtiofs_close(void *self)
{
	struct virtiofs *v = self;

	virtiofs_stop(v);
	hw_secret_free(v->secret);
	v->secret = NULL;
}

static void virtiofs_ready(void *self, uint32_t share)
{
	struct virtiofs *v = self;

	if (share != v->share)
		return;
	hw_peers_ready(v);
	if (v->link.state == LINK_UP)
		(void)hw_session_pump(v); /* the rest is sent when the socket is writable */
}

static const char *describe_state(const struct virtiofs *v)
{
	return v->session.live ? "guest connected" : v->link.spent ? "broken" : "no guest";
}

static void virtiofs_status(void *self)
{
	struct virtiofs *v = self;
	struct hw_sink_address address = {
		.struct_size = sizeof(address),
		.option = "channel",
		.address = v->label,
		.state = describe_state(v),
	};
	char name[sizeof(v->label) + 32];
	struct hw_receiver receiver = {
		.struct_size = sizeof(receiver),
		.name = name,
		.share = v->share_name ? v->share_name : "",
		.seq = v->session.queued_seq,
		.dropped = v->session.dropped,
		.lost = v->session.lost,
	};

	char state[96];

	if (v->unproved) {
		(void)snprintf(state, sizeof(state), "%s, refused %" PRIu64, address.state,
			       v->unproved);
		address.state = state;
	}
	v->host->address(v->ctx, &address);
	(void)snprintf(name, sizeof(name), "%s%s", v->label,
		       v->session.live ? ""
		       : v->link.spent ? " (broken)"
				       : " (no guest)");
	v->host->receiver(v->ctx, &receiver);
}

static int virtiofs_drain(void *self)
{
	struct virtiofs *v = self;

	/* a guest that has not sent hello has nothing to receive */
	if (!v->session.live)
		return 0;
	return hw_session_pump(v) ? 1 : 0;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, T),
	.name = "virtiofs",
	.version = HW_VERSION,
	.capabilities = UINT64_C(1) << CAP_NET_BIND_SERVICE,
	.summary = "sends the events of one share to one guest as FUSE notification frames",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = virtiofs_open,
	.start = virtiofs_start,
	.stop = virtiofs_stop,
	.close = virtiofs_close,
	.ready = virtiofs_ready,
	.status = virtiofs_status,
	.drain = virtiofs_drain,
};
