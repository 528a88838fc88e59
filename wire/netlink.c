/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <hostwatch/wire.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

struct hw_nl_writer {
	struct nl_msg *msg; /* owned; only the part of its memory that messages fill is ever touched
			     * */
};

int hw_nl_writer_create(struct hw_nl_writer **ret)
{
	struct hw_nl_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	writer->msg = nlmsg_alloc_size(HW_NL_MESSAGE_MAX);
	if (!writer->msg) {
		free(writer);
		return -ENOMEM;
	}
	*ret = writer;
	return 0;
}

void hw_nl_writer_destroy(struct hw_nl_writer *writer)
{
	if (!writer)
		return;
	nlmsg_free(writer->msg);
	free(writer);
}

static struct nl_msg *begin(struct hw_nl_writer *writer, enum hw_nl_type type)
{
	struct nlmsghdr *header = nlmsg_hdr(writer->msg);

	memset(header, 0, sizeof(*header));
	header->nlmsg_len = (uint32_t)nlmsg_size(0);
	header->nlmsg_type = (uint16_t)type;
	return writer->msg;
}

static int finish(struct hw_nl_writer *writer, struct hw_buf *buf, int r)
{
	struct nlmsghdr *header = nlmsg_hdr(writer->msg);

	return r < 0 ? r : hw_buf_append(buf, header, header->nlmsg_len);
}

/* nla_put() would truncate a length above 16 bits. Apart from that, it fails only if the message is
 * full. */
static int put(struct nl_msg *msg, enum hw_nl_attr attr, const void *data, size_t len)
{
	if (len > HW_NL_ATTR_MAX)
		return -EMSGSIZE;
	return nla_put(msg, (int)attr, (int)len, data) < 0 ? -EMSGSIZE : 0;
}

static int put_string(struct nl_msg *msg, enum hw_nl_attr attr, const char *text)
{
	return put(msg, attr, text, strlen(text) + 1);
}

static int put_u8(struct nl_msg *msg, enum hw_nl_attr attr, uint8_t value)
{
	return put(msg, attr, &value, sizeof(value));
}

static int put_u32(struct nl_msg *msg, enum hw_nl_attr attr, uint32_t value)
{
	return put(msg, attr, &value, sizeof(value));
}

static int put_u64(struct nl_msg *msg, enum hw_nl_attr attr, uint64_t value)
{
	return put(msg, attr, &value, sizeof(value));
}

static int put_paths(struct nl_msg *msg, const struct hw_event *event)
{
	int r = 0;

	if (event->kind != HW_MOVE)
		return put(msg, HW_NLA_PATH, event->path, event->path_len);
	if (event->from)
		r = put(msg, HW_NLA_FROM, event->from, event->from_len);
	if (r == 0 && event->path)
		r = put(msg, HW_NLA_TO, event->path, event->path_len);
	return r;
}

static bool event_valid(const struct hw_event *event)
{
	return hw_kind_name(event->kind) && (!event->type || hw_type_name(event->type)) &&
	       (event->path || (event->kind == HW_MOVE && event->from));
}

int hw_nl_put_event(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
		    uint64_t epoch, const struct hw_event *event)
{
	struct nl_msg *msg = begin(writer, HW_NL_EVENT);
	int r;

	if (!event_valid(event))
		return -EINVAL;
	if ((r = put_string(msg, HW_NLA_SHARE, share)) < 0 ||
	    (r = put_u64(msg, HW_NLA_EPOCH, epoch)) < 0 ||
	    (r = put_u64(msg, HW_NLA_SEQ, event->seq)) < 0 ||
	    (r = put_u64(msg, HW_NLA_TIME, (uint64_t)event->time_ns)) < 0 ||
	    (r = put_u8(msg, HW_NLA_KIND, event->kind)) < 0)
		return r;
	if (event->type)
		r = put_u8(msg, HW_NLA_TYPE, event->type);
	if (r == 0 && event->flags)
		r = put_u32(msg, HW_NLA_FLAGS, event->flags);
	if (r == 0)
		r = put_paths(msg, event);
	return finish(writer, buf, r);
}

static int put_share(struct nl_msg *msg, const struct hw_share_info *info)
{
	struct nlattr *nest = nla_nest_start(msg, HW_NLA_SHARE_INFO);
	int r;

	if (!nest)
		return -EMSGSIZE;
	if ((r = put_string(msg, HW_NLA_SHARE, info->name)) < 0 ||
	    (r = put_u64(msg, HW_NLA_EPOCH, info->epoch)) < 0 ||
	    (r = put_u64(msg, HW_NLA_SEQ, info->seq)) < 0 ||
	    (r = put_u8(msg, HW_NLA_STATE, (uint8_t)info->state)) < 0)
		return r;
	return nla_nest_end(msg, nest) < 0 ? -EMSGSIZE : 0;
}

int hw_nl_put_hello(struct hw_nl_writer *writer, struct hw_buf *buf, const char *version,
		    const struct hw_share_info *shares, uint32_t count)
{
	struct nl_msg *msg = begin(writer, HW_NL_HELLO);
	int r;

	if ((r = put_u32(msg, HW_NLA_PROTOCOL, HW_PROTOCOL_VERSION)) < 0 ||
	    (r = put_u32(msg, HW_NLA_BYTE_ORDER, HW_NL_BYTE_ORDER)) < 0)
		return r;
	r = put_string(msg, HW_NLA_VERSION, version);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = put_share(msg, &shares[i]);
	return finish(writer, buf, r);
}

static int put_end(struct hw_nl_writer *writer, enum hw_nl_type type, const char *share,
		   uint64_t epoch, uint64_t seq)
{
	struct nl_msg *msg = begin(writer, type);
	int r;

	if ((r = put_string(msg, HW_NLA_SHARE, share)) < 0 ||
	    (r = put_u64(msg, HW_NLA_EPOCH, epoch)) < 0)
		return r;
	return put_u64(msg, HW_NLA_SEQ, seq);
}

int hw_nl_put_resumed_end(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
			  uint64_t epoch, uint64_t seq)
{
	return finish(writer, buf, put_end(writer, HW_NL_RESUMED_END, share, epoch, seq));
}

int hw_nl_put_sync(struct hw_nl_writer *writer, struct hw_buf *buf, const char *text)
{
	return finish(writer, buf, put_string(begin(writer, HW_NL_SYNC), HW_NLA_TEXT, text));
}

int hw_nl_put_synced(struct hw_nl_writer *writer, struct hw_buf *buf, const char *text,
		     const struct hw_share_info *info)
{
	int r = put_end(writer, HW_NL_SYNCED, info->name, info->epoch, info->seq);

	return finish(writer, buf, r < 0 ? r : put_string(writer->msg, HW_NLA_TEXT, text));
}

int hw_nl_put_where(struct hw_nl_writer *writer, struct hw_buf *buf, const char *path, uint32_t len)
{
	return finish(writer, buf, put(begin(writer, HW_NL_WHERE), HW_NLA_PATH, path, len));
}

int hw_nl_put_place(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
		    const char *path, uint32_t len)
{
	struct nl_msg *msg = begin(writer, HW_NL_PLACE);
	int r = put_string(msg, HW_NLA_SHARE, share);

	return finish(writer, buf, r < 0 ? r : put(msg, HW_NLA_PATH, path, len));
}

int hw_nl_put_snapshot_end(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
			   uint64_t epoch, uint64_t seq)
{
	return finish(writer, buf, put_end(writer, HW_NL_SNAPSHOT_END, share, epoch, seq));
}

int hw_nl_put_error(struct hw_nl_writer *writer, struct hw_buf *buf, int error, const char *text)
{
	struct nl_msg *msg = begin(writer, HW_NL_ERROR);
	int r = put_u32(msg, HW_NLA_ERRNO, (uint32_t)abs(error));

	return finish(writer, buf, r < 0 ? r : put_string(msg, HW_NLA_TEXT, text));
}

int hw_nl_put_subscribe(struct hw_nl_writer *writer, struct hw_buf *buf,
			const struct hw_subscribe *subscribe)
{
	struct nl_msg *msg = begin(writer, HW_NL_SUBSCRIBE);
	int r = 0;

	if (subscribe->share)
		r = put_string(msg, HW_NLA_SHARE, subscribe->share);
	if (r == 0 && subscribe->resume)
		r = put_u64(msg, HW_NLA_EPOCH, subscribe->epoch);
	if (r == 0 && subscribe->resume)
		r = put_u64(msg, HW_NLA_SEQ, subscribe->after);
	if (r == 0 && subscribe->below)
		r = put(msg, HW_NLA_BELOW, subscribe->below, subscribe->below_len);
	if (r == 0 && subscribe->snapshot)
		r = put_u32(msg, HW_NLA_FLAGS, HW_NL_SUBSCRIBE_SNAPSHOT);
	if (r == 0 && subscribe->events)
		r = put_u32(msg, HW_NLA_EVENTS, subscribe->events);
	for (uint32_t i = 0; r == 0 && i < subscribe->exclude_count; i++)
		r = put_string(msg, HW_NLA_EXCLUDE, subscribe->exclude[i]);
	return finish(writer, buf, r);
}

int hw_nl_put_ping(struct hw_nl_writer *writer, struct hw_buf *buf, enum hw_nl_type type,
		   const char *text)
{
	struct nl_msg *msg = begin(writer, type);
	char cut[HW_NL_PING_MAX + 1];
	int r = 0;

	if (text) {
		size_t len = strnlen(text, HW_NL_PING_MAX);

		memcpy(cut, text, len);
		cut[len] = '\0';
		r = put(msg, HW_NLA_TEXT, cut, len + 1);
	}
	return finish(writer, buf, r);
}
