/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the state of the last run. */
#include "keep.h"
#include "keep_calls.h"
#include "quiet.h"
#include "share_private.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

struct load {
	struct hw_share *share;
	bool any; /* an event was read */
};

static void restore_event(void *arg, const struct hw_event *event)
{
	struct load *load = arg;
	struct hw_journal *journal = &load->share->journal;

	if (!load->any)
		hw_journal_reset(journal, event->seq);
	load->any = true;
	hw_journal_restore(journal, event);
}

static void restore_skip(void *arg, uint64_t from, uint64_t to, const struct hw_state_scope *scope)
{
	struct load *load = arg;

	if (!load->any)
		hw_journal_reset(&load->share->journal, from);
	load->any = true;
	hw_journal_skip(&load->share->journal, to);
	if (scope->len)
		hw_journal_set_scope(&load->share->journal, scope->path, scope->len, scope->end);
}

static void restore_shift(void *arg, uint64_t after, uint64_t next_seq)
{
	struct load *load = arg;

	if (!load->any)
		hw_journal_reset(&load->share->journal, after + 1);
	load->any = true;
	hw_journal_shift(&load->share->journal, after, next_seq);
}

static int open_file(struct hw_keep *keep, int dir, const char *name)
{
	int fd = away_open_file(keep, dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == EACCES ? hw_keep_check_owner(keep, dir, name, -EACCES) : -errno;
	if (away_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		return fd;
	away_close_file(keep, fd);
	return hw_keep_check_owner(keep, dir, name, -EUCLEAN);
}

static int load_log(struct hw_share *share, uint64_t generation, struct hw_state_load *load)
{
	struct hw_keep *keep = &share->keep;
	int fd = open_file(keep, keep->log_dir, hw_keep_log_name(share, generation).text), r;

	if (fd < 0)
		return fd;
	r = hw_state_read_log(fd, generation, keep->boot, load);
	away_close_file(keep, fd);
	return r;
}

static int load_copy(struct hw_share *share, uint64_t generation, struct hw_state_load *load)
{
	struct hw_keep *keep = &share->keep;
	int fd = open_file(keep, keep->dir, hw_keep_copy_name(share, generation).text), r;

	if (fd < 0)
		return fd == -EPERM ? fd : -ENOENT;
	r = hw_state_read_log(fd, generation, NULL, load);
	away_close_file(keep, fd);
	return r;
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ESTALE;
}

/* Reads the logs after a run that did not end cleanly, or what their copies have of them. Sets
 * `lost` if the newest one is not there or not whole. */
static int load_logs(struct hw_share *share, struct hw_state_load *load, bool *lost)
{
	uint64_t next = load->head.generation;
	int r;

	for (*lost = true;; next++) {
		r = load_log(share, next, load);
		if (r == 0) {
			*lost = load->damaged;
			if (load->damaged)
				load->scope.len = 0; /* that of the frames behind is unknown */
			continue;
		}
		if (is_absent(r))
			r = load_copy(share, next, load);
		if (r < 0)
			break;
		*lost = true;
	}
	share->keep.generation = next;
	return is_absent(r) ? 0 : r;
}

/* Numbers up to the limit were perhaps given. The one of the limit itself was not: it is the newest
 * number until the first event of this run. */
static int skip_lost(struct hw_share *share, struct hw_state_load *load)
{
	struct hw_keep *keep = &share->keep;

	if (!keep->limit)
		return -ENODATA;
	if (keep->limit < load->head.next_seq)
		return -EUCLEAN;
	keep->seq = load->head.next_seq - 1;
	keep->skip_to = keep->limit + 1;
	keep->limit = keep->skip_to + keep->block;
	if (hw_keep_write_limit(share, load->head.epoch, keep->limit) < 0)
		return -ENODATA;
	if (load->scope.end >= load->head.next_seq)
		keep->scope.lost = load->scope;
	load->skip(load->arg, load->head.next_seq, keep->skip_to, &keep->scope.lost);
	load->head.next_seq = keep->skip_to;
	return 0;
}

static void take_limit(struct hw_share *share, const struct hw_state_load *load)
{
	uint64_t limit = hw_keep_read_limit(share, load->head.epoch);

	share->keep.limit = load->head.limit;
	if (load->head.limit && limit > load->head.limit)
		share->keep.limit = limit;
}

static int load_files(struct hw_share *share, struct hw_state_load *load)
{
	struct hw_keep *keep = &share->keep;
	int fd = open_file(keep, keep->dir, hw_keep_name(share, "state").text), r;
	bool clean = fd != -ENOENT, lost;

	if (!clean)
		fd = open_file(keep, keep->dir, hw_keep_name(share, "open").text);
	if (fd < 0)
		return fd;
	r = hw_state_read_snapshot(fd, keep->place, load);
	away_close_file(keep, fd);
	if (r < 0)
		return r;
	keep->snapshot_bytes = load->size;
	keep->oldest = keep->generation = load->head.generation;
	take_limit(share, load);
	if (clean)
		return 0;
	r = load_logs(share, load, &lost);
	keep->frames = load->frames;
	keep->old_log_bytes = load->size - keep->snapshot_bytes;
	return r == 0 && lost ? skip_lost(share, load) : r;
}

int hw_keep_begin_anew(struct hw_share *share)
{
	struct hw_tree tree;
	int r = hw_tree_init(&tree);

	if (r < 0)
		return r;
	hw_tree_free(&share->tree);
	share->tree = tree;
	share->tree.work = &share->work;
	hw_journal_reset(&share->journal, 1);
	return 0;
}

static int adopt(struct hw_share *share, const struct hw_state_load *load)
{
	uint16_t filesystems = 0;

	for (uint32_t id = HW_ROOT; id < share->tree.used; id++) {
		struct hw_entry *e = hw_tree_entry(&share->tree, id);

		if (e->type == HW_TYPE_NONE)
			continue;
		/* No event of the last run is merged with one of this run. */
		e->last_seq = (uint32_t)(load->head.next_seq - 1);
		if (e->fs >= filesystems)
			filesystems = (uint16_t)(e->fs + 1);
		if (e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_DIRTY)
			hw_quiet_add(share, id);
		if (load->unread_ns)
			hw_history_forget_times(e, load->unread_ns);
	}
	share->epoch = load->head.epoch;
	share->keep.known_ns = load->head.known_ns;
	share->keep.unread_ns = load->unread_ns;
	share->keep.scope.end = load->scope_end;
	return hw_disk_expect(&share->disk, filesystems);
}

int hw_keep_load(struct hw_share *share)
{
	struct load events = { .share = share };
	struct hw_state_load load = {
		.tree = &share->tree,
		.event = restore_event,
		.skip = restore_skip,
		.shift = restore_shift,
		.arg = &events,
	};
	int r = load_files(share, &load);

	if (r == 0)
		r = hw_tree_finish(&share->tree);
	if (r == -EINVAL)
		r = -EUCLEAN;
	if (r == 0)
		r = adopt(share, &load);
	if (r == -ENOENT && !load.size)
		return r; /* nothing was read */
	if (r < 0)
		return hw_keep_begin_anew(share) < 0 ? -ENOMEM : r;
	if (!events.any)
		hw_journal_reset(&share->journal, load.head.next_seq);
	return 0;
}

int hw_keep_mark_open(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;

	if (away_renameat(keep->dir, hw_keep_name(share, "state").text,
			  hw_keep_name(share, "open").text) < 0 &&
	    errno != ENOENT)
		return -errno;
	return away_fsync(keep->dir) < 0 ? -errno : 0;
}

/* ---- filesystems ---- */

static bool is_same(const struct hw_entry *e, struct hw_stat *stat)
{
	stat->fs = e->fs;
	return hw_tree_is_same(e, stat);
}

/* Binds the filesystems that are mounted in directories whose own filesystem is known. Returns
 * whether it has found one. */
static bool bind_mounted(struct hw_share *share)
{
	struct hw_tree *tree = &share->tree;
	bool found = false;

	for (uint32_t id = HW_ROOT + 1; id < tree->used; id++) {
		const struct hw_entry *e = hw_tree_entry(tree, id);
		struct hw_stat stat;

		if (e->type == HW_TYPE_NONE || e->fs == hw_tree_entry(tree, e->parent)->fs ||
		    hw_disk_is_bound(&share->disk, e->fs) ||
		    !hw_disk_is_bound(&share->disk, hw_tree_entry(tree, e->parent)->fs) ||
		    hw_disk_stat(&share->disk, e->parent, hw_tree_name(tree, id), e->name_len,
				 &stat) < 0)
			continue;
		dev_t dev = share->disk.filesystems[stat.fs].dev;

		if (!is_same(e, &stat))
			continue;
		hw_disk_bind(&share->disk, e->fs, dev);
		found = true;
	}
	return found;
}

/* Device numbers change when the system starts; the directories that filesystems are mounted on
 * do not. */
void hw_keep_bind(struct hw_share *share)
{
	const struct hw_entry *root = hw_tree_entry(&share->tree, HW_ROOT);
	struct hw_stat stat;

	if (hw_disk_stat_fd(&share->disk, share->disk.root, &stat) < 0 || !is_same(root, &stat))
		return;
	hw_disk_bind(&share->disk, root->fs, share->disk.root_dev);
	if (share->disk.filesystem_count > 1)
		while (bind_mounted(share))
			;
}
