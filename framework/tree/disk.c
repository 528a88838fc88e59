/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- pure ---- */

static const uint8_t type_of[16] = {
	[S_IFREG >> 12] = HW_TYPE_FILE,    [S_IFDIR >> 12] = HW_TYPE_DIR,
	[S_IFLNK >> 12] = HW_TYPE_SYMLINK, [S_IFIFO >> 12] = HW_TYPE_OTHER,
	[S_IFCHR >> 12] = HW_TYPE_OTHER,   [S_IFBLK >> 12] = HW_TYPE_OTHER,
	[S_IFSOCK >> 12] = HW_TYPE_OTHER,
};

/* File times can be set to values that 64 bits of nanoseconds do not hold: they wrap, and still
 * differ. */
static int64_t nanoseconds(const struct statx_timestamp *t)
{
	return (int64_t)((uint64_t)t->tv_sec * UINT64_C(1000000000) + t->tv_nsec);
}

static uint32_t mix(uint64_t a, uint64_t b)
{
	uint64_t words[2] = { a, b };

	return (uint32_t)XXH3_64bits(words, sizeof(words));
}

dev_t hw_statx_dev(const struct statx *stx)
{
	return makedev(stx->stx_dev_major, stx->stx_dev_minor);
}

void hw_stat_from_statx(struct hw_stat *stat, const struct statx *stx)
{
	stat->ino = stx->stx_ino;
	stat->mtime_ns = nanoseconds(&stx->stx_mtime);
	stat->ctime_ns = nanoseconds(&stx->stx_ctime);
	stat->atime_ns = nanoseconds(&stx->stx_atime);
	stat->btime_ns = stx->stx_mask & STATX_BTIME ? nanoseconds(&stx->stx_btime) : 0;
	stat->size = stx->stx_size;
	stat->attr = mix(stx->stx_mode, (uint64_t)stx->stx_uid << 32 | stx->stx_gid);
	stat->ident = (uint32_t)((uint64_t)stat->btime_ns ^ ((uint64_t)stat->btime_ns >> 32));
	stat->nlink = stx->stx_nlink;
	stat->fs = 0;
	stat->identity = HW_BY_BIRTH;
	stat->type = type_of[(stx->stx_mode & S_IFMT) >> 12];
}

/* ---- root and filesystems ---- */

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

/* Returns false if there was nothing to close. */
static bool give_up_cached(struct hw_disk *disk, int but)
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
	int fd;

	hw_away_begin();
	fd = openat(dirfd, name, flags | O_CLOEXEC);
	hw_away_end();
	return fd < 0 ? -errno : fd;
}

int hw_disk_openat(struct hw_disk *disk, int dirfd, const char *name, int flags)
{
	int fd = open_at(dirfd, name, flags);

	if (hw_disk_is_short(fd) && give_up_cached(disk, dirfd))
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
	free(disk->filesystems);
	disk->filesystems = NULL;
	disk->filesystem_count = 0;
}

int hw_disk_open_root(struct hw_disk *disk, int dirfd, const char *path)
{
	int fd = open_at(dirfd, path, O_RDONLY | O_DIRECTORY);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	hw_away_begin();
	r = fstat(fd, &st) < 0 ? -errno : 0;
	hw_away_end();
	/* Permission to list the directory is not enough: names below it are looked up. */
	int path_fd = r < 0 ? r : open_at(fd, ".", O_PATH | O_DIRECTORY);

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

int hw_disk_filesystem(struct hw_disk *disk, dev_t dev)
{
	uint32_t i;

	for (i = 0; i < disk->filesystem_count && disk->filesystems[i].dev != dev; i++)
		;
	if (i == disk->filesystem_count) {
		if (i == HW_FILESYSTEMS_MAX)
			return -E2BIG;
		struct hw_filesystem *list = realloc(disk->filesystems, (i + 1) * sizeof(*list));

		if (!list)
			return -ENOMEM;
		disk->filesystems = list;
		list[i] = (struct hw_filesystem){ .dev = dev,
						  .watcher = UINT8_MAX,
						  .identity = HW_UNIDENTIFIED,
						  .leases = true };
		disk->filesystem_count++;
	}
	return (int)i;
}

/* No filesystem has these numbers: the major number has 32 bits only in its type. */
#define UNBOUND(i) ((dev_t)UINT64_MAX - (i))

int hw_disk_expect(struct hw_disk *disk, uint32_t count)
{
	int r = 0;

	for (uint32_t i = disk->filesystem_count; i < count && r >= 0; i++)
		r = hw_disk_filesystem(disk, UNBOUND(i));
	return r < 0 ? r : 0;
}

bool hw_disk_is_bound(const struct hw_disk *disk, uint16_t fs)
{
	return disk->filesystems[fs].dev != UNBOUND(fs);
}

void hw_disk_bind(struct hw_disk *disk, uint16_t fs, dev_t dev)
{
	disk->filesystems[fs].dev = dev;
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

	if (dir == HW_ROOT)
		return hw_disk_root(disk);
	if (slot_has(disk, slot, dir))
		return slot->fd;
	int fd = open_dir(disk, dir);

	if (hw_disk_is_short(fd) && give_up_cached(disk, -1))
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

/* The place of an entry: a name in a directory, or an open descriptor (an empty name). */
struct spot {
	int fd;
	const char *name;
	int parent; /* descriptor of the directory; -1: not needed */
	uint32_t dir; /* valid if parent is a descriptor */
};

/* An overlayfs may report the device number of the layer for a file (overlayfs.rst, xino). */
static bool is_of_layer(struct hw_disk *disk, const struct spot *at, const struct statx *stx)
{
	const struct hw_filesystem *fs;

	if (at->parent < 0 || S_ISDIR(stx->stx_mode))
		return false;
	fs = &disk->filesystems[hw_tree_entry(disk->tree, at->dir)->fs];
	return fs->identity == HW_BY_HANDLE && fs->dev != hw_statx_dev(stx) &&
	       stx->stx_mask & STATX_MNT_ID && stx->stx_mnt_id == hw_mount_of(at->parent);
}

static enum hw_identity identity_on(const struct hw_disk *disk, uint16_t fs)
{
	enum hw_identity by = disk->filesystems[fs].identity;

	return disk->generations && by == HW_BY_BIRTH ? HW_BY_GENERATION : by;
}

static int stat_at(struct hw_disk *disk, const struct spot *at, struct hw_stat *ret)
{
	const char *name = *at->name ? at->name : NULL;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name ? 0 : AT_EMPTY_PATH);
	struct statx stx;
	struct hw_stat stat;
	int fs, r;

	hw_away_begin();
	r = statx(at->fd, at->name, flags, HW_STATX_MASK, &stx) < 0 ? -errno : 0;
	hw_away_end();
	if (r < 0)
		return r;
	hw_stat_from_statx(&stat, &stx);
	if (is_of_layer(disk, at, &stx))
		fs = hw_tree_entry(disk->tree, at->dir)->fs;
	else
		fs = hw_disk_filesystem(disk, hw_statx_dev(&stx));
	if (fs < 0)
		return fs;
	if (disk->filesystems[fs].identity == HW_UNIDENTIFIED)
		disk->filesystems[fs].identity = (uint8_t)hw_identity_find(at->fd, name, &stx);
	hw_identity_take(&stat, identity_on(disk, (uint16_t)fs), at->fd, name);
	stat.fs = (uint16_t)fs;
	*ret = stat;
	return 0;
}

int hw_disk_stat_fd(struct hw_disk *disk, int fd, struct hw_stat *ret)
{
	const struct spot at = { .fd = fd, .name = "", .parent = -1 };

	return stat_at(disk, &at, ret);
}

struct hw_identify hw_disk_identify(const struct hw_disk *disk, uint16_t fs, bool cheaply)
{
	enum hw_identity by = identity_on(disk, fs);

	/* It is enough if the inode numbers are comparable. */
	if (cheaply && by == HW_BY_GENERATION)
		by = HW_BY_BIRTH;
	return (struct hw_identify){ .by = by, .dev = disk->filesystems[fs].dev };
}

static int dir_and_name(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
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
	int fd = dir_and_name(disk, dir, name, len, terminated);
	const struct spot at = { .fd = fd, .name = terminated, .parent = fd, .dir = dir };

	return fd < 0 ? fd : stat_at(disk, &at, ret);
}

bool hw_disk_has(struct hw_disk *disk, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(disk->tree, id);
	struct hw_stat stat;

	return id == HW_ROOT || (hw_disk_stat(disk, e->parent, hw_tree_name(disk->tree, id),
					      e->name_len, &stat) == 0 &&
				 hw_tree_is_same(e, &stat));
}

static bool lease_is_unsupported(int error)
{
	return error == EINVAL || error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS;
}

/* Returns 1, 0 or -EOPNOTSUPP. fd: of a regular file. */
static int try_lease(struct hw_disk *disk, int fd, uint16_t fs)
{
	int error;

	hw_away_begin();
	error = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? errno : 0;
	hw_away_end();
	if (!error)
		return 1; /* close(2) releases the lease */
	if (error == EAGAIN)
		return 0;
	if (!lease_is_unsupported(error))
		return -EOPNOTSUPP;
	disk->filesystems[fs].leases = false;
	return -EOPNOTSUPP;
}

/* Opens the regular file of an O_PATH descriptor. To open a FIFO or a device may block, wake up a
 * process, or have effects, and what has the name now need not be what was examined. */
static int open_file(struct hw_disk *disk, int path_fd)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int fd, r;

	hw_away_begin();
	r = fstat(path_fd, &st);
	hw_away_end();
	if (r < 0)
		return -EOPNOTSUPP;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd); /* fits */
	fd = hw_disk_openat(disk, AT_FDCWD, link, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -EOPNOTSUPP : fd;
}

static int check_writer(struct hw_disk *disk, const struct spot *at, struct hw_stat *stat)
{
	int r = 0, fd;

	if (stat->type == HW_TYPE_NONE)
		r = stat_at(disk, at, stat);
	if (r < 0)
		return r;
	if (stat->type != HW_TYPE_FILE)
		return -ENOENT;
	if (!disk->filesystems[stat->fs].leases)
		return -EOPNOTSUPP;
	fd = open_file(disk, at->fd);
	if (fd < 0)
		return fd;
	r = try_lease(disk, fd, stat->fs);
	hw_away_begin();
	close(fd); /* a FUSE or network filesystem is informed */
	hw_away_end();
	return r;
}

int hw_disk_no_writer(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		      struct hw_stat *stat)
{
	char terminated[HW_NAME_MAX + 1];
	struct hw_stat now = *stat;
	int r, dirfd = dir_and_name(disk, dir, name, len, terminated);

	if (dirfd < 0)
		return dirfd;
	int fd = hw_disk_openat(disk, dirfd, terminated, O_PATH | O_NOFOLLOW);

	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP ? -ENOENT : -EOPNOTSUPP;
	const struct spot at = { .fd = fd, .name = "", .parent = dirfd, .dir = dir };

	r = check_writer(disk, &at, &now);
	close(fd);
	if (r >= 0)
		*stat = now;
	return r;
}

int hw_disk_is_alive(struct hw_disk *disk, const struct hw_entry *entry, uint16_t links)
{
	int on = hw_disk_root(disk), alive, parent;

	if (on < 0 || entry->identity != HW_BY_GENERATION)
		return 0;
	if (disk->filesystems[entry->fs].dev == disk->root_dev)
		return hw_identity_is_alive(on, entry, links);
	parent = hw_disk_dir(disk, entry->parent);
	on = parent < 0 ? -1 : open_at(parent, ".", O_RDONLY | O_DIRECTORY);
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
