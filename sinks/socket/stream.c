/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <string.h>

/* ---- JSON lines ---- */

static int json_put_hello(struct socket_sink *sink, struct hw_buf *buf)
{
	return hw_json_put_hello(buf, HW_VERSION, sink->shares, sink->share_count);
}

static int json_put_event(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			  const struct hw_event *event)
{
	int r = hw_json_put_next_event(&sink->head, buf, sink->shares[share].name, event);

	HW_PROBE2(encode, event->seq, buf->len);
	return r;
}

static int json_put_snapshot_end(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				 bool several, uint64_t seq)
{
	return hw_json_put_snapshot_end(buf, several ? sink->shares[share].name : NULL, seq);
}

static int json_put_resumed_end(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				bool several, uint64_t seq)
{
	return hw_json_put_resumed_end(buf, several ? sink->shares[share].name : NULL, seq);
}

static int json_put_synced(struct socket_sink *sink, struct hw_buf *buf, const char *text,
			   const struct hw_share_info *info)
{
	(void)sink;
	return hw_json_put_synced(buf, text, info);
}

static int json_put_place(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			  const char *path, uint32_t len)
{
	return hw_json_put_place(buf, sink->shares[share].name, path, len);
}

static int json_put_error(struct socket_sink *sink, struct hw_buf *buf, int error, const char *text)
{
	(void)sink;
	(void)error; /* the format has no error numbers */
	return hw_json_put_error(buf, text);
}

static int json_put_pong(struct socket_sink *sink, struct hw_buf *buf, const char *text)
{
	(void)sink;
	(void)buf;
	(void)text;
	return -EOPNOTSUPP; /* json_read() never returns a ping */
}

static int json_read(char *bytes, size_t len, struct request *ret, const char **ret_error)
{
	char *newline = memchr(bytes, '\n', len);
	struct request request = { .what = REQUEST_ASK };
	int r;

	if (!newline && len < HW_JSON_REQUEST_MAX)
		return 0;
	len = newline ? (size_t)(newline - bytes) : len;
	r = hw_json_parse_ask(bytes, len, &request.ask, ret_error);
	if (r < 0)
		return r;
	*ret = request;
	return (int)len + 1;
}

const struct stream hw_stream_json = {
	.put_hello = json_put_hello,
	.put_event = json_put_event,
	.put_snapshot_end = json_put_snapshot_end,
	.put_resumed_end = json_put_resumed_end,
	.put_synced = json_put_synced,
	.put_place = json_put_place,
	.put_error = json_put_error,
	.put_pong = json_put_pong,
	.read = json_read,
};

/* ---- netlink format ---- */

static int netlink_put_hello(struct socket_sink *sink, struct hw_buf *buf)
{
	return hw_nl_put_hello(sink->writer, buf, HW_VERSION, sink->shares, sink->share_count);
}

static int netlink_put_event(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			     const struct hw_event *event)
{
	const struct hw_share_info *info = &sink->shares[share];

	int r = hw_nl_put_event(sink->writer, buf, info->name, info->epoch, event);

	HW_PROBE2(encode, event->seq, buf->len);
	return r;
}

static int netlink_put_snapshot_end(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				    bool several, uint64_t seq)
{
	const struct hw_share_info *info = &sink->shares[share];

	(void)several; /* the message always names its share */
	return hw_nl_put_snapshot_end(sink->writer, buf, info->name, info->epoch, seq);
}

static int netlink_put_resumed_end(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				   bool several, uint64_t seq)
{
	const struct hw_share_info *info = &sink->shares[share];

	(void)several; /* as above */
	return hw_nl_put_resumed_end(sink->writer, buf, info->name, info->epoch, seq);
}

static int netlink_put_synced(struct socket_sink *sink, struct hw_buf *buf, const char *text,
			      const struct hw_share_info *info)
{
	return hw_nl_put_synced(sink->writer, buf, text, info);
}

static int netlink_put_place(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			     const char *path, uint32_t len)
{
	return hw_nl_put_place(sink->writer, buf, sink->shares[share].name, path, len);
}

static int netlink_put_error(struct socket_sink *sink, struct hw_buf *buf, int error,
			     const char *text)
{
	return hw_nl_put_error(sink->writer, buf, error, text);
}

static int netlink_put_pong(struct socket_sink *sink, struct hw_buf *buf, const char *text)
{
	return hw_nl_put_ping(sink->writer, buf, HW_NL_PONG, text);
}

static const char *explain_frame(int error)
{
	switch (error) {
	case -EPROTO:
		return "the peer uses another byte order";
	case -EMSGSIZE:
		return "message too long for a request";
	default:
		return "malformed message";
	}
}

/* Returns the reason why the request is invalid, NULL if it is valid. */
static const char *take_message(const struct hw_nl_message *message, struct request *ret)
{
	const char *error = NULL;

	*ret = (struct request){ .what = REQUEST_ASK };
	switch (message->type) {
	case HW_NL_SUBSCRIBE:
		ret->ask.what = HW_ASK_SUBSCRIBE;
		ret->ask.subscribe = message->subscribe;
		break;
	case HW_NL_SYNC:
		ret->ask.what = HW_ASK_SYNC;
		ret->ask.text = message->text;
		break;
	case HW_NL_WHERE:
		ret->ask.what = HW_ASK_WHERE;
		ret->ask.text = message->path;
		ret->ask.text_len = message->path_len;
		(void)hw_ask_check(&ret->ask, &error);
		break;
	case HW_NL_PING:
		*ret = (struct request){ .what = REQUEST_PING, .text = message->text };
		break;
	case HW_NL_PONG:
		*ret = (struct request){ .what = REQUEST_PONG };
		break;
	default:
		*ret = (struct request){ .what = REQUEST_UNKNOWN };
	}
	return error;
}

static int netlink_read(char *bytes, size_t len, struct request *ret, const char **ret_error)
{
	int frame = hw_nl_frame(bytes, len, HW_JSON_REQUEST_MAX), r;
	struct hw_nl_message message;

	if (frame == 0)
		return 0;
	r = frame < 0 ? frame : hw_nl_parse(bytes, (size_t)frame, &message);
	if (r == -EOPNOTSUPP) {
		*ret = (struct request){ .what = REQUEST_UNKNOWN };
		return frame;
	}
	if (r < 0) {
		*ret_error = explain_frame(r);
		return r;
	}
	*ret_error = take_message(&message, ret);
	return *ret_error ? -EINVAL : frame;
}

const struct stream hw_stream_netlink = {
	.put_hello = netlink_put_hello,
	.put_event = netlink_put_event,
	.put_snapshot_end = netlink_put_snapshot_end,
	.put_resumed_end = netlink_put_resumed_end,
	.put_synced = netlink_put_synced,
	.put_place = netlink_put_place,
	.put_error = netlink_put_error,
	.put_pong = netlink_put_pong,
	.read = netlink_read,
};
