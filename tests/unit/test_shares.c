/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shares that change their watcher while they run, and shares inside each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "log.h"
#include "share.h"

#include "tests/common/model.h"
#include "tests/common/scratch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (INT64_C(60) * 1000000000)

/* One share, and a replica that follows it from the start. */
struct side {
	struct hw_share *share;
	struct hw_model *model;
	struct hw_journal_cursor cursor;
	uint64_t epoch;
};

static struct hw_loop *loop;

static struct hw_instance *make_watcher(const char *name)
{
	const struct hw_setting interval = { "interval", "30ms" };
	struct hw_instance *instance;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/plugins/%s.so", HW_BUILD_DIR, name);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct hw_plugin *plugin = so ? dlsym(so, HW_PLUGIN_SYMBOL) : NULL;

	if (!plugin)
		fail_msg("%s", dlerror());
	bool has_interval = false;

	for (uint32_t i = 0; i < plugin->option_count; i++)
		has_interval |= !strcmp(plugin->options[i]->key, "interval");
	assert_int_equal(hw_instance_create(loop, plugin, name, &interval, has_interval, NULL,
					    &instance),
			 0);
	return instance;
}

static int begin(struct side *side, const char *path, const char *watcher)
{
	const struct hw_share_config config = {
		.name = "test",
		.path = path,
		.interval_ns = 30 * HW_MS,
		.explicit_watcher = true,
	};

	*side = (struct side){ 0 };
	assert_int_equal(hw_model_create(&side->model), 0);
	assert_int_equal(hw_model_load(side->model, path), 0);
	assert_int_equal(hw_share_create(loop, &config, &side->share), 0);
	assert_int_equal(hw_share_add_watcher(side->share, make_watcher(watcher)), 0);
	return hw_share_start(side->share);
}

static void wait_online(struct side *side)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (hw_share_state(side->share) != HW_SHARE_ONLINE) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_loop_turn(loop, 100);
	}
	assert_int_equal(hw_share_cursor_init(side->share, 0, &side->cursor), 0);
	side->epoch = hw_share_epoch(side->share);
}

static void end(struct side *side)
{
	hw_share_destroy(side->share);
	hw_model_destroy(side->model);
}

/* Replays all unread events; a contradiction fails the test. */
static void replay(struct side *side)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	char why[256];
	int r;

	while ((r = hw_share_cursor_next(side->share, &side->cursor, &event)) == 1)
		if (hw_model_apply(side->model, &event, why, sizeof(why)))
			fail_msg("event %llu, kind %u, %.*s -> %.*s: %s",
				 (unsigned long long)event.seq, event.kind, (int)event.from_len,
				 event.from ? event.from : "", (int)event.path_len,
				 event.path ? event.path : "", why);
	assert_int_equal(r, 0);
}

static void note(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	(void)share;
	(void)error; /* the wait is over in any case */
	(void)seq;
	*(bool *)arg = true;
}

static void flush(struct side *side)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	bool done = false;

	assert_int_equal(hw_share_flush(side->share, note, &done), 0);
	while (!done) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_loop_turn(loop, 100);
	}
}

/* All changes must have been reported without a rescan. */
static void assert_told(struct side *side, const char *path)
{
	struct hw_model *truth;

	flush(side);
	replay(side);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, path), 0);
	assert_int_equal(hw_model_compare(side->model, truth, stderr), 0);
	assert_int_equal(hw_model_rescans(side->model), 0);
	assert_true(hw_share_epoch(side->share) == side->epoch);
	hw_model_destroy(truth);
}

/* ---- a tree that changes continuously ---- */

struct writer {
	int fd; /* of the root */
	unsigned step;
};

#define BUSY_DIRS 40u

static void busy_name(char *buf, size_t size, unsigned number)
{
	(void)snprintf(buf, size, "d%02u", number % BUSY_DIRS);
}

static void prepare(struct writer *writer, const char *path)
{
	char name[32];

	*writer = (struct writer){ .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	assert_true(writer->fd >= 0);
	for (unsigned i = 0; i < BUSY_DIRS; i++) {
		busy_name(name, sizeof(name), i);
		assert_int_equal(mkdirat(writer->fd, name, 0755), 0);
		strcat(name, "/sub");
		assert_int_equal(mkdirat(writer->fd, name, 0755), 0);
		strcat(name, "/old");
		int fd = openat(writer->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
}

/* Makes one random change in one of the directories or below it. */
static void change(struct writer *writer)
{
	unsigned n = writer->step++;
	char dir[32], other[32], a[64], b[64];

	busy_name(dir, sizeof(dir), n * 7);
	busy_name(other, sizeof(other), n * 11 + 3);
	(void)snprintf(a, sizeof(a), "%s/sub/f%u", dir, n % 5);
	(void)snprintf(b, sizeof(b), "%s/g%u", other, n % 3);
	switch (n % 6) {
	case 0:
	case 1: {
		int fd = openat(writer->fd, a, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

		if (fd >= 0) {
			assert_int_equal(write(fd, "x", 1), 1);
			assert_int_equal(close(fd), 0);
		}
		break;
	}
	case 2:
		(void)renameat(writer->fd, a, writer->fd, b); /* may not exist */
		break;
	case 3:
		(void)unlinkat(writer->fd, b, 0);
		break;
	case 4: {
		(void)snprintf(a, sizeof(a), "%s/sub/n", dir);
		if (mkdirat(writer->fd, a, 0755) < 0)
			(void)unlinkat(writer->fd, a, AT_REMOVEDIR);
		break;
	}
	default:
		(void)renameat2(writer->fd, dir, writer->fd, other, RENAME_EXCHANGE);
	}
}

static void note_switched(void *arg, struct hw_share *share, const struct hw_switch_result *result)
{
	(void)share;
	*(int *)arg = result->error;
}

#define NOT_YET 1

static int begin_switch(struct hw_share *share, struct hw_instance *instance, int *done)
{
	return hw_share_switch(share, &(struct hw_switch){ .instances = &instance,
							   .count = 1,
							   .done = note_switched,
							   .arg = done });
}

/* Begins a share of a directory in which changes are made. Returns its path. */
static char *begin_busy(const char *place, const char *watcher, struct side *side,
			struct writer *writer)
{
	char *path = hw_scratch_create(place);

	assert_non_null(path);
	prepare(writer, path);
	assert_int_equal(begin(side, path, watcher), 0);
	wait_online(side);
	return path;
}

static void end_busy(char *path, struct side *side, const struct writer *writer)
{
	end(side);
	assert_int_equal(close(writer->fd), 0);
	hw_scratch_remove(path);
}

/* Requests another watcher, and continues to make changes until it has taken over. */
static int switch_to(struct side *side, struct writer *writer, const char *watcher)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_instance *instance = make_watcher(watcher);
	int done = NOT_YET;
	int r = begin_switch(side->share, instance, &done);

	if (r < 0) {
		assert_int_equal(done, NOT_YET);
		hw_instance_destroy(instance);
		return r;
	}
	while (done == NOT_YET) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		change(writer);
		hw_loop_turn(loop, 1);
		replay(side);
	}
	assert_int_equal(done, 0);
	return 0;
}

static bool is_watched_by(struct side *side, const char *watcher)
{
	struct hw_share_status status;

	hw_share_get_status(side->share, &status);
	assert_int_equal(status.armed, status.directories);
	return strcmp(status.backend, watcher) == 0;
}

static void a_switch_is_not_seen_in_the_stream(void **state)
{
	static const char *const watchers[] = { "polling", "inotify",  "fanotify", "inotify",
						"polling", "fanotify", "polling" };
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);

	for (size_t i = 0; i < sizeof(watchers) / sizeof(watchers[0]); i++) {
		for (unsigned n = 0; n < 200; n++)
			change(&writer);
		int r = switch_to(&side, &writer, watchers[i]);

		if (r == -EPERM || r == -ENODEV || r == -EOPNOTSUPP) {
			print_message("%s cannot work here: not switched to\n", watchers[i]);
			continue;
		}
		assert_int_equal(r, 0);
		for (unsigned n = 0; n < 200; n++)
			change(&writer);
		assert_told(&side, path);
		assert_true(is_watched_by(&side, watchers[i]));
	}
	end_busy(path, &side, &writer);
}

/* Changes in a directory before and after each step must be in the stream. */
static void after_a_switch_every_directory_is_watched(void **state)
{
	struct writer writer;
	struct side side;
	char name[64];
	char *path = begin_busy(*state, "polling", &side, &writer);

	assert_int_equal(switch_to(&side, &writer, "inotify"), 0);
	assert_told(&side, path);
	for (unsigned i = 0; i < BUSY_DIRS; i++) {
		busy_name(name, sizeof(name), i);
		strcat(name, "/sub/new");
		int fd = openat(writer.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
	assert_told(&side, path);
	end_busy(path, &side, &writer);
}

/* Moves directories between random places at several depths. */
static void shuffle(int root, unsigned *seed, unsigned count)
{
	static const char names[] = "abcde";
	char path[2][16];

	for (unsigned i = 0; i < count; i++) {
		for (unsigned side = 0; side < 2; side++) {
			unsigned depth = 1 + (unsigned)rand_r(seed) % 4;

			for (unsigned level = 0; level < depth; level++) {
				path[side][2 * level] = names[(unsigned)rand_r(seed) % 5];
				path[side][2 * level + 1] = level + 1 < depth ? '/' : '\0';
			}
		}
		/* Either may not exist, or be the parent of the other. */
		if ((unsigned)rand_r(seed) % 3 == 0) {
			if (mkdirat(root, path[0], 0755) < 0)
				(void)unlinkat(root, path[0], AT_REMOVEDIR);
		} else
			(void)renameat(root, path[0], root, path[1]);
	}
}

/* A share of a tree in which directories move. */
struct shuffled {
	char *path;
	int root;
	unsigned seed;
	struct side side;
};

static void begin_shuffled(struct shuffled *f, const char *place, const char *watcher)
{
	f->path = hw_scratch_create(place);
	assert_non_null(f->path);
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root >= 0);
	shuffle(f->root, &f->seed, 2000);
	assert_int_equal(begin(&f->side, f->path, watcher), 0);
	wait_online(&f->side);
}

/* Directories move in the first turns of a switch. Returns its result. */
static int switch_and_shuffle(struct shuffled *f, const char *watcher, unsigned busy_turns)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	unsigned turns = 0;
	int done = NOT_YET;

	assert_int_equal(begin_switch(f->side.share, make_watcher(watcher), &done), 0);
	while (done == NOT_YET) { /* which the switch sets */
		assert_true(hw_clock_monotonic_ns() < deadline);
		shuffle(f->root, &f->seed, turns++ < busy_turns ? 30 : 0);
		hw_loop_turn(loop, 1);
		replay(&f->side);
		for (unsigned w = 0; w < HW_WATCHERS_MAX; w++)
			assert_int_equal(f->side.share->watchers.list[w].complaints, 0);
	}
	return done;
}

static void end_shuffled(struct shuffled *f)
{
	end(&f->side);
	assert_int_equal(close(f->root), 0);
	hw_scratch_remove(f->path);
}

/* A directory that is found at its new place before it is missed at the old one does not exist
 * twice. */
static void a_directory_that_moves_in_a_switch_is_no_bind_mount(void **state)
{
	struct shuffled f = { .seed = 1 };

	begin_shuffled(&f, *state, "inotify");
	for (unsigned i = 0; i < 100; i++) {
		(void)switch_and_shuffle(&f, "inotify", 5); /* its result is tested below */
		assert_told(&f.side, f.path);
	}
	end_shuffled(&f);
}

/* ---- a watcher that refuses ---- */

static int refuse(void *self, int dirfd)
{
	(void)self;
	(void)dirfd;
	return -ENODEV;
}

static int full(void *self, hw_token dir, int dirfd)
{
	(void)self;
	(void)dir;
	(void)dirfd;
	return -ENOSPC;
}

static void forget(void *self, hw_token dir)
{
	(void)self;
	(void)dir;
}

static struct hw_instance *make_refusing(const struct hw_plugin *plugin)
{
	struct hw_instance *instance;

	assert_int_equal(hw_instance_create(loop, plugin, "refusing", NULL, 0, NULL, &instance), 0);
	return instance;
}

static const struct hw_plugin unwilling = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),
	.name = "refusing",
	.probe = refuse,
	.watch_dir = full,
	.forget_dir = forget,
};

static const struct hw_plugin without_room = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),
	.name = "refusing",
	.watch_dir = full,
	.forget_dir = forget,
};

static int fail_to_watch(void *self, hw_token dir, int dirfd)
{
	(void)self;
	(void)dir;
	(void)dirfd;
	fail_msg("its probe refused the filesystem");
	return -ENODEV;
}

static const struct hw_plugin unasked = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),
	.name = "refusing",
	.probe = refuse,
	.watch_dir = fail_to_watch,
	.forget_dir = forget,
};

static void a_refused_directory_goes_to_a_watcher_that_accepts_its_filesystem(void **state)
{
	char *path = hw_scratch_create(*state);
	const struct hw_share_config config = { .name = "test", .path = path };
	struct side side = { 0 };

	assert_non_null(path);
	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(hw_model_create(&side.model), 0);
	assert_int_equal(hw_share_create(loop, &config, &side.share), 0);
	assert_int_equal(hw_share_add_watcher(side.share, make_refusing(&without_room)), 0);
	assert_int_equal(hw_share_add_watcher(side.share, make_refusing(&unasked)), 0);
	assert_int_equal(hw_share_add_watcher(side.share, make_watcher("polling")), 0);
	assert_int_equal(hw_share_start(side.share), 0);
	wait_online(&side);
	assert_true(is_watched_by(&side, "polling"));
	end(&side);
	hw_scratch_remove(path);
}

static void a_switch_that_fails_leaves_the_old_watcher(void **state)
{
	struct hw_instance *instance;
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);
	int done = NOT_YET;

	hw_log_set_level(HW_LOG_ERROR);
	/* More requests than there are slots for watchers. */
	for (unsigned i = 0; i < 20; i++) {
		instance = make_refusing(&unwilling);
		assert_int_equal(begin_switch(side.share, instance, &done), -ENODEV);
		hw_instance_destroy(instance);
	}
	assert_int_equal(done, NOT_YET);
	for (unsigned n = 0; n < 300; n++)
		change(&writer);
	assert_told(&side, path);
	assert_true(is_watched_by(&side, "inotify"));
	end_busy(path, &side, &writer);
}

static void a_switch_to_one_without_room_leaves_the_old_watcher(void **state)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);
	int done = NOT_YET;

	struct hw_instance *instance = make_refusing(&without_room);
	int r = begin_switch(side.share, instance, &done);

	if (r < 0)
		hw_instance_destroy(instance);
	while (r == 0 && done == NOT_YET) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		change(&writer);
		hw_loop_turn(loop, 1);
		replay(&side);
	}
	assert_true(r < 0 || done < 0);
	for (unsigned n = 0; n < 300; n++)
		change(&writer);
	assert_told(&side, path);
	assert_true(is_watched_by(&side, "inotify"));
	/* Another watcher can still take over. */
	assert_int_equal(switch_to(&side, &writer, "polling"), 0);
	assert_told(&side, path);
	end_busy(path, &side, &writer);
}

#define MOVES 50u /* directories that moved before they could be armed, as it seems */

static int miss(void *self, hw_token dir, int dirfd)
{
	uint64_t *missed = self;

	(void)dir;
	(void)dirfd;
	return (*missed)++ < MOVES ? -ENOENT : 0;
}

static int fail_to_read(void *self, hw_token dir, int dirfd)
{
	(void)self;
	(void)dir;
	(void)dirfd;
	return -EIO;
}

static const struct hw_plugin late = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),
	.name = "late",
	.watch_dir = miss,
	.forget_dir = forget,
};

static const struct hw_plugin unreadable = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, uint64_t),
	.name = "unreadable",
	.watch_dir = fail_to_read,
	.forget_dir = forget,
};

/* Returns the result of a switch of a share that does not change. */
static int switch_at_rest(struct hw_share *share, const struct hw_plugin *plugin)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	int done = NOT_YET;

	assert_int_equal(begin_switch(share, make_refusing(plugin), &done), 0);
	while (done == NOT_YET) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_loop_turn(loop, 1);
	}
	return done;
}

static void a_switch_ends_however_often_directories_moved(void **state)
{
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);

	assert_int_equal(switch_at_rest(side.share, &late), 0);
	assert_true(is_watched_by(&side, "refusing"));
	end_busy(path, &side, &writer);
}

static void a_switch_that_fails_says_the_true_error(void **state)
{
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);

	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(switch_at_rest(side.share, &unreadable), -EIO);
	assert_int_equal(switch_at_rest(side.share, &without_room), -ENOSPC);
	assert_true(is_watched_by(&side, "inotify"));
	end_busy(path, &side, &writer);
}

/* The old watcher stays as the second choice: it may only keep directories that were refused. */
static void after_a_switch_no_directory_is_left_to_the_second_choice(void **state)
{
	struct shuffled f = { .seed = 1 };

	begin_shuffled(&f, *state, "polling");
	for (unsigned i = 0; i < 40; i++) {
		const char *watcher = i % 2 ? "polling" : "inotify";

		assert_int_equal(switch_and_shuffle(&f, watcher, 20), 0);
		assert_told(&f.side, f.path);
		assert_true(is_watched_by(&f.side, watcher));
		for (unsigned w = 0; w < HW_WATCHERS_MAX; w++) {
			const struct hw_watcher *old = &f.side.share->watchers.list[w];

			assert_true(!old->directories || !strcmp(old->instance->name, watcher));
		}
	}
	end_shuffled(&f);
}

/* ---- a watcher that accepts the root only ---- */

struct narrow {
	const struct hw_host *host;
	void *ctx;
	unsigned watched;
};

static int open_narrow(void *self, const struct hw_host *host, void *ctx)
{
	struct narrow *narrow = self;

	*narrow = (struct narrow){ .host = host, .ctx = ctx };
	return 0;
}

static int watch_one(void *self, hw_token dir, int dirfd)
{
	struct narrow *narrow = self;

	(void)dir;
	(void)dirfd;
	return narrow->watched++ ? -ENOSPC : 0;
}

static int compare_all(void *self)
{
	const struct narrow *narrow = self;

	narrow->host->lost(narrow->ctx, HW_NO_DIR);
	return 0;
}

static const struct hw_plugin narrow = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct narrow),
	.name = "narrow",
	.open = open_narrow,
	.watch_dir = watch_one,
	.forget_dir = forget,
	.flush = compare_all,
};

static void what_nobody_can_watch_is_told_as_rescan(void **state)
{
	static const uint8_t kinds[] = { HW_CREATE, HW_RESCAN };
	char *path = hw_scratch_create(*state);
	const struct hw_share_config config = { .name = "test", .path = path };
	struct hw_event event = { .struct_size = sizeof(event) };
	struct hw_instance *instance;
	struct side side = { 0 };

	assert_non_null(path);
	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(hw_model_create(&side.model), 0);
	assert_int_equal(hw_share_create(loop, &config, &side.share), 0);
	assert_int_equal(hw_instance_create(loop, &narrow, "narrow", NULL, 0, NULL, &instance), 0);
	assert_int_equal(hw_share_add_watcher(side.share, instance), 0);
	assert_int_equal(hw_share_start(side.share), 0);
	wait_online(&side);
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "d", 0755), 0);
	flush(&side);
	for (size_t i = 0; i < sizeof(kinds); i++) {
		assert_int_equal(hw_share_cursor_next(side.share, &side.cursor, &event), 1);
		assert_int_equal(event.kind, kinds[i]);
		assert_int_equal(event.path_len, 1);
		assert_memory_equal(event.path, "d", 1);
	}
	end(&side);
	assert_int_equal(close(root), 0);
	hw_scratch_remove(path);
}

static void a_share_that_ends_in_a_switch_says_so(void **state)
{
	struct writer writer;
	struct side side;
	char *path = begin_busy(*state, "inotify", &side, &writer);
	int done = NOT_YET;

	assert_int_equal(begin_switch(side.share, make_watcher("polling"), &done), 0);
	end(&side);
	assert_int_equal(done, -ECANCELED);
	assert_int_equal(close(writer.fd), 0);
	hw_scratch_remove(path);
}

static void note_error(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	(void)share;
	(void)seq;
	*(int *)arg = error;
}

/* If a reload removes the share, the barrier must not report success. */
static void a_share_that_ends_before_a_barrier_says_so(void **state)
{
	char *path = hw_scratch_create(*state);
	struct side side;
	int first = NOT_YET, second = NOT_YET;

	assert_non_null(path);
	assert_int_equal(begin(&side, path, "polling"), 0);
	wait_online(&side);
	assert_int_equal(hw_share_flush(side.share, note_error, &first), 0);
	assert_int_equal(hw_share_flush(side.share, note_error, &second), 0);
	end(&side);
	assert_int_equal(first, -ECANCELED);
	assert_int_equal(second, -ECANCELED);
	hw_scratch_remove(path);
}

static void a_share_that_nobody_can_watch_does_not_start(void **state)
{
	char *path = hw_scratch_create(*state);
	const struct hw_share_config config = { .name = "test", .path = path };
	struct hw_share *share;

	assert_non_null(path);
	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(hw_share_create(loop, &config, &share), 0);
	assert_int_equal(hw_share_add_watcher(share, make_refusing(&without_room)), 0);
	assert_int_equal(hw_share_start(share), -ENODEV);
	hw_share_destroy(share);
	hw_scratch_remove(path);
}

/* ---- several shares ---- */

static const char *const backends[] = { "inotify", "fanotify", "polling" };
#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* Starts both shares; skips the test if a watcher cannot work here. */
static bool begin_two(struct side *x, const char *path_x, struct side *y, const char *path_y,
		      const char *backend)
{
	int r = begin(x, path_x, backend);

	if (r < 0) {
		print_message("%s cannot work here\n", backend);
		end(x);
		return false;
	}
	assert_int_equal(begin(y, path_y, backend), 0);
	wait_online(x);
	wait_online(y);
	return true;
}

static void run_two(const char *parent, const char *path_x, const char *path_y)
{
	for (size_t i = 0; i < BACKENDS; i++) {
		struct writer writer = { .fd = -1 };
		struct side x, y;

		if (!begin_two(&x, path_x, &y, path_y, backends[i]))
			continue;
		writer.fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(writer.fd >= 0);
		for (unsigned n = 0; n < 2000; n++) {
			change(&writer);
			if (n % 50 == 0) {
				hw_loop_turn(loop, 1);
				replay(&x);
				replay(&y);
			}
		}
		assert_told(&x, path_x);
		assert_told(&y, path_y);
		assert_int_equal(close(writer.fd), 0);
		end(&y);
		end(&x);
	}
}

static void the_same_directory_in_two_shares(void **state)
{
	char *path = hw_scratch_create(*state);
	struct writer writer;

	assert_non_null(path);
	prepare(&writer, path);
	run_two(path, path, path);
	assert_int_equal(close(writer.fd), 0);
	hw_scratch_remove(path);
}

static void a_share_inside_a_share(void **state)
{
	char *path = hw_scratch_create(*state), inner[PATH_MAX];
	struct writer writer;

	assert_non_null(path);
	(void)snprintf(inner, sizeof(inner), "%s/inner", path);
	assert_int_equal(mkdir(inner, 0755), 0);
	prepare(&writer, inner);
	run_two(inner, path, inner);
	assert_int_equal(close(writer.fd), 0);
	hw_scratch_remove(path);
}

/* Changes in one share must not be reported by the other, whose name has the same prefix. */
static void shares_with_a_common_prefix(void **state)
{
	char *path = hw_scratch_create(*state), a[PATH_MAX], a2[PATH_MAX];
	struct writer writer;

	assert_non_null(path);
	(void)snprintf(a, sizeof(a), "%s/a", path);
	(void)snprintf(a2, sizeof(a2), "%s/a2", path);
	assert_int_equal(mkdir(a, 0755), 0);
	assert_int_equal(mkdir(a2, 0755), 0);
	prepare(&writer, a2);
	for (size_t i = 0; i < BACKENDS; i++) {
		struct side x, y;

		if (!begin_two(&x, a, &y, a2, backends[i]))
			continue;
		for (unsigned n = 0; n < 500; n++)
			change(&writer);
		assert_told(&y, a2);
		assert_told(&x, a);
		assert_int_equal(hw_share_seq(x.share), 0);
		assert_true(hw_share_seq(y.share) > 0);
		end(&y);
		end(&x);
	}
	assert_int_equal(close(writer.fd), 0);
	hw_scratch_remove(path);
}

/* A move out of one share and into the other. */
static void a_move_between_shares_leaves_one_and_enters_the_other(void **state)
{
	char *path = hw_scratch_create(*state), a[PATH_MAX], a2[PATH_MAX], x_in[PATH_MAX + 8],
	     x_out[PATH_MAX + 8];

	assert_non_null(path);
	(void)snprintf(a, sizeof(a), "%s/a", path);
	(void)snprintf(a2, sizeof(a2), "%s/a2", path);
	(void)snprintf(x_in, sizeof(x_in), "%s/x", a);
	(void)snprintf(x_out, sizeof(x_out), "%s/x", a2);
	assert_int_equal(mkdir(a, 0755), 0);
	assert_int_equal(mkdir(a2, 0755), 0);
	for (size_t i = 0; i < 2; i++) {
		struct hw_event event = { .struct_size = sizeof(event) };
		struct side from, to;

		assert_int_equal(mkdir(x_in, 0755), 0);
		hw_clock_tick();
		if (!begin_two(&from, a, &to, a2, backends[i]))
			continue;
		hw_clock_tick();
		assert_int_equal(rename(x_in, x_out), 0);
		flush(&from);
		flush(&to);
		assert_int_equal(hw_share_cursor_next(from.share, &from.cursor, &event), 1);
		assert_int_equal(event.kind, HW_MOVE);
		assert_non_null(event.from);
		assert_null(event.path);
		assert_int_equal(hw_share_cursor_next(to.share, &to.cursor, &event), 1);
		assert_int_equal(event.kind, HW_MOVE);
		assert_null(event.from);
		assert_memory_equal(event.path, "x", 1);
		assert_int_equal(rmdir(x_out), 0);
		end(&to);
		end(&from);
	}
	hw_scratch_remove(path);
}

static int setup(void **state)
{
	unsigned count;
	const struct hw_place *places = hw_scratch_places(&count);

	hw_log_set_level(getenv("HW_TEST_VERBOSE") ? HW_LOG_DEBUG : HW_LOG_WARNING);
	*state = (void *)(uintptr_t)places[0].path;
	return hw_loop_create(&loop);
}

static int teardown(void **state)
{
	(void)state;
	hw_loop_destroy(loop);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_switch_is_not_seen_in_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(after_a_switch_every_directory_is_watched, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_moves_in_a_switch_is_no_bind_mount,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_can_watch_is_told_as_rescan, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_refused_directory_goes_to_a_watcher_that_accepts_its_filesystem, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_switch_that_fails_leaves_the_old_watcher, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_switch_to_one_without_room_leaves_the_old_watcher,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_switch_ends_however_often_directories_moved,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_switch_that_fails_says_the_true_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			after_a_switch_no_directory_is_left_to_the_second_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(a_share_that_ends_in_a_switch_says_so, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_share_that_ends_before_a_barrier_says_so, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_share_that_nobody_can_watch_does_not_start, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_same_directory_in_two_shares, setup, teardown),
		cmocka_unit_test_setup_teardown(a_share_inside_a_share, setup, teardown),
		cmocka_unit_test_setup_teardown(shares_with_a_common_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_move_between_shares_leaves_one_and_enters_the_other, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
