/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inotify watcher: one watch for each directory of the share, halves of renames joined by
 * cookie. */
#include "../common/dirs.h"
#include "../common/filesystem.h"
#include "../common/reading.h"
#include "merge.h"
#include "pair.h"
#include "queue.h"
#include "remedy.h"

#include <errno.h>
#include <hostwatch/plugin.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * No IN_EXCL_UNLINK: a write through a descriptor whose name was unlinked or replaced is reported
 * under that name. The file may have another name in the share, and the host knows which names lost
 * their inode. No IN_DONT_FOLLOW: the link in /proc that leads to the descriptor must be followed.
 * IN_MASK_CREATE: reaching a directory a second time must not silently change its token.
 */
#define WATCH_MASK                                                                                 \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_CREATE)

/* Records handled per call where the host gives no budget. */
#define TIMER_BUDGET 8192u
#define BACKLOG_DELAY_NS HW_MS
/* The wait for the second half of a rename if the source directory cannot be locked: it was moved,
 * it cannot be opened, or its filesystem is remote. */
#define UNLOCKED_WAIT_NS (50 * HW_MS)
/* Examining a record in the search for a partner costs about 1/16 of handling one. */
#define STEPS_PER_RECORD 16u

struct inotify {
	uint32_t remote;

	const struct hw_host *host; /* borrowed; NULL before open */
	void *ctx;
	int fd; /* owned while io is set or start() runs, else -1 */
	struct hw_reading reading;
	struct hw_timer *join; /* owned: at its expiry, the half at the head of the queue is handled
				* as one-sided */
	struct hw_queue queue;
	struct hw_pair pair;
	struct hw_dirs dirs; /* by watch descriptor */
	uint64_t kernel_events;
	uint64_t overflows;
	uint64_t last_delete; /* kernel_events at the last handled deletion */
};

enum progress { HANDLED, WAITING };

/* A search for the second half of a rename. */
struct search {
	enum hw_pair_verdict verdict;
	uint64_t partner; /* position, if it was found */
	uint32_t *steps; /* number of records examined */
};

static const struct {
	uint32_t mask;
	uint32_t what;
} entry_hints[] = {
	{ IN_MODIFY, HW_HINT_MODIFIED }, { IN_CLOSE_WRITE, HW_HINT_CLOSE_WRITE },
	{ IN_CREATE, HW_HINT_CREATED },  { IN_DELETE, HW_HINT_DELETED },
	{ IN_ATTRIB, HW_HINT_ATTRIB },
};

static hw_token find_dir(const struct inotify *self, int wd)
{
	uint32_t key = (uint32_t)wd;

	return wd > 0 ? hw_dirs_token(&self->dirs, &key) : HW_NO_DIR;
}

static void send_gone(struct inotify *self, hw_token dir)
{
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_GONE,
		.dir = dir,
		.type = HW_TYPE_DIR,
	};

	self->host->hint(self->ctx, &hint);
}

static void send_entry(struct inotify *self, hw_token dir, const struct hw_record *record)
{
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.dir = dir,
		.name = record->name,
		.name_len = record->name_len,
		.type = record->mask & IN_ISDIR ? HW_TYPE_DIR : HW_TYPE_FILE,
	};
	size_t i;

	for (i = 0; i < sizeof(entry_hints) / sizeof(entry_hints[0]); i++)
		if (record->mask & entry_hints[i].mask)
			hint.what |= entry_hints[i].what;
	if (record->brief)
		hint.what |= HW_HINT_BRIEF;
	if (hint.what)
		self->host->hint(self->ctx, &hint);
}

/* One side may be NULL: it is outside the share. */
static void send_move(struct inotify *self, const struct hw_record *from,
		      const struct hw_record *to)
{
	struct hw_hint hint = { .struct_size = sizeof(hint), .what = HW_HINT_MOVED };
	uint32_t mask = 0;

	if (from) {
		hint.dir = find_dir(self, from->wd);
		hint.name = from->name;
		hint.name_len = from->name_len;
		mask |= from->mask;
	}
	if (to) {
		hint.to_dir = find_dir(self, to->wd);
		hint.to_name = to->name;
		hint.to_name_len = to->name_len;
		mask |= to->mask;
	}
	hint.type = mask & IN_ISDIR ? HW_TYPE_DIR : HW_TYPE_FILE;
	if (hint.dir != HW_NO_DIR || hint.to_dir != HW_NO_DIR)
		self->host->hint(self->ctx, &hint);
}

/* Handles a record about the watched directory itself. */
static void handle_self(struct inotify *self, hw_token dir, const struct hw_record *record)
{
	if (record->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
		send_gone(self, dir);
	/* The parent's watch also reports this, but the parent of the share's root is not watched.
	 * */
	if (record->mask & IN_ATTRIB) {
		struct hw_record dot = { .name = ".", .name_len = 1, .mask = IN_ATTRIB | IN_ISDIR };

		send_entry(self, dir, &dot);
	}
	if (record->mask & IN_IGNORED)
		hw_dirs_remove(&self->dirs, dir);
}

static void handle_record(struct inotify *self, const struct hw_record *record)
{
	hw_token dir;

	/* This must come first: the wd of an overflow record is -1. */
	if (record->mask & IN_Q_OVERFLOW) {
		self->overflows++;
		self->host->lost(self->ctx, HW_NO_DIR);
		return;
	}
	dir = find_dir(self, record->wd);
	if (dir == HW_NO_DIR)
		return; /* queued before its watch was removed */
	if (record->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED) ||
	    !record->name_len)
		handle_self(self, dir, record);
	else if (record->mask & IN_MOVED_TO)
		send_move(self, NULL, record);
	else
		send_entry(self, dir, record);
}

/* Reads until a partner is found, or the queue has been read to its end or to `mark`. Returns as
 * hw_queue_fill(). */
static int find_partner(struct inotify *self, uint64_t position, uint64_t mark, struct search *s)
{
	int got = 1;

	for (;;) {
		s->verdict =
			hw_pair_find(&self->pair, &self->queue, position, &s->partner, s->steps);
		if (s->verdict != HW_PAIR_OPEN || hw_queue_tail(&self->queue) >= mark || got <= 0)
			return got;
		got = hw_queue_fill(&self->queue, self->fd);
	}
}

/* Locks the directory of the half once, after the half was read, and marks the end of the queue.
 * Returns false if the directory cannot be locked. */
static bool lock_source(struct inotify *self, uint64_t position)
{
	struct hw_record half;
	int queued = 0;

	if (hw_pair_is_locked(&self->pair, position))
		return true;
	if (hw_queue_get(&self->queue, position, &half) <= 0 ||
	    self->host->lock(self->ctx, find_dir(self, half.wd)) < 0 ||
	    ioctl(self->fd, FIONREAD, &queued) < 0)
		return false;
	hw_pair_lock(&self->pair, position, hw_queue_tail(&self->queue) + (uint32_t)queued);
	return true;
}

/*
 * Handles the first half of a rename, at `position`. The kernel queues both halves while it holds
 * the lock of the source directory. So after that lock was taken and everything queued before it
 * was released has been read, a half without a partner is one-sided. WAITING: that point is not
 * reached, and no later record may be passed on. With `final`, does not wait.
 */
static enum progress handle_half(struct inotify *self, uint64_t position, bool final,
				 uint32_t *steps)
{
	struct search s = { .steps = steps };
	struct hw_record from, to;
	int got = find_partner(self, position, UINT64_MAX, &s);

	if (s.verdict == HW_PAIR_OPEN && got == 0) {
		if (lock_source(self, position)) {
			(void)find_partner(self, position, self->pair.mark, &s); /* as above */
		} else if (!final && !hw_pair_is_ripe(&self->pair, position)) {
			if (hw_pair_wait(&self->pair, &self->queue))
				self->host->timer_set(self->ctx, self->join, UNLOCKED_WAIT_NS);
			return WAITING;
		}
	}
	if (hw_queue_get(&self->queue, position, &from) <= 0)
		return HANDLED;
	if (s.verdict == HW_PAIR_FOUND && hw_queue_get(&self->queue, s.partner, &to) > 0) {
		hw_queue_take(&self->queue, s.partner);
		send_move(self, &from, &to);
	} else {
		send_move(self, &from, NULL);
	}
	return HANDLED;
}

/* The bytes are not a valid record, so everything after them is invalid. */
static void give_up_queue(struct inotify *self)
{
	self->host->log(self->ctx, HW_LOG_ERROR,
			"malformed record from the kernel; scanning for changes");
	hw_queue_drop(&self->queue, hw_queue_tail(&self->queue));
	self->host->lost(self->ctx, HW_NO_DIR);
}

/* Handles up to `budget` records of the buffer and returns how many. *ret_more: others are left
 * that need not wait for a partner. */
static uint32_t handle_queue(struct inotify *self, uint32_t budget, bool final, bool *ret_more)
{
	uint32_t handled = 0, steps = 0;
	struct hw_record record;

	*ret_more = false;
	while (handled + steps / STEPS_PER_RECORD < budget) {
		uint32_t merged = 0;
		uint64_t position = hw_queue_head(&self->queue);
		int rc = hw_queue_get(&self->queue, position, &record);

		if (rc < 0)
			give_up_queue(self);
		if (rc <= 0)
			return handled;
		if ((record.mask & IN_MOVED_FROM) && record.name_len &&
		    find_dir(self, record.wd) != HW_NO_DIR) {
			if (handle_half(self, position, final, &steps) == WAITING)
				return handled;
		} else {
			merged = hw_merge_next(&self->queue, &record,
					       self->kernel_events - self->last_delete <=
						       HW_MERGE_AHEAD);
			handle_record(self, &record);
		}
		hw_queue_drop(&self->queue, record.next);
		self->kernel_events += merged + 1;
		if (record.mask & IN_DELETE)
			self->last_delete = self->kernel_events;
		handled += merged + 1;
	}
	*ret_more = hw_queue_head(&self->queue) != hw_queue_tail(&self->queue);
	return budget;
}

static uint32_t run(struct inotify *self, uint32_t budget)
{
	uint32_t handled;
	bool more;

	handled = handle_queue(self, budget, false, &more);
	/* After everything was read, the descriptor does not become readable again, so a timer
	 * handles the rest. */
	if (more)
		self->host->timer_set(self->ctx, self->reading.backlog, BACKLOG_DELAY_NS);
	return handled;
}

static int on_readable(void *arg, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct inotify *self = arg;
	int rc;

	(void)io;
	(void)events; /* a hangup shows as an error of read(2) */
	/* Read early, even if records remain in the buffer: records that were read cannot overflow
	 * the kernel's queue. */
	if (hw_queue_room(&self->queue) >= HW_QUEUE_BYTES / 4) {
		rc = hw_queue_fill(&self->queue, self->fd);
		if (rc < 0 && rc != -ENOBUFS)
			hw_reading_pause(self->host, self->ctx, &self->reading, rc);
		else
			self->reading.broken = false;
	}
	return (int)run(self, budget);
}

static void on_join(void *arg, struct hw_timer *timer)
{
	struct inotify *self = arg;

	(void)timer;
	hw_pair_timeout(&self->pair);
	(void)run(self, TIMER_BUDGET); /* the count is not needed */
}

static void on_backlog(void *arg, struct hw_timer *timer)
{
	struct inotify *self = arg;

	(void)timer;
	hw_reading_resume(self->host, self->ctx, &self->reading);
	(void)run(self, TIMER_BUDGET); /* the count is not needed */
}

static int inotify_flush(void *arg)
{
	struct inotify *self = arg;
	int queued = 0, rc = 0;
	bool more;

	/* Records that are queued after this call are not read here: with a busy writer, the loop
	 * would not end. */
	if (ioctl(self->fd, FIONREAD, &queued) < 0)
		queued = 0;
	do {
		(void)handle_queue(self, UINT32_MAX, true, &more); /* handles all records in the
								    * buffer */
		rc = queued > 0 ? hw_queue_fill(&self->queue, self->fd) : 0;
		queued -= rc > 0 ? rc : 0;
	} while (rc > 0);
	(void)handle_queue(self, UINT32_MAX, true, &more); /* handles all records in the buffer */
	return rc < 0 ? self->host->fail(self->ctx, rc, "cannot read events: %s", strerror(-rc))
		      : 0;
}

/* The unit is a byte. FIONREAD counts whole records, and takes the lock under which the kernel
 * queues them. */
static int inotify_position(void *arg, struct hw_queue_position *ret)
{
	struct inotify *self = arg;
	int queued = 0;

	if (self->reading.broken)
		return -EIO;
	if (!(ret->flags & HW_POSITION_HANDED) && ioctl(self->fd, FIONREAD, &queued) < 0)
		return -EIO;
	ret->handed = hw_queue_head(&self->queue);
	ret->queued = hw_queue_tail(&self->queue) - ret->handed + (uint32_t)queued;
	return 0;
}

static int add_watch(struct inotify *self, int dirfd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int wd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd); /* always fits */
	wd = inotify_add_watch(self->fd, path, WATCH_MASK);
	return wd < 0 ? -errno : wd;
}

static int inotify_probe(void *arg, int dirfd)
{
	struct inotify *self = arg;
	int wd, rc;

	rc = hw_filesystem_check(self->host, self->ctx, dirfd, self->remote);
	if (rc < 0)
		return rc;
	wd = add_watch(self, dirfd);
	if (wd < 0 && wd != -EEXIST)
		return hw_remedy_watch(self->host, self->ctx, wd);
	if (wd >= 0) /* the IN_IGNORED record has a wd that is no longer in the table */
		(void)inotify_rm_watch(self->fd, wd);
	(void)self->host->fail(self->ctx, 0, "one watch per directory");
	return 0;
}

static int inotify_watch_dir(void *arg, hw_token dir, int dirfd)
{
	struct inotify *self = arg;
	uint32_t key;
	int wd, rc;

	if (dir == HW_NO_DIR)
		return -EINVAL;
	if (hw_dirs_key(&self->dirs, dir))
		return self->host->fail(self->ctx, -EEXIST, "the directory is already watched");
	wd = add_watch(self, dirfd);
	if (wd < 0)
		return hw_remedy_watch(self->host, self->ctx, wd);
	key = (uint32_t)wd;
	/* The kernel may reuse the number of a watch that it removed. */
	hw_dirs_remove(&self->dirs, find_dir(self, wd));
	rc = hw_dirs_add(&self->dirs, &key, dir, false);
	if (rc < 0) {
		(void)inotify_rm_watch(self->fd, wd); /* undoes the watch of this call */
		return self->host->fail(self->ctx, rc, "out of memory for %u watches",
					self->dirs.count + 1);
	}
	return 0;
}

static void inotify_forget_dir(void *arg, hw_token dir)
{
	struct inotify *self = arg;
	const uint32_t *key = hw_dirs_key(&self->dirs, dir);
	int wd;

	if (!key)
		return;
	wd = (int)*key;
	hw_dirs_remove(&self->dirs, dir);
	(void)inotify_rm_watch(self->fd, wd); /* EINVAL: the kernel already removed it with the
					       * directory */
}

static void inotify_stats(void *arg, struct hw_watcher_stats *ret)
{
	const struct inotify *self = arg;

	ret->watches = self->dirs.count;
	ret->kernel_events = self->kernel_events;
	ret->overflows = self->overflows;
}

static void inotify_cost(void *arg, int dirfd, struct hw_watcher_cost *cost)
{
	(void)arg;
	(void)dirfd;
	cost->per_directory = 1;
	cost->objects = "watches";
	cost->limit = hw_limit_cost(&hw_remedy_watches, &cost->limit_name);
	cost->fdinfo = "inotify wd:";
}

static int inotify_open(void *arg, const struct hw_host *host, void *ctx)
{
	struct inotify *self = arg;

	self->host = host;
	self->ctx = ctx;
	self->fd = -1;
	self->dirs.key_words = 1;
	return 0;
}

static int inotify_start(void *arg)
{
	struct inotify *self = arg;
	const struct hw_host *host = self->host;
	int rc;

	self->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (self->fd < 0)
		return hw_remedy_instance(host, self->ctx, -errno);
	rc = hw_queue_init(&self->queue);
	if (rc == 0)
		rc = host->timer_add(self->ctx, on_join, self, &self->join);
	if (rc == 0)
		rc = host->timer_add(self->ctx, on_backlog, self, &self->reading.backlog);
	if (rc == 0)
		rc = host->io_add(self->ctx, self->fd, HW_IO_READ, on_readable, self,
				  &self->reading.io);
	return rc < 0 ? host->fail(self->ctx, rc, "cannot start: %s", strerror(-rc)) : 0;
}

static void inotify_stop(void *arg)
{
	struct inotify *self = arg;

	if (!self->host || self->fd < 0)
		return;
	self->host->io_del(self->ctx, self->reading.io);
	if (self->join)
		self->host->timer_del(self->ctx, self->join);
	if (self->reading.backlog)
		self->host->timer_del(self->ctx, self->reading.backlog);
	self->reading.io = NULL;
	self->join = NULL;
	self->reading.backlog = NULL;
	(void)close(self->fd); /* removes every watch */
	self->fd = -1;
	hw_queue_finish(&self->queue);
	hw_dirs_finish(&self->dirs);
	self->pair = (struct hw_pair){ 0 };
}

static const struct hw_option option_remote =
	HW_OPT_BOOL("remote", struct inotify, remote, "no",
		    "Also watch network and FUSE filesystems, where only changes made through this "
		    "host's mount are reported");
static const struct hw_option *const options[] = { &option_remote };

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct inotify),
	.flags = HW_PLUGIN_ORDERED,
	.option_count = sizeof(options) / sizeof(options[0]),
	.name = "inotify",
	.version = HW_VERSION,
	.summary = "one inotify watch per directory; needs no privilege",
	.options = options,
	.open = inotify_open,
	.start = inotify_start,
	.stop = inotify_stop,
	.close = inotify_stop,
	.probe = inotify_probe,
	.watch_dir = inotify_watch_dir,
	.forget_dir = inotify_forget_dir,
	.flush = inotify_flush,
	.stats = inotify_stats,
	.cost = inotify_cost,
	.position = inotify_position,
};
