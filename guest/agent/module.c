/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inject = module: frames go to hostwatch.ko as they came. */
#include "inject.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/guest.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUSY_MS 1000

struct module {
	struct hw_inject inject;
	const struct hw_mount *mount; /* borrowed */
	int fd; /* owned */
	struct hw_mountinfo info; /* of what it is bound to */
	int said; /* the error that was logged last: not repeated */
};

static const struct {
	int error;
	const char *remedy;
} remedies[] = {
	{ ENOENT, "the module is not loaded: install it (DKMS package hostwatch-dkms, or make -C "
		  "guest/kmod) and run modprobe hostwatch; or use inject = touch" },
	{ ENXIO, "the module is not loaded: modprobe hostwatch" },
	{ EACCES, "needs root" },
	{ EPERM, "needs CAP_SYS_ADMIN" },
	{ ENOTTY, HW_GUEST_DEVICE " is not of this module: another version is loaded" },
	{ EINVAL, "the path is not the root of a mount" },
	{ EOPNOTSUPP, "not a filesystem that is changed from elsewhere" },
	{ EBUSY, "the descriptor is bound already" },
};

static const char *remedy_of(int error)
{
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].error == error)
			return remedies[i].remedy;
	return strerror(error);
}

static int refuse(char why[HW_INJECT_WHY_MAX], int error, const char *what)
{
	(void)snprintf(why, HW_INJECT_WHY_MAX, "%s: %s", what, remedy_of(error));
	return -error;
}

int hw_module_bind(const char *path, int *ret_fd, char why[HW_INJECT_WHY_MAX])
{
	int device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	int root, r = 0;

	if (device < 0)
		return refuse(why, errno, "cannot open " HW_GUEST_DEVICE);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "cannot open the mount: %s",
			       strerror(errno));
		r = -EAGAIN;
	} else if (ioctl(device, HW_BIND, &root) < 0) {
		r = refuse(why, errno, "cannot bind the mount");
	}
	if (root >= 0)
		(void)close(root); /* the module has its own reference */
	if (r < 0)
		(void)close(device); /* nothing was said */
	else
		*ret_fd = device;
	return r;
}

static int open_module(const struct hw_mount *mount, struct hw_inject **ret,
		       char why[HW_INJECT_WHY_MAX])
{
	struct hw_mountinfo info;
	struct module *module;
	int fd = -1, r;

	if (access(HW_GUEST_DEVICE, F_OK) < 0)
		return refuse(why, errno, "cannot open " HW_GUEST_DEVICE);
	r = hw_mountinfo_get(mount->path, &info);
	if (r < 0 || !info.is_root) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "waiting for the mount: %s",
			       r < 0 ? strerror(-r) : "nothing is mounted there");
		return -EAGAIN;
	}
	r = hw_module_bind(mount->path, &fd, why);
	if (r < 0)
		return r;
	module = calloc(1, sizeof(*module));
	if (!module) {
		(void)close(fd); /* nothing was said */
		return refuse(why, ENOMEM, "cannot begin");
	}
	module->inject.ops = &hw_inject_module;
	module->mount = mount;
	module->fd = fd;
	module->info = info;
	*ret = &module->inject;
	return 0;
}

/* The device knows the default code only; a frame is one write. */
static ssize_t write_frame(const struct module *module, const struct hw_told *told)
{
	unsigned char head[HW_FRAME_HEADER_BYTES];
	uint32_t code = HW_FUSE_NOTIFY_FSNOTIFY;
	struct iovec parts[2] = {
		{ .iov_base = head, .iov_len = sizeof(head) },
		{ .iov_base = (unsigned char *)told->bytes + sizeof(head),
		  .iov_len = told->len - sizeof(head) },
	};

	if (module->mount->notify_code == code)
		return write(module->fd, told->bytes, told->len);
	memcpy(head, told->bytes, sizeof(head));
	for (unsigned i = 0; i < 4; i++, code >>= 8)
		head[4 + i] = (unsigned char)(code & 0xff);
	return writev(module->fd, parts, 2);
}

static int tell_module(struct hw_inject *inject, const struct hw_told *told)
{
	struct module *module = (struct module *)inject;
	struct pollfd pollfd = { .fd = module->fd, .events = POLLOUT };

	for (;;) {
		if (write_frame(module, told) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || poll(&pollfd, 1, BUSY_MS) <= 0)
			break;
	}
	if (errno == ENODEV || errno == ENOTCONN)
		return -ENODEV;
	if (errno != module->said)
		hw_warning("[mount %s] the module did not take event %llu: %s", module->mount->name,
			   (unsigned long long)told->event->seq, strerror(errno));
	module->said = errno;
	return 0;
}

/* The device reads as one counter a line. */
static void describe_module(struct hw_inject *inject, char *buf, size_t size)
{
	const struct module *module = (const struct module *)inject;
	char counters[HW_INJECT_WHY_MAX], *save = NULL;
	ssize_t n = pread(module->fd, counters, sizeof(counters) - 1, 0);
	size_t used = (size_t)snprintf(buf, size, "module:");

	if (n < 0) {
		(void)snprintf(buf + used, size - used, " %s", strerror(errno));
		return;
	}
	counters[n] = '\0';
	for (char *line = strtok_r(counters, "\n", &save); line && used < size;
	     line = strtok_r(NULL, "\n", &save))
		used += (size_t)snprintf(buf + used, size - used, " %s,", line);
	if (used < size)
		buf[used - 1] = '\0'; /* the last comma */
}

static bool module_is_there(struct hw_inject *inject)
{
	const struct module *module = (const struct module *)inject;

	return hw_mountinfo_same(module->mount->path, &module->info);
}

static void close_module(struct hw_inject *inject)
{
	struct module *module = (struct module *)inject;

	(void)close(module->fd); /* nothing to lose */
	free(module);
}

const struct hw_inject_ops hw_inject_module = {
	.open = open_module,
	.event = tell_module,
	.describe = describe_module,
	.is_there = module_is_there,
	.close = close_module,
};
