// SPDX-License-Identifier: GPL-2.0-only
/* Decodes frames. Invalid ones are refused: the rules are those of the decoder of the host and the
 * agent. */
#include "hostwatch.h"

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>

static u16 get16(u16 v)
{
	return le16_to_cpu((__force __le16)v);
}

static u32 get32(u32 v)
{
	return le32_to_cpu((__force __le32)v);
}

static bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len > NAME_MAX)
		return false;
	if (name[0] != '.')
		return true;
	return !(len == 1 || (len == 2 && name[1] == '.'));
}

bool hw_is_path(const char *path, size_t len)
{
	const char *end = path + len;

	if (len > HW_PATH_MAX || memchr(path, '\0', len))
		return false;
	for (;;) {
		const char *slash = memchr(path, '/', end - path);

		if (!name_valid(path, (slash ? slash : end) - path))
			return false;
		if (!slash)
			return true;
		path = slash + 1;
	}
}

static bool flags_valid(const struct hw_told *t)
{
	if ((t->flags & ~HW_FLAG_ALL) || t->flags == HW_FLAG_ALL)
		return false;
	if (t->flags != 0 && t->kind != HW_MOVE)
		return false;
	if ((t->flags & HW_FLAG_REPLACED) && t->path_len == 0)
		return false;
	return !(t->flags & HW_FLAG_EXCHANGE) || (t->path_len != 0 && t->from_len != 0);
}

static bool root_allowed(const struct hw_told *t)
{
	return t->kind == HW_RESCAN || (t->kind == HW_ATTRIB && t->type == HW_TYPE_DIR);
}

static bool paths_valid(const struct hw_told *t)
{
	if (t->kind == HW_MOVE) {
		if (t->from_len == 0 && t->path_len == 0)
			return false;
	} else if (t->from_len != 0 || (t->path_len == 0 && !root_allowed(t))) {
		return false;
	}
	if (t->from_len != 0 && !hw_is_path(t->from, t->from_len))
		return false;
	return t->path_len == 0 || hw_is_path(t->path, t->path_len);
}

static bool header_valid(const struct hw_fuse_out_header *h, size_t len)
{
	return get32(h->len) == len && get32((u32)h->error) == HW_FUSE_NOTIFY_FSNOTIFY &&
	       h->unique == 0;
}

static bool event_valid(const struct hw_told *t, u64 seq)
{
	if (t->kind == 0 || t->kind >= HW_KIND_END || t->type >= HW_TYPE_END)
		return false;
	if ((t->kind == HW_RESCAN) != (t->type == HW_TYPE_NONE))
		return false;
	if (seq == 0 && t->kind != HW_RESCAN)
		return false;
	return flags_valid(t);
}

size_t hw_frame_len(const void *buf, size_t len)
{
	struct hw_fuse_out_header header;
	u32 told;

	if (len < sizeof(header))
		return len;
	memcpy(&header, buf, sizeof(header));
	told = get32(header.len);
	return told >= sizeof(header) && told <= len ? told : len;
}

int hw_frame_read(const void *buf, size_t len, struct hw_told *ret)
{
	const size_t fixed =
		sizeof(struct hw_fuse_out_header) + sizeof(struct hw_fuse_fsnotify_out);
	struct hw_fuse_out_header header;
	struct hw_fuse_fsnotify_out out;
	struct hw_told t = {};

	if (len < fixed || len > HW_FUSE_FRAME_MAX)
		return -EBADMSG;
	memcpy(&header, buf, sizeof(header));
	memcpy(&out, buf + sizeof(header), sizeof(out));
	if (!header_valid(&header, len))
		return -EBADMSG;
	if (get16(out.version) != HW_FUSE_VERSION || out.reserved != 0)
		return -EBADMSG;
	t.kind = get16(out.kind);
	t.type = get16(out.type);
	t.flags = get16(out.flags);
	t.from_len = get32(out.from_len);
	t.path_len = get32(out.to_len);
	if (t.from_len > HW_PATH_MAX || t.path_len > HW_PATH_MAX ||
	    len != fixed + t.from_len + t.path_len)
		return -EBADMSG;
	t.from = (const char *)buf + fixed;
	t.path = t.from + t.from_len;
	if (!event_valid(&t, out.seq) || !paths_valid(&t))
		return -EBADMSG;
	*ret = t;
	return 0;
}
