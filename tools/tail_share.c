/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tail.h"
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- shares in hello ---- */

/* Returns the text between this mark and the next quotation mark, which is replaced by NUL; NULL:
 * not found. */
static char *take_text(char **at, const char *end, const char *mark)
{
	char *text = memmem(*at, (size_t)(end - *at), mark, strlen(mark)), *stop;

	if (!text)
		return NULL;
	text += strlen(mark);
	stop = memchr(text, '"', (size_t)(end - text));
	if (!stop)
		return NULL;
	*stop = '\0';
	*at = stop + 1;
	return text;
}

/* Keys have a fixed order, and names contain no characters that need escapes:
 * hostwatch-protocol(7). */
size_t hw_tail_parse_shares(char *line, size_t len, struct hw_share_info *shares, size_t max)
{
	const char *end = line + len;
	size_t count = 0;
	char *at = line, *name, *epoch, *number;

	while (count < max && (name = take_text(&at, end, "{\"name\":\""))) {
		epoch = take_text(&at, end, "\"epoch\":\"");
		number = epoch ? memmem(at, (size_t)(end - at), "\"seq\":", 6) : NULL;
		if (!number)
			break;
		shares[count++] = (struct hw_share_info){
			.struct_size = sizeof(*shares),
			.name = name,
			.epoch = strtoull(epoch, NULL, 16),
			.seq = strtoull(number + 6, NULL, 10),
		};
	}
	return count;
}

/* ---- positions ---- */

static struct tail_share *find(const struct tail *t, const char *name)
{
	for (size_t i = 0; name && i < t->share_count; i++) {
		if (strcmp(t->shares[i].name, name) == 0)
			return &t->shares[i];
	}
	return NULL;
}

static struct tail_share *add(struct tail *t, const char *name)
{
	struct tail_share *shares;

	if (t->share_count == TAIL_SHARES_MAX || strlen(name) > TAIL_NAME_MAX)
		return NULL;
	shares = reallocarray(t->shares, t->share_count + 1, sizeof(*shares));
	if (!shares)
		return NULL;
	t->shares = shares;
	shares += t->share_count++;
	*shares = (struct tail_share){ 0 };
	(void)snprintf(shares->name, sizeof(shares->name), "%s", name);
	return shares;
}

static bool is_wanted(const struct tail *t, const char *name)
{
	return !t->subscribe.share || strcmp(t->subscribe.share, name) == 0;
}

/* Returns the only requested share; NULL: there are several. */
static const char *only_share(const struct tail *t, const struct hw_share_info *shares,
			      size_t count)
{
	if (t->subscribe.share)
		return t->subscribe.share;
	return count == 1 ? shares[0].name : NULL;
}

/* Returns whether the requested place, if there is one, has not been taken over yet: no connection
 * has shown a share. */
static bool begins(const struct tail *t)
{
	return !t->connections || (t->subscribe.resume && !t->share_count);
}

/* Continues at the current position, without the events before it. A new share also requires a
 * rescan. */
static int jump(struct tail *t, const struct hw_share_info *info, bool first)
{
	struct tail_share *share = find(t, info->name);
	bool missed;

	missed = !first && (!share || share->epoch != info->epoch || share->seq != info->seq);
	if (!share)
		share = add(t, info->name);
	if (share) {
		share->epoch = share->next_epoch = info->epoch;
		share->seq = info->seq;
		share->in_snapshot = t->subscribe.snapshot;
	}
	if (share && first && t->subscribe.resume) {
		share->epoch = t->subscribe.epoch;
		share->seq = t->subscribe.after;
	} else if (share && first && t->all) {
		share->epoch = share->seq = 0; /* its events follow from the beginning */
	}
	return missed && !t->subscribe.snapshot ? hw_tail_show_rescan(t, info->name, info->seq) : 0;
}

static bool misses_snapshot(const struct tail *t)
{
	for (size_t i = 0; i < t->share_count; i++) {
		if (t->shares[i].in_snapshot)
			return true;
	}
	return false;
}

static void resume(struct tail_share *share, const struct hw_share_info *shares, size_t count,
		   struct hw_subscribe *ret)
{
	ret->resume = true;
	ret->epoch = share->epoch;
	ret->after = share->seq;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(shares[i].name, share->name) == 0)
			share->next_epoch = shares[i].epoch;
	}
}

static void say_connected(const struct tail *t, const struct tail_share *only)
{
	if (!t->connections)
		return;
	if (only)
		(void)hw_args_failure(&tool_tail_line,
				      "%s: connected again, continuing after event %" PRIu64
				      " of %s",
				      t->address.text, only->seq, only->name);
	else
		(void)hw_args_failure(&tool_tail_line, "%s: connected again", t->address.text);
}

int hw_tail_begin(struct tail *t, const struct hw_share_info *shares, size_t count,
		  struct hw_subscribe *ret)
{
	struct tail_share *only = find(t, only_share(t, shares, count));
	bool first = begins(t);
	int r = 0;

	if (t->connections && !misses_snapshot(t))
		t->subscribe.snapshot = false; /* the snapshot is complete */
	*ret = t->subscribe;
	if (t->subscribe.snapshot)
		only = NULL; /* start at its beginning */
	say_connected(t, only);
	if (t->connections && only) {
		resume(only, shares, count, ret);
		t->connections++;
		return 0;
	}
	if (!first)
		ret->resume = false;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (is_wanted(t, shares[i].name))
			r = jump(t, &shares[i], first);
	}
	t->connections++;
	return r;
}

void hw_tail_note_epochs(struct tail *t, const struct hw_share_info *shares, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct tail_share *share = find(t, shares[i].name);

		if (!share && is_wanted(t, shares[i].name))
			share = add(t, shares[i].name);
		if (share)
			share->next_epoch = shares[i].epoch;
	}
}

static struct tail_share *find_noted(struct tail *t, const char *name)
{
	struct tail_share *share = find(t, name ? name : t->subscribe.share);

	return !share && !name && t->share_count == 1 ? t->shares : share;
}

void hw_tail_note_entry(struct tail *t, const char *name)
{
	struct tail_share *share = find_noted(t, name);

	if (share)
		share->in_snapshot = true;
}

void hw_tail_note(struct tail *t, const char *name, uint64_t seq, bool snapshot_end)
{
	struct tail_share *share = find_noted(t, name);

	if (!share)
		return;
	/* A stream may lack the end of a tree. */
	if (snapshot_end || t->nats.on)
		share->in_snapshot = false;
	t->unsaved++;
	share->seq = seq;
	share->epoch = share->next_epoch;
}

void hw_tail_note_own(struct tail *t, const char *name, const struct hw_event *event)
{
	hw_tail_note(t, name, event->seq, false);
	t->unsaved--;
	t->own++;
	hw_tail_say_own(t, event);
}
