/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include <sched.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 64

void become_caller(fuse_req_t req)
{
	gid_t groups[GROUPS_MAX];
	int count = fuse_req_getgroups(req, GROUPS_MAX, groups);

	if (count >= 0 && count <= GROUPS_MAX)
		(void)syscall(SYS_setgroups, (size_t)count, groups); /* of this thread */
	(void)unshare(CLONE_FS); /* so that the umask is also of this thread */
	(void)umask(fuse_req_ctx(req)->umask);
	(void)setfsgid(fuse_req_ctx(req)->gid);
	(void)setfsuid(fuse_req_ctx(req)->uid);
}

void become_server(void)
{
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
	(void)syscall(SYS_setgroups, (size_t)0, NULL); /* as above */
}
