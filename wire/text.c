/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "word.h"

#include <hostwatch/wire.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct hw_word hw_kind_words[HW_KIND_END] = {
	[HW_CREATE] = HW_WORD("create"), [HW_DELETE] = HW_WORD("delete"),
	[HW_MOVE] = HW_WORD("move"),     [HW_MODIFY] = HW_WORD("modify"),
	[HW_ATTRIB] = HW_WORD("attrib"), [HW_CLOSE_WRITE] = HW_WORD("close_write"),
	[HW_RESCAN] = HW_WORD("rescan"),
};
const struct hw_word hw_type_words[HW_TYPE_END] = {
	[HW_TYPE_FILE] = HW_WORD("file"),
	[HW_TYPE_DIR] = HW_WORD("dir"),
	[HW_TYPE_SYMLINK] = HW_WORD("symlink"),
	[HW_TYPE_OTHER] = HW_WORD("other"),
};
static const char *const state_names[] = {
	[HW_SHARE_ARMING] = "arming",
	[HW_SHARE_ONLINE] = "online",
	[HW_SHARE_OFFLINE] = "offline",
};

/* Word 0 is empty: it stands for no kind and no type. */
const char *hw_kind_name(unsigned kind)
{
	return kind < HW_KIND_END && kind ? hw_kind_words[kind].text : NULL;
}

const char *hw_type_name(unsigned type)
{
	return type < HW_TYPE_END && type ? hw_type_words[type].text : NULL;
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
