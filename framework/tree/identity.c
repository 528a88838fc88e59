/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include "apart.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* Linux 6.5 */
#endif

/*
 * File handles that consist of inode number and generation (fs/libfs.c, mm/shmem.c,
 * fs/xfs/xfs_export.c), and perhaps a part common to the whole filesystem (the number of a
 * subvolume: fs/btrfs/export.h). Four bytes per entry are enough to reconstruct them.
 */
static const struct handle_layout {
	int type;
	unsigned bytes;
	unsigned ino, ino_size, generation;
} layouts[] = {
	{ .type = 1, .bytes = 8, .ino = 0, .ino_size = 4, .generation = 4 },
	{ .type = 1, .bytes = 12, .ino = 4, .ino_size = 8, .generation = 0 },
	{ .type = 0x81, .bytes = 12, .ino = 0, .ino_size = 8, .generation = 8 },
	{ .type = 0x4d, .bytes = 20, .ino = 0, .ino_size = 8, .generation = 16 },
};
#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* OVL_FILEID_V1 (fs/overlayfs/overlayfs.h): the handle in the layer that the file originates from.
 * The format is stable, because extended attributes of the upper layer contain it. */
enum {
	OVERLAY_HANDLE = 0xf8,
	OVERLAY_MAGIC_AT = 4,
	OVERLAY_MAGIC = 0xfb,
	OVERLAY_FLAGS_AT = 6,
	OVERLAY_PATH_UPPER = 4,
};

union handle {
	struct file_handle h;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* The handle need not be usable for opening: it is only compared. */
static bool get_handle(int dirfd, const char *name, union handle *ret)
{
	int flags = name ? 0 : AT_EMPTY_PATH, mount_id;

	ret->h.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(dirfd, name ? name : "", &ret->h, &mount_id, flags | AT_HANDLE_FID) ==
	    0)
		return true;
	ret->h.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(dirfd, name ? name : "", &ret->h, &mount_id, flags) == 0;
}

int hw_stat_generation(int dirfd, const char *name, uint64_t ino, uint32_t *ret)
{
	union handle u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (name_to_handle_at(dirfd, name ? name : "", &u.h, &mount_id, name ? 0 : AT_EMPTY_PATH) <
	    0)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < LAYOUTS; i++) {
		const struct handle_layout *l = &layouts[i];

		if (l->type == u.h.handle_type && l->bytes == u.h.handle_bytes &&
		    memcmp(u.h.f_handle + l->ino, &ino, l->ino_size) == 0) {
			memcpy(ret, u.h.f_handle + l->generation, sizeof(*ret));
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

static const struct handle_layout *layout_of(int type, uint32_t len)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (layouts[i].type == type && layouts[i].bytes == len)
			return &layouts[i];
	return NULL;
}

uint64_t hw_handle_ino(int type, const void *handle, uint32_t len)
{
	const struct handle_layout *layout = layout_of(type, len);
	const char *at = handle;
	uint64_t ino;
	uint32_t small;

	if (!layout)
		return type == OVERLAY_HANDLE ? XXH3_64bits(handle, len) : 0;
	at += layout->ino;
	if (layout->ino_size == sizeof(small)) {
		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&ino, at, sizeof(ino));
	return ino;
}

uint32_t hw_handle_generation(int type, const void *handle, uint32_t len)
{
	const struct handle_layout *layout = layout_of(type, len);
	uint32_t generation = 0;

	if (layout)
		memcpy(&generation, (const char *)handle + layout->generation, sizeof(generation));
	return generation;
}

/* ---- what holds on a filesystem ---- */

static bool is_overlay(int dirfd, const char *name)
{
	struct statfs st;
	int fd = name ? openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : dirfd;
	bool is = fd >= 0 && fstatfs(fd, &st) == 0 && st.f_type == OVERLAYFS_SUPER_MAGIC;

	if (name && fd >= 0)
		(void)close(fd); /* O_PATH */
	return is;
}

struct find_data {
	uint32_t mask;
	uint64_t ino;
	enum hw_identity by;
};

static void call_find(int dirfd, const char *name, void *arg)
{
	struct find_data *data = arg;
	union handle u;
	uint32_t generation;

	name = *name ? name : NULL;
	/* overlayfs reports the birth time of the layer that currently has the file: copy-up
	 * changes it. */
	if (is_overlay(dirfd, name)) {
		if (get_handle(dirfd, name, &u) && u.h.handle_type == OVERLAY_HANDLE)
			data->by = HW_BY_HANDLE;
	} else if (data->mask & STATX_BTIME) {
		data->by = HW_BY_BIRTH;
	} else if (hw_stat_generation(dirfd, name, data->ino, &generation) == 0) {
		data->by = HW_BY_GENERATION;
	}
}

enum hw_identity hw_identity_find(int dirfd, const char *name, const struct statx *stx)
{
	static const struct hw_apart_act act = { call_find, NULL, sizeof(struct find_data) };
	struct find_data data = { stx->stx_mask, stx->stx_ino, HW_BY_NUMBER };
	int r = hw_apart_call(dirfd, name, &act, &data);

	return r < 0 ? HW_UNIDENTIFIED : data.by;
}

/* ---- one entry ---- */

static uint32_t fold(uint64_t x)
{
	x ^= x >> 32;
	return (uint32_t)((x ^ x >> 16) & 0xffff);
}

static bool is_from_lower(const struct file_handle *h)
{
	return h->handle_bytes > OVERLAY_FLAGS_AT &&
	       h->f_handle[OVERLAY_MAGIC_AT] == OVERLAY_MAGIC &&
	       !(h->f_handle[OVERLAY_FLAGS_AT] & OVERLAY_PATH_UPPER);
}

/*
 * The handle replaces the inode number, because neither inode number nor birth time alone is stable
 * on overlayfs: if the layers are on different filesystems ("xino=off"), a directory loses its
 * number with the last reference to it; and of several hard links in a lower layer, the one that is
 * written gets another number but keeps the handle for a while. For entries that are not
 * directories, each half of ident identifies the inode: see hw_tree_is_same().
 */
static void take_handle(struct hw_stat *stat, const union handle *u)
{
	if (stat->type != HW_TYPE_DIR)
		stat->ident = fold(stat->ino * UINT64_C(0x9e3779b97f4a7c15)) << 16 |
			      fold((uint64_t)stat->btime_ns);
	else
		stat->ident = 0;
	/* The file existed before the mount, even if it was copied up later. */
	if (is_from_lower(&u->h))
		stat->btime_ns = HW_BTIME_LOWER;
	stat->ino = hw_handle_ino(u->h.handle_type, u->h.f_handle, u->h.handle_bytes);
	stat->identity = HW_BY_HANDLE;
}

struct take_data {
	enum hw_identity by;
	struct hw_stat stat;
};

static void call_take(int dirfd, const char *name, void *arg)
{
	struct take_data *data = arg;
	struct hw_stat *stat = &data->stat;
	union handle u;

	name = *name ? name : NULL;
	if (data->by == HW_BY_GENERATION) {
		if (hw_stat_generation(dirfd, name, stat->ino, &stat->ident) == 0)
			stat->identity = HW_BY_GENERATION;
	} else if (data->by == HW_BY_HANDLE) {
		if (get_handle(dirfd, name, &u) && u.h.handle_type == OVERLAY_HANDLE)
			take_handle(stat, &u);
	}
}

int hw_identity_take(struct hw_stat *stat, enum hw_identity by, int dirfd, const char *name)
{
	static const struct hw_apart_act act = { call_take, NULL, sizeof(struct take_data) };
	struct take_data data = { .by = by };
	int r;

	if (by == HW_BY_BIRTH)
		return 0;
	if (by == HW_BY_NUMBER) {
		stat->ident = 0;
		stat->identity = HW_BY_NUMBER;
		return 0;
	}
	data.stat = *stat;
	r = hw_apart_call(dirfd, name, &act, &data);
	if (r == 0)
		*stat = data.stat;
	return r;
}

/* ---- what lost its name ---- */

/* Reconstructs the handle of an entry from that of another inode on its filesystem. */
static bool make_handle(union handle *u, const struct hw_entry *entry)
{
	for (size_t i = 0; i < LAYOUTS; i++) {
		const struct handle_layout *l = &layouts[i];

		if (l->type != u->h.handle_type || l->bytes != u->h.handle_bytes)
			continue;
		memcpy(u->h.f_handle + l->ino, &entry->ino, l->ino_size);
		memcpy(u->h.f_handle + l->generation, &entry->ident, sizeof(entry->ident));
		return true;
	}
	return false;
}

static bool is_alive(int on, const struct hw_entry *entry, uint16_t links)
{
	union handle u = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct stat st;
	int mount_id;

	if (name_to_handle_at(on, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0 ||
	    !make_handle(&u, entry))
		return 0;
	int fd = open_by_handle_at(on, &u.h, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return 0;
	int r = fstat(fd, &st) == 0 && st.st_ino == entry->ino && st.st_nlink > 0 &&
		(entry->type == HW_TYPE_DIR || (uint16_t)st.st_nlink >= links);

	(void)close(fd); /* O_PATH */
	return r;
}

struct alive_data {
	struct hw_entry entry;
	uint16_t links;
	bool is;
};

static void call_alive(int on, const char *path, void *arg)
{
	struct alive_data *data = arg;

	(void)path;
	data->is = is_alive(on, &data->entry, data->links);
}

int hw_identity_is_alive(int on, const struct hw_entry *entry, uint16_t links)
{
	static const struct hw_apart_act act = { call_alive, NULL, sizeof(struct alive_data) };
	struct alive_data data = { .entry = *entry, .links = links };
	int r = hw_apart_call(on, NULL, &act, &data);

	return r < 0 ? 0 : data.is;
}

/* Without a request to a server. */
uint64_t hw_mount_of(int fd)
{
	struct statx stx;
	int r;

	hw_away_begin();
	r = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx);
	hw_away_end();
	if (r < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return 0;
	return stx.stx_mnt_id;
}
