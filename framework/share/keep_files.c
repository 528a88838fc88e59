/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a state: their names and directories. */
#include "keep.h"
#include "keep_calls.h"
#include "mounts.h"
#include "remote.h"
#include "share_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

struct hw_keep_name hw_keep_name(const struct hw_share *share, const char *suffix)
{
	struct hw_keep_name name;

	/* A name has at most 64 bytes. */
	(void)snprintf(name.text, sizeof(name.text), "%.64s.%s", share->name, suffix);
	return name;
}

static struct hw_keep_name numbered(const struct hw_share *share, uint64_t generation,
				    const char *kind)
{
	char suffix[32];

	(void)snprintf(suffix, sizeof(suffix), "%016" PRIx64 ".%s", generation, kind);
	return hw_keep_name(share, suffix);
}

struct hw_keep_name hw_keep_log_name(const struct hw_share *share, uint64_t generation)
{
	return numbered(share, generation, "log");
}

struct hw_keep_name hw_keep_copy_name(const struct hw_share *share, uint64_t generation)
{
	return numbered(share, generation, "copy");
}

bool hw_keep_remove_logs(struct hw_share *share, uint64_t from, uint64_t to)
{
	bool removed = true;

	for (; from < to; from++)
		removed &=
			unlinkat(share->keep.log_dir, hw_keep_log_name(share, from).text, 0) == 0 ||
			errno == ENOENT;
	return removed;
}

/* Returns whether this is such a name, and of which generation. */
static bool is_numbered(const struct hw_share *share, const char *name, hw_keep_name_fn *name_fn,
			uint64_t *ret)
{
	size_t len = strlen(share->name);

	if (strncmp(name, share->name, len) != 0 || name[len] != '.')
		return false;
	*ret = strtoull(name + len + 1, NULL, 16);
	return strcmp(name, name_fn(share, *ret).text) == 0;
}

bool hw_keep_remove_others(struct hw_share *share, int dir, hw_keep_name_fn *name_fn, uint64_t from,
			   uint64_t to)
{
	int fd = away_openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t generation;
	bool any = false;

	if (!stream && fd >= 0)
		(void)close(fd);
	while (stream && (entry = away_readdir(stream)))
		if (is_numbered(share, entry->d_name, name_fn, &generation) &&
		    (generation < from || generation >= to)) {
			(void)away_unlinkat(dir, entry->d_name);
			any = true;
		}
	if (stream)
		(void)closedir(stream);
	return any;
}

static int refuse(struct hw_keep *keep, const char *path, int error, const char *reason)
{
	char quoted[160];

	(void)snprintf(keep->why, sizeof(keep->why), "%s: %s",
		       hw_quote(quoted, sizeof(quoted), path, strlen(path)),
		       reason ? reason : strerror(-error));
	return error;
}

static int refuse_owner(struct hw_keep *keep, const char *path, uid_t owner)
{
	char reason[160];

	(void)snprintf(reason, sizeof(reason),
		       "it belongs to user %u, and hostwatchd runs as user %u; change the owner of "
		       "the files of the state with chown(1), and restart hostwatchd",
		       (unsigned)owner, (unsigned)geteuid());
	return refuse(keep, path, -EPERM, reason);
}

int hw_keep_check_owner(struct hw_keep *keep, int dir, const char *name, int error)
{
	char path[PATH_MAX + sizeof(struct hw_keep_name)];
	struct stat st;

	if (away_lstat(dir, name, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid == geteuid())
		return error;
	(void)snprintf(path, sizeof(path), "%s/%s",
		       dir == keep->dir ? keep->dir_path : keep->log_path, name);
	return refuse_owner(keep, path, st.st_uid);
}

/* Returns whether a directory is at or below another one. If that is unknown, it is not. */
static bool is_below(int dir, const struct stat *top)
{
	int fd = away_openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), up;
	struct stat st, last = { .st_ino = 0 };
	bool below = false;

	while (fd >= 0 && away_fstat(fd, &st) == 0 &&
	       (st.st_ino != last.st_ino || st.st_dev != last.st_dev)) {
		below |= st.st_ino == top->st_ino && st.st_dev == top->st_dev;
		last = st;
		up = below ? -1 : away_openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = up;
	}
	if (fd >= 0)
		(void)close(fd);
	return below;
}

static void look_inside(void *arg)
{
	struct hw_share *share = arg;
	struct hw_keep *keep = &share->keep;

	keep->result = is_below(keep->dir, &keep->root) || is_below(keep->log_dir, &keep->root);
}

bool hw_keep_is_inside(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	return keep->usable && away_fstat(share->disk.root, &keep->root) == 0 &&
	       hw_keep_worker_run(share, look_inside, share) && keep->result;
}

/* Asks the kernel only. */
static bool is_of_a_server(int dir)
{
	char link[40], path[PATH_MAX];
	ssize_t len;

	if (!hw_remote_any())
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return true;
	path[len] = '\0';
	return hw_mounts_may_hang(path);
}

/* Another process could change where a symbolic link points to. */
static int refuse_dir(struct hw_keep *keep, const char *path, const char *option, int error)
{
	char reason[100];
	struct stat st;

	if (away_lstat(AT_FDCWD, path, &st) < 0 || !S_ISLNK(st.st_mode))
		return refuse(keep, path, error, NULL);
	(void)snprintf(reason, sizeof(reason),
		       "it is a symbolic link; set %s to the path that it points to", option);
	return refuse(keep, path, error, reason);
}

static int open_dir(struct hw_keep *keep, const char *path, const char *option, int *ret)
{
	struct stat st;
	int fd = away_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || away_fstat(fd, &st) < 0) {
		int error = -errno;

		if (fd >= 0)
			(void)close(fd);
		return refuse_dir(keep, path, option, error);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		(void)close(fd);
		return refuse_owner(keep, path, st.st_uid);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		(void)close(fd);
		return refuse(keep, path, -EPERM,
			      "other users may write to this directory; it needs mode 0700");
	}
	*ret = fd;
	return 0;
}

static int lock(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_name name = hw_keep_name(share, "lock");
	int fd = away_openat(keep->dir, name.text, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : hw_keep_lock(keep, fd, !is_of_a_server(keep->dir));

	keep->lock = fd;
	if (r == 0)
		return 0;
	if (r == -EACCES && hw_keep_check_owner(keep, keep->dir, name.text, r) == -EPERM)
		return -EPERM;
	return refuse(keep, keep->dir_path, r,
		      r == -EAGAIN ? "another hostwatchd keeps the state of a share of this name "
				     "there"
				   : NULL);
}

static int read_boot(struct hw_keep *keep)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	XXH128_canonical_t hash;

	if (len <= 0) {
		int error = errno ? -errno : -EIO;

		if (fd >= 0)
			(void)close(fd);
		return refuse(keep, path, error, NULL);
	}
	(void)close(fd);
	XXH128_canonicalFromHash(&hash, XXH3_128bits(text, (size_t)len));
	memcpy(keep->boot, hash.digest, sizeof(keep->boot));
	return 0;
}

int hw_keep_open(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	int r = open_dir(keep, keep->dir_path, "state_dir", &keep->dir);

	if (r == 0)
		r = open_dir(keep, keep->log_path, "state_log_dir", &keep->log_dir);
	/* Events wait for the log. */
	if (r == 0 && is_of_a_server(keep->log_dir))
		r = refuse(keep, keep->log_path, -EXDEV,
			   "its filesystem is that of a server, which may stop answering; "
			   "state_log_dir must be in memory");
	if (r == 0)
		r = read_boot(keep);
	if (r == 0)
		r = lock(share);
	keep->place = XXH3_64bits_withSeed(share->path, strlen(share->path),
					   XXH3_64bits(share->name, strlen(share->name)));
	keep->usable = r == 0;
	return r;
}

static void close_one(int *fd)
{
	int was = *fd;

	*fd = -1;
	if (was >= 0)
		(void)away_close(was);
}

void hw_keep_close(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	close_one(&keep->log);
	close_one(&keep->lock);
	close_one(&keep->log_dir);
	close_one(&keep->dir);
	keep->usable = false;
}

static const char *reason_of(int error)
{
	switch (error) {
	case -EUCLEAN:
		return "it is damaged";
	case -EPROTONOSUPPORT:
		return "a later version of hostwatch wrote it";
	case -EMEDIUMTYPE:
		return "it is of another directory";
	default:
		return strerror(-error);
	}
}

void hw_keep_set_aside(struct hw_share *share, int error)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_name bad = hw_keep_name(share, "bad");

	if (error == -ENODATA) {
		hw_warning(
			"share %s: the last hostwatchd did not stop cleanly, its log in %s is "
			"lost, "
			"as after a crash of the system, and no sequence numbers are reserved%s%s; "
			"a new epoch begins",
			share->name, keep->log_path, *keep->why ? ": " : "", keep->why);
		(void)away_unlinkat(keep->dir, hw_keep_name(share, "open").text);
		return;
	}
	int r = away_renameat(keep->dir, hw_keep_name(share, "state").text, bad.text);

	if (r < 0)
		r = away_renameat(keep->dir, hw_keep_name(share, "open").text, bad.text);
	hw_warning("share %s: the state in %s cannot be used: %s; it %s %s; a new epoch begins",
		   share->name, keep->dir_path, reason_of(error),
		   r < 0 ? "cannot be kept as" : "is kept as", bad.text);
}
