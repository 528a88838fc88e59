/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_scope.h"

#include "share_private.h"

#include <string.h>

#define RESERVED ((uint64_t)1 << 20) /* numbers that a scope is logged for */
#define NOWHERE UINT32_MAX /* length of a scope that covers nothing */

static bool is_below(const struct hw_state_scope *scope, const char *path, uint32_t len)
{
	return !path || (len > scope->len && path[scope->len] == '/' &&
			 memcmp(path, scope->path, scope->len) == 0);
}

static bool covers(const struct hw_state_scope *scope, const struct hw_event *event)
{
	return !scope->len || event->seq > scope->end ||
	       (is_below(scope, event->path, event->path_len) &&
		is_below(scope, event->from, event->from_len));
}

/* The directory of the path is at or below the scope afterwards. */
static void widen(struct hw_state_scope *scope, const char *path, uint32_t len)
{
	uint32_t deepest = 0;

	if (is_below(scope, path, len))
		return;
	for (uint32_t i = 0; i < len && i < scope->len && path[i] == scope->path[i]; i++)
		if (path[i] == '/')
			deepest = i;
	scope->len = deepest;
}

static void widen_to(struct hw_state_scope *scope, const struct hw_event *event)
{
	if (scope->len)
		widen(scope, event->path, event->path_len);
	if (scope->len)
		widen(scope, event->from, event->from_len);
}

/* The scope is the directory of the path, or one above it whose path fits. */
static void set(struct hw_state_scope *scope, const char *path, uint32_t len)
{
	while (len && (path[len - 1] != '/' || len - 1 > HW_STATE_SCOPE_MAX))
		len--;
	scope->len = len ? len - 1 : 0;
	memcpy(scope->path, path, scope->len);
}

static void note_recent(struct hw_keep_scope *scope, const struct hw_event *event)
{
	if (!scope->any)
		set(&scope->recent, event->path ? event->path : event->from,
		    event->path ? event->path_len : event->from_len);
	scope->any = true;
	widen_to(&scope->recent, event);
}

void hw_keep_scope_note(struct hw_share *share, const struct hw_event *event)
{
	struct hw_keep_scope *scope = &share->keep.scope;
	bool waits = !covers(&scope->sure, event);

	note_recent(scope, event);
	if (!covers(&scope->now, event)) {
		widen_to(&scope->now, event);
		scope->changed = waits = true;
	}
	if (!waits || scope->waits_from)
		return;
	scope->waits_from = event->seq;
	scope->waits_ns = hw_loop_now_ns(share->loop);
}

static uint64_t end_of(const struct hw_share *share)
{
	uint64_t end = hw_journal_last_seq(&share->journal) + RESERVED;

	return end < share->keep.limit ? end : share->keep.limit - 1;
}

void hw_keep_scope_reserve(struct hw_share *share)
{
	struct hw_keep_scope *scope = &share->keep.scope;
	uint64_t last = hw_journal_last_seq(&share->journal);

	if (scope->changed && scope->now.end <= last)
		scope->now.len = 0; /* it has ended, or covers no event yet */
	if (!scope->now.len || scope->now.end <= last || scope->now.end - last > RESERVED / 2 ||
	    end_of(share) <= scope->now.end)
		return;
	scope->now.end = end_of(share);
	scope->changed = true;
}

void hw_keep_scope_logged(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_scope *scope = &keep->scope;

	scope->changed = false;
	scope->pending = true;
	scope->generation = keep->generation;
	scope->bytes = keep->log_bytes;
	if (!scope->now.len)
		return;
	if (scope->end < scope->now.end)
		scope->end = scope->now.end;
	if (scope->sure.end < scope->end)
		scope->sure.end = scope->end;
}

void hw_keep_scope_begin_log(struct hw_share *share)
{
	struct hw_keep_scope *scope = &share->keep.scope;

	if (scope->now.len)
		scope->changed = true;
}

void hw_keep_scope_continue(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_scope *scope = &keep->scope;

	if (scope->end < share->journal.next_seq)
		return;
	scope->sure = (struct hw_state_scope){ .end = scope->end, .len = NOWHERE };
	scope->pending = true;
	scope->generation = keep->generation;
	scope->bytes = keep->log_bytes;
}

void hw_keep_scope_abandon(struct hw_share *share, uint64_t readable)
{
	struct hw_keep_scope *scope = &share->keep.scope;

	if (scope->end > readable)
		hw_journal_shift(&share->journal, readable, scope->end + 1);
	scope->now.len = scope->sure.len = 0;
	scope->waits_from = 0;
	scope->any = scope->changed = scope->pending = false;
}
