/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hint_fault.h"

#include <stdbool.h>
#include <string.h>

#define NAME_MAX_BYTES 255u
#define WHAT_ALL                                                                                   \
	(HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_MODIFIED | HW_HINT_ATTRIB |                   \
	 HW_HINT_CLOSE_WRITE | HW_HINT_MOVED | HW_HINT_GONE | HW_HINT_LOOK | HW_HINT_BRIEF)

static bool is_name(const char *name, uint32_t len)
{
	return name && len && len <= NAME_MAX_BYTES && !memchr(name, '\0', len) &&
	       !memchr(name, '/', len) && !(len == 2 && name[0] == '.' && name[1] == '.');
}

const char *hw_hint_fault(const struct hw_hint *hint)
{
	bool moved = hint->what & HW_HINT_MOVED, gone = hint->what == HW_HINT_GONE;

	if (!hint->what)
		return "a hint without a bit; HW_HINT_LOOK requests an examination";
	if (hint->what & ~WHAT_ALL)
		return "a hint with unknown bits";
	if (moved && hint->what != HW_HINT_MOVED)
		return "a hint with HW_HINT_MOVED and other bits";
	if (hint->what & HW_HINT_BRIEF && !(hint->what & HW_HINT_CREATED))
		return "a hint with HW_HINT_BRIEF and without HW_HINT_CREATED";
	if (hint->type > HW_TYPE_DIR)
		return "a hint with an unknown type; HW_TYPE_FILE stands for all but directories";
	if (!hint->dir && (!moved || !hint->to_dir))
		return "a hint without a directory";
	if (!gone && hint->dir && !is_name(hint->name, hint->name_len))
		return "a hint with an invalid name";
	if (moved && hint->to_dir && !is_name(hint->to_name, hint->to_name_len))
		return "a hint with an invalid new name";
	return NULL;
}
