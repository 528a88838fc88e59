/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filesystem.h"

#include <errno.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

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

/* Returns the name of a filesystem that other machines or servers can change without this kernel's
 * knowledge, else NULL. */
static const char *find_remote(uint32_t magic)
{
	for (size_t i = 0; i < sizeof(remote_filesystems) / sizeof(remote_filesystems[0]); i++)
		if (magic == remote_filesystems[i].magic)
			return remote_filesystems[i].name;
	return NULL;
}

static bool is_kernel_made(uint32_t magic)
{
	return magic == PROC_SUPER_MAGIC || magic == SYSFS_MAGIC;
}

/* Returns 0 if statfs(2) fails. */
static uint32_t magic_of(int dirfd)
{
	struct statfs st;

	return fstatfs(dirfd, &st) < 0 ? 0 : (uint32_t)st.f_type;
}

bool hw_filesystem_is_kernel_made(int dirfd)
{
	return is_kernel_made(magic_of(dirfd));
}

int hw_filesystem_check(const struct hw_host *host, void *ctx, int dirfd, bool remote)
{
	uint32_t magic = magic_of(dirfd);
	const char *name = remote ? NULL : find_remote(magic);

	if (name)
		return host->fail(ctx, -EOPNOTSUPP,
				  "%s: the kernel does not report changes made by other machines "
				  "or by the FUSE server",
				  name);
	if (is_kernel_made(magic))
		return host->fail(ctx, -EOPNOTSUPP,
				  "the kernel does not report its own changes here");
	return 0;
}
