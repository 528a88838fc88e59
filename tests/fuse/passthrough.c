/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-passthrough DIR AT [FIFO | silent FILE]: mounts DIR at AT, as a host shares a directory with
 * a guest: the kernel may keep names and attributes for a second, and learns of nothing that
 * happens in DIR meanwhile. Prints "mounted" and ends when it is unmounted. With FIFO, a directory
 * whose name is "held" is made when somebody opens that for writing; before, it prints "waits".
 * With FILE, the kernel asks again for everything, and the server stops answering at the request
 * that FILE names: silent.h.
 */
#include "caller.h"
#include "silent_session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uthash.h>

struct key {
	dev_t dev;
	ino_t ino;
};

struct node {
	UT_hash_handle hh;
	struct key key;
	int fd; /* owned, O_PATH */
	uint64_t lookups;
};

static const char *hold; /* FIFO */
static struct node root = { .fd = -1, .lookups = 1 };
static struct node *nodes;
static double keep_s = 1.0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static int fd_of(fuse_ino_t ino)
{
	return node_of(ino)->fd;
}

static const char *link_of(fuse_ino_t ino, char buf[40])
{
	(void)snprintf(buf, 40, "/proc/self/fd/%d", fd_of(ino));
	return buf;
}

static void reply(fuse_req_t req, int result)
{
	(void)fuse_reply_err(req, result < 0 ? errno : 0);
}

/* ---- nodes ---- */

/* Takes the descriptor. */
static struct node *get_node(int fd, const struct stat *st)
{
	struct node *node;
	struct key key;

	memset(&key, 0, sizeof(key));
	key.dev = st->st_dev;
	key.ino = st->st_ino;
	(void)pthread_mutex_lock(&lock);
	HASH_FIND(hh, nodes, &key, sizeof(key), node);
	if (node) {
		(void)close(fd); /* O_PATH: nothing to lose */
	} else {
		node = calloc(1, sizeof(*node));
		if (!node)
			abort();
		node->key = key;
		node->fd = fd;
		HASH_ADD(hh, nodes, key, sizeof(key), node);
	}
	node->lookups++;
	(void)pthread_mutex_unlock(&lock);
	return node;
}

static void forget(fuse_ino_t ino, uint64_t lookups)
{
	struct node *node = node_of(ino);

	if (node == &root)
		return;
	(void)pthread_mutex_lock(&lock);
	node->lookups -= lookups;
	if (node->lookups == 0) {
		HASH_DELETE(hh, nodes, node);
		(void)close(node->fd); /* as above */
		free(node);
	}
	(void)pthread_mutex_unlock(&lock);
}

/* Returns 0 or a positive error number. */
static int find(fuse_ino_t parent, const char *name, struct fuse_entry_param *ret)
{
	int fd = openat(fd_of(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno;
	*ret = (struct fuse_entry_param){ .attr_timeout = keep_s, .entry_timeout = keep_s };
	(void)fstat(fd, &ret->attr); /* of an open descriptor */
	ret->ino = (uintptr_t)get_node(fd, &ret->attr);
	return 0;
}

static void reply_found(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry;
	int error = find(parent, name, &entry);

	if (error)
		(void)fuse_reply_err(req, error);
	else if (fuse_reply_entry(req, &entry) == -ENOENT)
		forget(entry.ino, 1);
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_found(req, parent, name);
}

static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	forget(ino, lookups);
	fuse_reply_none(req);
}

/* ---- attributes ---- */

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct stat st;

	(void)file;
	if (fstatat(fd_of(ino), "", &st, AT_EMPTY_PATH) < 0)
		(void)fuse_reply_err(req, errno);
	else
		(void)fuse_reply_attr(req, &st, keep_s);
}

static struct timespec time_of(int set, int flag, int now, struct timespec time)
{
	if (!(set & flag))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return set & now ? (struct timespec){ .tv_nsec = UTIME_NOW } : time;
}

static int set_attributes(fuse_ino_t ino, const struct stat *st, int set)
{
	const struct timespec times[2] = {
		time_of(set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, st->st_atim),
		time_of(set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, st->st_mtim),
	};
	char buf[40];
	const char *link = link_of(ino, buf);

	if (set & FUSE_SET_ATTR_MODE && chmod(link, st->st_mode) < 0)
		return -1;
	if (set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) &&
	    fchownat(fd_of(ino), "", set & FUSE_SET_ATTR_UID ? st->st_uid : (uid_t)-1,
		     set & FUSE_SET_ATTR_GID ? st->st_gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
		return -1;
	if (set & FUSE_SET_ATTR_SIZE && truncate(link, st->st_size) < 0)
		return -1;
	return set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)
		       ? utimensat(AT_FDCWD, link, times, 0)
		       : 0;
}

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
		       struct fuse_file_info *file)
{
	if (set_attributes(ino, st, set) < 0)
		(void)fuse_reply_err(req, errno);
	else
		do_getattr(req, ino, file);
}

static void do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX + 1];
	ssize_t len = readlinkat(fd_of(ino), "", target, PATH_MAX);

	if (len < 0) {
		(void)fuse_reply_err(req, errno);
		return;
	}
	target[len] = '\0';
	(void)fuse_reply_readlink(req, target);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	char buf[40];

	if (statvfs(link_of(ino, buf), &st) < 0)
		(void)fuse_reply_err(req, errno);
	else
		(void)fuse_reply_statfs(req, &st);
}

/* ---- names ---- */

static void reply_made(fuse_req_t req, fuse_ino_t parent, const char *name, int result)
{
	int error = errno;

	become_server();
	if (result < 0)
		(void)fuse_reply_err(req, error);
	else
		reply_found(req, parent, name);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	become_caller(req);
	reply_made(req, parent, name, mknodat(fd_of(parent), name, mode, dev));
}

static void wait_if_held(const char *name)
{
	int fd;

	if (!hold || strcmp(name, "held") != 0)
		return;
	(void)puts("waits");
	(void)fflush(stdout);
	fd = open(hold, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd); /* nothing is read */
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	wait_if_held(name);
	become_caller(req);
	reply_made(req, parent, name, mkdirat(fd_of(parent), name, mode));
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	become_caller(req);
	reply_made(req, parent, name, symlinkat(target, fd_of(parent), name));
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	char buf[40];

	reply_made(req, parent, name,
		   linkat(AT_FDCWD, link_of(ino, buf), fd_of(parent), name, AT_SYMLINK_FOLLOW));
}

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply(req, unlinkat(fd_of(parent), name, 0));
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply(req, unlinkat(fd_of(parent), name, AT_REMOVEDIR));
}

static void do_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to,
		      const char *new_name, unsigned flags)
{
	reply(req, renameat2(fd_of(from), name, fd_of(to), new_name, flags));
}

/* ---- files ---- */

static int writable(int flags)
{
	/* the kernel reads the rest of a page, and gives offsets itself; buffers are not aligned */
	flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_DIRECT);
	return (flags & O_ACCMODE) == O_WRONLY ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	char buf[40];
	int fd = open(link_of(ino, buf), writable(file->flags) | O_CLOEXEC);

	if (fd < 0) {
		(void)fuse_reply_err(req, errno);
		return;
	}
	file->fh = (uint64_t)fd;
	if (fuse_reply_open(req, file) == -ENOENT)
		(void)close(fd); /* nothing was written */
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *file)
{
	struct fuse_entry_param entry;
	int fd, error;

	become_caller(req);
	fd = openat(fd_of(parent), name,
		    writable(file->flags) | (file->flags & O_EXCL) | O_CREAT | O_NOFOLLOW |
			    O_CLOEXEC,
		    mode);
	error = fd < 0 ? errno : 0;
	become_server();
	if (!error)
		error = find(parent, name, &entry);
	if (error) {
		(void)fuse_reply_err(req, error);
		return;
	}
	file->fh = (uint64_t)fd;
	(void)fuse_reply_create(req, &entry, file);
}

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino, (void)file, (void)fuse_reply_err(req, 0); /* as do_release() */
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)close((int)file->fh); /* write(2) has reported its errors */
	(void)fuse_reply_err(req, 0);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	(void)ino;
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = (int)file->fh;
	buf.buf[0].pos = offset;
	(void)fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

static void do_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
			 struct fuse_file_info *file)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	ssize_t n;

	(void)ino;
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = (int)file->fh;
	out.buf[0].pos = offset;
	n = fuse_buf_copy(&out, in, 0);
	if (n < 0)
		(void)fuse_reply_err(req, (int)-n);
	else
		(void)fuse_reply_write(req, (size_t)n);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	(void)ino;
	reply(req, data_only ? fdatasync((int)file->fh) : fsync((int)file->fh));
}

static void do_fsync_dir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	(void)ino, (void)data_only, (void)file;
	(void)fuse_reply_err(req, 0); /* no test loses the power of the server */
}

static void do_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
			 struct fuse_file_info *file)
{
	(void)ino;
	reply(req, fallocate((int)file->fh, mode, offset, length));
}

static void do_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *file)
{
	off_t found = lseek((int)file->fh, offset, whence);

	(void)ino;
	if (found < 0)
		(void)fuse_reply_err(req, errno);
	else
		(void)fuse_reply_lseek(req, found);
}

/* ---- directories ---- */

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	int fd = openat(fd_of(ino), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		(void)fuse_reply_err(req, errno);
		return;
	}
	file->fh = (uintptr_t)dir;
	(void)fuse_reply_open(req, file);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)closedir((DIR *)(uintptr_t)file->fh); /* nothing to lose */
	(void)fuse_reply_err(req, 0);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static size_t add_entry(fuse_req_t req, fuse_ino_t ino, const struct dirent *dirent, char *buf,
			size_t room, off_t next)
{
	struct fuse_entry_param entry = { .attr = { .st_ino = dirent->d_ino,
						    .st_mode = (mode_t)DTTOIF(dirent->d_type) } };
	size_t need = fuse_add_direntry_plus(req, NULL, 0, dirent->d_name, NULL, 0);

	if (need > room)
		return need;
	if (!is_dot(dirent->d_name) && find(ino, dirent->d_name, &entry))
		entry.ino = 0;
	return fuse_add_direntry_plus(req, buf, room, dirent->d_name, &entry, next);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *file)
{
	DIR *dir = (DIR *)(uintptr_t)file->fh;
	const struct dirent *dirent;
	char *buf = malloc(size);
	size_t used = 0, need;

	if (offset == 0)
		rewinddir(dir);
	else
		seekdir(dir, (long)offset);
	while (buf && (dirent = readdir(dir))) {
		need = add_entry(req, ino, dirent, buf + used, size - used, telldir(dir));
		if (need > size - used)
			break;
		used += need;
	}
	(void)fuse_reply_buf(req, buf, used);
	free(buf);
}

/* ---- extended attributes ---- */

static void reply_value(fuse_req_t req, ssize_t len, size_t size, char *value)
{
	if (len < 0)
		(void)fuse_reply_err(req, errno);
	else if (size == 0)
		(void)fuse_reply_xattr(req, (size_t)len);
	else
		(void)fuse_reply_buf(req, value, (size_t)len);
	free(value);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char *value = size ? malloc(size) : NULL, buf[40];

	reply_value(req, getxattr(link_of(ino, buf), name, value, size), size, value);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char *value = size ? malloc(size) : NULL, buf[40];

	reply_value(req, listxattr(link_of(ino, buf), value, size), size, value);
}

static void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	char buf[40];

	reply(req, setxattr(link_of(ino, buf), name, value, size, flags));
}

static void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	char buf[40];

	reply(req, removexattr(link_of(ino, buf), name));
}

/* ---- the program ---- */

/* A file: requests are read, and may not be in a pipe. */
static void do_init(void *file, struct fuse_conn_info *conn)
{
	unsigned splice = file ? 0 : FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE;

	keep_s = file ? 0 : keep_s;
	conn->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
	conn->want |= conn->capable &
		      (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT | splice);
	conn->time_gran = 1;
	(void)puts("mounted");
	(void)fflush(stdout);
}

static const struct fuse_lowlevel_ops ops = {
	.init = do_init,
	.lookup = do_lookup,
	.forget = do_forget,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.readlink = do_readlink,
	.statfs = do_statfs,
	.mknod = do_mknod,
	.mkdir = do_mkdir,
	.symlink = do_symlink,
	.link = do_link,
	.unlink = do_unlink,
	.rmdir = do_rmdir,
	.rename = do_rename,
	.open = do_open,
	.create = do_create,
	.flush = do_flush,
	.release = do_release,
	.read = do_read,
	.write_buf = do_write_buf,
	.fsync = do_fsync,
	.fallocate = do_fallocate,
	.lseek = do_lseek,
	.opendir = do_opendir,
	.fsyncdir = do_fsync_dir,
	.releasedir = do_releasedir,
	.readdirplus = do_readdirplus,
	.getxattr = do_getxattr,
	.listxattr = do_listxattr,
	.setxattr = do_setxattr,
	.removexattr = do_removexattr,
};

int main(int argc, char **argv)
{
	char *options[] = { "fuse-passthrough", "-o",
			    "allow_other,default_permissions,fsname=lower", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, options);
	struct fuse_session *session =
		fuse_session_new(&args, &ops, sizeof(ops), argc > 4 ? argv[4] : NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct rlimit limit;
	int r;

	if (argc < 3 || argc > 5 || !session || !config)
		return 2;
	hold = argc == 4 ? argv[3] : NULL;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* most trees need no more than it has */
	}
	(void)umask(0);
	root.fd = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0 || fuse_session_mount(session, argv[2]) < 0)
		return 1;
	r = argc > 4 ? serve_until_silent(session, argv[4]) : fuse_session_loop_mt(session, config);
	fuse_session_unmount(session);
	return r < 0;
}
