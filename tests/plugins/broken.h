/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A valid watcher. Each including file adds designated initialisers to SOUND, which break it in one
 * way. */
#ifndef HW_TESTS_BROKEN_H
#define HW_TESTS_BROKEN_H

#include <hostwatch/plugin.h>

struct broken {
	uint64_t field;
};

static int broken_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self, (void)dir, (void)dirfd;
	return 0;
}

static void broken_forget_dir(void *self, hw_token dir)
{
	(void)self, (void)dir;
}

#define SOUND                                                                                      \
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct broken),                                        \
		.name = "broken", .version = "1", .summary = "is broken in one way",               \
		.watch_dir = broken_watch_dir, .forget_dir = broken_forget_dir

/* A struct of a later ABI, with a member after those of the current one. */
struct longer_plugin {
	struct hw_plugin plugin;
	uint64_t later;
};

#endif
