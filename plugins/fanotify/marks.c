/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "marks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* Linux 6.5 */
#endif

/* FAN_RENAME alone tells of renames: with FAN_MOVED_FROM and FAN_MOVED_TO the kernel tells each
 * twice. */
#define COMMON_MASK                                                                                \
	(FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_RENAME |        \
	 FAN_ONDIR)

/* On a filesystem mark the *_SELF events would come once more for every file; what a parent is told
 * names the object, and that suffices. A mark of one directory has no marked parent at the root of
 * the share. */
#define FILESYSTEM_MASK COMMON_MASK
#define INODE_MASK (COMMON_MASK | FAN_EVENT_ON_CHILD | FAN_DELETE_SELF | FAN_MOVE_SELF)

static const struct {
	uint32_t magic; /* statfs(2), linux/magic.h */
	const char *name;
} remote_filesystems[] = {
	{ 0x6969, "nfs" },       { 0x517b, "smb" },        { 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb2" },  { 0x01021997, "9p" },     { 0x65735546, "fuse" },
	{ 0x00c36400, "ceph" },  { 0x5346414f, "afs" },    { 0x6b414653, "afs" },
	{ 0x73757245, "coda" },  { 0x0bd00bd0, "lustre" }, { 0x01161970, "gfs2" },
	{ 0x7461636f, "ocfs2" }, { 0x786f4256, "vboxsf" }, { 0xbacbacbc, "vmhgfs" },
};

const char *hw_mark_remote(int dirfd)
{
	struct statfs st;
	size_t i;

	if (fstatfs(dirfd, &st) < 0)
		return NULL;
	for (i = 0; i < sizeof(remote_filesystems) / sizeof(remote_filesystems[0]); i++)
		if ((uint32_t)st.f_type == remote_filesystems[i].magic)
			return remote_filesystems[i].name;
	return NULL;
}

bool hw_mark_is_kernel_made(int dirfd)
{
	struct statfs st;

	return fstatfs(dirfd, &st) == 0 &&
	       (st.f_type == PROC_SUPER_MAGIC || st.f_type == SYSFS_MAGIC);
}

/* A limit of user_namespaces(7), and the same one of the whole machine. */
struct limit {
	const char *own, *global; /* as sysctl(8) names them */
	const char *own_path, *global_path;
};
static const struct limit marks_limit = {
	"user.max_fanotify_marks",
	"fs.fanotify.max_user_marks",
	"/proc/sys/user/max_fanotify_marks",
	"/proc/sys/fs/fanotify/max_user_marks",
};
static const struct limit groups_limit = {
	"user.max_fanotify_groups",
	"fs.fanotify.max_user_groups",
	"/proc/sys/user/max_fanotify_groups",
	"/proc/sys/fs/fanotify/max_user_groups",
};

/* UINT64_MAX when it cannot be read. */
static uint64_t read_number(const char *path)
{
	char text[32];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return UINT64_MAX;
	got = read(fd, text, sizeof(text) - 1);
	(void)close(fd); /* was only read */
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* The one that is hit: in a container often its own. */
static const char *read_limit(const struct limit *limit, uint64_t *ret)
{
	uint64_t own = read_number(limit->own_path), global = read_number(limit->global_path);

	*ret = own < global ? own : global;
	return own < global ? limit->own : limit->global;
}

uint64_t hw_mark_limit(const char **ret_name)
{
	uint64_t limit;

	*ret_name = read_limit(&marks_limit, &limit);
	return limit == UINT64_MAX ? 0 : limit;
}

static uint64_t more_than(uint64_t value)
{
	return value < 64 ? 128 : value * 2;
}

int hw_group_create(const struct hw_host *host, void *ctx, bool unlimited_queue)
{
	unsigned flags = FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME_TARGET | FAN_NONBLOCK | FAN_CLOEXEC;
	uint64_t groups;
	const char *name;
	int fd;

	if (unlimited_queue)
		flags |= FAN_UNLIMITED_QUEUE;
	fd = fanotify_init(flags, O_RDONLY | O_CLOEXEC | O_LARGEFILE);
	if (fd >= 0)
		return fd;
	switch (errno) {
	case EINVAL:
		return host->fail(ctx, EINVAL,
				  "this kernel does not report both ends of a rename; "
				  "fanotify needs Linux 5.17");
	case ENOSYS:
		return host->fail(ctx, ENOSYS, "this kernel is built without fanotify");
	case EPERM:
		return host->fail(ctx, EPERM, "%s needs CAP_SYS_ADMIN",
				  unlimited_queue ? "unlimited_queue = yes" : "fanotify");
	case EMFILE:
		name = read_limit(&groups_limit, &groups);
		return host->fail(ctx, EMFILE,
				  "fanotify group limit reached; raise %s, now %" PRIu64
				  " (sysctl %s=%" PRIu64
				  "), or the limit of open files (ulimit -n)",
				  name, groups, name, more_than(groups));
	default:
		return host->fail(ctx, errno, "fanotify_init: %s", strerror(errno));
	}
}

int hw_handle_get(int dirfd, union hw_handle_buffer *buffer, struct hw_handle *ret)
{
	struct file_handle *handle = (struct file_handle *)buffer->bytes;
	struct statfs st;
	int mount_id, rc;

	handle->handle_bytes = 128;
	rc = name_to_handle_at(dirfd, "", handle, &mount_id, AT_EMPTY_PATH);
	/* A filesystem that cannot be exported can still say which of its inodes this is. */
	if (rc < 0 && errno == EOPNOTSUPP) {
		handle->handle_bytes = 128;
		rc = name_to_handle_at(dirfd, "", handle, &mount_id, AT_EMPTY_PATH | AT_HANDLE_FID);
		if (rc < 0 && errno == EINVAL)
			return -EOPNOTSUPP; /* the flag is newer than the kernel */
	}
	if (rc < 0 || fstatfs(dirfd, &st) < 0)
		return -errno;
	*ret = (struct hw_handle){
		.bytes = handle->f_handle,
		.len = handle->handle_bytes,
		.type = handle->handle_type,
	};
	memcpy(&ret->fsid, &st.f_fsid, sizeof(ret->fsid));
	return 0;
}

const char *hw_mark_refusal(int error)
{
	switch (error) {
	case -EPERM:
		return "a filesystem mark needs CAP_SYS_ADMIN";
	case -ENODEV:
		return "this filesystem has no ID, so that no mark can cover all of it";
	case -EXDEV:
		return "no mark can cover all of a subvolume";
	case -EOPNOTSUPP:
		return "this filesystem's file handles cannot be opened, so that no mark can cover "
		       "all of it";
	default:
		return NULL;
	}
}

/* "." and not the empty path: the kernel refuses an O_PATH descriptor by itself. */
static int add_mark(int group, int dirfd, enum hw_mark_kind kind)
{
	bool whole = kind == HW_MARK_FILESYSTEM;
	unsigned flags = FAN_MARK_ADD | FAN_MARK_ONLYDIR | (whole ? FAN_MARK_FILESYSTEM : 0);

	if (fanotify_mark(group, flags, whole ? FILESYSTEM_MASK : INODE_MASK, dirfd, ".") < 0)
		return -errno;
	return (int)kind;
}

static int explain_mark(const struct hw_host *host, void *ctx, int error)
{
	uint64_t marks;
	const char *name;

	switch (-error) {
	case ENOSPC:
		name = read_limit(&marks_limit, &marks);
		return host->fail(ctx, error,
				  "fanotify mark limit reached; raise %s, now %" PRIu64
				  " for all programs of this user (sysctl %s=%" PRIu64 ")",
				  name, marks, name, more_than(marks));
	case EACCES:
		return host->fail(ctx, error, "a mark needs read permission on the directory");
	case ENOENT:
		return host->fail(ctx, error, "the directory no longer exists");
	default:
		return host->fail(ctx, error, "fanotify_mark: %s", strerror(-error));
	}
}

int hw_mark_add(const struct hw_host *host, void *ctx, int group, int dirfd, enum hw_mark_kind kind,
		int *ret_refused)
{
	int rc = -EPERM;

	*ret_refused = 0;
	if (kind != HW_MARK_INODE) {
		rc = add_mark(group, dirfd, HW_MARK_FILESYSTEM);
		if (rc >= 0)
			return rc;
		if (kind == HW_MARK_FILESYSTEM && hw_mark_refusal(rc))
			return host->fail(ctx, rc, "%s", hw_mark_refusal(rc));
		if (kind == HW_MARK_FILESYSTEM || !hw_mark_refusal(rc))
			return explain_mark(host, ctx, rc);
		*ret_refused = rc;
	}
	rc = add_mark(group, dirfd, HW_MARK_INODE);
	return rc < 0 ? explain_mark(host, ctx, rc) : rc;
}

void hw_mark_remove(int group, int dirfd)
{
	/* Fails only where there is no mark. */
	(void)fanotify_mark(group, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR, INODE_MASK, dirfd, ".");
}
