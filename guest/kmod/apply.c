// SPDX-License-Identifier: GPL-2.0-only
/* Applies one event. If no mark can match it, the host is not asked for anything. */
#include "hostwatch.h"

#include "compat.h"

int hw_event_place(struct hw_file *f, const char *path, u32 len, struct hw_place *ret)
{
	int r = hw_place_find(f, path, len, false, ret);

	if (r != -EAGAIN)
		return r;
	if (!hw_sb_is_watched(f->mnt->mnt_sb) && !hw_lost_watch(f))
		return -EAGAIN;
	return hw_place_find(f, path, len, true, ret);
}

static void apply(struct hw_file *f, const struct hw_told *told)
{
	switch (told->kind) {
	case HW_CREATE:
		return hw_apply_create(f, told);
	case HW_DELETE:
		return hw_apply_delete(f, told);
	case HW_MOVE:
		return hw_apply_move(f, told);
	case HW_RESCAN:
		return hw_apply_rescan(f, told);
	default:
		return hw_apply_change(f, told);
	}
}

void hw_apply(struct hw_file *f, const struct hw_told *told)
{
	hw_echo_telling(f->echo, true);
	apply(f, told);
	hw_echo_telling(f->echo, false);
}
