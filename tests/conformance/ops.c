/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct run {
	struct hw_world *world;
	const struct hw_op *op;
	struct hw_spot at[2]; /* of the arguments that are names according to the verb */
};

typedef int run_fn(struct run *run);

/* Selects the arguments that are names. FIRST and SECOND obey `outside`; CROSS_IN and CROSS_OUT
 * move from one side to the other. */
enum names { NONE, FIRST, SECOND, BOTH, CROSS_IN, CROSS_OUT };

struct hw_verb {
	const char *name;
	const char *usage;
	run_fn *run;
	enum names names;
	unsigned min, max;
};

static int or_errno(int r)
{
	return r < 0 ? -errno : 0;
}

static const char *arg(const struct run *run, unsigned i)
{
	return i < run->op->argc ? run->op->args[i].data : NULL;
}

static int64_t number(const char *text)
{
	return strtoll(text, NULL, 0);
}

/* Writes the whole argument and closes fd. */
static int write_close(int fd, const struct hw_bytes *data)
{
	int r = 0;

	if (fd < 0)
		return -errno;
	if (data && data->len && write(fd, data->data, data->len) != (ssize_t)data->len)
		r = -errno;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

static int write_all(int fd, const struct hw_bytes *data)
{
	return write(fd, data->data, data->len) == (ssize_t)data->len ? 0 : -errno;
}

static int open_at(const struct hw_spot *at, int flags)
{
	return openat(at->dir, at->leaf, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/* ---- files ---- */

static int run_create(struct run *run)
{
	return write_close(open_at(&run->at[0], O_WRONLY | O_CREAT | O_EXCL), NULL);
}

static int run_write(struct run *run)
{
	return write_close(open_at(&run->at[0], O_WRONLY | O_CREAT | O_TRUNC), &run->op->args[1]);
}

static int run_append(struct run *run)
{
	return write_close(open_at(&run->at[0], O_WRONLY | O_APPEND), &run->op->args[1]);
}

/* The file gets its name after its data. */
static int run_tmpfile(struct run *run)
{
	const struct hw_spot *at = &run->at[0];
	int fd = openat(at->dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
	char proc[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	if (fd < 0)
		return -errno;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* fits */
	int r = write_all(fd, &run->op->args[1]);
	if (!r)
		r = or_errno(linkat(AT_FDCWD, proc, at->dir, at->leaf, AT_SYMLINK_FOLLOW));
	return close(fd) && !r ? -errno : r;
}

static int run_truncate(struct run *run)
{
	return or_errno(truncate(run->at[0].proc, number(arg(run, 1))));
}

static int run_mmap(struct run *run)
{
	const struct hw_bytes *data = &run->op->args[1];
	int fd = open_at(&run->at[0], O_RDWR), r = 0;

	if (fd < 0)
		return -errno;
	void *map = mmap(NULL, data->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		r = -errno;
	} else {
		memcpy(map, data->data, data->len);
		r = or_errno(munmap(map, data->len));
	}
	(void)close(fd); /* the data was written through the mapping */
	return r;
}

static int run_peek(struct run *run)
{
	char byte;
	int fd = open_at(&run->at[0], O_RDONLY);

	if (fd < 0)
		return -errno;
	int r = or_errno(read(fd, &byte, 1) < 0 ? -1 : 0);
	(void)close(fd); /* only read */
	return r;
}

static int run_unlink(struct run *run)
{
	return or_errno(unlinkat(run->at[0].dir, run->at[0].leaf, 0));
}

static int run_mknod(struct run *run)
{
	static const struct {
		const char *name;
		mode_t mode;
	} kinds[] = { { "file", S_IFREG },
		      { "fifo", S_IFIFO },
		      { "socket", S_IFSOCK },
		      { "null", S_IFCHR } };

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, arg(run, 1)))
			return or_errno(mknodat(run->at[0].dir, run->at[0].leaf,
						kinds[i].mode | 0644, makedev(1, 3)));
	return -EINVAL;
}

static int run_link(struct run *run)
{
	const struct hw_spot *a = &run->at[0], *b = &run->at[1];

	return or_errno(linkat(a->dir, a->leaf, b->dir, b->leaf, 0));
}

static int run_symlink(struct run *run)
{
	return or_errno(symlinkat(arg(run, 0), run->at[1].dir, run->at[1].leaf));
}

/* ---- names ---- */

static int rename_with(struct run *run, unsigned flags)
{
	const struct hw_spot *a = &run->at[0], *b = &run->at[1];

	return or_errno(renameat2(a->dir, a->leaf, b->dir, b->leaf, flags));
}

static int run_rename(struct run *run)
{
	return rename_with(run, 0);
}

static int run_exchange(struct run *run)
{
	return rename_with(run, RENAME_EXCHANGE);
}

static int run_rmdir(struct run *run)
{
	return or_errno(unlinkat(run->at[0].dir, run->at[0].leaf, AT_REMOVEDIR));
}

static int run_rm(struct run *run)
{
	return strcmp(arg(run, 0), "-r") ? -EINVAL
					 : hw_scratch_remove_at(run->at[1].dir, run->at[1].leaf);
}

/* ---- metadata ---- */

static int run_chmod(struct run *run)
{
	return or_errno(fchmodat(run->at[1].dir, run->at[1].leaf,
				 (mode_t)strtoul(arg(run, 0), NULL, 8), 0));
}

static int run_chown(struct run *run)
{
	unsigned uid, gid;

	if (sscanf(arg(run, 0), "%u:%u", &uid, &gid) != 2)
		return -EINVAL;
	return or_errno(fchownat(run->at[1].dir, run->at[1].leaf, uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int touch_times(struct run *run, bool atime, bool mtime)
{
	struct timespec when = { .tv_nsec = UTIME_NOW };
	const struct timespec omit = { .tv_nsec = UTIME_OMIT };

	if (arg(run, 1))
		when = (struct timespec){ .tv_sec = number(arg(run, 1)) };
	const struct timespec times[2] = { atime ? when : omit, mtime ? when : omit };
	return or_errno(utimensat(run->at[0].dir, run->at[0].leaf, times, AT_SYMLINK_NOFOLLOW));
}

static int run_touch(struct run *run)
{
	return touch_times(run, true, true);
}

static int run_touch_atime(struct run *run)
{
	return touch_times(run, true, false);
}

static int run_touch_mtime(struct run *run)
{
	return touch_times(run, false, true);
}

static int run_setxattr(struct run *run)
{
	const struct hw_bytes *value = &run->op->args[2];

	return or_errno(lsetxattr(run->at[0].proc, arg(run, 1), value->data, value->len, 0));
}

static int run_removexattr(struct run *run)
{
	return or_errno(lremovexattr(run->at[0].proc, arg(run, 1)));
}

/* ---- handles ---- */

static struct hw_handle *find_handle(struct hw_world *world, const char *name)
{
	for (unsigned i = 0; i < HW_WORLD_HANDLES; i++) {
		struct hw_handle *handle = &world->handles[i];

		if (name ? handle->name && !strcmp(handle->name, name) : !handle->name)
			return handle;
	}
	return NULL;
}

static int run_open(struct run *run)
{
	static const struct {
		const char *name;
		int flags;
	} modes[] = {
		{ "write", O_WRONLY },
		{ "append", O_WRONLY | O_APPEND },
		{ "truncate", O_WRONLY | O_TRUNC },
		{ "read", O_RDONLY },
		{ "create", O_WRONLY | O_CREAT | O_EXCL },
		{ "tmpfile", O_WRONLY | O_TMPFILE },
	};
	struct hw_handle *handle = find_handle(run->world, NULL);
	int flags = -1;

	for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, arg(run, 2) ? arg(run, 2) : "write"))
			flags = modes[i].flags;
	if (!handle || flags < 0 || find_handle(run->world, arg(run, 1)))
		return -EINVAL;
	handle->fd = open_at(&run->at[0], flags);
	if (handle->fd < 0)
		return -errno;
	handle->name = strdup(arg(run, 1));
	return handle->name ? 0 : -ENOMEM;
}

static int run_writeh(struct run *run)
{
	const struct hw_handle *handle = find_handle(run->world, arg(run, 0));

	return handle ? write_all(handle->fd, &run->op->args[1]) : -EBADF;
}

static int run_truncateh(struct run *run)
{
	const struct hw_handle *handle = find_handle(run->world, arg(run, 0));

	return handle ? or_errno(ftruncate(handle->fd, number(arg(run, 1)))) : -EBADF;
}

static int run_closeh(struct run *run)
{
	struct hw_handle *handle = find_handle(run->world, arg(run, 0));

	if (!handle)
		return -EBADF;
	free(handle->name);
	handle->name = NULL;
	return or_errno(close(handle->fd));
}

/* Links the inode of an open file, which may have no name so far. */
static int run_linkh(struct run *run)
{
	const struct hw_handle *handle = find_handle(run->world, arg(run, 0));
	const struct hw_spot *at = &run->at[1];
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	if (!handle)
		return -EBADF;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", handle->fd);
	return or_errno(linkat(AT_FDCWD, path, at->dir, at->leaf, AT_SYMLINK_FOLLOW));
}

/* ---- directories ---- */

static int run_mkdir(struct run *run)
{
	bool parents = !strcmp(arg(run, 0), "-p");
	struct hw_spot at;

	if (parents != (run->op->argc == 2))
		return -EINVAL;
	int r = hw_world_resolve(run->world, run->op->outside, arg(run, parents), parents, &at);
	if (r)
		return r;
	r = or_errno(mkdirat(at.dir, at.leaf, 0755));
	(void)close(at.dir); /* O_PATH */
	return r;
}

/* ---- mounts and the root ---- */

static int keep_mount(struct hw_world *world, const char *name)
{
	if (world->mount_count == HW_WORLD_MOUNTS)
		return -EMFILE;
	char **slot = &world->mounts[world->mount_count];
	if (asprintf(slot, "%s/%s", world->root, name) < 0)
		return -ENOMEM;
	world->mount_count++;
	return 0;
}

static int run_mount(struct run *run)
{
	int r = keep_mount(run->world, arg(run, 0));

	return r ? r : or_errno(mount("hwtest", run->at[0].proc, "tmpfs", 0, "size=1m"));
}

/* NEW may be a symlink: mount(2) would follow it in a path. */
static int run_bind(struct run *run)
{
	char proc[64];
	int fd = openat(run->at[1].dir, run->at[1].leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : keep_mount(run->world, arg(run, 1));

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (!r)
		r = or_errno(mount(run->at[0].proc, proc, NULL, MS_BIND, NULL));
	if (fd >= 0)
		(void)close(fd); /* O_PATH */
	return r;
}

/* An entry of a new root: a directory if its name ends with a slash, else a file with content. */
static int make_in_root(int base, const char *name)
{
	char path[NAME_MAX + 8];
	size_t len = strlen(name);
	int fd;

	(void)snprintf(path, sizeof(path), "new/%s", name);
	if (len && name[len - 1] == '/')
		return or_errno(mkdirat(base, path, 0755));
	fd = openat(base, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int r = write(fd, name, len) < 0 ? -errno : 0;

	return close(fd) < 0 && r == 0 ? -errno : r;
}

/* It appears with its entries, however soon the watcher notices it. */
static int make_root(struct run *run)
{
	int base = run->world->fd, r = or_errno(mkdirat(base, "new", 0755));

	for (unsigned i = 1; i < run->op->argc && r == 0; i++)
		r = make_in_root(base, arg(run, i));
	return r ? r : or_errno(renameat(base, "new", base, "share"));
}

static int run_root(struct run *run)
{
	int base = run->world->fd;
	const char *what = arg(run, 0);

	if (!strcmp(what, "away"))
		return or_errno(renameat(base, "share", base, "away"));
	if (!strcmp(what, "back"))
		return or_errno(renameat(base, "away", base, "share"));
	if (!strcmp(what, "delete"))
		return hw_scratch_remove_at(base, "share");
	if (!strcmp(what, "new"))
		return make_root(run);
	return -EINVAL;
}

/* ---- the table ---- */

static const struct hw_verb verbs[] = {
	{ "create", "create NAME", run_create, FIRST, 1, 1 },
	{ "write", "write NAME TEXT", run_write, FIRST, 2, 2 },
	{ "append", "append NAME TEXT", run_append, FIRST, 2, 2 },
	{ "tmpfile", "tmpfile NAME TEXT", run_tmpfile, FIRST, 2, 2 },
	{ "truncate", "truncate NAME SIZE", run_truncate, FIRST, 2, 2 },
	{ "mmap", "mmap NAME TEXT", run_mmap, FIRST, 2, 2 },
	{ "read", "read NAME", run_peek, FIRST, 1, 1 },
	{ "unlink", "unlink NAME", run_unlink, FIRST, 1, 1 },
	{ "mknod", "mknod NAME file|fifo|socket|null", run_mknod, FIRST, 2, 2 },
	{ "link", "link OLD NEW", run_link, BOTH, 2, 2 },
	{ "symlink", "symlink TARGET NAME", run_symlink, SECOND, 2, 2 },
	{ "rename", "rename OLD NEW", run_rename, BOTH, 2, 2 },
	{ "exchange", "exchange NAME NAME", run_exchange, BOTH, 2, 2 },
	{ "movein", "movein OUTSIDE NAME", run_rename, CROSS_IN, 2, 2 },
	{ "moveout", "moveout NAME OUTSIDE", run_rename, CROSS_OUT, 2, 2 },
	{ "mkdir", "mkdir [-p] NAME", run_mkdir, NONE, 1, 2 },
	{ "rmdir", "rmdir NAME", run_rmdir, FIRST, 1, 1 },
	{ "rm", "rm -r NAME", run_rm, SECOND, 2, 2 },
	{ "chmod", "chmod MODE NAME", run_chmod, SECOND, 2, 2 },
	{ "chown", "chown UID:GID NAME", run_chown, SECOND, 2, 2 },
	{ "touch", "touch NAME [SECONDS]", run_touch, FIRST, 1, 2 },
	{ "touch-atime", "touch-atime NAME [SECONDS]", run_touch_atime, FIRST, 1, 2 },
	{ "touch-mtime", "touch-mtime NAME [SECONDS]", run_touch_mtime, FIRST, 1, 2 },
	{ "setxattr", "setxattr NAME KEY VALUE", run_setxattr, FIRST, 3, 3 },
	{ "removexattr", "removexattr NAME KEY", run_removexattr, FIRST, 2, 2 },
	{ "open", "open NAME HANDLE [write|append|truncate|create|read|tmpfile]", run_open, FIRST,
	  2, 3 },
	{ "linkh", "linkh HANDLE NAME", run_linkh, SECOND, 2, 2 },
	{ "writeh", "writeh HANDLE TEXT", run_writeh, NONE, 2, 2 },
	{ "truncateh", "truncateh HANDLE SIZE", run_truncateh, NONE, 2, 2 },
	{ "closeh", "closeh HANDLE", run_closeh, NONE, 1, 1 },
	{ "mount-tmpfs", "mount-tmpfs NAME", run_mount, FIRST, 1, 1 },
	{ "bind", "bind OLD NEW", run_bind, BOTH, 2, 2 },
	{ "root", "root away|back|delete|new [NAME...]", run_root, NONE, 1, 3 },
};

const struct hw_verb *hw_verb_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

bool hw_verb_takes(const struct hw_verb *verb, unsigned args)
{
	return args >= verb->min && args <= verb->max;
}

const char *hw_verb_usage(const struct hw_verb *verb)
{
	return verb->usage;
}

/* Resolves argument i, if it is a name according to the verb. */
static int find_place(struct run *run, unsigned i)
{
	enum names names = run->op->verb->names;
	bool wanted = names >= BOTH || names == (i ? SECOND : FIRST);
	bool outside = names == CROSS_IN ? !i : names == CROSS_OUT ? i == 1 : run->op->outside;

	return wanted ? hw_world_resolve(run->world, outside, arg(run, i), false, &run->at[i]) : 0;
}

bool hw_op_needs_merged(const struct hw_op *op)
{
	return op->verb->run == run_open || op->verb->run == run_mount || op->verb->run == run_bind;
}

int hw_op_run(struct hw_world *world, const struct hw_op *op)
{
	struct run run = { .world = world, .op = op, .at = { { .dir = -1 }, { .dir = -1 } } };
	int r = find_place(&run, 0);

	if (!r)
		r = find_place(&run, 1);
	if (!r)
		r = op->verb->run(&run);
	for (unsigned i = 0; i < 2; i++)
		if (run.at[i].dir >= 0)
			(void)close(run.at[i].dir); /* O_PATH */
	return r;
}
