/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/frame.h>

#include <errno.h>
#include <string.h>

/* Offsets in a frame, from struct hw_fuse_out_header and the struct that follows it. */
enum {
	AT_LEN = 0,
	AT_CODE = 4,
	AT_UNIQUE = 8,
	AT_BODY = 16,
};
#define AT(type, field) (AT_BODY + offsetof(struct type, field))

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v & 0xff);
	p[1] = (unsigned char)(v >> 8);
}

static void put32(unsigned char *p, uint32_t v)
{
	put16(p, (uint16_t)(v & 0xffff));
	put16(p + 2, (uint16_t)(v >> 16));
}

static void put64(unsigned char *p, uint64_t v)
{
	put32(p, (uint32_t)(v & 0xffffffff));
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- checks ---- */

static bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len > HW_FRAME_NAME_MAX)
		return false;
	if (name[0] != '.')
		return true;
	return !(len == 1 || (len == 2 && name[1] == '.'));
}

bool hw_path_valid(const char *path, size_t len)
{
	const char *end = path + len;

	if (len == 0 || len > HW_PATH_MAX || memchr(path, '\0', len))
		return false;
	for (;;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));

		if (!name_valid(path, (size_t)((slash ? slash : end) - path)))
			return false;
		if (!slash)
			return true;
		path = slash + 1;
	}
}

static const char *check_flags(const struct hw_event *e)
{
	if (e->flags & ~HW_FLAG_ALL)
		return "unknown flag";
	if (e->flags == HW_FLAG_ALL)
		return "both replaced and exchange are set";
	if (e->flags != 0 && e->kind != HW_MOVE)
		return "flags on an event that is not a move";
	if ((e->flags & HW_FLAG_REPLACED) && e->path_len == 0)
		return "replaced is set on a move out of the share";
	if ((e->flags & HW_FLAG_EXCHANGE) && (e->path_len == 0 || e->from_len == 0))
		return "exchange with only one path";
	return NULL;
}

static bool root_allowed(const struct hw_event *e)
{
	return e->kind == HW_RESCAN || (e->kind == HW_ATTRIB && e->type == HW_TYPE_DIR);
}

static const char *check_paths(const struct hw_event *e)
{
	if (e->kind == HW_MOVE) {
		if (e->from_len == 0 && e->path_len == 0)
			return "move with neither path";
	} else if (e->from_len != 0) {
		return "from on an event that is not a move";
	} else if (e->path_len == 0 && !root_allowed(e)) {
		return "missing path";
	}
	if (e->from_len != 0 && !hw_path_valid(e->from, e->from_len))
		return "invalid from path";
	if (e->path_len != 0 && !hw_path_valid(e->path, e->path_len))
		return "invalid path";
	return NULL;
}

/* Checks the members of an event other than its paths. */
static const char *check_event(const struct hw_event *e)
{
	if (e->kind == 0 || e->kind >= HW_KIND_END)
		return "unknown kind";
	if (e->type >= HW_TYPE_END)
		return "unknown type";
	if ((e->kind == HW_RESCAN) != (e->type == HW_TYPE_NONE))
		return e->kind == HW_RESCAN ? "rescan with a type" : "missing type";
	if (e->seq == 0 && e->kind != HW_RESCAN)
		return "sequence number is 0";
	if (e->path_len > HW_PATH_MAX || e->from_len > HW_PATH_MAX)
		return "path too long";
	return check_flags(e);
}

static const char *check_hello(const struct hw_frame_hello *h)
{
	if (h->role != HW_FUSE_HOST && h->role != HW_FUSE_GUEST)
		return "unknown role";
	if (h->share_len > HW_FRAME_SHARE_MAX)
		return "share name too long";
	if (h->epoch == 0 && (h->role == HW_FUSE_HOST || h->seq != 0))
		return "missing epoch";
	return NULL;
}

static const char *check_share(const struct hw_frame_hello *h)
{
	if (h->share_len != 0 && memchr(h->share, '\0', h->share_len))
		return "NUL in the share name";
	return NULL;
}

/* ---- writing ---- */

static void put_header(unsigned char *p, size_t len, uint32_t code)
{
	put32(p + AT_LEN, (uint32_t)len);
	put32(p + AT_CODE, code);
	put64(p + AT_UNIQUE, 0);
}

int hw_frame_encode_event(void *buf, size_t size, uint32_t code, const struct hw_event *event)
{
	struct hw_event e = *event;
	unsigned char *p = buf;
	size_t len;

	e.path_len = e.path ? e.path_len : 0;
	e.from_len = e.from ? e.from_len : 0;
	if (check_event(&e) || check_paths(&e))
		return -EINVAL;
	len = HW_FRAME_EVENT_BYTES + (size_t)e.from_len + e.path_len;
	if (len > size)
		return -EMSGSIZE;

	put_header(p, len, code);
	memset(p + AT_BODY, 0, sizeof(struct hw_fuse_fsnotify_out));
	put16(p + AT(hw_fuse_fsnotify_out, version), HW_FUSE_VERSION);
	put16(p + AT(hw_fuse_fsnotify_out, kind), e.kind);
	put16(p + AT(hw_fuse_fsnotify_out, type), e.type);
	put16(p + AT(hw_fuse_fsnotify_out, flags), e.flags);
	put32(p + AT(hw_fuse_fsnotify_out, from_len), e.from_len);
	put32(p + AT(hw_fuse_fsnotify_out, to_len), e.path_len);
	put64(p + AT(hw_fuse_fsnotify_out, seq), e.seq);
	put64(p + AT(hw_fuse_fsnotify_out, mask_supported), HW_FUSE_EVENTS);
	if (e.from_len)
		memcpy(p + HW_FRAME_EVENT_BYTES, e.from, e.from_len);
	if (e.path_len)
		memcpy(p + HW_FRAME_EVENT_BYTES + e.from_len, e.path, e.path_len);
	return (int)len;
}

int hw_frame_encode_hello(void *buf, size_t size, uint32_t code, const struct hw_frame_hello *hello)
{
	unsigned char *p = buf;
	size_t len;

	if (check_hello(hello) || check_share(hello))
		return -EINVAL;
	len = HW_FRAME_HELLO_BYTES + (size_t)hello->share_len;
	if (len > size)
		return -EMSGSIZE;

	put_header(p, len, code + 1);
	put16(p + AT(hw_fuse_hello, version), HW_FUSE_VERSION);
	put16(p + AT(hw_fuse_hello, role), (uint16_t)hello->role);
	put32(p + AT(hw_fuse_hello, share_len), hello->share_len);
	put64(p + AT(hw_fuse_hello, epoch), hello->epoch);
	put64(p + AT(hw_fuse_hello, seq), hello->seq);
	put64(p + AT(hw_fuse_hello, mask_supported), hello->mask_supported);
	put64(p + AT(hw_fuse_hello, reserved), 0);
	if (hello->share_len)
		memcpy(p + HW_FRAME_HELLO_BYTES, hello->share, hello->share_len);
	return (int)len;
}

/* ---- reading ---- */

/* Refuses an invalid header as early as possible, so that garbage does not make the reader wait for
 * an endless frame. Sets *ret_what once the code has arrived. */
static const char *check_header(const unsigned char *p, size_t len, uint32_t code,
				enum hw_frame_what *ret_what)
{
	uint32_t frame_len, frame_code;

	if (len < AT_CODE)
		return NULL;
	frame_len = get32(p + AT_LEN);
	if (frame_len < HW_FRAME_HELLO_BYTES || frame_len > HW_FUSE_FRAME_MAX)
		return "length out of range";
	if (len < AT_UNIQUE)
		return NULL;
	frame_code = get32(p + AT_CODE);
	if (frame_code != code && frame_code != code + 1)
		return "unknown code";
	if (frame_code == code && frame_len < HW_FRAME_EVENT_BYTES)
		return "event frame too short";
	if (frame_code != code && frame_len > HW_FRAME_HELLO_MAX)
		return "hello frame too long";
	*ret_what = frame_code == code ? HW_FRAME_EVENT : HW_FRAME_HELLO;
	if (len >= AT_BODY && get64(p + AT_UNIQUE) != 0)
		return "unique is not 0";
	if (len >= AT_BODY + 2 && get16(p + AT_BODY) != HW_FUSE_VERSION)
		return "unknown version";
	return NULL;
}

/* The fixed part has arrived; the paths may be missing. Sets the pointers, which are not used
 * before the paths have arrived. */
static const char *read_event(const unsigned char *p, uint32_t frame_len, struct hw_frame *f)
{
	struct hw_event *e = &f->event;
	uint16_t kind = get16(p + AT(hw_fuse_fsnotify_out, kind));
	uint16_t type = get16(p + AT(hw_fuse_fsnotify_out, type));

	if (kind >= HW_KIND_END)
		return "unknown kind";
	if (type >= HW_TYPE_END)
		return "unknown type";
	e->struct_size = sizeof(*e);
	e->kind = (uint8_t)kind;
	e->type = (uint8_t)type;
	e->flags = get16(p + AT(hw_fuse_fsnotify_out, flags));
	e->from_len = get32(p + AT(hw_fuse_fsnotify_out, from_len));
	e->path_len = get32(p + AT(hw_fuse_fsnotify_out, to_len));
	e->seq = get64(p + AT(hw_fuse_fsnotify_out, seq));
	f->inode.child_ino = get64(p + AT(hw_fuse_fsnotify_out, child_ino));
	f->inode.size = get64(p + AT(hw_fuse_fsnotify_out, size));
	f->inode.mtime_ns = get64(p + AT(hw_fuse_fsnotify_out, mtime_ns));
	f->mask_supported = get64(p + AT(hw_fuse_fsnotify_out, mask_supported));
	if (get64(p + AT(hw_fuse_fsnotify_out, reserved)) != 0)
		return "reserved is not 0";
	if ((uint64_t)frame_len != (uint64_t)HW_FRAME_EVENT_BYTES + e->from_len + e->path_len)
		return "inconsistent lengths";
	return check_event(e);
}

static const char *read_hello(const unsigned char *p, uint32_t frame_len, struct hw_frame *f)
{
	struct hw_frame_hello *h = &f->hello;

	h->role = get16(p + AT(hw_fuse_hello, role));
	h->share_len = get32(p + AT(hw_fuse_hello, share_len));
	h->epoch = get64(p + AT(hw_fuse_hello, epoch));
	h->seq = get64(p + AT(hw_fuse_hello, seq));
	h->mask_supported = get64(p + AT(hw_fuse_hello, mask_supported));
	if (get64(p + AT(hw_fuse_hello, reserved)) != 0)
		return "reserved is not 0";
	if ((uint64_t)frame_len != (uint64_t)HW_FRAME_HELLO_BYTES + h->share_len)
		return "inconsistent lengths";
	return check_hello(h);
}

/* The whole frame has arrived: sets the pointers and checks the paths. */
static const char *read_tail(const unsigned char *p, struct hw_frame *f)
{
	struct hw_event *e = &f->event;

	if (f->what == HW_FRAME_HELLO) {
		f->hello.share = (const char *)p + HW_FRAME_HELLO_BYTES;
		return check_share(&f->hello);
	}
	if (e->from_len != 0)
		e->from = (const char *)p + HW_FRAME_EVENT_BYTES;
	if (e->kind != HW_MOVE || e->path_len != 0)
		e->path = (const char *)p + HW_FRAME_EVENT_BYTES + e->from_len;
	return check_paths(e);
}

static int bad_frame(const char *why, const char **ret_why)
{
	if (ret_why)
		*ret_why = why;
	return -EBADMSG;
}

int hw_frame_decode(const void *buf, size_t len, uint32_t code, struct hw_frame *ret,
		    const char **ret_why)
{
	const unsigned char *p = buf;
	struct hw_frame f = { 0 };
	const char *why = check_header(p, len, code, &f.what);
	uint32_t frame_len;

	if (why)
		return bad_frame(why, ret_why);
	if (len < (f.what == HW_FRAME_EVENT ? HW_FRAME_EVENT_BYTES : HW_FRAME_HELLO_BYTES))
		return 0;
	frame_len = get32(p + AT_LEN);
	why = f.what == HW_FRAME_EVENT ? read_event(p, frame_len, &f)
				       : read_hello(p, frame_len, &f);
	if (why)
		return bad_frame(why, ret_why);
	if (len < frame_len)
		return 0;
	why = read_tail(p, &f);
	if (why)
		return bad_frame(why, ret_why);
	*ret = f;
	return (int)frame_len;
}

/* Returns whether the available bytes are the beginning of a host's hello. */
static bool is_hello_start(const unsigned char *p, size_t len, uint32_t code)
{
	enum hw_frame_what what = HW_FRAME_HELLO;
	struct hw_frame f;

	if (check_header(p, len, code, &what) || what != HW_FRAME_HELLO)
		return false;
	if (len < HW_FRAME_HELLO_BYTES)
		return true;
	return hw_frame_decode(p, len, code, &f, NULL) >= 0 &&
	       get16(p + AT(hw_fuse_hello, role)) == HW_FUSE_HOST;
}

size_t hw_frame_find_hello(const void *buf, size_t len, uint32_t code)
{
	const unsigned char *p = buf;
	size_t skip = 0;

	while (skip < len && !is_hello_start(p + skip, len - skip, code))
		skip++;
	return skip;
}
