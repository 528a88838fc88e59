/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct hw_puppet hw_puppet;

int hw_puppet_scan(hw_token dir)
{
	hw_puppet.scanning = true;
	int r = hw_puppet.host->scan(hw_puppet.ctx, dir);

	hw_puppet.scanning = false;
	return r;
}

/* Counts a record of the endless queue; the record does not cause a hint. */
static int read_record(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	(void)self;
	(void)io;
	(void)events;
	int count = hw_puppet.greedy ? (int)budget : 1;

	hw_puppet.handed += (uint64_t)count;
	return count;
}

static int puppet_open(void *self, const struct hw_host *host, void *ctx)
{
	(void)self;
	hw_puppet.host = host;
	hw_puppet.ctx = ctx;
	if (!hw_puppet.endless)
		return 0;
	hw_puppet.input = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(hw_puppet.input >= 0);
	return host->io_add(ctx, hw_puppet.input, HW_IO_READ, read_record, NULL, &hw_puppet.io);
}

static void puppet_close(void *self)
{
	(void)self;
	if (hw_puppet.endless) {
		hw_puppet.host->io_del(hw_puppet.ctx, hw_puppet.io);
		(void)close(hw_puppet.input); /* nothing was written */
	}
	hw_puppet = (struct hw_puppet){ 0 };
}

static int puppet_watch_dir(void *self, hw_token dir, int dirfd)
{
	unsigned n = hw_puppet.dir_count++;
	char link[64];

	(void)self;
	assert_true(n < HW_PUPPET_DIRS_MAX);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	ssize_t len = readlink(link, hw_puppet.dirs[n].path, PATH_MAX - 1);

	assert_true(len > 0);
	hw_puppet.dirs[n].path[len] = '\0';
	hw_puppet.dirs[n].token = dir;
	if (n == 0 && hw_puppet.scan_early)
		hw_puppet.early = hw_puppet_scan(HW_NO_DIR);
	return 0;
}

static void puppet_forget_dir(void *self, hw_token dir)
{
	(void)self;
	for (unsigned i = 0; i < hw_puppet.dir_count; i++)
		if (hw_puppet.dirs[i].token == dir)
			hw_puppet.dirs[i].path[0] = '\0';
}

static int puppet_flush(void *self)
{
	(void)self;
	return hw_puppet.scan_in_flush && hw_puppet_scan(HW_NO_DIR) == 0;
}

static int puppet_position(void *self, struct hw_queue_position *ret)
{
	(void)self;
	if (!hw_puppet.endless)
		return -EOPNOTSUPP;
	ret->handed = hw_puppet.handed;
	ret->queued = 1 + hw_puppet.backlog;
	return 0;
}

static void puppet_scanned(void *self, const struct hw_scan_result *result)
{
	(void)self;
	hw_puppet.scans++;
	hw_puppet.scans_in_call += hw_puppet.scanning;
	hw_puppet.entries = result->entries;
	hw_puppet.elapsed_ns = result->elapsed_ns;
	hw_puppet.cpu_ns = result->cpu_ns;
}

#define PUPPET(plugin_flags)                                                                       \
	{                                                                                          \
		HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),                                     \
			.flags = (plugin_flags), .name = "puppet", .version = "1",                 \
			.summary = "reports what a test says", .open = puppet_open,                \
			.close = puppet_close, .watch_dir = puppet_watch_dir,                      \
			.forget_dir = puppet_forget_dir, .flush = puppet_flush,                    \
			.position = puppet_position, .scanned = puppet_scanned,                    \
	}

void hw_puppet_start(struct hw_scene *f, uint32_t flags, uint64_t settle_ns)
{
	static const struct hw_plugin merging = PUPPET(0), ordered = PUPPET(HW_PLUGIN_ORDERED);
	static const struct hw_rig_plugin of_merging = { .plugin = &merging },
					  of_ordered = { .plugin = &ordered };
	const struct hw_rig_config config = {
		.backend = "puppet",
		.plugin = flags & HW_PLUGIN_ORDERED ? &of_ordered : &of_merging,
		.settle_ns = settle_ns,
		.state_dir = hw_puppet.state_dir,
		.interval_ns = hw_puppet.endless ? 3600 * HW_SEC : 0,
	};

	assert_true(hw_scene_start_with(f, &config));
}

hw_token hw_puppet_dir(const struct hw_scene *f, const char *path)
{
	char whole[PATH_MAX * 2];

	(void)snprintf(whole, sizeof(whole), "%s%s%s", f->root, *path ? "/" : "", path);
	for (unsigned i = 0; i < hw_puppet.dir_count; i++)
		if (strcmp(hw_puppet.dirs[i].path, whole) == 0)
			return hw_puppet.dirs[i].token;
	fail_msg("%s is not watched", whole);
	return HW_NO_DIR;
}

void hw_puppet_hint(const struct hw_scene *f, uint32_t what, const char *dir, const char *name)
{
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = what,
		.dir = hw_puppet_dir(f, dir),
		.name = name,
		.name_len = (uint32_t)strlen(name),
	};

	hw_puppet.host->hint(hw_puppet.ctx, &hint);
}

void hw_puppet_move(const struct hw_scene *f, const char *dir, const char *name, const char *to_dir,
		    const char *to_name)
{
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_MOVED,
		.dir = dir ? hw_puppet_dir(f, dir) : HW_NO_DIR,
		.to_dir = to_dir ? hw_puppet_dir(f, to_dir) : HW_NO_DIR,
		.name = name,
		.to_name = to_name,
		.name_len = name ? (uint32_t)strlen(name) : 0,
		.to_name_len = to_name ? (uint32_t)strlen(to_name) : 0,
	};

	hw_puppet.host->hint(hw_puppet.ctx, &hint);
}
