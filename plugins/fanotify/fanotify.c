/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fanotify watcher: one mark per filesystem where that is permitted, else one per directory. */
#include "../common/dirs.h"
#include "../common/filesystem.h"
#include "../common/reading.h"
#include "brief.h"
#include "handle.h"
#include "marks.h"
#include "record.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES HW_BRIEF_BYTES
#define RECORD_MAX 2048u /* more than the largest record: two names and three handles */
#define TIMER_BUDGET 8192u
#define BACKLOG_DELAY_NS HW_MS
/* Marked filesystems that are counted. More filesystems can be marked; they are not counted. */
#define FILESYSTEMS_MAX 64u

struct fanotify {
	uint32_t mark; /* enum hw_mark_kind */
	uint32_t unlimited_queue;
	uint32_t ignore_self;
	uint32_t remote;

	const struct hw_host *host; /* borrowed; NULL before open */
	void *ctx;
	int group; /* owned; -1 if it is not open */
	int32_t pid;
	struct hw_reading reading;
	char *buffer; /* owned: BUFFER_BYTES; the bytes in head .. tail are unhandled */
	uint32_t head, tail;
	struct hw_dirs dirs;
	struct hw_handle_seed seed;
	dev_t filesystems[FILESYSTEMS_MAX];
	uint32_t filesystem_count;
	bool refusal_told;
	uint64_t handed; /* records whose hints have been passed on */
	struct hw_brief brief;
	uint64_t kernel_events;
	uint64_t overflows;
};

static const struct {
	uint64_t mask;
	uint32_t what;
} entry_hints[] = {
	{ FAN_CREATE, HW_HINT_CREATED },          { FAN_DELETE, HW_HINT_DELETED },
	{ FAN_MODIFY, HW_HINT_MODIFIED },         { FAN_ATTRIB, HW_HINT_ATTRIB },
	{ FAN_CLOSE_WRITE, HW_HINT_CLOSE_WRITE },
};

/* A filesystem mark reports changes in every directory of the filesystem. For one outside the
 * share, this costs a lookup and no system call. */
static hw_token find_dir(const struct fanotify *self, const struct hw_handle *handle)
{
	struct hw_handle_key key;

	if (!handle->bytes)
		return HW_NO_DIR;
	key = hw_handle_key(&self->seed, handle);
	return hw_dirs_token(&self->dirs, key.words);
}

static uint32_t type_of(const struct hw_record *record)
{
	return record->mask & FAN_ONDIR ? HW_TYPE_DIR : HW_TYPE_FILE;
}

static void send_gone(struct fanotify *self, hw_token dir, const struct hw_record *record)
{
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_GONE,
		.dir = dir,
		.type = HW_TYPE_DIR,
		.pid = record->pid,
	};

	if (dir != HW_NO_DIR)
		self->host->hint(self->ctx, &hint);
}

static void add_handle(struct hw_hint *hint, const struct hw_handle *handle)
{
	if (!handle->bytes)
		return;
	hint->handle = handle->bytes;
	hint->handle_len = handle->len;
	hint->handle_type = handle->type;
}

static void send_move(struct fanotify *self, const struct hw_record *record)
{
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_MOVED,
		.dir = find_dir(self, &record->from.dir),
		.to_dir = find_dir(self, &record->to.dir),
		.type = type_of(record),
		.pid = record->pid,
	};

	if (hint.dir != HW_NO_DIR) {
		hint.name = record->from.name;
		hint.name_len = record->from.name_len;
	}
	if (hint.to_dir != HW_NO_DIR) {
		hint.to_name = record->to.name;
		hint.to_name_len = record->to.name_len;
	}
	add_handle(&hint, &record->object);
	if (hint.dir != HW_NO_DIR || hint.to_dir != HW_NO_DIR)
		self->host->hint(self->ctx, &hint);
	else if (record->mask & FAN_ONDIR)
		send_gone(self, find_dir(self, &record->object), record); /* the share's root */
}

static void send_entry(struct fanotify *self, const struct hw_record *record, uint32_t what)
{
	const struct hw_place *at = record->mask & FAN_RENAME ? &record->to : &record->at;
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = what,
		.dir = find_dir(self, &at->dir),
		.name = at->name,
		.name_len = at->name_len,
		.type = type_of(record),
		.pid = record->pid,
	};

	if (hint.dir == HW_NO_DIR) {
		/* The root's parent directory is not in the table; the root itself is. */
		if ((record->mask & (FAN_DELETE | FAN_ONDIR)) == (FAN_DELETE | FAN_ONDIR))
			send_gone(self, find_dir(self, &record->object), record);
		return;
	}
	if (at->name_len == 1 && at->name[0] == '.')
		hint.type = HW_TYPE_DIR;
	add_handle(&hint, &record->object);
	self->host->hint(self->ctx, &hint);
}

static void handle_record(struct fanotify *self, const struct hw_record *record)
{
	uint32_t what = 0;
	size_t i;

	/* This must come first: an overflow record has no information records. */
	if (record->mask & FAN_Q_OVERFLOW) {
		self->overflows++;
		self->host->lost(self->ctx, HW_NO_DIR);
		return;
	}
	if (self->ignore_self && record->pid == self->pid)
		return;
	if (record->mask & FAN_RENAME)
		send_move(self, record);
	for (i = 0; i < sizeof(entry_hints) / sizeof(entry_hints[0]); i++)
		if (record->mask & entry_hints[i].mask)
			what |= entry_hints[i].what;
	if (hw_brief_take(&self->brief, &self->seed, record))
		what |= HW_HINT_BRIEF;
	if (what)
		send_entry(self, record, what);
	if (record->mask & (FAN_DELETE_SELF | FAN_MOVE_SELF)) {
		hw_token dir = find_dir(self, &record->at.dir);

		send_gone(self, dir != HW_NO_DIR ? dir : find_dir(self, &record->object), record);
	}
}

/* A read that leaves room for a record has reached the end of the queue. */
static bool is_full(const struct fanotify *self)
{
	return self->tail + RECORD_MAX > BUFFER_BYTES;
}

/* Returns the number of bytes read; 0 if the kernel has no record; -errno. The buffer must be
 * empty. */
static int fill(struct fanotify *self)
{
	ssize_t got;

	do {
		got = read(self->group, self->buffer, BUFFER_BYTES);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	HW_PROBE2(read, self->group, got);
	self->head = 0;
	self->tail = (uint32_t)got;
	/* Marks of directories do not report link counts. */
	if (!is_full(self) && !self->dirs.flagged)
		hw_brief_begin(&self->brief, &self->seed, self->buffer, self->tail);
	else
		hw_brief_skip(&self->brief);
	return (int)got;
}

/* Handles up to `budget` records of the buffer, and returns how many. */
static uint32_t handle_buffer(struct fanotify *self, uint32_t budget)
{
	struct hw_record record;
	uint32_t handled;

	for (handled = 0; handled < budget && self->head < self->tail; handled++) {
		if (hw_record_parse(self->buffer + self->head, self->tail - self->head, &record) <
		    0) {
			self->host->log(self->ctx, HW_LOG_ERROR,
					"malformed record from the kernel; scanning for changes");
			self->head = self->tail;
			self->handed += BUFFER_BYTES / FAN_EVENT_METADATA_LEN; /* an upper bound */
			self->host->lost(self->ctx, HW_NO_DIR);
			return handled;
		}
		self->kernel_events++;
		handle_record(self, &record);
		self->head += record.len;
		self->handed++;
	}
	return handled;
}

/* The descriptor may not become readable again, so a timer handles the rest. */
static void await_rest(struct fanotify *self)
{
	if (self->head < self->tail)
		self->host->timer_set(self->ctx, self->reading.backlog, BACKLOG_DELAY_NS);
}

/* Returns whether the kernel has records that may be handled in this call. */
static bool fill_again(struct fanotify *self)
{
	int rc = fill(self);

	if (rc < 0)
		hw_reading_pause(self->host, self->ctx, &self->reading, rc);
	else
		self->reading.broken = false;
	return rc > 0;
}

static int on_readable(void *arg, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct fanotify *self = arg;
	uint32_t handled = 0;
	bool more;

	(void)io;
	(void)events; /* a hangup shows as an error of read(2) */
	do {
		bool full = self->head == self->tail && fill_again(self) && is_full(self);

		handled += handle_buffer(self, budget - handled);
		more = full && self->head == self->tail;
	} while (more && handled < budget);
	await_rest(self);
	return (int)handled;
}

static void on_backlog(void *arg, struct hw_timer *timer)
{
	struct fanotify *self = arg;

	(void)timer;
	hw_reading_resume(self->host, self->ctx, &self->reading);
	(void)handle_buffer(self, TIMER_BUDGET); /* the count is not needed */
	await_rest(self);
}

static int fanotify_flush(void *arg)
{
	struct fanotify *self = arg;
	uint64_t until;
	int bytes = 0, rc;

	(void)handle_buffer(self, UINT32_MAX); /* handles all records in the buffer */
	/* FIONREAD counts the metadata only, which gives the number of queued records. Records that
	 * are queued after this call are not read here: with a busy writer, the loop would not end.
	 * */
	if (ioctl(self->group, FIONREAD, &bytes) < 0 || bytes <= 0)
		return 0;
	until = self->kernel_events + (uint32_t)bytes / FAN_EVENT_METADATA_LEN;
	do {
		rc = fill(self);
		(void)handle_buffer(self, UINT32_MAX); /* handles all records in the buffer */
	} while (rc > 0 && self->kernel_events < until);
	return rc < 0 ? self->host->fail(self->ctx, rc, "cannot read events: %s", strerror(-rc))
		      : 0;
}

/* Returns the number of records in the buffer. */
static uint32_t count_buffered(const struct fanotify *self)
{
	struct fanotify_event_metadata event;
	uint32_t count = 0;

	for (uint32_t at = self->head; self->tail - at >= sizeof(event); at += event.event_len) {
		memcpy(&event, self->buffer + at, sizeof(event));
		if (event.event_len < sizeof(event) || event.event_len > self->tail - at)
			break;
		count++;
	}
	return count;
}

/* FIONREAD counts the metadata of each queued record, and takes the lock under which the kernel
 * queues them. */
static int fanotify_position(void *arg, struct hw_queue_position *ret)
{
	struct fanotify *self = arg;
	int bytes = 0;

	if (self->reading.broken)
		return -EIO;
	ret->handed = self->handed;
	if (ret->flags & HW_POSITION_HANDED)
		return 0;
	if (ioctl(self->group, FIONREAD, &bytes) < 0)
		return -EIO;
	ret->queued = count_buffered(self) + (uint32_t)bytes / FAN_EVENT_METADATA_LEN;
	return 0;
}

static int get_handle(struct fanotify *self, int dirfd, union hw_handle_buffer *buffer,
		      struct hw_handle *ret)
{
	int rc = hw_handle_get(dirfd, buffer, ret);

	if (rc == -EOPNOTSUPP)
		return self->host->fail(self->ctx, rc, "this filesystem has no file handles");
	if (rc < 0)
		return self->host->fail(self->ctx, rc, "name_to_handle_at: %s", strerror(-rc));
	return 0;
}

/* Sets the text that `hostwatch explain` shows. */
static void note_kind(struct fanotify *self, int kind, int refused)
{
	const char *why = refused ? hw_mark_refusal(refused) : NULL;

	if (kind == HW_MARK_FILESYSTEM)
		(void)self->host->fail(self->ctx, 0, "one mark for the whole filesystem");
	else
		(void)self->host->fail(self->ctx, 0, "one mark per directory%s%s", why ? ": " : "",
				       why ? why : "");
}

/* Uses a new group, because removing the mark from the working group could remove one that is
 * needed. Returns as hw_mark_add(). */
static int try_mark(struct fanotify *self, int dirfd, int *ret_refused)
{
	int group = hw_group_create(self->host, self->ctx, false), rc;

	if (group < 0)
		return group;
	rc = hw_mark_add(self->host, self->ctx, group, dirfd, self->mark, ret_refused);
	(void)close(group); /* and removes its mark */
	return rc;
}

static int fanotify_probe(void *arg, int dirfd)
{
	struct fanotify *self = arg;
	union hw_handle_buffer buffer;
	struct hw_handle handle;
	int refused, rc;

	rc = hw_filesystem_check(self->host, self->ctx, dirfd, self->remote);
	if (rc == 0)
		rc = get_handle(self, dirfd, &buffer, &handle);
	if (rc < 0)
		return rc;
	rc = try_mark(self, dirfd, &refused);
	if (rc < 0)
		return rc;
	note_kind(self, rc, refused);
	return 0;
}

static void count_filesystem(struct fanotify *self, int dirfd)
{
	struct stat st;
	uint32_t i;

	if (fstat(dirfd, &st) < 0)
		return;
	for (i = 0; i < self->filesystem_count; i++)
		if (self->filesystems[i] == st.st_dev)
			return;
	if (i < FILESYSTEMS_MAX)
		self->filesystems[self->filesystem_count++] = st.st_dev;
}

static int add_mark(struct fanotify *self, int dirfd)
{
	int refused, kind;

	/* Do this also for each directory on a filesystem that is marked: adding the mark again
	 * changes nothing, and it is missing if the filesystem was unmounted and mounted again. */
	kind = hw_mark_add(self->host, self->ctx, self->group, dirfd, self->mark, &refused);
	if (kind == HW_MARK_FILESYSTEM)
		count_filesystem(self, dirfd);
	if (kind >= 0 && refused && !self->refusal_told) {
		self->refusal_told = true;
		self->host->log(self->ctx, HW_LOG_INFO, "using one mark per directory: %s",
				hw_mark_refusal(refused));
	}
	return kind;
}

static int fanotify_watch_dir(void *arg, hw_token dir, int dirfd)
{
	struct fanotify *self = arg;
	union hw_handle_buffer buffer;
	struct hw_handle_key key;
	struct hw_handle handle;
	int rc, kind;

	if (dir == HW_NO_DIR)
		return -EINVAL;
	rc = get_handle(self, dirfd, &buffer, &handle);
	if (rc < 0)
		return rc;
	key = hw_handle_key(&self->seed, &handle);
	if (hw_dirs_token(&self->dirs, key.words) != HW_NO_DIR)
		return self->host->fail(
			self->ctx, EEXIST,
			"the directory is already watched under another path (bind mount)");
	kind = add_mark(self, dirfd);
	if (kind < 0)
		return kind;
	rc = hw_dirs_add(&self->dirs, key.words, dir, kind == HW_MARK_INODE);
	if (rc < 0 && kind == HW_MARK_INODE)
		hw_mark_remove(self->group, dirfd);
	if (rc < 0)
		return self->host->fail(self->ctx, rc, "cannot record directory %u: %s",
					self->dirs.count + 1, strerror(-rc));
	return 0;
}

/* An inode mark stays, because the kernel can only remove it by a descriptor. The kernel removes it
 * with its directory. Until then its records are discarded as unknown, and it is used again if the
 * directory returns. */
static void fanotify_forget_dir(void *arg, hw_token dir)
{
	struct fanotify *self = arg;

	hw_dirs_remove(&self->dirs, dir);
}

static void fanotify_stats(void *arg, struct hw_watcher_stats *ret)
{
	const struct fanotify *self = arg;

	ret->watches = self->filesystem_count + self->dirs.flagged;
	ret->kernel_events = self->kernel_events;
	ret->overflows = self->overflows;
}

static void fanotify_cost(void *arg, int dirfd, struct hw_watcher_cost *cost)
{
	struct fanotify *self = arg;
	int refused;
	bool whole = try_mark(self, dirfd, &refused) == HW_MARK_FILESYSTEM;

	cost->per_filesystem = whole;
	cost->per_directory = !whole;
	cost->objects = "marks";
	cost->limit = hw_limit_cost(&hw_mark_limit, &cost->limit_name);
	cost->fdinfo = "fanotify ino:|fanotify sdev:|fanotify mnt_id:";
}

static int fanotify_open(void *arg, const struct hw_host *host, void *ctx)
{
	struct fanotify *self = arg;

	self->host = host;
	self->ctx = ctx;
	self->group = -1;
	return 0;
}

static int fanotify_start(void *arg)
{
	struct fanotify *self = arg;
	const struct hw_host *host = self->host;
	int rc;

	self->pid = (int32_t)getpid();
	self->dirs.key_words = HW_HANDLE_KEY_WORDS;
	self->seed = hw_handle_new_seed();
	self->group = hw_group_create(host, self->ctx, self->unlimited_queue);
	if (self->group < 0)
		return self->group;
	self->buffer = malloc(BUFFER_BYTES);
	rc = self->buffer ? hw_brief_init(&self->brief) : -ENOMEM;
	if (rc == 0)
		rc = host->timer_add(self->ctx, on_backlog, self, &self->reading.backlog);
	if (rc == 0)
		rc = host->io_add(self->ctx, self->group, HW_IO_READ, on_readable, self,
				  &self->reading.io);
	return rc < 0 ? host->fail(self->ctx, rc, "cannot start: %s", strerror(-rc)) : 0;
}

static void fanotify_stop(void *arg)
{
	struct fanotify *self = arg;

	if (!self->host || self->group < 0)
		return;
	self->host->io_del(self->ctx, self->reading.io);
	if (self->reading.backlog)
		self->host->timer_del(self->ctx, self->reading.backlog);
	self->reading.io = NULL;
	self->reading.backlog = NULL;
	(void)close(self->group); /* removes every mark */
	self->group = -1;
	free(self->buffer);
	self->buffer = NULL;
	hw_brief_finish(&self->brief);
	self->head = self->tail = 0;
	self->filesystem_count = 0;
	hw_dirs_finish(&self->dirs);
}

static const struct hw_option option_mark = HW_OPT_ENUM(
	"mark", struct fanotify, mark, "auto", "auto|filesystem|inode",
	"One mark for the whole filesystem (needs CAP_SYS_ADMIN), or one per directory; auto "
	"takes the first that works");
static const struct hw_option option_unlimited_queue =
	HW_OPT_BOOL("unlimited_queue", struct fanotify, unlimited_queue, "no",
		    "No limit on the events that the kernel queues in its memory (needs "
		    "CAP_SYS_ADMIN)");
static const struct hw_option option_ignore_self =
	HW_OPT_BOOL("ignore_self", struct fanotify, ignore_self, "no",
		    "Ignore changes made by hostwatch itself (works as root only)");
static const struct hw_option option_remote =
	HW_OPT_BOOL("remote", struct fanotify, remote, "no",
		    "Also watch network and FUSE filesystems, where only changes made through this "
		    "host's mount are reported");
static const struct hw_option *const options[] = {
	&option_mark,
	&option_unlimited_queue,
	&option_ignore_self,
	&option_remote,
};

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct fanotify),
	.option_count = sizeof(options) / sizeof(options[0]),
	.capabilities = UINT64_C(1) << CAP_SYS_ADMIN,
	.name = "fanotify",
	.version = HW_VERSION,
	.summary = "one fanotify mark per filesystem, or one per directory without privilege",
	.options = options,
	.open = fanotify_open,
	.start = fanotify_start,
	.stop = fanotify_stop,
	.close = fanotify_stop,
	.probe = fanotify_probe,
	.watch_dir = fanotify_watch_dir,
	.forget_dir = fanotify_forget_dir,
	.flush = fanotify_flush,
	.stats = fanotify_stats,
	.cost = fanotify_cost,
	.position = fanotify_position,
};
