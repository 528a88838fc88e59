/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames that carry events to a guest: their bytes, refused frames, and where a stream can be
 * resumed. */
#include <hostwatch/frame.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE ((uint32_t)HW_FUSE_NOTIFY_FSNOTIFY)
#define BODY 16u
#define IN_EVENT(field) (BODY + offsetof(struct hw_fuse_fsnotify_out, field))
#define IN_HELLO(field) (BODY + offsetof(struct hw_fuse_hello, field))

struct golden {
	const char *name;
	struct hw_event event;
	const char *hex;
};

static const struct golden goldens[] = {
	{ "create",
	  { .kind = HW_CREATE,
	    .type = HW_TYPE_FILE,
	    .flags = 0,
	    .seq = UINT64_C(1),
	    .from = NULL,
	    .from_len = 0,
	    .path = "src/a.c",
	    .path_len = 7 },
	  "57 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 01 00 01 00 00 00 00 00 00 00 07 00 00 00 "
	  "01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "73 72 63 2f 61 2e 63 " },
	{ "delete_dir",
	  { .kind = HW_DELETE,
	    .type = HW_TYPE_DIR,
	    .flags = 0,
	    .seq = UINT64_C(2),
	    .from = NULL,
	    .from_len = 0,
	    .path = "old",
	    .path_len = 3 },
	  "53 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 02 00 02 00 00 00 00 00 00 00 03 00 00 00 "
	  "02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "6f 6c 64 " },
	{ "move",
	  { .kind = HW_MOVE,
	    .type = HW_TYPE_DIR,
	    .flags = 0,
	    .seq = UINT64_C(3),
	    .from = "a",
	    .from_len = 1,
	    .path = "b/c",
	    .path_len = 3 },
	  "54 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 03 00 02 00 00 00 01 00 00 00 03 00 00 00 "
	  "03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "61 62 2f 63 " },
	{ "move_replaced",
	  { .kind = HW_MOVE,
	    .type = HW_TYPE_FILE,
	    .flags = HW_FLAG_REPLACED,
	    .seq = UINT64_C(4),
	    .from = ".new",
	    .from_len = 4,
	    .path = "conf",
	    .path_len = 4 },
	  "58 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 03 00 01 00 01 00 04 00 00 00 04 00 00 00 "
	  "04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "2e 6e 65 77 63 6f 6e 66 " },
	{ "move_exchange",
	  { .kind = HW_MOVE,
	    .type = HW_TYPE_SYMLINK,
	    .flags = HW_FLAG_EXCHANGE,
	    .seq = UINT64_C(5),
	    .from = "x",
	    .from_len = 1,
	    .path = "y",
	    .path_len = 1 },
	  "52 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 03 00 03 00 02 00 01 00 00 00 01 00 00 00 "
	  "05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "78 79 " },
	{ "move_out",
	  { .kind = HW_MOVE,
	    .type = HW_TYPE_FILE,
	    .flags = 0,
	    .seq = UINT64_C(6),
	    .from = "gone.txt",
	    .from_len = 8,
	    .path = NULL,
	    .path_len = 0 },
	  "58 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 03 00 01 00 00 00 08 00 00 00 00 00 00 00 "
	  "06 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "67 6f 6e 65 2e 74 78 74 " },
	{ "move_in",
	  { .kind = HW_MOVE,
	    .type = HW_TYPE_OTHER,
	    .flags = 0,
	    .seq = UINT64_C(7),
	    .from = NULL,
	    .from_len = 0,
	    .path = "fifo",
	    .path_len = 4 },
	  "54 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 03 00 04 00 00 00 00 00 00 00 04 00 00 00 "
	  "07 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "66 69 66 6f " },
	{ "modify",
	  { .kind = HW_MODIFY,
	    .type = HW_TYPE_FILE,
	    .flags = 0,
	    .seq = UINT64_C(0x102030405060708),
	    .from = NULL,
	    .from_len = 0,
	    .path = "\xff\n",
	    .path_len = 2 },
	  "52 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 04 00 01 00 00 00 00 00 00 00 02 00 00 00 "
	  "08 07 06 05 04 03 02 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "ff 0a " },
	{ "attrib",
	  { .kind = HW_ATTRIB,
	    .type = HW_TYPE_FILE,
	    .flags = 0,
	    .seq = UINT64_C(9),
	    .from = NULL,
	    .from_len = 0,
	    .path = "a",
	    .path_len = 1 },
	  "51 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 05 00 01 00 00 00 00 00 00 00 01 00 00 00 "
	  "09 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "61 " },
	{ "attrib_of_root",
	  { .kind = HW_ATTRIB,
	    .type = HW_TYPE_DIR,
	    .flags = 0,
	    .seq = UINT64_C(10),
	    .from = NULL,
	    .from_len = 0,
	    .path = "",
	    .path_len = 0 },
	  "50 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 05 00 02 00 00 00 00 00 00 00 00 00 00 00 "
	  "0a 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 " },
	{ "close_write",
	  { .kind = HW_CLOSE_WRITE,
	    .type = HW_TYPE_FILE,
	    .flags = 0,
	    .seq = UINT64_C(11),
	    .from = NULL,
	    .from_len = 0,
	    .path = "...",
	    .path_len = 3 },
	  "53 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 06 00 01 00 00 00 00 00 00 00 03 00 00 00 "
	  "0b 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "2e 2e 2e " },
	{ "rescan_root",
	  { .kind = HW_RESCAN,
	    .type = HW_TYPE_NONE,
	    .flags = 0,
	    .seq = UINT64_C(0),
	    .from = NULL,
	    .from_len = 0,
	    .path = "",
	    .path_len = 0 },
	  "50 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 07 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 " },
	{ "rescan_below",
	  { .kind = HW_RESCAN,
	    .type = HW_TYPE_NONE,
	    .flags = 0,
	    .seq = UINT64_C(12),
	    .from = NULL,
	    .from_len = 0,
	    .path = "d/e",
	    .path_len = 3 },
	  "53 00 00 00 77 68 00 00 00 00 00 00 00 00 00 00 "
	  "01 00 07 00 00 00 00 00 00 00 00 00 03 00 00 00 "
	  "0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "00 00 00 "
	  "fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	  "64 2f 65 " },
};
#define GOLDEN_COUNT (sizeof(goldens) / sizeof(goldens[0]))

/* epoch 0x1122334455667788, seq 42, share "projects" */
static const char host_hello_hex[] =
	"40 00 00 00 78 68 00 00 00 00 00 00 00 00 00 00 "
	"01 00 01 00 08 00 00 00 88 77 66 55 44 33 22 11 2a 00 00 00 00 00 00 00 "
	"fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	"70 72 6f 6a 65 63 74 73 ";
static const char guest_hello_hex[] =
	"38 00 00 00 78 68 00 00 00 00 00 00 00 00 00 00 "
	"01 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
	"fe 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ";

static unsigned char buf[HW_FUSE_FRAME_MAX + 1];

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t parse_hex(const char *hex, unsigned char *out)
{
	size_t n = 0;

	for (; hex[0]; hex += 3)
		out[n++] = (unsigned char)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	return n;
}

static void assert_same_path(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	assert_int_equal(a == NULL, b == NULL);
	assert_int_equal(a_len, b_len);
	if (a)
		assert_memory_equal(a, b, a_len);
}

static void assert_same_event(const struct hw_event *a, const struct hw_event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->seq, b->seq);
	assert_same_path(a->path, a->path_len, b->path, b->path_len);
	assert_same_path(a->from, a->from_len, b->from, b->from_len);
}

/* ---- bytes ---- */

static void every_kind_has_its_golden_bytes(void **state)
{
	unsigned char want[200];

	(void)state;
	for (size_t i = 0; i < GOLDEN_COUNT; i++) {
		size_t len = parse_hex(goldens[i].hex, want);
		int n = hw_frame_encode_event(buf, sizeof(buf), CODE, &goldens[i].event);

		if (n != (int)len || memcmp(buf, want, len) != 0)
			fail_msg("%s differs", goldens[i].name);
	}
}

static void golden_bytes_decode_to_the_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOLDEN_COUNT; i++) {
		size_t len = parse_hex(goldens[i].hex, buf);
		struct hw_frame f;

		assert_int_equal(hw_frame_decode(buf, len, CODE, &f, NULL), (int)len);
		assert_int_equal(f.what, HW_FRAME_EVENT);
		assert_int_equal(f.event.struct_size, sizeof(struct hw_event));
		assert_same_event(&f.event, &goldens[i].event);
		assert_int_equal(f.mask_supported, HW_FUSE_EVENTS);
		assert_int_equal(f.inode.child_ino | f.inode.size | f.inode.mtime_ns, 0);
	}
}

static void hello_of_the_host_has_its_golden_bytes(void **state)
{
	struct hw_frame_hello hello = { .role = HW_FUSE_HOST,
					.epoch = 0x1122334455667788,
					.seq = 42,
					.mask_supported = HW_FUSE_EVENTS,
					.share = "projects",
					.share_len = 8 };
	unsigned char want[200];
	size_t len = parse_hex(host_hello_hex, want);
	struct hw_frame f;

	(void)state;
	assert_int_equal(hw_frame_encode_hello(buf, sizeof(buf), CODE, &hello), (int)len);
	assert_memory_equal(buf, want, len);
	assert_int_equal(hw_frame_decode(buf, len, CODE, &f, NULL), (int)len);
	assert_int_equal(f.what, HW_FRAME_HELLO);
	assert_int_equal(f.hello.role, HW_FUSE_HOST);
	assert_int_equal(f.hello.epoch, 0x1122334455667788);
	assert_int_equal(f.hello.seq, 42);
	assert_int_equal(f.hello.mask_supported, HW_FUSE_EVENTS);
	assert_int_equal(f.hello.share_len, 8);
	assert_memory_equal(f.hello.share, "projects", 8);
}

static void hello_of_a_new_guest_has_its_golden_bytes(void **state)
{
	struct hw_frame_hello hello = { .role = HW_FUSE_GUEST, .mask_supported = HW_FUSE_EVENTS };
	unsigned char want[200];
	size_t len = parse_hex(guest_hello_hex, want);
	struct hw_frame f;

	(void)state;
	assert_int_equal(hw_frame_encode_hello(buf, sizeof(buf), CODE, &hello), (int)len);
	assert_memory_equal(buf, want, len);
	assert_int_equal(hw_frame_decode(buf, len, CODE, &f, NULL), (int)len);
	assert_int_equal(f.hello.role, HW_FUSE_GUEST);
	assert_int_equal(f.hello.epoch, 0);
	assert_int_equal(f.hello.share_len, 0);
}

static void another_notify_code_is_used_and_required(void **state)
{
	struct hw_frame f;
	int n = hw_frame_encode_event(buf, sizeof(buf), 1000, &goldens[0].event);

	(void)state;
	assert_int_equal(buf[4] | buf[5] << 8, 1000);
	assert_int_equal(hw_frame_decode(buf, (size_t)n, 1000, &f, NULL), n);
	assert_int_equal(hw_frame_decode(buf, (size_t)n, CODE, &f, NULL), -EBADMSG);
	assert_int_equal(hw_frame_decode(buf, (size_t)n, 999, &f, NULL), -EBADMSG);
}

static void fields_of_a_server_that_knows_inodes_are_read(void **state)
{
	size_t len = parse_hex(goldens[0].hex, buf);
	struct hw_frame f;

	(void)state;
	buf[IN_EVENT(child_ino)] = 1;
	buf[IN_EVENT(size) + 1] = 1;
	buf[IN_EVENT(mtime_ns) + 7] = 1;
	assert_int_equal(hw_frame_decode(buf, len, CODE, &f, NULL), (int)len);
	assert_int_equal(f.inode.child_ino, 1);
	assert_int_equal(f.inode.size, 256);
	assert_int_equal(f.inode.mtime_ns, UINT64_C(1) << 56);
}

/* ---- a stream ---- */

static void every_prefix_asks_for_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOLDEN_COUNT; i++) {
		size_t len = parse_hex(goldens[i].hex, buf);
		struct hw_frame f = { .what = HW_FRAME_HELLO };

		for (size_t cut = 0; cut < len; cut++) {
			/* a separate block, so that the sanitizers detect reads beyond the
			 * prefix */
			unsigned char *part = malloc(cut ? cut : 1);

			assert_non_null(part);
			memcpy(part, buf, cut);
			assert_int_equal(hw_frame_decode(part, cut, CODE, &f, NULL), 0);
			free(part);
		}
		assert_int_equal(f.what, HW_FRAME_HELLO);
	}
}

static void frames_behind_each_other_are_read_one_by_one(void **state)
{
	size_t len = 0, at = 0;

	(void)state;
	for (size_t i = 0; i < GOLDEN_COUNT; i++)
		len += parse_hex(goldens[i].hex, buf + len);
	for (size_t i = 0; i < GOLDEN_COUNT; i++) {
		struct hw_frame f;
		int n = hw_frame_decode(buf + at, len - at, CODE, &f, NULL);

		assert_true(n > 0);
		assert_same_event(&f.event, &goldens[i].event);
		at += (size_t)n;
	}
	assert_int_equal(at, len);
}

static void hello_is_found_behind_any_tail_of_events(void **state)
{
	size_t stale = 0, total;

	(void)state;
	for (size_t i = 0; i < GOLDEN_COUNT; i++)
		stale += parse_hex(goldens[i].hex, buf + stale);
	stale += parse_hex(guest_hello_hex, buf + stale);
	total = stale + parse_hex(host_hello_hex, buf + stale);
	for (size_t from = 0; from < stale; from++) {
		assert_int_equal(from + hw_frame_find_hello(buf + from, total - from, CODE), stale);
		/* bytes that may still become a hello are not skipped */
		for (size_t end = stale; end < total; end += 7)
			assert_true(from + hw_frame_find_hello(buf + from, end - from, CODE) <=
				    stale);
	}
}

static void no_event_looks_like_a_hello_under_any_code(void **state)
{
	(void)state;
	for (uint32_t code = HW_FRAME_CODE_MIN; code <= HW_FRAME_CODE_MAX; code += 61) {
		int len = 0;

		for (size_t i = 0; i < GOLDEN_COUNT; i++)
			len += hw_frame_encode_event(buf + len, sizeof(buf) - (size_t)len, code,
						     &goldens[i].event);
		/* the last bytes may be the start of a hello */
		assert_true(hw_frame_find_hello(buf, (size_t)len, code) >= (size_t)len - 8);
	}
}

/* ---- refusals ---- */

static const char *refusal(const void *bytes, size_t len)
{
	struct hw_frame f;
	const char *why = NULL;

	if (hw_frame_decode(bytes, len, CODE, &f, &why) != -EBADMSG)
		return "accepted";
	return why;
}

struct poke {
	size_t at;
	unsigned char value;
	const char *why;
};

/* Modifications of the frame of goldens[2]: move, dir, "a" to "b/c". */
static const struct poke event_pokes[] = {
	{ 0, 55, "length out of range" },
	{ 3, 1, "length out of range" },
	{ 2, 3, "length out of range" },
	{ 0, 79, "event frame too short" },
	{ 0, 0x55, "inconsistent lengths" },
	{ 0, 0x53, "inconsistent lengths" },
	{ 4, 0x76, "unknown code" },
	{ 4, 0x79, "unknown code" },
	{ 7, 0x80, "unknown code" },
	{ 8, 1, "unique is not 0" },
	{ 15, 1, "unique is not 0" },
	{ IN_EVENT(version), 0, "unknown version" },
	{ IN_EVENT(version), 2, "unknown version" },
	{ IN_EVENT(version) + 1, 1, "unknown version" },
	{ IN_EVENT(kind), 0, "unknown kind" },
	{ IN_EVENT(kind), HW_KIND_END, "unknown kind" },
	{ IN_EVENT(kind) + 1, 1, "unknown kind" },
	{ IN_EVENT(type), HW_TYPE_END, "unknown type" },
	{ IN_EVENT(type), HW_TYPE_NONE, "missing type" },
	{ IN_EVENT(type) + 1, 1, "unknown type" },
	{ IN_EVENT(flags), 3, "both replaced and exchange are set" },
	{ IN_EVENT(flags), 4, "unknown flag" },
	{ IN_EVENT(flags) + 1, 1, "unknown flag" },
	{ IN_EVENT(from_len), 2, "inconsistent lengths" },
	{ IN_EVENT(to_len), 4, "inconsistent lengths" },
	{ IN_EVENT(to_len) + 3, 0x80, "inconsistent lengths" },
	{ IN_EVENT(seq), 0, "sequence number is 0" },
	{ IN_EVENT(reserved), 1, "reserved is not 0" },
	{ IN_EVENT(reserved) + 7, 1, "reserved is not 0" },
	{ IN_EVENT(kind), HW_CREATE, "from on an event that is not a move" },
	{ 80, '/', "invalid from path" },
	{ 80, '.', "invalid from path" },
	{ 80, 0, "invalid from path" },
	{ 81, '.', "invalid path" },
	{ 81, '/', "invalid path" },
	{ 82, 0, "invalid path" },
	{ 83, '/', "invalid path" },
	{ 83, '.', "invalid path" },
};

static void a_wrong_byte_in_an_event_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(event_pokes) / sizeof(event_pokes[0]); i++) {
		size_t len = parse_hex(goldens[2].hex, buf);

		buf[event_pokes[i].at] = event_pokes[i].value;
		assert_string_equal(refusal(buf, len), event_pokes[i].why);
	}
}

static const struct poke hello_pokes[] = {
	{ 0, 55, "length out of range" },
	{ 0, 63, "inconsistent lengths" },
	{ 0, 65, "inconsistent lengths" },
	{ 1, 2, "hello frame too long" },
	{ 8, 1, "unique is not 0" },
	{ IN_HELLO(version), 2, "unknown version" },
	{ IN_HELLO(role), 0, "unknown role" },
	{ IN_HELLO(role), 3, "unknown role" },
	{ IN_HELLO(role) + 1, 1, "unknown role" },
	{ IN_HELLO(share_len), 9, "inconsistent lengths" },
	{ IN_HELLO(share_len) + 3, 0xff, "inconsistent lengths" },
	{ IN_HELLO(reserved), 1, "reserved is not 0" },
	{ HW_FRAME_HELLO_BYTES, 0, "NUL in the share name" },
};

static void a_wrong_byte_in_a_hello_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hello_pokes) / sizeof(hello_pokes[0]); i++) {
		size_t len = parse_hex(host_hello_hex, buf);

		buf[hello_pokes[i].at] = hello_pokes[i].value;
		assert_string_equal(refusal(buf, len), hello_pokes[i].why);
	}
}

static void a_hello_without_epoch_is_refused(void **state)
{
	size_t len = parse_hex(host_hello_hex, buf);

	(void)state;
	memset(buf + IN_HELLO(epoch), 0, 8);
	assert_string_equal(refusal(buf, len), "missing epoch");
	len = parse_hex(guest_hello_hex, buf);
	buf[IN_HELLO(seq)] = 1;
	assert_string_equal(refusal(buf, len), "missing epoch");
}

static void a_wrong_byte_is_told_without_waiting_for_the_frame(void **state)
{
	(void)state;
	parse_hex(goldens[2].hex, buf);
	buf[3] = 0xff;
	assert_string_equal(refusal(buf, 4), "length out of range");
	parse_hex(goldens[2].hex, buf);
	buf[5] = 0;
	assert_string_equal(refusal(buf, 8), "unknown code");
	parse_hex(goldens[2].hex, buf);
	buf[14] = 1;
	assert_string_equal(refusal(buf, 16), "unique is not 0");
	buf[14] = 0;
	buf[16] = 9;
	assert_string_equal(refusal(buf, 18), "unknown version");
	parse_hex(goldens[2].hex, buf);
	buf[IN_EVENT(type)] = 9;
	assert_string_equal(refusal(buf, 80), "unknown type");
}

/* Makes a frame without any checks. */
static size_t raw_event(uint16_t kind, uint16_t type, uint16_t flags, const char *from,
			const char *to)
{
	struct hw_event any = { .kind = HW_RESCAN, .seq = 5 };
	size_t from_len = strlen(from), to_len = strlen(to), len = 80 + from_len + to_len;

	assert_int_equal(hw_frame_encode_event(buf, sizeof(buf), CODE, &any), 80);
	assert_true(len < 0x10000);
	buf[0] = (unsigned char)len;
	buf[1] = (unsigned char)(len >> 8);
	buf[IN_EVENT(kind)] = (unsigned char)kind;
	buf[IN_EVENT(type)] = (unsigned char)type;
	buf[IN_EVENT(flags)] = (unsigned char)flags;
	buf[IN_EVENT(from_len)] = (unsigned char)from_len;
	buf[IN_EVENT(from_len) + 1] = (unsigned char)(from_len >> 8);
	buf[IN_EVENT(to_len)] = (unsigned char)to_len;
	buf[IN_EVENT(to_len) + 1] = (unsigned char)(to_len >> 8);
	memcpy(buf + 80, from, from_len);
	memcpy(buf + 80 + from_len, to, to_len);
	return len;
}

struct combination {
	uint16_t kind, type, flags;
	const char *from, *to, *why;
};

static const struct combination combinations[] = {
	{ HW_MOVE, HW_TYPE_FILE, 0, "", "", "move with neither path" },
	{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_REPLACED, "a", "",
	  "replaced is set on a move out of the share" },
	{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_EXCHANGE, "a", "", "exchange with only one path" },
	{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_EXCHANGE, "", "a", "exchange with only one path" },
	{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_REPLACED, "", "a", "accepted" },
	{ HW_CREATE, HW_TYPE_FILE, HW_FLAG_REPLACED, "", "a",
	  "flags on an event that is not a move" },
	{ HW_CREATE, HW_TYPE_FILE, 0, "", "", "missing path" },
	{ HW_CREATE, HW_TYPE_DIR, 0, "", "", "missing path" },
	{ HW_DELETE, HW_TYPE_DIR, 0, "", "", "missing path" },
	{ HW_MODIFY, HW_TYPE_FILE, 0, "", "", "missing path" },
	{ HW_ATTRIB, HW_TYPE_FILE, 0, "", "", "missing path" },
	{ HW_ATTRIB, HW_TYPE_DIR, 0, "", "", "accepted" },
	{ HW_CLOSE_WRITE, HW_TYPE_FILE, 0, "", "", "missing path" },
	{ HW_RESCAN, HW_TYPE_NONE, 0, "", "", "accepted" },
	{ HW_RESCAN, HW_TYPE_DIR, 0, "", "", "rescan with a type" },
	{ HW_DELETE, HW_TYPE_FILE, 0, "a", "b", "from on an event that is not a move" },
	{ HW_RESCAN, HW_TYPE_NONE, 0, "a", "", "from on an event that is not a move" },
};

static void fields_must_fit_the_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++) {
		const struct combination *c = &combinations[i];
		size_t len = raw_event(c->kind, c->type, c->flags, c->from, c->to);

		assert_string_equal(refusal(buf, len), c->why);
	}
}

static void the_encoder_refuses_what_the_decoder_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++) {
		const struct combination *c = &combinations[i];
		struct hw_event e = { .kind = (uint8_t)c->kind,
				      .type = (uint8_t)c->type,
				      .flags = c->flags,
				      .seq = 1,
				      .path = c->to,
				      .path_len = (uint32_t)strlen(c->to),
				      .from = c->from,
				      .from_len = (uint32_t)strlen(c->from) };
		int n = hw_frame_encode_event(buf, sizeof(buf), CODE, &e);

		assert_int_equal(n == -EINVAL, strcmp(c->why, "accepted") != 0);
	}
}

static void the_encoder_refuses_hellos_the_decoder_would(void **state)
{
	static const struct hw_frame_hello bad[] = {
		{ .role = HW_FUSE_HOST },
		{ .role = HW_FUSE_GUEST, .seq = 1 },
		{ .role = 3, .epoch = 1 },
		{ .role = HW_FUSE_HOST, .epoch = 1, .share = "a\0b", .share_len = 3 },
		{ .role = HW_FUSE_HOST, .epoch = 1, .share = "", .share_len = 256 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hw_frame_encode_hello(buf, sizeof(buf), CODE, &bad[i]), -EINVAL);
}

static void a_buffer_one_byte_short_is_refused_and_untouched(void **state)
{
	struct hw_frame_hello hello = { .role = HW_FUSE_GUEST, .share = "s", .share_len = 1 };
	unsigned char small[87] = { 0 };

	(void)state;
	assert_int_equal(hw_frame_encode_event(small, 86, CODE, &goldens[0].event), -EMSGSIZE);
	assert_int_equal(hw_frame_encode_hello(small, 56, CODE, &hello), -EMSGSIZE);
	for (size_t i = 0; i < sizeof(small); i++)
		assert_int_equal(small[i], 0);
	assert_int_equal(hw_frame_encode_event(small, 87, CODE, &goldens[0].event), 87);
	assert_int_equal(hw_frame_encode_hello(small, 57, CODE, &hello), 57);
}

/* ---- limits ---- */

static void the_longest_frame_is_carried_and_one_more_byte_is_not(void **state)
{
	char *path = malloc(HW_PATH_MAX + 1);
	struct hw_event e = { .kind = HW_MOVE,
			      .type = HW_TYPE_FILE,
			      .seq = 1,
			      .path = path,
			      .from = path,
			      .path_len = HW_PATH_MAX,
			      .from_len = HW_PATH_MAX };
	struct hw_frame f;

	(void)state;
	assert_non_null(path);
	memset(path, 'x', HW_PATH_MAX + 1);
	for (size_t i = 255; i < HW_PATH_MAX; i += 256)
		path[i] = '/';
	assert_int_equal(hw_frame_encode_event(buf, sizeof(buf), CODE, &e), HW_FUSE_FRAME_MAX);
	assert_int_equal(hw_frame_decode(buf, HW_FUSE_FRAME_MAX, CODE, &f, NULL),
			 HW_FUSE_FRAME_MAX);
	assert_same_event(&f.event, &e);
	assert_int_equal(hw_frame_decode(buf, HW_FUSE_FRAME_MAX - 1, CODE, &f, NULL), 0);

	e.path_len++;
	assert_int_equal(hw_frame_encode_event(buf, sizeof(buf), CODE, &e), -EINVAL);
	/* one side longer, the other shorter: the length of the frame is in range, that of the path
	 * is not */
	buf[IN_EVENT(from_len)]--;
	buf[IN_EVENT(to_len)]++;
	assert_string_equal(refusal(buf, HW_FUSE_FRAME_MAX), "path too long");
	free(path);
}

static void paths_are_checked_component_by_component(void **state)
{
	static const char *const good[] = { "a",  "a/b",      "...",      "..a", ".a",
					    "a.", "a/.b/..c", "\xff\n\\", " " };
	static const char *const bad[] = { "",    "/",    "/a",  "a/",   "a//b",  ".",      "..",
					   "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "//" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(hw_path_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(hw_path_valid(bad[i], strlen(bad[i])));
	assert_false(hw_path_valid("a\0b", 3));
	assert_false(hw_path_valid("ab", 3));
}

static void names_have_at_most_255_bytes(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_true(hw_path_valid(name, 255));
	assert_false(hw_path_valid(name, 256));
	name[255] = '/';
	assert_true(hw_path_valid(name, 260));
	name[255] = 'n';
	name[0] = '.';
	assert_true(hw_path_valid(name, 255));
}

static void a_share_name_has_at_most_255_bytes(void **state)
{
	char name[256];
	struct hw_frame_hello hello = {
		.role = HW_FUSE_HOST, .epoch = 1, .share = name, .share_len = 255
	};
	struct hw_frame f;

	(void)state;
	memset(name, 's', sizeof(name));
	assert_int_equal(hw_frame_encode_hello(buf, sizeof(buf), CODE, &hello), HW_FRAME_HELLO_MAX);
	assert_int_equal(hw_frame_decode(buf, HW_FRAME_HELLO_MAX, CODE, &f, NULL),
			 HW_FRAME_HELLO_MAX);
	buf[0]++;
	buf[IN_HELLO(share_len)] = 0;
	buf[IN_HELLO(share_len) + 1] = 1;
	assert_string_equal(refusal(buf, HW_FRAME_HELLO_MAX + 1), "hello frame too long");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_its_golden_bytes),
		cmocka_unit_test(golden_bytes_decode_to_the_event),
		cmocka_unit_test(hello_of_the_host_has_its_golden_bytes),
		cmocka_unit_test(hello_of_a_new_guest_has_its_golden_bytes),
		cmocka_unit_test(another_notify_code_is_used_and_required),
		cmocka_unit_test(fields_of_a_server_that_knows_inodes_are_read),
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(frames_behind_each_other_are_read_one_by_one),
		cmocka_unit_test(hello_is_found_behind_any_tail_of_events),
		cmocka_unit_test(no_event_looks_like_a_hello_under_any_code),
		cmocka_unit_test(a_wrong_byte_in_an_event_is_named),
		cmocka_unit_test(a_wrong_byte_in_a_hello_is_named),
		cmocka_unit_test(a_hello_without_epoch_is_refused),
		cmocka_unit_test(a_wrong_byte_is_told_without_waiting_for_the_frame),
		cmocka_unit_test(fields_must_fit_the_kind),
		cmocka_unit_test(the_encoder_refuses_what_the_decoder_would),
		cmocka_unit_test(the_encoder_refuses_hellos_the_decoder_would),
		cmocka_unit_test(a_buffer_one_byte_short_is_refused_and_untouched),
		cmocka_unit_test(the_longest_frame_is_carried_and_one_more_byte_is_not),
		cmocka_unit_test(paths_are_checked_component_by_component),
		cmocka_unit_test(names_have_at_most_255_bytes),
		cmocka_unit_test(a_share_name_has_at_most_255_bytes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
