/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Creation and end of a share. */
#include "presence.h"
#include "remote.h"
#include "share_private.h"
#include "turn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void kicked(void *arg, struct hw_timer *timer)
{
	(void)arg;
	(void)timer; /* its firing ends an iteration */
}

static uint64_t random_epoch(void)
{
	uint64_t epoch = 0;

	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			return 0;
	return epoch;
}

static int init_filter(struct hw_share *share, const struct hw_share_config *config)
{
	const char *reason;
	char quoted[200];
	size_t bad;
	int r = hw_filter_init(&share->filter, config->excludes, config->exclude_count, &bad,
			       &reason);

	if (r == -EINVAL)
		hw_error("share %s: exclude: %s: %s", config->name,
			 hw_quote(quoted, sizeof(quoted), config->excludes[bad],
				  strlen(config->excludes[bad])),
			 reason);
	return r;
}

static int init_parts(struct hw_share *share, const struct hw_share_config *config)
{
	int r = init_filter(share, config);

	if (r == 0)
		r = hw_tree_init(&share->tree);
	share->tree.work = &share->work;
	if (r == 0)
		r = hw_journal_init(&share->journal,
				    config->journal_bytes ? config->journal_bytes : 16u << 20);
	if (r == 0)
		r = hw_quiet_init(share);
	if (r == 0)
		r = hw_retry_init(share);
	if (r == 0)
		r = hw_share_add_timer(share, hw_settle_fired, &share->settle.timer);
	if (r == 0)
		r = hw_share_add_timer(share, hw_presence_fired, &share->presence.timer);
	if (r == 0)
		r = hw_timer_add(share->loop, kicked, share, &share->turn.kick);
	if (r == 0)
		r = hw_turn_add(share->loop, hw_share_turn, share);
	return r;
}

int hw_share_create(struct hw_loop *loop, const struct hw_share_config *config,
		    struct hw_share **ret)
{
	struct hw_share *share = calloc(1, sizeof(*share));
	int r = -ENOMEM;

	if (!share)
		return -ENOMEM;
	share->loop = loop;
	hw_disk_init(&share->disk, &share->tree);
	hw_watchers_init(share);
	hw_mount_watch_init(&share->mounts, &share->disk.aparts);
	share->unverified.names.work = share->unverified.spare.work = &share->work;
	share->verify.names.work = share->verify.touched.work = &share->work;
	share->name = strdup(config->name);
	share->path = strdup(config->path);
	share->interval_ns = config->interval_ns ? config->interval_ns : HW_SEC;
	share->settle.window_ns = config->settle_ns;
	share->settle.max_ns =
		config->settle_max_ns ? config->settle_max_ns : 10 * config->settle_ns;
	share->watchers.named = config->explicit_watcher;
	share->pseudo = config->pseudo;
	share->silent = true;
	share->epoch = random_epoch();
	share->fill.budget = HW_FILL_BUDGET;
	share->turn.first_seq = 1;
	/* Leases are released at once, so the signal that the kernel sends for a broken lease is
	 * not needed. */
	(void)signal(SIGIO, SIG_IGN);
	r = hw_keep_init(share, config->state_dir, config->state_log_dir);
	if (r == 0 && !(share->name && share->path && share->epoch))
		r = -ENOMEM;
	if (r == 0)
		r = init_parts(share, config);
	if (r < 0) {
		hw_share_destroy(share);
		return r;
	}
	*ret = share;
	return 0;
}

static void destroy(void *arg)
{
	struct hw_share *share = arg;

	hw_turn_del(share->loop, hw_share_turn, share);
	hw_keep_end(share);
	hw_scan_cancel(share);
	hw_switch_cancel(share);
	hw_watchers_destroy(share);
	hw_barrier_free(share);
	hw_silence_end(share);
	hw_quiet_free(share);
	hw_retry_free(share);
	hw_unarmed_free(share);
	hw_timer_del(share->settle.timer);
	hw_presence_end(share);
	hw_timer_del(share->turn.kick);
	hw_mount_watch_end(&share->mounts);
	hw_disk_free(&share->disk);
	hw_root_free(&share->root);
	hw_tree_free(&share->tree);
	hw_filter_free(&share->filter);
	hw_journal_free(&share->journal);
	hw_notes_free(&share->unverified.names);
	hw_notes_free(&share->unverified.spare);
	hw_notes_free(&share->mount_names.changed);
	hw_verify_free(share);
	hw_ids_free(&share->unverified.entries);
	hw_fold_free(&share->settle.fold);
	hw_waiting_free(&share->hints.waiting);
	hw_former_free(&share->hints.former);
	hw_nameless_free(&share->hints.nameless);
	hw_ids_free(&share->unverified.lost);
	hw_ids_free(&share->refresh.stale);
	hw_ids_free(&share->refresh.renamed);
	hw_ids_free(&share->refresh.touched);
	hw_ids_free(&share->refresh.touched_later);
	hw_ids_free(&share->fill.modified);
	hw_ids_free(&share->fill.moved);
	hw_ids_free(&share->fill.files);
	hw_ids_free(&share->fill.written);
	hw_slices_free(&share->work);
	free(share->listeners.list);
	free(share->name);
	free(share->path);
	free(share);
}

/* The caller does not wait for a filesystem that does not answer. */
void hw_share_destroy(struct hw_share *share)
{
	if (!share)
		return;
	if (hw_share_finish_work(share)) {
		destroy(share);
		return;
	}
	hw_warning("share %s: a filesystem does not answer; its watchers stop when it does",
		   share->name);
	hw_keep_worker_leave_open(share);
	hw_turn_del(share->loop, hw_share_turn, share);
	share->listeners.count = 0;
	hw_switch_cancel(share);
	hw_barrier_free(share);
	hw_loop_drop(&share->work, destroy, share);
}
