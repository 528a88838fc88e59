/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inject = module: passes frames unchanged to hostwatch.ko. */
#include "module.h"
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
#include <unistd.h>

#define BUSY_MS 1000

static const struct {
	int error;
	const char *remedy;
} remedies[] = {
	{ ENOENT, "the kernel module is not loaded; install it (package hostwatch-dkms, or make -C "
		  "guest/kmod) and run modprobe hostwatch, or use inject = touch" },
	{ ENXIO, "the kernel module is not loaded; run modprobe hostwatch" },
	{ EACCES, "needs root" },
	{ EPERM, "needs CAP_SYS_ADMIN" },
	{ ENOTTY, HW_GUEST_DEVICE
	  " does not belong to this version of the module; unload it and run modprobe hostwatch" },
	{ EINVAL, "the path is not the root of a mount" },
	{ EXDEV,
	  "the kernel makes no copy of this mount: it is unbindable, belongs to another mount "
	  "namespace, or hides mounts of another user namespace" },
	{ EOPNOTSUPP, "the filesystem is not one that another machine can change" },
	{ EBUSY, "the descriptor is already bound" },
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
		(void)close(device); /* nothing was written */
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
		(void)close(fd); /* nothing was written */
		return refuse(why, ENOMEM, "cannot begin");
	}
	module->inject.ops = &hw_inject_module;
	module->mount = mount;
	module->fd = fd;
	module->info = info;
	hw_module_begin(module);
	*ret = &module->inject;
	return 0;
}

/* Returns the length of the frame at `at`. */
static size_t frame_len(const struct module *module, size_t at)
{
	uint32_t len = 0;

	for (unsigned i = 4; i; i--)
		len = len << 8 | module->frames[at + i - 1];
	return len;
}

/* Skips a refused frame; the following ones are still valid. */
static size_t pass_refused(struct module *module, size_t at, int error)
{
	if (error != module->said)
		hw_warning("[mount %s] the kernel module refused an event: %s", module->mount->name,
			   strerror(error));
	module->said = error;
	return at + frame_len(module, at);
}

static int flush_module(struct hw_inject *inject)
{
	struct module *module = (struct module *)inject;
	struct pollfd pollfd = { .fd = module->fd, .events = POLLOUT };
	size_t at = 0, first = 0;

	while (at < module->len) {
		ssize_t n = write(module->fd, module->frames + at, module->len - at);

		if (n >= 0) {
			first = hw_module_written(module, first, at, (size_t)n);
			at += (size_t)n;
		} else if (errno == ENODEV || errno == ENOTCONN) {
			return -ENODEV;
		} else if (errno != EINTR && (errno != EAGAIN || poll(&pollfd, 1, BUSY_MS) <= 0)) {
			at = pass_refused(module, at, errno);
			first++;
		}
	}
	module->len = 0;
	module->count = 0;
	return 0;
}

/* The device accepts the default code only. */
int hw_module_put(struct module *module, const void *bytes, size_t len, bool followed)
{
	unsigned char *frame;
	uint32_t code = HW_FUSE_NOTIFY_FSNOTIFY;

	if (len > sizeof(module->frames) - module->len) {
		int r = flush_module(&module->inject);

		if (r < 0)
			return r;
	}
	frame = module->frames + module->len;
	memcpy(frame, bytes, len);
	for (unsigned i = 0; i < 4; i++, code >>= 8)
		frame[4 + i] = (unsigned char)(code & 0xff);
	module->len += len;
	module->followed[module->count++] = followed;
	return 0;
}

static int tell_module(struct hw_inject *inject, const struct hw_told *told)
{
	struct module *module = (struct module *)inject;
	struct hw_compare *compare = module->compare;
	int r = 1;

	if (!compare)
		return hw_module_put(module, told->bytes, told->len, true);
	hw_module_came(module);
	if (told->event->kind == HW_RESCAN || hw_compare_waits(compare, told->event))
		r = flush_module(inject);
	if (r >= 0 && told->event->kind == HW_RESCAN)
		return hw_module_rescan(module, told);
	if (r >= 0)
		r = hw_compare_event(compare, told->event);
	return r <= 0 ? r : hw_module_put(module, told->bytes, told->len, false);
}

static int work_module(struct hw_inject *inject, bool live, uint64_t now_ms, uint64_t *ret_due_ms)
{
	struct module *module = (struct module *)inject;
	int r = hw_module_work(module, live, now_ms, ret_due_ms), flushed;

	flushed = r == -ENODEV ? r : flush_module(inject);
	return flushed < 0 ? flushed : r;
}

static bool module_is_busy(struct hw_inject *inject)
{
	const struct module *module = (const struct module *)inject;

	return module->compare && module->compare->active;
}

/* Reading the device returns one counter per line. */
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
	if (used >= size)
		return;
	buf[--used] = '\0'; /* the last comma */
	hw_module_describe(module, buf + used, size - used);
}

static bool module_is_there(struct hw_inject *inject)
{
	const struct module *module = (const struct module *)inject;

	return hw_mountinfo_same(module->mount->path, &module->info);
}

static void close_module(struct hw_inject *inject)
{
	struct module *module = (struct module *)inject;

	hw_module_end(module);
	(void)close(module->fd); /* nothing to lose */
	free(module);
}

const struct hw_inject_ops hw_inject_module = {
	.open = open_module,
	.event = tell_module,
	.flush = flush_module,
	.work = work_module,
	.is_busy = module_is_busy,
	.describe = describe_module,
	.is_there = module_is_there,
	.close = close_module,
};
