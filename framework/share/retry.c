/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "retry.h"

#include "access.h"
#include "retry_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOGGED_MAX 16u /* names beyond this number are not logged */
#define QUICK_TRIES 3u /* attempts before the interval is used */

static void fired(void *arg, struct hw_timer *timer)
{
	(void)arg;
	(void)timer; /* its firing ends an iteration, which is enough */
}

int hw_retry_init(struct hw_share *share)
{
	static const struct hw_retry none;

	share->retry = none;
	int r = hw_timer_add(share->loop, fired, share, &share->retry.timer);

	return r < 0 ? r : hw_shortage_init(share);
}

void hw_retry_clear(struct hw_share *share)
{
	struct hw_retry *retry = &share->retry;

	for (uint32_t i = 0; i < retry->count; i++)
		free(retry->items[i].name);
	free(retry->items);
	free(retry->dirs);
	retry->items = NULL;
	retry->dirs = NULL;
	retry->count = retry->room = retry->left_out = 0;
	hw_shortage_clear(share);
}

void hw_retry_free(struct hw_share *share)
{
	hw_retry_clear(share);
	if (share->retry.timer)
		hw_timer_del(share->retry.timer);
	share->retry.timer = NULL;
	hw_shortage_free(share);
}

/* ---- the list ---- */

static bool is_named(const struct hw_retry_item *item, const char *name, size_t len)
{
	if (!name || !item->name)
		return !name && !item->name;
	return item->name_len == len && memcmp(item->name, name, len) == 0;
}

uint32_t hw_retry_find(const struct hw_retry *retry, hw_token dir, const char *name, size_t len)
{
	uint32_t i = 0;

	while (i < retry->count &&
	       (retry->dirs[i] != dir || !is_named(&retry->items[i], name, len)))
		i++;
	return i;
}

void hw_retry_remove(struct hw_retry *retry, uint32_t i)
{
	free(retry->items[i].name);
	retry->items[i] = retry->items[--retry->count];
	retry->dirs[i] = retry->dirs[retry->count];
}

static int grow(struct hw_retry *retry)
{
	uint32_t room = retry->room ? retry->room * 2 : 16;
	struct hw_retry_item *items = reallocarray(retry->items, room, sizeof(*items));

	if (!items)
		return -ENOMEM;
	retry->items = items;
	hw_token *dirs = reallocarray(retry->dirs, room, sizeof(*dirs));

	if (!dirs)
		return -ENOMEM;
	retry->dirs = dirs;
	retry->room = room;
	return 0;
}

/* Drops an item that has been tried often, in favour of a new one, which may work soon. */
static void leave_one_out(struct hw_retry *retry)
{
	uint32_t i = 0;

	while (i < retry->count &&
	       retry->items[(retry->hand + i) % retry->count].tries < QUICK_TRIES)
		i++;
	i = (retry->hand + i) % retry->count;
	hw_retry_remove(retry, i);
	retry->hand = i;
	retry->left_out++;
}

static int make_room(struct hw_retry *retry)
{
	if (retry->count >= HW_RETRY_MAX)
		leave_one_out(retry);
	return retry->count < retry->room ? 0 : grow(retry);
}

static void wake(struct hw_share *share)
{
	hw_timer_set(share->retry.timer, 1);
}

/* Returns NULL if out of memory: the share is compared later. */
static struct hw_retry_item *add(struct hw_share *share, uint32_t dir, char *name)
{
	struct hw_retry *retry = &share->retry;

	if (make_room(retry) < 0) {
		hw_shortage_found(share);
		free(name);
		return NULL;
	}
	struct hw_retry_item *item = &retry->items[retry->count];

	retry->dirs[retry->count++] = hw_tree_token(&share->tree, dir);
	*item = (struct hw_retry_item){
		.name = name,
		.since_ns = share->silent ? 0 : hw_watchers_since(share),
		.fresh = true,
	};
	retry->refusals++;
	wake(share);
	return item;
}

/* ---- failed attempts ---- */

static uint64_t delay_ns(const struct hw_share *share, unsigned tries)
{
	switch (tries) {
	case 1:
		return 10 * HW_MS;
	case 2:
		return 100 * HW_MS;
	default:
		return share->interval_ns;
	}
}

void hw_retry_refused_again(struct hw_share *share, struct hw_retry_item *item)
{
	item->flying = false;
	if (item->tries <= QUICK_TRIES)
		item->tries++;
	item->due_ns = hw_loop_now_ns(share->loop) + delay_ns(share, item->tries);
}

/* Sends a rescan, because receivers may be able to read the directory. Not after the first failure,
 * and not while another watcher takes over: the old one may take the directory again. */
static void report(struct hw_share *share, uint32_t dir, struct hw_retry_item *item, int error)
{
	if (item->reported || share->scan.rearm || !error || error == -EACCES || error == -EPERM)
		return;
	item->reported = true;
	hw_history_rescan(share, dir);
}

void hw_retry_dir(struct hw_share *share, uint32_t dir, enum hw_retry_kind kind,
		  enum hw_arrival how, int error)
{
	struct hw_retry *retry = &share->retry;
	uint32_t fault;

	if (error == -ENODEV && hw_tree_entry(&share->tree, dir)->watcher != HW_WATCHER_NONE)
		return; /* during a switch: the old watcher has it */
	fault = hw_access_failed(share, dir, error);
	if (fault != dir)
		kind = HW_RETRY_BELOW;
	uint32_t i = hw_retry_find(retry, hw_tree_token(&share->tree, fault), NULL, 0);
	struct hw_retry_item *item = i < retry->count ? &retry->items[i] : NULL;

	if (!item) {
		item = add(share, fault, NULL);
		if (item)
			item->kind = (uint8_t)kind;
	} else if (item->flying) {
		hw_retry_refused_again(share, item);
		report(share, fault, item, error);
	}
	if (!item)
		return;
	item->refused |= error != 0;
	item->refused_at = ++retry->count_refusals;
	if (kind > item->kind)
		item->kind = (uint8_t)kind;
	if (kind == HW_RETRY_FILL)
		item->how = (uint8_t)how;
}

static void log_name(struct hw_share *share, const struct hw_retry_name *name, int error,
		     struct hw_retry_item *item)
{
	char dir[600], quoted[600];

	if (share->retry.count > LOGGED_MAX)
		return;
	item->logged = true;
	hw_warning("share %s: cannot examine %s in %s: %s; trying again", share->name,
		   hw_quote(quoted, sizeof(quoted), name->name, name->len),
		   hw_access_path(share, name->dir, dir, sizeof(dir)), strerror(-error));
}

static bool are_many(const struct hw_retry *retry, hw_token dir)
{
	uint32_t names = 0;

	for (uint32_t i = 0; i < retry->count; i++)
		names += retry->dirs[i] == dir && retry->items[i].name;
	return names >= HW_RETRY_NAMES_MAX;
}

static void drop_names(struct hw_retry *retry, hw_token dir)
{
	for (uint32_t i = retry->count; i-- > 0;)
		if (retry->dirs[i] == dir && retry->items[i].name)
			hw_retry_remove(retry, i);
}

void hw_retry_name(struct hw_share *share, const struct hw_retry_name *name, int error)
{
	struct hw_retry *retry = &share->retry;
	hw_token dir = hw_tree_token(&share->tree, name->dir);
	uint32_t i = hw_retry_find(retry, dir, name->name, name->len);

	if (i < retry->count)
		return; /* try_name() handles failures of its attempts */
	/* The directory cannot be searched, or many of its entries fail. */
	if (error == -EACCES || error == -EPERM ||
	    hw_retry_find(retry, dir, NULL, 0) < retry->count || are_many(retry, dir)) {
		drop_names(retry, dir);
		hw_retry_dir(share, name->dir, HW_RETRY_ENTRIES, HW_ARRIVED_NEW, error);
		return;
	}
	char *copy = strndup(name->name, name->len);
	struct hw_retry_item *item = copy ? add(share, name->dir, copy) : NULL;

	if (!item)
		return;
	item->name_len = (uint8_t)name->len;
	item->arrived = name->arrived;
	item->found = name->found;
	item->how = (uint8_t)name->how;
	if (name->found)
		item->since_ns = name->since_ns;
	else if (name->arrived)
		item->since_ns = share->turn.ended_ns; /* older entries were created elsewhere */
	log_name(share, name, error, item);
}

/* ---- successful attempts ---- */

void hw_retry_worked(struct hw_share *share, uint32_t dir, uint64_t since)
{
	struct hw_retry *retry = &share->retry;
	char quoted[600];
	uint32_t i = hw_retry_find(retry, hw_tree_token(&share->tree, dir), NULL, 0);

	if (i < retry->count && retry->items[i].refused_at > since)
		return;
	hw_access_gained(share, dir);
	if (i == retry->count)
		return;
	if (retry->items[i].refused)
		hw_log_limited(&share->history.limit, hw_loop_now_ns(share->loop), HW_LOG_INFO,
			       "share %s: directory %s can be read again", share->name,
			       hw_access_path(share, dir, quoted, sizeof(quoted)));
	hw_retry_remove(retry, i);
	hw_access_forget_refusals(share);
	retry->worked = true;
	wake(share);
}

/* ---- attempts ahead of time ---- */

static void hurry(struct hw_share *share, uint32_t i)
{
	share->retry.items[i].due_ns = 0;
	share->retry.items[i].fresh = false;
	wake(share);
}

void hw_retry_hinted(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	const struct hw_retry *retry = &share->retry;
	hw_token in, self = 0;
	uint32_t id;

	if (!retry->count)
		return;
	in = hw_tree_token(&share->tree, dir);
	id = hw_tree_find(&share->tree, dir, name, len);
	if (id && hw_tree_entry(&share->tree, id)->type == HW_TYPE_DIR)
		self = hw_tree_token(&share->tree, id);
	for (uint32_t i = 0; i < retry->count; i++)
		if (retry->dirs[i] == in || (self && retry->dirs[i] == self))
			hurry(share, i);
}

bool hw_retry_dir_soon(struct hw_share *share, uint32_t dir)
{
	uint32_t i = hw_retry_find(&share->retry, hw_tree_token(&share->tree, dir), NULL, 0);

	if (i == share->retry.count)
		return false;
	hurry(share, i);
	return true;
}

void hw_retry_soon(struct hw_share *share)
{
	for (uint32_t i = 0; i < share->retry.count; i++)
		hurry(share, i);
}

bool hw_retry_is_pending(const struct hw_share *share)
{
	for (uint32_t i = 0; i < share->retry.count; i++)
		if (!share->retry.items[i].due_ns || share->retry.items[i].flying)
			return true;
	return false;
}

void hw_retry_access_changed(struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);
	int path_fd = hw_disk_dir(&share->disk, dir);
	int fd = path_fd < 0 ? path_fd
			     : hw_disk_openat(&share->disk, path_fd, ".", O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		if (hw_disk_is_refusal(fd))
			hw_retry_dir(share, dir, HW_RETRY_BELOW, HW_ARRIVED_NEW, fd);
		return;
	}
	close(fd);
	/* The comparison opens and arms it again. */
	if (!hw_retry_dir_soon(share, dir) && e->flags & HW_ENTRY_LOCKED &&
	    e->flags & HW_ENTRY_LISTED)
		hw_unverified_below(share, dir);
}
