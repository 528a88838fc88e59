/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the state of watched objects, and reports differences after a rescan. */
#include "module.h"

#include "known_file.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define LOOK_MS 250u /* a new watch is noticed after this time */
#define LIST_MS 5000u /* one watch that replaced another one, after this time */
#define LIST_PAUSE 100u /* reading it for that takes at most this part of the time */
#define LOOK_PAUSE 20u /* a pause after reading it lasts this many times as long, */
#define LOOK_PAUSE_MS 1000u /* but not longer */
#define QUIET_MS 500u /* a new watch is examined when no event came for this time, */
#define QUIET_MAX_MS 10000u /* or after this one */
#define OBJECTS_MIN (64u * 1024u)

static uint64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- events ---- */

size_t hw_module_written(struct module *module, size_t first, size_t at, size_t len)
{
	struct hw_guest_buffer buffer = { .data = (uintptr_t)module->seen,
					  .size = sizeof(module->seen) };
	const struct hw_guest_seen unknown = { 0 };
	bool follows = module->compare &&
		       (module->compare->active || !hw_list_empty(&module->compare->known.watched));
	int count = follows ? ioctl(module->fd, HW_GET_SEEN, &buffer) : 0;

	for (size_t end = at + len, i = 0; at < end; i++, first++) {
		struct hw_frame frame;
		int n = hw_frame_decode(module->frames + at, end - at, HW_FUSE_NOTIFY_FSNOTIFY,
					&frame, NULL);

		if (n <= 0)
			return first;
		at += (size_t)n;
		if (follows && !module->followed[first])
			hw_compare_follow(module->compare, &frame.event,
					  (int)i < count ? &module->seen[i] : &unknown);
	}
	return first;
}

static int send_event(void *arg, const struct hw_event *event)
{
	struct module *module = arg;
	static unsigned char bytes[HW_FUSE_FRAME_MAX];
	int n = hw_frame_encode_event(bytes, sizeof(bytes), HW_FUSE_NOTIFY_FSNOTIFY, event);

	return n < 0 ? 0 : hw_module_put(module, bytes, (size_t)n, true);
}

static int open_root(void *arg)
{
	const struct module *module = arg;

	return hw_mountinfo_open(module->mount->path, &module->info);
}

static const struct hw_compare_ops compare_ops = {
	.send = send_event,
	.open_root = open_root,
};

/* ---- watched objects ---- */

/* Returns the number of bytes in module->objects, or -errno. */
static int read_objects(struct module *module, struct hw_guest_watched *ret)
{
	for (;;) {
		uint32_t size = module->objects_size ? 4 * module->objects_size : OBJECTS_MIN;
		void *objects;
		int n;

		*ret = (struct hw_guest_watched){ .data = (uintptr_t)module->objects,
						  .size = module->objects_size };
		n = module->objects_size ? ioctl(module->fd, HW_GET_WATCHED, ret) : -1;
		if (n >= 0)
			return n;
		if (module->objects_size && errno != ENOSPC)
			return -errno;
		if (size > HW_GUEST_WATCHED_MAX)
			return -ENOMEM;
		objects = realloc(module->objects, size);
		if (!objects)
			return -ENOMEM;
		module->objects = objects;
		module->objects_size = size;
	}
}

/* Reads the list of watched objects. Returns 0 or -errno. */
static int list_watched(struct module *module)
{
	struct hw_guest_watched watched;
	uint64_t begin_ms = clock_ms(), end_ms, pause_ms;
	int n = read_objects(module, &watched);

	end_ms = clock_ms();
	pause_ms = (end_ms - begin_ms) * LOOK_PAUSE;
	module->look_ms = end_ms + LOOK_MS + (pause_ms < LOOK_PAUSE_MS ? pause_ms : LOOK_PAUSE_MS);
	module->list_ms = end_ms + LIST_MS + (end_ms - begin_ms) * LIST_PAUSE;
	if (n < 0)
		return n;
	module->watched = watched.count;
	module->everything = watched.everything;
	hw_compare_watched_all(module->compare, module->objects, (size_t)n);
	return 0;
}

static int look_at_watched(struct module *module, uint64_t now_ms)
{
	struct hw_guest_watched watched = { .size = 0 };

	module->look_ms = now_ms + LOOK_MS;
	if (ioctl(module->fd, HW_GET_WATCHED, &watched) < 0)
		return -errno;
	/* the module itself watches the filesystem */
	if (watched.count == module->watched && (watched.count <= 1 || now_ms < module->list_ms))
		return 0;
	return list_watched(module);
}

/* ---- rescans ---- */

/* Returns whether all watched objects can be compared. */
static bool can_compare(struct module *module, const struct hw_event *rescan)
{
	if (list_watched(module) < 0 || module->everything)
		return false;
	return hw_compare_covers(module->compare, rescan->path, rescan->path_len);
}

static bool refresh(struct module *module, const struct hw_event *rescan)
{
	const struct hw_guest_buffer path = { .data = (uintptr_t)rescan->path,
					      .size = rescan->path_len };

	return ioctl(module->fd, HW_REFRESH, &path) == 0;
}

/* If the state of some objects is not known, the watchers of all are notified. */
int hw_module_rescan(struct module *module, const struct hw_told *told)
{
	const struct hw_event *rescan = told->event;
	int r = 0;

	if (!can_compare(module, rescan) || !refresh(module, rescan))
		r = hw_module_put(module, told->bytes, told->len, true);
	if (r == 0)
		r = module->inject.ops->flush(&module->inject);
	if (r == 0)
		hw_compare_begin(module->compare, rescan->path, rescan->path_len);
	return r;
}

void hw_module_came(struct module *module)
{
	module->event_ms = clock_ms();
	if (module->quiet_ms == 0)
		module->quiet_ms = module->event_ms;
}

/* The module records the state of a file when a program of this guest changes it. That is exact if
 * nobody else asks for the state at the same time. */
static bool is_quiet(struct module *module, uint64_t now_ms)
{
	if (now_ms < module->event_ms + QUIET_MS && now_ms < module->quiet_ms + QUIET_MAX_MS)
		return false;
	module->quiet_ms = 0;
	return true;
}

int hw_module_work(struct module *module, bool live, uint64_t now_ms, uint64_t *ret_due_ms)
{
	struct hw_compare *compare = module->compare;
	bool active = compare && compare->active;
	int r = 0;

	*ret_due_ms = UINT64_MAX;
	if (!compare)
		return 0;
	if (now_ms >= module->look_ms)
		r = look_at_watched(module, now_ms);
	if (r != -ENODEV)
		r = hw_compare_work(compare, live && is_quiet(module, now_ms));
	if (r == -ENODEV)
		return r;
	if (active && !compare->active)
		hw_info("[mount %s] compared what programs watch with the host: %u events",
			module->mount->name, compare->reported);
	if (compare->known.full && !module->said_memory) {
		hw_warning("[mount %s] compare_memory is too small for what programs watch; after "
			   "a rescan, they are notified of all watched objects",
			   module->mount->name);
		module->said_memory = true;
	}
	*ret_due_ms = r > 0 ? now_ms : module->look_ms;
	return 0;
}

void hw_module_describe(const struct module *module, char *buf, size_t size)
{
	unsigned watched = 0, examined = 0;

	if (!module->compare)
		return;
	hw_compare_count(module->compare, &watched, &examined);
	(void)snprintf(buf, size, "; compares %u of %u watched objects, %zu KiB", examined, watched,
		       module->compare->known.bytes / 1024);
}

/* ---- between two agents ---- */

static int init_compare(struct module *module)
{
	return hw_compare_init(module->compare, module->mount->compare_memory, &compare_ops,
			       module);
}

static const char *reason_of(int error)
{
	return error == -EEXIST ? "it is a file of another program; remove it, or name another "
				  "file of the state"
				: strerror(-error);
}

static int remember(struct module *module)
{
	const char *path = module->mount->known_path;
	int r = path ? hw_known_read(&module->compare->known, module->info.dev, path) : -ENOENT;

	if (r == 0)
		return 0;
	if (r == -EBADMSG || r == -EIO || r == -EEXIST)
		hw_warning("[mount %s] %s cannot be used: %s; if events were missed, programs are "
			   "notified of all watched objects",
			   module->mount->name, path, reason_of(r));
	hw_compare_free(module->compare);
	return init_compare(module);
}

/* If a comparison was not finished, the next agent gets its rescan again. */
static void keep(struct module *module)
{
	const struct hw_compare *compare = module->compare;
	const char *path = module->mount->known_path;
	int r;

	if (!path || compare->active || hw_list_empty(&compare->known.watched) ||
	    !hw_mountinfo_same(module->mount->path, &module->info))
		return;
	r = hw_known_write(&compare->known, module->info.dev, path);
	if (r < 0 && r != -EBUSY)
		hw_warning("[mount %s] cannot write %s: %s; if the host forgets its events before "
			   "the next start, programs are notified of all watched objects",
			   module->mount->name, path, reason_of(r));
}

void hw_module_begin(struct module *module)
{
	struct hw_guest_watched watched = { .size = 0 };

	/* an older module has no such request */
	if (module->mount->compare_memory == 0 || ioctl(module->fd, HW_GET_WATCHED, &watched) < 0)
		return;
	module->compare = malloc(sizeof(*module->compare));
	if (!module->compare)
		return;
	if (init_compare(module) < 0 || remember(module) < 0) {
		free(module->compare);
		module->compare = NULL;
	}
}

void hw_module_end(struct module *module)
{
	if (module->compare) {
		keep(module);
		hw_compare_free(module->compare);
	}
	free(module->compare);
	free(module->objects);
}
