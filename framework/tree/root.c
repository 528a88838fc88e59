/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root.h"
#include "apart.h"
#include "cross.h"
#include "disk.h"
#include "log.h"
#include "path.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define QUOTED_MAX 300u
#define READ_AND_SEARCH 0055u /* of the group and of others */

/* ---- directories ---- */

static int describe(int fd, struct hw_root_dir *ret)
{
	struct statx stx;
	struct hw_stat stat;
	int r;

	r = hw_apart_statx(fd, "", AT_EMPTY_PATH, HW_STATX_MASK, &stx);
	if (r < 0)
		return r;
	hw_stat_from_statx(&stat, &stx);
	*ret = (struct hw_root_dir){
		.ino = stx.stx_ino,
		.mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0,
		.btime_ns = stat.btime_ns,
		.dev = hw_statx_dev(&stx),
		.uid = stx.stx_uid,
		.gid = stx.stx_gid,
		.mode = stx.stx_mode,
		.nlink = stx.stx_nlink,
	};
	return 0;
}

/* Describes a directory that `above` leads to (NULL: a link does). */
static int describe_below(int fd, const struct hw_root_dir *above, struct hw_root_dir *ret)
{
	struct hw_root_dir dir;
	int r = describe(fd, &dir);

	if (r == 0 && hw_cross_is_guarded() && (!above || above->mount != dir.mount))
		r = hw_cross_check(above ? above->mount : 0, dir.mount);
	if (r == 0)
		*ret = dir;
	return r;
}

/* A filesystem that is mounted again often has another device number. */
static bool is_same(const struct hw_root_dir *a, const struct hw_root_dir *b)
{
	return a->ino == b->ino && a->btime_ns == b->btime_ns && (a->dev == b->dev || a->btime_ns);
}

static bool is_on_fuse(int fd)
{
	struct statfs fs;
	int r;

	hw_away_begin();
	r = fstatfs(fd, &fs);
	hw_away_end();
	return r == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

static int open_dir(int dirfd, const char *name, bool magic)
{
	int fd;

	hw_away_begin();
	fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | (magic ? 0 : O_NOFOLLOW));
	hw_away_end();
	return fd < 0 ? -errno : fd;
}

/* Returns whether the name is a symbolic link; it must exist and not be a directory. */
static bool is_link(int dirfd, const char *name, uid_t *ret_owner)
{
	struct statx stx;
	int r = hw_apart_statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_UID, &stx);

	if (r < 0 || !S_ISLNK(stx.stx_mode))
		return false;
	*ret_owner = stx.stx_uid;
	return true;
}

static const char *name_of(const struct hw_root_path *root, size_t step, char buf[NAME_MAX + 1])
{
	size_t len = root->steps[step].end - root->steps[step].name;

	memcpy(buf, root->path + root->steps[step].name, len);
	buf[len] = '\0';
	return buf;
}

/* Quotes the path of a step. */
static const char *path_of(const struct hw_root_path *root, size_t step, char buf[QUOTED_MAX])
{
	return step ? hw_quote(buf, QUOTED_MAX, root->path, root->steps[step].end) : "/";
}

/* ---- resolving ---- */

struct resolver {
	struct hw_root_path root; /* owned */
	char *rest; /* owned: the path that is not resolved yet */
	int fd; /* owned: the directory that was reached */
	unsigned links;
	/* Links of users who are neither root nor the user of this process. */
	char *foreign; /* owned: path of the first one; NULL: none */
	uid_t owner;
	bool many; /* they have several owners */
};

static int add_step(struct resolver *r, const char *name, size_t len, bool magic)
{
	struct hw_root_path *root = &r->root;
	size_t begin = root->count ? root->steps[root->count - 1].end + 1 : 0;
	struct hw_root_step *steps = reallocarray(root->steps, root->count + 1, sizeof(*steps));
	char *path = steps ? realloc(root->path, begin + len + 1) : NULL;
	int error;

	if (steps)
		root->steps = steps;
	if (!path)
		return -ENOMEM;
	root->path = path;
	if (begin)
		path[begin - 1] = '/';
	memcpy(path + begin, name, len);
	path[begin + len] = '\0';
	steps[root->count] =
		(struct hw_root_step){ .name = begin, .end = begin + len, .magic = magic };
	error = describe_below(r->fd, root->count && !magic ? &steps[root->count - 1].dir : NULL,
			       &steps[root->count].dir);
	root->count++;
	return error;
}

/* Opens the directory of the steps so far again. */
static int reopen(struct resolver *r)
{
	char name[NAME_MAX + 1];
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct hw_root_dir dir = r->root.count ? r->root.steps[0].dir : (struct hw_root_dir){ 0 };

	for (size_t i = 1; fd >= 0 && i < r->root.count; i++) {
		bool magic = r->root.steps[i].magic;
		int next = open_dir(fd, name_of(&r->root, i, name), magic);
		int error = next < 0 ? next : describe_below(next, magic ? NULL : &dir, &dir);

		close(fd);
		if (error < 0 && next >= 0)
			close(next);
		if (error < 0)
			return error;
		fd = next;
	}
	if (fd < 0)
		return -errno;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = fd;
	return 0;
}

static int go_up(struct resolver *r)
{
	struct hw_root_path *root = &r->root;

	if (root->count > 1 && root->steps[root->count - 1].magic)
		return -ELOOP; /* not the directory that the path says */
	if (root->count > 1)
		root->count--;
	root->path[root->steps[root->count - 1].end] = '\0';
	return reopen(r);
}

static int note_owner(struct resolver *r, const char *name, uid_t owner)
{
	if (owner == 0 || owner == geteuid())
		return 0;
	if (r->foreign) {
		r->many |= owner != r->owner;
		return 0;
	}
	r->owner = owner;
	return asprintf(&r->foreign, "%s/%s", r->root.path, name) < 0 ? -ENOMEM : 0;
}

static bool is_magic(int dirfd, const char *name)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	long fd;

	if (hw_cross_is_guarded()) /* on other mounts, the link is followed step by step */
		how.resolve |= RESOLVE_NO_XDEV;
	hw_away_begin();
	fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	hw_away_end();
	if (fd >= 0)
		close((int)fd);
	return fd < 0 && errno == ELOOP;
}

/* Puts the target of a link in front of the rest of the path. */
static int follow(struct resolver *r, const char *name, const char *rest)
{
	char target[PATH_MAX], *path;
	ssize_t len;

	hw_away_begin();
	len = readlinkat(r->fd, name, target, sizeof(target) - 1);
	hw_away_end();
	if (len < 0)
		return -errno;
	target[len] = '\0';
	if (asprintf(&path, "%s/%s", target, rest) < 0)
		return -ENOMEM;
	free(r->rest);
	r->rest = path;
	if (target[0] != '/')
		return 0;
	r->root.count = 1;
	r->root.path[0] = '\0';
	return reopen(r);
}

static int enter(struct resolver *r, const char *name, size_t len, bool magic)
{
	int fd = open_dir(r->fd, name, magic);

	if (fd < 0)
		return fd;
	close(r->fd);
	r->fd = fd;
	return add_step(r, name, len, magic);
}

/* Takes one component of the path. */
static int advance(struct resolver *r, const char *name, size_t len, const char *rest)
{
	uid_t owner;
	int error;

	if (strcmp(name, "..") == 0)
		return go_up(r);
	error = enter(r, name, len, false);
	if (error != -ENOTDIR && error != -ELOOP)
		return error;
	if (!is_link(r->fd, name, &owner))
		return -ENOTDIR;
	if (++r->links > HW_ROOT_LINKS_MAX)
		return -ELOOP;
	error = note_owner(r, name, owner);
	if (error < 0)
		return error;
	return is_magic(r->fd, name) ? enter(r, name, len, true) : follow(r, name, rest);
}

static int resolve(struct resolver *r)
{
	int error = reopen(r);

	if (error == 0)
		error = add_step(r, "", 0, false);
	while (error == 0) {
		char name[NAME_MAX + 1], *at = r->rest + strspn(r->rest, "/");
		size_t len = strcspn(at, "/");
		/* follow() frees the text that `at` is in */
		char *rest = len ? strdup(at + len) : NULL;

		if (!len)
			return 0;
		if (!rest)
			return -ENOMEM;
		if (len > NAME_MAX) {
			free(rest);
			return -ENAMETOOLONG;
		}
		memcpy(name, at, len);
		name[len] = '\0';
		memmove(r->rest, rest, strlen(rest) + 1);
		error = strcmp(name, ".") == 0 ? 0 : advance(r, name, len, rest);
		free(rest);
	}
	return error;
}

static int finish(struct hw_root_path *root, int fd)
{
	root->now = calloc(root->count, sizeof(*root->now));
	if (root->count == 1) {
		free(root->path);
		root->path = strdup("/");
	}
	root->fuse = is_on_fuse(fd);
	return root->now && root->path ? 0 : -ENOMEM;
}

/* A user could make a link to a directory of another user, and have it disclosed. */
static int check_links(struct resolver *r)
{
	const struct hw_root_dir *dir = &r->root.steps[r->root.count - 1].dir;
	char quoted[QUOTED_MAX];

	if (!r->foreign || (r->owner == dir->uid && !r->many))
		return 0;
	(void)snprintf(r->root.refusal, sizeof(r->root.refusal),
		       "%s is a symbolic link of uid %u to a directory of uid %u; configure the "
		       "path of the directory, or let root make the link",
		       hw_quote(quoted, sizeof(quoted), r->foreign, strlen(r->foreign)),
		       (unsigned)r->owner, (unsigned)dir->uid);
	return -EPERM;
}

int hw_root_resolve(struct hw_root_path *root, const char *path)
{
	struct resolver r = { .fd = -1 };
	int error = -ENOENT;

	if (*path) {
		r.rest = hw_path_make_absolute(path);
		error = r.rest ? resolve(&r) : -errno;
	}
	if (error == 0)
		error = check_links(&r);
	if (error == 0)
		error = finish(&r.root, r.fd);
	r.root.linked = r.links > 0;
	free(r.rest);
	free(r.foreign);
	if (error < 0) {
		if (r.fd >= 0)
			close(r.fd);
		memcpy(root->refusal, r.root.refusal, sizeof(root->refusal));
		hw_root_free(&r.root);
		return error;
	}
	hw_root_free(root);
	*root = r.root;
	return r.fd;
}

void hw_root_free(struct hw_root_path *root)
{
	free(root->path);
	free(root->steps);
	free(root->now);
	root->path = NULL;
	root->steps = NULL;
	root->now = NULL;
	root->count = 0;
}

/* ---- trust ---- */

__attribute__((format(printf, 2, 3))) static int refuse(struct hw_root_path *root,
							const char *format, ...)
{
	va_list ap;

	char text[500];

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* fits */
	va_end(ap);
	(void)snprintf(root->refusal, sizeof(root->refusal),
		       "%s; the share stays offline until the old directory is back; to accept "
		       "what is there now, run 'hostwatch reload' or start hostwatch again",
		       text);
	return -EPERM;
}

static bool is_trusted(const struct hw_root_path *root, uid_t uid)
{
	return uid == 0 || uid == geteuid() || uid == root->steps[root->count - 1].dir.uid;
}

/* Returns whether only trusted users can have given this directory its name. */
static bool is_placed_by_trusted(const struct hw_root_path *root, size_t step)
{
	const struct hw_root_dir *above = &root->now[step - 1], *dir = &root->now[step];

	if (dir->mount && dir->mount != above->mount)
		return true; /* mounted by root; see check_step() about FUSE */
	if (!is_trusted(root, above->uid))
		return false;
	return !(above->mode & (S_IWGRP | S_IWOTH)) ||
	       (above->mode & S_ISVTX && is_trusted(root, dir->uid));
}

static int check_step(struct hw_root_path *root, size_t step)
{
	const struct hw_root_dir *was = &root->steps[step].dir, *is = &root->now[step];
	char quoted[QUOTED_MAX];

	if (is_same(was, is) && is->btime_ns)
		return 0; /* only root can have given it to another user */
	if (was->uid != is->uid)
		return refuse(root, "%s now belongs to uid %u, before to uid %u",
			      path_of(root, step, quoted), (unsigned)is->uid, (unsigned)was->uid);
	if (is_same(was, is))
		return 0;
	if (root->steps[step].magic)
		return refuse(root, "%s now leads to another directory",
			      path_of(root, step, quoted));
	if (is_placed_by_trusted(root, step))
		return 0;
	if (was->gid != is->gid || was->mode & ~is->mode & READ_AND_SEARCH)
		return refuse(
			root,
			"%s was replaced by a directory with fewer permissions, by a user who "
			"may write to the directory above it",
			path_of(root, step, quoted));
	return 0;
}

bool hw_root_is_exposed(const struct hw_root_path *root, size_t below)
{
	size_t step = root->count - 1 - below;

	return step > 0 && !is_placed_by_trusted(root, step);
}

static int check_steps(struct hw_root_path *root, int fd)
{
	char quoted[QUOTED_MAX];
	size_t last = root->count - 1;

	for (size_t i = 1; i <= last; i++) {
		int r = check_step(root, i);

		if (r < 0)
			return r;
	}
	/* The only filesystem that ordinary users can mount. It may have the device number of the
	 * one that was there before: the kernel uses numbers again. */
	if (!root->fuse && is_on_fuse(fd))
		return refuse(root, "%s is now on a FUSE filesystem, which any user can mount",
			      path_of(root, last, quoted));
	return 0;
}

/* ---- at the resolved path ---- */

static int visit_nothing(void *arg, int fd, size_t below)
{
	(void)arg;
	(void)fd;
	(void)below;
	return 0;
}

/* Fills root->now. Returns a descriptor, -errno, or the result of fn. */
static int walk(struct hw_root_path *root, hw_root_visit_fn *fn, void *arg)
{
	char name[NAME_MAX + 1], quoted[QUOTED_MAX];
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), r;
	uid_t owner;

	root->refusal[0] = '\0';
	if (fd < 0)
		return -errno;
	r = describe(fd, &root->now[0]);
	if (r == 0)
		r = fn(arg, fd, root->count - 1);
	for (size_t i = 1; r == 0 && i < root->count; i++) {
		bool magic = root->steps[i].magic;
		int next = open_dir(fd, name_of(root, i, name), magic);

		if ((next == -ENOTDIR || next == -ELOOP) && !magic && is_link(fd, name, &owner))
			next = refuse(root, "%s is now a symbolic link, made by uid %u",
				      path_of(root, i, quoted), (unsigned)owner);
		r = next < 0
			    ? next
			    : describe_below(next, magic ? NULL : &root->now[i - 1], &root->now[i]);
		if (r == 0)
			r = fn(arg, next, root->count - 1 - i);
		close(fd);
		fd = next;
	}
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}

/* Owners and modes may be changed while the share is online. */
static void keep_now(struct hw_root_path *root)
{
	for (size_t i = 0; i < root->count; i++)
		root->steps[i].dir = root->now[i];
}

int hw_root_visit(struct hw_root_path *root, hw_root_visit_fn *fn, void *arg)
{
	int fd = walk(root, fn, arg);

	if (fd < 0)
		return fd;
	(void)close(fd); /* O_PATH */
	return 0;
}

const char *hw_root_name(const struct hw_root_path *root)
{
	return root->path + root->steps[root->count - 1].name;
}

int hw_root_is_at(struct hw_root_path *root, int held)
{
	const struct hw_root_dir *there = &root->now[root->count - 1];
	struct hw_root_dir ours;
	int r, fd = walk(root, visit_nothing, NULL);

	if (fd < 0)
		return *root->refusal ? 0 : fd;
	close(fd);
	r = describe(held, &ours);
	if (r < 0)
		return r;
	if (ours.dev != there->dev || !is_same(&ours, there) || ours.nlink == 0)
		return 0;
	keep_now(root);
	return 1;
}

int hw_root_return(struct hw_root_path *root)
{
	int fd = walk(root, visit_nothing, NULL), r;

	if (fd < 0)
		return fd;
	r = check_steps(root, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	keep_now(root);
	return fd;
}
