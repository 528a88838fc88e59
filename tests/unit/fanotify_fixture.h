/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the fanotify watcher on disk and on tmpfs, with each kind of mark. */
#ifndef FANOTIFY_FIXTURE_H
#define FANOTIFY_FIXTURE_H

#include "watcher_fixture.h"

#include <sys/fanotify.h>

/* The place and the kind of mark of a test. */
struct setup {
	const char *place;
	const char *mark;
};

static RH_UNUSED bool is_whole(void **state)
{
	const struct setup *setup = *state;

	return !strcmp(setup->mark, "filesystem");
}

static bool may_have_unlimited_queue(void)
{
	int group = fanotify_init(FAN_UNLIMITED_QUEUE | FAN_CLOEXEC, O_RDONLY);

	if (group >= 0)
		close(group);
	return group >= 0;
}

static void start_with(struct fixture *f, void **state, const char *key, const char *value)
{
	const struct setup *setup = *state;
	struct hw_setting settings[3] = { { "mark", setup->mark } };
	size_t count = 1;

	if (key)
		settings[count++] = (struct hw_setting){ key, value };
	/* Changes of other programs on that filesystem also fill the queue. */
	if (is_whole(state) && may_have_unlimited_queue())
		settings[count++] = (struct hw_setting){ "unlimited_queue", "yes" };
	fixture_make(f, setup->place);
	f->rh = rh_start("fanotify", settings, count);
	int rc = watch(f->rh, ROOT, f->root);
	if (rc == -EPERM) {
		print_message("# skipped: %s\n", f->rh->reason);
		fixture_end(f);
		skip();
	}
	if (rc)
		fail_msg("watch_dir: %s", f->rh->reason);
	assert_int_equal(watch(f->rh, A, f->a), 0);
	assert_int_equal(watch(f->rh, B, f->b), 0);
}

static RH_UNUSED void start(struct fixture *f, void **state)
{
	start_with(f, state, NULL, NULL);
}

static struct setup disk_whole = { "/var/tmp", "filesystem" };
static struct setup disk_each = { "/var/tmp", "inode" };
static struct setup memory_whole = { "/dev/shm", "filesystem" };
static struct setup memory_each = { "/dev/shm", "inode" };

#define ROW(test, where, setup)                                                                    \
	{                                                                                          \
#test " (" where ")", test, NULL, NULL, setup                                      \
	}
#define WITH_EACH_MARK(test)                                                                       \
	ROW(test, "disk, filesystem mark", &disk_whole),                                           \
		ROW(test, "disk, inode marks", &disk_each),                                        \
		ROW(test, "tmpfs, filesystem mark", &memory_whole),                                \
		ROW(test, "tmpfs, inode marks", &memory_each)

#endif
