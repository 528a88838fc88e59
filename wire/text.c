/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/wire.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const kind_names[] = {
	[HW_CREATE] = "create", [HW_DELETE] = "delete", [HW_MOVE] = "move",
	[HW_MODIFY] = "modify", [HW_ATTRIB] = "attrib", [HW_CLOSE_WRITE] = "close_write",
	[HW_RESCAN] = "rescan",
};
static const char *const type_names[] = {
	[HW_TYPE_FILE] = "file",
	[HW_TYPE_DIR] = "dir",
	[HW_TYPE_SYMLINK] = "symlink",
	[HW_TYPE_OTHER] = "other",
};
static const char *const state_names[] = {
	[HW_SHARE_ARMING] = "arming",
	[HW_SHARE_ONLINE] = "online",
	[HW_SHARE_OFFLINE] = "offline",
};
_Static_assert(COUNT(kind_names) == HW_KIND_END, "every kind has a word");
_Static_assert(COUNT(type_names) == HW_TYPE_END, "every type has a word");

const char *hw_kind_name(unsigned kind)
{
	return kind < COUNT(kind_names) ? kind_names[kind] : NULL;
}

const char *hw_type_name(unsigned type)
{
	return type < COUNT(type_names) ? type_names[type] : NULL;
}

const char *hw_state_name(unsigned state)
{
	return state < COUNT(state_names) ? state_names[state] : NULL;
}

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The range of the second byte excludes overlong forms, surrogates and values above U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_tail(second);
	}
}

unsigned hw_utf8_char(const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	unsigned need;

	if (!len)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	need = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < need || !second_fits(s[0], s[1]))
		return 0;
	for (unsigned i = 2; i < need; i++)
		if (!is_tail(s[i]))
			return 0;
	return need;
}
