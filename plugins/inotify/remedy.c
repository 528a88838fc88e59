/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remedy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

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

const char *hw_remedy_remote(int dirfd)
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

bool hw_remedy_is_kernel_made(int dirfd)
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
static const struct limit watches_limit = {
	"user.max_inotify_watches",
	"fs.inotify.max_user_watches",
	"/proc/sys/user/max_inotify_watches",
	"/proc/sys/fs/inotify/max_user_watches",
};
static const struct limit instances_limit = {
	"user.max_inotify_instances",
	"fs.inotify.max_user_instances",
	"/proc/sys/user/max_inotify_instances",
	"/proc/sys/fs/inotify/max_user_instances",
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

uint64_t hw_remedy_watch_limit(const char **ret_name)
{
	uint64_t limit;

	*ret_name = read_limit(&watches_limit, &limit);
	return limit == UINT64_MAX ? 0 : limit;
}

static uint64_t more_than(uint64_t value)
{
	return value < 64 ? 128 : value * 2;
}

int hw_remedy_instance(const struct hw_host *host, void *ctx, int error)
{
	struct rlimit files = { 0 };
	uint64_t instances;
	const char *name = read_limit(&instances_limit, &instances);

	if (error != -EMFILE)
		return host->fail(ctx, error, "inotify_init1: %s", strerror(-error));
	(void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail with these arguments */
	return host->fail(ctx, error,
			  "inotify instance limit reached; raise %s, now %" PRIu64
			  " (sysctl %s=%" PRIu64
			  "), or the limit of open files, now %ju (ulimit -n)",
			  name, instances, name, more_than(instances), (uintmax_t)files.rlim_cur);
}

int hw_remedy_watch(const struct hw_host *host, void *ctx, int error)
{
	uint64_t watches;
	const char *name;

	switch (-error) {
	case ENOSPC:
		name = read_limit(&watches_limit, &watches);
		return host->fail(ctx, error,
				  "inotify watch limit reached; raise %s, now %" PRIu64
				  " for all programs of this user (sysctl %s=%" PRIu64 ")",
				  name, watches, name, more_than(watches));
	case EACCES:
		return host->fail(ctx, error, "a watch needs read permission on the directory");
	case EEXIST:
		return host->fail(
			ctx, error,
			"the directory is already watched under another path (bind mount)");
	case ENOENT:
		return host->fail(ctx, error,
				  "the directory no longer exists, or /proc is not mounted");
	default:
		return host->fail(ctx, error, "inotify_add_watch: %s", strerror(-error));
	}
}
