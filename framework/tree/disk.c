/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include "apart.h"
#include "cross.h"
#include "disk_private.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- root ---- */

void hw_disk_init(struct hw_disk *disk, const struct hw_tree *tree)
{
	memset(disk, 0, sizeof(*disk));
	disk->root = -1;
	disk->tree = tree;
	for (unsigned i = 0; i < HW_DIRS_CACHE; i++)
		disk->dirs[i].fd = -1;
}

/* Number of cached descriptors of all shares: each share has its own cache, but the limit applies
 * to the process. Loop thread only. */
static unsigned cached;

static unsigned cached_max(void)
{
	static unsigned max;
	struct rlimit limit;

	if (!max) {
		(void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail with these arguments */
		max = limit.rlim_cur / 4 < 65536 ? (unsigned)limit.rlim_cur / 4 : 65536;
		max = max ? max : 1;
	}
	return max;
}

static void close_slot(struct hw_dir_slot *slot)
{
	if (slot->fd >= 0) {
		close(slot->fd);
		cached--;
	}
	*slot = (struct hw_dir_slot){ .fd = -1 };
}

bool hw_disk_is_short(int error)
{
	return error == -EMFILE || error == -ENFILE;
}

bool hw_disk_give_up_cached(struct hw_disk *disk, int but)
{
	bool closed = false;

	for (unsigned i = 0; i < HW_DIRS_CACHE; i++) {
		if (disk->dirs[i].fd >= 0 && disk->dirs[i].fd != but) {
			close_slot(&disk->dirs[i]);
			closed = true;
		}
	}
	return closed;
}

static int open_at(int dirfd, const char *name, int flags)
{
	if (hw_cross_is_guarded())
		return hw_cross_open(dirfd, name, flags);
	return hw_apart_openat(dirfd, name, flags);
}

int hw_disk_openat(struct hw_disk *disk, int dirfd, const char *name, int flags)
{
	int fd = open_at(dirfd, name, flags);

	if (hw_disk_is_short(fd) && hw_disk_give_up_cached(disk, dirfd))
		fd = open_at(dirfd, name, flags);
	return fd;
}

/* Closes every descriptor. */
static void let_go(struct hw_disk *disk)
{
	for (unsigned i = 0; i < HW_DIRS_CACHE; i++)
		close_slot(&disk->dirs[i]);
	if (disk->root >= 0)
		close(disk->root);
	disk->root = -1;
}

void hw_disk_close_root(struct hw_disk *disk)
{
	let_go(disk);
	hw_way_end(&disk->way);
	disk->left = false;
}

/* If it fails, the root stays open. */
void hw_disk_share_root(struct hw_disk *disk)
{
	(void)hw_way_begin(&disk->way, disk->root);
}

int hw_disk_root(struct hw_disk *disk)
{
	int fd;

	if (disk->root >= 0)
		return disk->root;
	if (!disk->way.path)
		return -ENOENT;
	if (disk->left)
		return -ESTALE;
	fd = hw_way_open(&disk->way);
	disk->left = fd == -ESTALE;
	if (fd >= 0)
		disk->root = fd;
	return fd;
}

void hw_disk_free(struct hw_disk *disk)
{
	hw_disk_close_root(disk);
	hw_aparts_free(&disk->aparts);
	free(disk->filesystems);
	disk->filesystems = NULL;
	disk->filesystem_count = 0;
}

int hw_disk_open_root(struct hw_disk *disk, int dirfd, const char *path)
{
	int fd = hw_apart_openat(dirfd, path, O_RDONLY | O_DIRECTORY);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	hw_away_begin();
	r = fstat(fd, &st) < 0 ? -errno : 0;
	hw_away_end();
	/* Permission to list the directory is not enough: names below it are looked up. */
	int path_fd = r < 0 ? r : hw_apart_openat(fd, ".", O_PATH | O_DIRECTORY);

	if (path_fd < 0) {
		close(fd);
		return path_fd;
	}
	close(path_fd);
	hw_disk_close_root(disk);
	disk->root = fd;
	disk->root_dev = st.st_dev;
	disk->root_mount = hw_mount_of(fd);
	return 0;
}

/* ---- directories ---- */

static struct hw_dir_slot *slot_of(struct hw_disk *disk, uint32_t dir)
{
	return &disk->dirs[dir & (HW_DIRS_CACHE - 1)];
}

static bool slot_has(const struct hw_disk *disk, const struct hw_dir_slot *slot, uint32_t dir)
{
	return slot->fd >= 0 && slot->id == dir &&
	       slot->serial == hw_tree_entry(disk->tree, dir)->dir.serial;
}

/* Closes any cached descriptor of this share; none if all are in the caches of other shares. */
static void close_one(struct hw_disk *disk)
{
	for (unsigned i = 0; i < HW_DIRS_CACHE; i++) {
		struct hw_dir_slot *slot = &disk->dirs[disk->hand++ & (HW_DIRS_CACHE - 1)];

		if (slot->fd >= 0) {
			close_slot(slot);
			return;
		}
	}
}

void hw_disk_put_dir(struct hw_disk *disk, uint32_t dir, int fd)
{
	struct hw_dir_slot *slot = slot_of(disk, dir);

	close_slot(slot);
	if (cached >= cached_max())
		close_one(disk);
	cached++;
	slot->id = dir;
	slot->serial = hw_tree_entry(disk->tree, dir)->dir.serial;
	slot->fd = fd;
	slot->foreign = hw_mount_of(fd) != disk->root_mount ||
			disk->filesystems[hw_tree_entry(disk->tree, dir)->fs].dev != disk->root_dev;
	disk->foreign |= slot->foreign;
}

void hw_disk_forget_dir(struct hw_disk *disk, uint32_t dir)
{
	struct hw_dir_slot *slot = slot_of(disk, dir);

	if (slot->fd < 0 || slot->id != dir)
		return;
	close_slot(slot);
}

void hw_disk_release(struct hw_disk *disk)
{
	if (disk->way.path && disk->root >= 0)
		let_go(disk);
	for (unsigned i = 0; i < HW_DIRS_CACHE && disk->foreign; i++)
		if (disk->dirs[i].fd >= 0 && disk->dirs[i].foreign)
			close_slot(&disk->dirs[i]);
	disk->foreign = false;
}

/* Starts at the nearest ancestor that is open, so that only the names below it are looked up. */
static int open_dir(struct hw_disk *disk, uint32_t dir)
{
	const struct hw_tree *tree = disk->tree;
	char *buf = disk->path, *p = buf + sizeof(disk->path);
	uint32_t id = dir;
	int base = hw_disk_root(disk);

	for (; base >= 0 && id != HW_ROOT; id = hw_tree_entry(tree, id)->parent) {
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if (id != dir && slot_has(disk, slot_of(disk, id), id)) {
			base = slot_of(disk, id)->fd;
			break;
		}
		if ((size_t)(p - buf) < e->name_len + 1u)
			return -ENAMETOOLONG;
		if (p != buf + sizeof(disk->path))
			*--p = '/';
		p -= e->name_len;
		memcpy(p, hw_tree_name(tree, id), e->name_len);
	}
	if (base < 0)
		return base;
	return hw_open_beneath(base, p, (size_t)(buf + sizeof(disk->path) - p),
			       O_PATH | O_DIRECTORY);
}

int hw_disk_dir(struct hw_disk *disk, uint32_t dir)
{
	struct hw_dir_slot *slot = slot_of(disk, dir);
	struct hw_stat stat;

	if (disk->aparts.count)
		hw_aparts_use(&disk->aparts);
	if (dir == HW_ROOT)
		return hw_disk_root(disk);
	if (slot_has(disk, slot, dir))
		return slot->fd;
	int fd = open_dir(disk, dir);

	if (hw_disk_is_short(fd) && hw_disk_give_up_cached(disk, -1))
		fd = open_dir(disk, dir);
	if (fd < 0)
		return fd;
	int r = hw_disk_stat_fd(disk, fd, &stat);

	if (r == 0 && !hw_tree_is_same(hw_tree_entry(disk->tree, dir), &stat))
		r = -ESTALE;
	if (r < 0) {
		close(fd);
		return r;
	}
	hw_disk_put_dir(disk, dir, fd);
	return fd;
}

/* ---- entries ---- */

int hw_disk_dir_and_name(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
			 char terminated[HW_NAME_MAX + 1])
{
	if (!len || len > HW_NAME_MAX)
		return -EINVAL;
	memcpy(terminated, name, len);
	terminated[len] = '\0';
	int fd = hw_disk_dir(disk, dir);

	return fd == -ENOTDIR || fd == -ESTALE || fd == -ELOOP ? -ENOENT : fd;
}

int hw_disk_stat(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		 struct hw_stat *ret)
{
	char terminated[HW_NAME_MAX + 1];
	int fd = hw_disk_dir_and_name(disk, dir, name, len, terminated);
	const struct hw_spot at = { .fd = fd, .name = terminated, .parent = fd, .dir = dir };

	return fd < 0 ? fd : hw_disk_stat_at(disk, &at, ret);
}

struct generation_data {
	uint64_t ino;
	uint32_t generation;
	int r;
};

static void call_generation(int fd, const char *name, void *arg)
{
	struct generation_data *data = arg;

	data->r = hw_stat_generation(fd, name, data->ino, &data->generation);
}

int hw_disk_generation(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		       uint64_t ino, uint32_t *ret)
{
	static const struct hw_apart_act act = { call_generation, NULL,
						 sizeof(struct generation_data) };
	char terminated[HW_NAME_MAX + 1];
	int fd = hw_disk_dir_and_name(disk, dir, name, len, terminated), r;

	struct generation_data data = { .ino = ino };

	if (fd < 0)
		return fd;
	r = hw_apart_call(fd, terminated, &act, &data);
	if (r < 0 || data.r < 0)
		return r < 0 ? r : data.r;
	*ret = data.generation;
	return 0;
}

bool hw_disk_has(struct hw_disk *disk, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(disk->tree, id);
	struct hw_stat stat;

	return id == HW_ROOT || (hw_disk_stat(disk, e->parent, hw_tree_name(disk->tree, id),
					      e->name_len, &stat) == 0 &&
				 hw_tree_is_same(e, &stat));
}

int hw_disk_is_alive(struct hw_disk *disk, const struct hw_entry *entry, uint16_t links)
{
	int on = hw_disk_root(disk), alive, parent;

	if (on < 0 || entry->identity != HW_BY_GENERATION)
		return 0;
	if (disk->filesystems[entry->fs].dev == disk->root_dev)
		return hw_identity_is_alive(on, entry, links);
	parent = hw_disk_dir(disk, entry->parent);
	on = parent < 0 ? -1 : hw_apart_openat(parent, ".", O_RDONLY | O_DIRECTORY);
	if (on < 0)
		return 0;
	alive = hw_identity_is_alive(on, entry, links);
	close(on);
	return alive;
}

bool hw_disk_is_refusal(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ESTALE:
	case -ELOOP:
	case -ECANCELED:
		return false;
	default:
		return error < 0;
	}
}
