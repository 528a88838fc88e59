/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "marks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fanotify.h>

/* Renames are requested by FAN_RENAME only: with FAN_MOVED_FROM and FAN_MOVED_TO, the kernel would
 * report each rename twice. */
#define COMMON_MASK                                                                                \
	(FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_RENAME |        \
	 FAN_ONDIR)

/* On a filesystem mark, the *_SELF events would be an additional report for every file; the record
 * of the parent directory already names the object. With marks on directories, nothing else reports
 * changes of the share's root, because its parent is not marked. */
#define FILESYSTEM_MASK COMMON_MASK
#define INODE_MASK (COMMON_MASK | FAN_EVENT_ON_CHILD | FAN_DELETE_SELF | FAN_MOVE_SELF)

const struct hw_limit hw_mark_limit = {
	"fanotify mark",
	"user.max_fanotify_marks",
	"fs.fanotify.max_user_marks",
};
static const struct hw_limit groups_limit = {
	"fanotify group",
	"user.max_fanotify_groups",
	"fs.fanotify.max_user_groups",
};

int hw_group_create(const struct hw_host *host, void *ctx, bool unlimited_queue)
{
	unsigned flags = FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME_TARGET | FAN_NONBLOCK | FAN_CLOEXEC;
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
		return hw_limit_fail_open(host, ctx, &groups_limit);
	default:
		return host->fail(ctx, errno, "fanotify_init: %s", strerror(errno));
	}
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

/* Uses "." instead of the empty path: the kernel refuses an O_PATH descriptor without a path. */
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
	switch (-error) {
	case ENOSPC:
		return hw_limit_fail(host, ctx, &hw_mark_limit);
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
	/* Fails only if there is no mark. */
	(void)fanotify_mark(group, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR, INODE_MASK, dirfd, ".");
}
