/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <byteswap.h>
#include <errno.h>
#include <hostwatch/wire.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#define SHARE_NAME_MAX 255
#define TEXT_MAX 4096
#define BIT(attr) (1u << (attr))

#define STRING(max)                                                                                \
	{                                                                                          \
		.type = NLA_STRING, .minlen = 1, .maxlen = (max) + 1                               \
	}
#define EXACTLY(t, n)                                                                              \
	{                                                                                          \
		.type = (t), .minlen = (n), .maxlen = (n)                                          \
	}
#define BYTES                                                                                      \
	{                                                                                          \
		.type = NLA_UNSPEC, .maxlen = HW_NL_ATTR_MAX                                       \
	}

static const struct nla_policy policy[HW_NLA_END] = {
	[HW_NLA_PROTOCOL] = EXACTLY(NLA_U32, 4),
	[HW_NLA_VERSION] = STRING(64),
	[HW_NLA_SHARE] = STRING(SHARE_NAME_MAX),
	[HW_NLA_EPOCH] = EXACTLY(NLA_U64, 8),
	[HW_NLA_SEQ] = EXACTLY(NLA_U64, 8),
	[HW_NLA_TIME] = EXACTLY(NLA_U64, 8),
	[HW_NLA_KIND] = EXACTLY(NLA_U8, 1),
	[HW_NLA_TYPE] = EXACTLY(NLA_U8, 1),
	[HW_NLA_FLAGS] = EXACTLY(NLA_U32, 4),
	[HW_NLA_PATH] = BYTES,
	[HW_NLA_FROM] = BYTES,
	[HW_NLA_TO] = BYTES,
	[HW_NLA_BELOW] = BYTES,
	[HW_NLA_ERRNO] = EXACTLY(NLA_U32, 4),
	[HW_NLA_TEXT] = STRING(TEXT_MAX),
	[HW_NLA_BYTE_ORDER] = EXACTLY(NLA_U32, 4),
	[HW_NLA_STATE] = EXACTLY(NLA_U8, 1),
	[HW_NLA_EVENTS] = EXACTLY(NLA_U32, 4),
	[HW_NLA_EXCLUDE] = STRING(HW_SUBSCRIBE_EXCLUDE_BYTES),
	[HW_NLA_SHARE_INFO] = { .type = NLA_NESTED, .maxlen = 1024 },
};
_Static_assert(HW_NLA_END <= 32, "attributes seen are bits of a word");

/* The required attributes of a message. */
static const uint32_t required[] = {
	[HW_NL_HELLO] = BIT(HW_NLA_PROTOCOL) | BIT(HW_NLA_BYTE_ORDER) | BIT(HW_NLA_VERSION),
	[HW_NL_SUBSCRIBE] = 0,
	[HW_NL_EVENT] = BIT(HW_NLA_SHARE) | BIT(HW_NLA_EPOCH) | BIT(HW_NLA_SEQ) | BIT(HW_NLA_TIME) |
			BIT(HW_NLA_KIND),
	[HW_NL_SNAPSHOT_END] = BIT(HW_NLA_SHARE) | BIT(HW_NLA_EPOCH) | BIT(HW_NLA_SEQ),
	[HW_NL_ERROR] = BIT(HW_NLA_ERRNO) | BIT(HW_NLA_TEXT),
	[HW_NL_PING] = 0,
	[HW_NL_PONG] = 0,
	[HW_NL_RESUMED_END] = BIT(HW_NLA_SHARE) | BIT(HW_NLA_EPOCH) | BIT(HW_NLA_SEQ),
	[HW_NL_SYNC] = BIT(HW_NLA_TEXT),
	[HW_NL_SYNCED] = BIT(HW_NLA_TEXT) | BIT(HW_NLA_SHARE) | BIT(HW_NLA_EPOCH) | BIT(HW_NLA_SEQ),
	[HW_NL_WHERE] = BIT(HW_NLA_PATH),
	[HW_NL_PLACE] = BIT(HW_NLA_SHARE) | BIT(HW_NLA_PATH),
};
#define TYPE_END (sizeof(required) / sizeof(required[0]))

/* ---- frames ---- */

static bool is_swapped(const struct nlmsghdr *header)
{
	uint16_t type = bswap_16(header->nlmsg_type);

	return header->nlmsg_len > HW_NL_MESSAGE_MAX && type >= HW_NL_HELLO && type < TYPE_END &&
	       bswap_32(header->nlmsg_len) <= HW_NL_MESSAGE_MAX;
}

int hw_nl_frame(const void *data, size_t len, size_t max)
{
	struct nlmsghdr header = { 0 };

	/* Length and type are enough to detect every error, so the first bytes of a stranger
	 * suffice. */
	if (len < offsetof(struct nlmsghdr, nlmsg_flags))
		return 0;
	memcpy(&header, data, len < sizeof(header) ? len : sizeof(header));
	if (is_swapped(&header))
		return -EPROTO;
	if (header.nlmsg_len < sizeof(header) || header.nlmsg_len % NLMSG_ALIGNTO)
		return -EBADMSG;
	if (header.nlmsg_len > max || header.nlmsg_len > HW_NL_MESSAGE_MAX)
		return -EMSGSIZE;
	return header.nlmsg_len <= len ? (int)header.nlmsg_len : 0;
}

/* ---- attributes ---- */

/* nla_parse() takes the last of repeated attributes and ignores trailing bytes that are not an
 * attribute: refuse both first. */
static int check_stream(const struct nlattr *head, int len, uint32_t *ret_seen)
{
	const struct nlattr *attr;
	uint32_t seen = 0;
	int rem;

	nla_for_each_attr (attr, head, len, rem) {
		int type = nla_type(attr);

		if (type <= 0 || type >= HW_NLA_END)
			continue;
		if ((seen & BIT(type)) && type != HW_NLA_SHARE_INFO && type != HW_NLA_EXCLUDE)
			return -EBADMSG;
		seen |= BIT(type);
	}
	*ret_seen = seen;
	return rem > 0 ? -EBADMSG : 0;
}

static bool string_valid(const struct nlattr *attr)
{
	return !attr || strlen(nla_data(attr)) + 1 == (size_t)nla_len(attr);
}

static int parse_attrs(const struct nlattr *head, int len, uint32_t need, struct nlattr **tb)
{
	uint32_t seen;

	if (check_stream(head, len, &seen) < 0 || (seen & need) != need)
		return -EBADMSG;
	if (nla_parse(tb, HW_NLA_END - 1, (struct nlattr *)head, len, policy) < 0)
		return -EBADMSG;
	return string_valid(tb[HW_NLA_SHARE]) && string_valid(tb[HW_NLA_VERSION]) &&
			       string_valid(tb[HW_NLA_TEXT])
		       ? 0
		       : -EBADMSG;
}

static const char *get_string(struct nlattr **tb, enum hw_nl_attr attr)
{
	return tb[attr] ? nla_get_string(tb[attr]) : NULL;
}

static uint64_t get_u64(struct nlattr **tb, enum hw_nl_attr attr)
{
	return tb[attr] ? nla_get_u64(tb[attr]) : 0;
}

static uint32_t get_u32(struct nlattr **tb, enum hw_nl_attr attr)
{
	return tb[attr] ? nla_get_u32(tb[attr]) : 0;
}

static uint8_t get_u8(struct nlattr **tb, enum hw_nl_attr attr)
{
	return tb[attr] ? nla_get_u8(tb[attr]) : 0;
}

static const char *get_bytes(struct nlattr **tb, enum hw_nl_attr attr, uint32_t *ret_len)
{
	if (!tb[attr])
		return NULL;
	*ret_len = (uint32_t)nla_len(tb[attr]);
	return nla_data(tb[attr]);
}

static bool is_path(const char *path, uint32_t len)
{
	return !path || !len || !memchr(path, '\0', len);
}

/* ---- messages ---- */

static int parse_event(struct nlattr **tb, struct hw_event *event)
{
	uint32_t flags = get_u32(tb, HW_NLA_FLAGS);
	bool move;

	event->struct_size = sizeof(*event);
	event->kind = get_u8(tb, HW_NLA_KIND);
	event->type = get_u8(tb, HW_NLA_TYPE);
	event->seq = get_u64(tb, HW_NLA_SEQ);
	event->time_ns = (int64_t)get_u64(tb, HW_NLA_TIME);
	if (!hw_kind_name(event->kind) || event->type >= HW_TYPE_END || flags & ~HW_FLAG_ALL)
		return -EBADMSG;
	event->flags = (uint16_t)flags;
	move = event->kind == HW_MOVE;
	if (move == !!tb[HW_NLA_PATH] || (!move && (tb[HW_NLA_FROM] || tb[HW_NLA_TO])))
		return -EBADMSG;
	event->path = get_bytes(tb, move ? HW_NLA_TO : HW_NLA_PATH, &event->path_len);
	event->from = get_bytes(tb, HW_NLA_FROM, &event->from_len);
	if (!event->path && !event->from)
		return -EBADMSG;
	return is_path(event->path, event->path_len) && is_path(event->from, event->from_len)
		       ? 0
		       : -EBADMSG;
}

/* nla_parse() checked the last one only. */
static int parse_excludes(const struct hw_nl_message *message, struct hw_subscribe *subscribe)
{
	const struct nlattr *attr;
	int rem;

	nla_for_each_attr (attr, message->shares, (int)message->shares_len, rem) {
		if (nla_type(attr) != HW_NLA_EXCLUDE)
			continue;
		if (nla_len(attr) < 1 || nla_len(attr) > (int)HW_SUBSCRIBE_EXCLUDE_BYTES + 1 ||
		    strnlen(nla_data(attr), (size_t)nla_len(attr)) + 1 != (size_t)nla_len(attr) ||
		    subscribe->exclude_count == HW_SUBSCRIBE_EXCLUDES)
			return -EBADMSG;
		subscribe->exclude[subscribe->exclude_count++] = nla_data(attr);
	}
	return 0;
}

static int parse_subscribe(struct nlattr **tb, struct hw_subscribe *subscribe)
{
	uint32_t flags = get_u32(tb, HW_NLA_FLAGS);

	if (flags & ~HW_NL_SUBSCRIBE_SNAPSHOT || !tb[HW_NLA_EPOCH] != !tb[HW_NLA_SEQ])
		return -EBADMSG;
	subscribe->share = get_string(tb, HW_NLA_SHARE);
	subscribe->below = get_bytes(tb, HW_NLA_BELOW, &subscribe->below_len);
	subscribe->resume = tb[HW_NLA_EPOCH];
	subscribe->epoch = get_u64(tb, HW_NLA_EPOCH);
	subscribe->after = get_u64(tb, HW_NLA_SEQ);
	subscribe->snapshot = flags & HW_NL_SUBSCRIBE_SNAPSHOT;
	subscribe->events = get_u32(tb, HW_NLA_EVENTS);
	return 0;
}

static int parse_message(struct nlattr **tb, struct hw_nl_message *message)
{
	switch (message->type) {
	case HW_NL_HELLO:
		message->protocol = get_u32(tb, HW_NLA_PROTOCOL);
		message->version = get_string(tb, HW_NLA_VERSION);
		return get_u32(tb, HW_NLA_BYTE_ORDER) == HW_NL_BYTE_ORDER ? 0 : -EPROTO;
	case HW_NL_SUBSCRIBE:
		return parse_subscribe(tb, &message->subscribe) < 0
			       ? -EBADMSG
			       : parse_excludes(message, &message->subscribe);
	case HW_NL_ERROR:
		message->error = get_u32(tb, HW_NLA_ERRNO);
		message->text = get_string(tb, HW_NLA_TEXT);
		return 0;
	case HW_NL_PING:
	case HW_NL_PONG:
		message->text = get_string(tb, HW_NLA_TEXT);
		return !message->text || strlen(message->text) <= HW_NL_PING_MAX ? 0 : -EBADMSG;
	case HW_NL_WHERE:
	case HW_NL_PLACE:
		message->share = get_string(tb, HW_NLA_SHARE);
		message->path = get_bytes(tb, HW_NLA_PATH, &message->path_len);
		return is_path(message->path, message->path_len) ? 0 : -EBADMSG;
	case HW_NL_SYNC:
		message->text = get_string(tb, HW_NLA_TEXT);
		return strlen(message->text) <= HW_SYNC_MAX ? 0 : -EBADMSG;
	default:
		message->text = message->type == HW_NL_SYNCED ? get_string(tb, HW_NLA_TEXT) : NULL;
		message->share = get_string(tb, HW_NLA_SHARE);
		message->epoch = get_u64(tb, HW_NLA_EPOCH);
		message->seq = get_u64(tb, HW_NLA_SEQ);
		return message->type == HW_NL_EVENT ? parse_event(tb, &message->event) : 0;
	}
}

int hw_nl_parse(const void *data, size_t len, struct hw_nl_message *ret)
{
	struct hw_nl_message message = { 0 };
	struct nlattr *tb[HW_NLA_END];
	const struct nlmsghdr *header = data;
	int frame = hw_nl_frame(data, len, HW_NL_MESSAGE_MAX), r;

	if (frame < 0)
		return frame;
	if ((uintptr_t)data % NLMSG_ALIGNTO || (size_t)frame != len || !nlmsg_ok(header, frame))
		return -EBADMSG;
	message.type = header->nlmsg_type;
	if (message.type < HW_NL_HELLO || message.type >= TYPE_END)
		return -EOPNOTSUPP;
	message.shares = nlmsg_attrdata(header, 0);
	message.shares_len = (uint32_t)nlmsg_attrlen(header, 0);
	r = parse_attrs(message.shares, (int)message.shares_len, required[message.type], tb);
	if (r == 0)
		r = parse_message(tb, &message);
	if (r == 0)
		*ret = message;
	return r;
}

int hw_nl_next_share(const struct hw_nl_message *hello, uint32_t *pos, struct hw_share_info *ret)
{
	const uint32_t need =
		BIT(HW_NLA_SHARE) | BIT(HW_NLA_EPOCH) | BIT(HW_NLA_SEQ) | BIT(HW_NLA_STATE);
	struct nlattr *tb[HW_NLA_END];

	while (*pos < hello->shares_len) {
		const struct nlattr *attr = (const void *)((const char *)hello->shares + *pos);

		if (!nla_ok(attr, (int)(hello->shares_len - *pos)))
			break;
		*pos += (uint32_t)NLA_ALIGN(attr->nla_len);
		if (nla_type(attr) != HW_NLA_SHARE_INFO)
			continue;
		if (parse_attrs(nla_data(attr), nla_len(attr), need, tb) < 0)
			continue;
		*ret = (struct hw_share_info){
			.struct_size = sizeof(*ret),
			.state = get_u8(tb, HW_NLA_STATE),
			.name = get_string(tb, HW_NLA_SHARE),
			.epoch = get_u64(tb, HW_NLA_EPOCH),
			.seq = get_u64(tb, HW_NLA_SEQ),
		};
		return 1;
	}
	return 0;
}
