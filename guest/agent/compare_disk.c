/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of files on the disk. */
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

int hw_compare_open(int root, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int64_t ns_of(const struct statx_timestamp *t)
{
	return (int64_t)((uint64_t)t->tv_sec * 1000000000u + t->tv_nsec);
}

int hw_compare_look(int dir, const char *name, struct hw_guest_seen *ret)
{
	struct statx st;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
		  STATX_BASIC_STATS, &st) < 0)
		return -errno;
	*ret = (struct hw_guest_seen){
		.ino = *name && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) ? 0 : st.stx_ino,
		.size = st.stx_size,
		.mtime_ns = ns_of(&st.stx_mtime),
		.ctime_ns = ns_of(&st.stx_ctime),
		.mode = st.stx_mode,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
		.nlink = st.stx_nlink,
	};
	return 0;
}

int hw_compare_look_below(int root, const char *path, struct hw_guest_seen *ret)
{
	int fd = hw_compare_open(root, path, O_PATH), r;

	if (fd == -EXDEV) { /* another filesystem is mounted there */
		*ret = (struct hw_guest_seen){ .ino = 0 };
		return 0;
	}
	if (fd < 0)
		return fd;
	r = hw_compare_look(fd, "", ret);
	(void)close(fd); /* O_PATH: nothing to lose */
	return r;
}

enum hw_pending hw_compare_states(const struct hw_guest_seen *old, const struct hw_guest_seen *now,
				  bool moved)
{
	bool same_owner = old->mode == now->mode && old->uid == now->uid && old->gid == now->gid;

	if (old->ino == 0)
		return S_ISREG(now->mode) ? HW_PENDING_DATA : HW_PENDING_ATTRIB;
	if (S_ISREG(now->mode) && (old->size != now->size || old->mtime_ns != now->mtime_ns))
		return HW_PENDING_DATA;
	if (!same_owner)
		return HW_PENDING_ATTRIB;
	/* new names, and new entries of a directory, change ctime, too */
	if (moved || old->ctime_ns == now->ctime_ns || old->nlink != now->nlink ||
	    (S_ISDIR(now->mode) && old->mtime_ns != now->mtime_ns))
		return HW_PENDING_NONE;
	return HW_PENDING_ATTRIB;
}
