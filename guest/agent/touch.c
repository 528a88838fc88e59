/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inject = touch: without the module, setting a file's modification time to its current value makes
 * this kernel report IN_MODIFY. Other events cannot be imitated without a change on the host: this
 * code sets no mode and no other time, and creates or removes nothing.
 *
 * The host detects the touch, because ctime changes, and reports it as a modify of the same
 * file. So the state after the touch is stored, and a file that still has this state is not touched
 * for that event. If two guests do this, each receives the other's touches: a limit on the touches
 * of the same contents ends this.
 */
#include "inject.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096u /* the limit of one system call, including NUL */
#define SLOTS 4096u
#define SAME_MAX 3u /* touches of one file with the same contents */

/* A file's state after it was touched. */
struct slot {
	uint64_t key; /* of the path; 0: free */
	struct statx_timestamp mtime, ctime;
	uint64_t size;
	unsigned times;
};

struct touch {
	struct hw_inject inject;
	const struct hw_mount *mount; /* borrowed */
	struct hw_mountinfo info; /* of the root, to identify it later */
	int said; /* the error that was logged last, which is not repeated */
	struct slot slots[SLOTS]; /* each file hashes to one slot: a newer file replaces an older
				   * one */
};

/* ---- touched files ---- */

static uint64_t key_of(const char *path, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)path[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_data(const struct slot *slot, uint64_t key, const struct statx *stx)
{
	return slot->key == key && slot->size == stx->stx_size &&
	       same_time(&slot->mtime, &stx->stx_mtime);
}

/* Returns whether a modify of this file is the echo of a touch. */
static bool is_echo(const struct slot *slot, uint64_t key, const struct statx *stx)
{
	if (!same_data(slot, key, stx))
		return false;
	return same_time(&slot->ctime, &stx->stx_ctime) || slot->times >= SAME_MAX;
}

static void remember(struct slot *slot, uint64_t key, const struct statx *stx)
{
	unsigned times = same_data(slot, key, stx) ? slot->times + 1 : 1;

	*slot = (struct slot){
		.key = key,
		.mtime = stx->stx_mtime,
		.ctime = stx->stx_ctime,
		.size = stx->stx_size,
		.times = times,
	};
}

/* ---- touching ---- */

static int look(int fd, struct statx *ret)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, ret) < 0)
		return -errno;
	return 0;
}

static int set_own_mtime(int fd, const struct statx *stx)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = stx->stx_mtime.tv_sec, .tv_nsec = stx->stx_mtime.tv_nsec },
	};
	char link[40];

	if (utimensat(fd, "", times, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOENT && errno != EBADF)
		return -errno;
	/* before Linux 5.8 */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return utimensat(AT_FDCWD, link, times, 0) < 0 ? -errno : 0;
}

static int touch_file(struct touch *touch, int fd, uint64_t key, bool may_be_echo)
{
	struct slot *slot = &touch->slots[key % SLOTS];
	struct statx before, after;
	int r = look(fd, &before);

	if (r < 0 || !S_ISREG(before.stx_mode))
		return r;
	if (may_be_echo && is_echo(slot, key, &before))
		return 0;
	r = set_own_mtime(fd, &before);
	if (r < 0)
		return r;
	/* changed meanwhile: the host's event about that change is not an echo */
	if (look(fd, &after) == 0 && same_time(&before.stx_mtime, &after.stx_mtime) &&
	    before.stx_size == after.stx_size)
		remember(slot, key, &after);
	else
		slot->key = 0;
	return 0;
}

/* The root is not kept open, because that would keep the mount busy. */
static int open_below(const struct touch *touch, const char *path, uint32_t len)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	char text[PATH_BYTES_MAX];
	int root, fd;

	if (len >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, path, len);
	text[len] = '\0';
	root = hw_mountinfo_open(touch->mount->path, &touch->info);
	if (root < 0)
		return root;
	fd = (int)syscall(SYS_openat2, root, text, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	(void)close(root); /* as above */
	return fd;
}

/* Returns whether the event means that a file's data changed without the knowledge of local
 * programs. */
static bool is_told(const struct hw_event *event)
{
	if (!event->path || event->type != HW_TYPE_FILE)
		return false;
	return event->kind == HW_MODIFY || event->kind == HW_MOVE;
}

static int imitate(struct hw_inject *inject, const struct hw_told *told)
{
	struct touch *touch = (struct touch *)inject;
	const struct hw_event *event = told->event;
	int fd, r;

	if (!is_told(event))
		return 0;
	fd = open_below(touch, event->path, event->path_len);
	r = fd;
	if (fd >= 0) {
		r = touch_file(touch, fd, key_of(event->path, event->path_len),
			       event->kind == HW_MODIFY);
		(void)close(fd); /* O_PATH: nothing to lose */
	}
	/* deleted again, or replaced by a symlink or a local mount: there is nothing to report */
	if (r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV || r == -ESTALE)
		return 0;
	if (r == -ENODEV)
		return r;
	if (r != touch->said)
		hw_warning("[mount %s] cannot deliver event %llu: %s", touch->mount->name,
			   (unsigned long long)event->seq, strerror(-r));
	touch->said = r;
	return 0;
}

/* ---- open and close ---- */

static int check_root(const struct hw_mount *mount, struct hw_mountinfo *ret,
		      char why[HW_INJECT_WHY_MAX])
{
	int r = hw_mountinfo_get(mount->path, ret);

	if (r < 0) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "waiting for the mount: %s", strerror(-r));
		return -EAGAIN;
	}
	if (!ret->read_only)
		return 0;
	(void)snprintf(why, HW_INJECT_WHY_MAX,
		       "inject = touch requires a writable mount, and this one is read-only; use "
		       "inject = module");
	return -EROFS;
}

static int open_touch(const struct hw_mount *mount, struct hw_inject **ret,
		      char why[HW_INJECT_WHY_MAX])
{
	struct touch *touch;
	struct hw_mountinfo info;
	int r = check_root(mount, &info, why);

	if (r < 0)
		return r;
	touch = calloc(1, sizeof(*touch));
	if (!touch) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	touch->inject.ops = &hw_inject_touch;
	touch->mount = mount;
	touch->info = info;
	hw_info("[mount %s] inject = touch: programs receive only IN_MODIFY, for files that were "
		"written or renamed; all other events need the kernel module",
		mount->name);
	*ret = &touch->inject;
	return 0;
}

static bool touch_is_there(struct hw_inject *inject)
{
	const struct touch *touch = (const struct touch *)inject;

	return hw_mountinfo_same(touch->mount->path, &touch->info);
}

static void close_touch(struct hw_inject *inject)
{
	free((struct touch *)inject);
}

const struct hw_inject_ops hw_inject_touch = {
	.open = open_touch,
	.event = imitate,
	.is_there = touch_is_there,
	.close = close_touch,
};
