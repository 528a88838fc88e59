/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * endless DIR [DEPTH [FILE]]: mounts a FUSE filesystem whose directories each have a file "f" and a
 * directory "d", endlessly or DEPTH levels deep. Prints a line after mounting, and serves until it
 * is unmounted. With FILE, the kernel asks again for everything, the files are always new, and the
 * server stops answering at the request that FILE names, for example "lookup": it prints "silent",
 * and continues when it can read a byte. Implements the protocol of linux/fuse.h itself, so that
 * tests need no library.
 */
#include "silent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (1u << 18) /* more than FUSE_MIN_READ_BUFFER */
#define FILE_BIT                                                                                   \
	(UINT64_C(1) << 40) /* a node number is the level of a directory, plus this bit for        \
			     * the file in it */

static uint64_t depth; /* level of the deepest directory; the root has level 1 */
static uint64_t valid_s = 3600; /* how long the kernel may cache entries and attributes */
static const char *stop; /* the file with the name of a request; NULL: none */

static bool is_file(uint64_t node)
{
	return node & FILE_BIT;
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = is_file(node) ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = is_file(node) ? 1 : 3,
		.mtime = stop && is_file(node) ? (uint64_t)time(NULL) : 0,
	};
}

static void reply(int fd, uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + len),
		.error = error,
		.unique = unique,
	};
	struct iovec pieces[2] = { { &header, sizeof(header) }, { (void *)data, len } };

	/* Fails only if the request was interrupted: no process waits for the answer. */
	(void)!writev(fd, pieces, len ? 2 : 1);
}

static uint64_t child_of(uint64_t node, const char *name)
{
	if (strcmp(name, "f") == 0)
		return node | FILE_BIT;
	return strcmp(name, "d") == 0 && node < depth ? node + 1 : 0;
}

static void lookup(int fd, const struct fuse_in_header *in, const char *name)
{
	uint64_t node = child_of(in->nodeid, name);
	struct fuse_entry_out out = {
		.nodeid = node,
		.entry_valid = valid_s,
		.attr_valid = valid_s,
		.attr = attr_of(node),
	};

	reply(fd, in->unique, node ? 0 : -ENOENT, &out, node ? sizeof(out) : 0);
}

static size_t put_entry(char *to, uint64_t node, uint64_t next, const char *name)
{
	struct fuse_dirent entry = {
		.ino = node,
		.off = next,
		.namelen = (uint32_t)strlen(name),
		.type = is_file(node) ? 8 : 4, /* DT_REG, DT_DIR */
	};

	memcpy(to, &entry, FUSE_NAME_OFFSET);
	memcpy(to + FUSE_NAME_OFFSET, name, entry.namelen);
	return FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
}

static void read_dir(int fd, const struct fuse_in_header *in, const struct fuse_read_in *from)
{
	char entries[256] = { 0 };
	size_t len = 0;

	if (from->offset == 0) {
		len += put_entry(entries, in->nodeid | FILE_BIT, 1, "f");
		if (in->nodeid < depth)
			len += put_entry(entries + len, in->nodeid + 1, 2, "d");
	}
	reply(fd, in->unique, 0, entries, len);
}

static void answer(int fd, const struct fuse_in_header *in)
{
	const void *body = in + 1;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = 4096,
	};
	struct fuse_attr_out attr = { .attr_valid = valid_s, .attr = attr_of(in->nodeid) };
	struct fuse_open_out opened = { 0 };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .namelen = 255 } };

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fd, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		lookup(fd, in, body);
		break;
	case FUSE_GETATTR:
		reply(fd, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPENDIR:
		reply(fd, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READDIR:
		read_dir(fd, in, body);
		break;
	case FUSE_STATFS:
		reply(fd, in->unique, 0, &statfs, sizeof(statfs));
		break;
	case FUSE_OPEN:
		reply(fd, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		reply(fd, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* these requests have no answer */
	default:
		reply(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

static int mount_it(const char *dir)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];

	if (fd < 0)
		return -1;
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fd);
	return mount("endless", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	static char buffer[BUFFER_BYTES] __attribute__((aligned(8)));
	int fd = argc > 1 ? mount_it(argv[1]) : -1;
	ssize_t got;

	depth = argc > 2 ? strtoull(argv[2], NULL, 10) : FILE_BIT - 1;
	stop = argc > 3 ? argv[3] : NULL;
	valid_s = stop ? 0 : valid_s;
	if (fd < 0) {
		perror("endless");
		return EXIT_FAILURE;
	}
	puts("mounted");
	(void)fflush(stdout); /* if this fails, the reader of the line notices */
	/* Runs until ENODEV, which means unmounted. */
	while ((got = read(fd, buffer, sizeof(buffer))) > 0 || errno == EINTR || errno == ENOENT)
		if (got > 0) {
			const struct fuse_in_header *in = (const void *)buffer;

			silent_at(stop, in->opcode);
			answer(fd, in);
		}
	return EXIT_SUCCESS;
}
