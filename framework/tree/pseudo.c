/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pseudo.h"

#include "apart.h"

#include <linux/magic.h>
#include <stddef.h>
#include <stdint.h>

/* Those without a name in linux/magic.h are defined where they are registered. */
#define CONFIGFS 0x62656570u /* fs/configfs/mount.c */
#define FUSECTL 0x65735543u /* fs/fuse/fuse_i.h */
#define MQUEUE 0x19800202u /* ipc/mqueue.c */
#define RPC_PIPEFS 0x67596969u /* net/sunrpc/rpc_pipe.c */

static const struct {
	uint32_t magic; /* statfs(2) */
	const char *name;
} filesystems[] = {
	{ PROC_SUPER_MAGIC, "proc" },
	{ SYSFS_MAGIC, "sysfs" },
	{ CGROUP_SUPER_MAGIC, "cgroup" },
	{ CGROUP2_SUPER_MAGIC, "cgroup2" },
	{ DEBUGFS_MAGIC, "debugfs" },
	{ TRACEFS_MAGIC, "tracefs" },
	{ DEVPTS_SUPER_MAGIC, "devpts" },
	{ SECURITYFS_MAGIC, "securityfs" },
	{ SELINUX_MAGIC, "selinuxfs" },
	{ SMACK_MAGIC, "smackfs" },
	{ BPF_FS_MAGIC, "bpf" },
	{ PSTOREFS_MAGIC, "pstore" },
	{ EFIVARFS_MAGIC, "efivarfs" },
	{ BINFMTFS_MAGIC, "binfmt_misc" },
	{ NSFS_MAGIC, "nsfs" },
	{ RDTGROUP_SUPER_MAGIC, "resctrl" },
	{ CONFIGFS, "configfs" },
	{ FUSECTL, "fusectl" },
	{ MQUEUE, "mqueue" },
	{ RPC_PIPEFS, "rpc_pipefs" },
};

const char *hw_pseudo_name(int fd)
{
	int64_t type = hw_apart_type(fd);

	for (size_t i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++)
		if (type == filesystems[i].magic)
			return filesystems[i].name;
	return NULL;
}
