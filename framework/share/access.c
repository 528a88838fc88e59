/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access.h"

#include "retry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUOTED_MAX 600u

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

const char *hw_access_path(struct hw_share *share, uint32_t dir, char *buf, size_t size)
{
	size_t root_len = strlen(share->path), len = 0;
	char *path = hw_tree_path(&share->tree, dir, share->scratch, sizeof(share->scratch), &len);

	if (!path || dir == HW_ROOT || root_len + 1 > (size_t)(path - share->scratch))
		return hw_quote(buf, size, share->path, root_len);
	*--path = '/';
	path -= root_len;
	memcpy(path, share->path, root_len);
	return hw_quote(buf, size, path, root_len + 1 + len);
}

/* ---- reading ---- */

static bool is_denied(int error)
{
	return error == -EACCES || error == -EPERM;
}

/* Opening a path fails at the first directory above it that cannot be searched. */
static uint32_t find_fault(struct hw_share *share, uint32_t dir, int error)
{
	while (error == -EACCES && dir != HW_ROOT) {
		uint32_t parent = entry_of(share, dir)->parent;

		if (hw_disk_dir(&share->disk, dir) != error)
			break;
		dir = parent;
	}
	return dir;
}

static void log_failure(struct hw_share *share, uint32_t dir, int error)
{
	struct hw_entry *e = entry_of(share, dir);
	char quoted[QUOTED_MAX], what_helps[100] = "";

	if (e->flags & HW_ENTRY_LOCKED)
		return;
	e->flags |= HW_ENTRY_LOCKED;
	if (is_denied(error))
		(void)snprintf(what_helps, sizeof(what_helps),
			       "; give uid %u read and search permission, or exclude it",
			       (unsigned)geteuid());
	else if (hw_disk_is_short(error))
		(void)snprintf(what_helps, sizeof(what_helps),
			       "; raise the limit of open files (ulimit -n)");
	hw_access_path(share, dir, quoted, sizeof(quoted));
	if (error == -ENOMEM) /* of any directory, and again and again */
		hw_log_limited(
			&share->history.limit, hw_loop_now_ns(share->loop), HW_LOG_WARNING,
			"share %s: cannot read directory %s: out of memory; it is tried again",
			share->name, quoted);
	else
		hw_warning("share %s: cannot read directory %s: %s; changes below it may be "
			   "missed%s",
			   share->name, quoted, strerror(-error), what_helps);
}

uint32_t hw_access_failed(struct hw_share *share, uint32_t dir, int error)
{
	/* -ENODEV: no watcher takes it, which was logged. */
	if (!hw_disk_is_refusal(error) || error == -ENODEV)
		return dir;
	dir = find_fault(share, dir, error);
	log_failure(share, dir, error);
	return dir;
}

bool hw_access_is_locked(const struct hw_share *share, uint32_t dir)
{
	for (; dir; dir = hw_tree_entry(&share->tree, dir)->parent)
		if (hw_tree_entry(&share->tree, dir)->flags & HW_ENTRY_LOCKED)
			return true;
	return false;
}

void hw_access_gained(struct hw_share *share, uint32_t dir)
{
	entry_of(share, dir)->flags &= (uint8_t)~HW_ENTRY_LOCKED;
}

void hw_access_explain_root(const struct hw_share *share, int error, char *buf, size_t size)
{
	char quoted[QUOTED_MAX / 2];

	hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path));
	if (*share->root.refusal)
		(void)snprintf(buf, size, "%s is refused as the root: %s", quoted,
			       share->root.refusal);
	else if (is_denied(error))
		(void)snprintf(
			buf, size,
			"cannot read directory %s: %s; give uid %u read and search permission",
			quoted, strerror(-error), (unsigned)geteuid());
	else
		(void)snprintf(buf, size, "cannot open directory %s: %s", quoted, strerror(-error));
}

/* ---- watching ---- */

/* One bit for each error, because a limit, or a directory at two places, causes the same error
 * repeatedly. */
static bool is_new(struct hw_watcher *watcher, int error)
{
	uint64_t bit = UINT64_C(1) << (error > -64 ? -error : 0);
	bool known = watcher->complaints & bit;

	watcher->complaints |= bit;
	return !known;
}

void hw_access_refused(struct hw_access_refusals *refusals, struct hw_watcher *watcher,
		       uint32_t dir, int error)
{
	const char *name = watcher->instance->name, *reason = watcher->instance->reason;
	char quoted[QUOTED_MAX];
	size_t room = sizeof(refusals->text) - refusals->len;
	char *at = refusals->text + refusals->len;
	int len;

	if (!is_new(watcher, error))
		return;
	if (!*reason)
		reason = strerror(-error);
	if (refusals->len)
		len = snprintf(at, room, "; nor can %s: %s", name, reason);
	else
		len = snprintf(at, room, "%s cannot watch %s: %s", name,
			       hw_access_path(watcher->share, dir, quoted, sizeof(quoted)), reason);
	refusals->of_root |= dir == HW_ROOT;
	refusals->len += (size_t)len < room ? (size_t)len : room - 1;
}

void hw_access_forget_refusals(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		share->watchers.list[i].complaints = 0;
}

void hw_access_log_refusals(const struct hw_access_refusals *refusals, struct hw_share *share,
			    const struct hw_watcher *taker)
{
	if (!refusals->len)
		return;
	if (taker)
		hw_warning("share %s: %s; %s takes over for it and for others that fail this way",
			   share->name, refusals->text, taker->instance->name);
	else if (refusals->of_root && share->silent)
		(void)snprintf(share->why, sizeof(share->why), "%s; no watcher left",
			       refusals->text);
	else
		hw_warning("share %s: %s; no watcher left: until one takes it, changes there, and "
			   "in others that fail this way, are not reported",
			   share->name, refusals->text);
}
