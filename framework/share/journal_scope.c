/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of events that were lost with a gap in the numbers. */
#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void hw_journal_free_gap(struct hw_journal_gap *gap)
{
	free(gap->scope);
	gap->scope = NULL;
	gap->scope_len = 0;
}

const struct hw_journal_gap *hw_journal_scoped_gap(const struct hw_journal *journal, uint64_t seq)
{
	for (uint32_t i = 0; i < journal->gap_count; i++) {
		const struct hw_journal_gap *gap = &journal->gaps[i];

		if (seq > gap->last && seq < gap->end)
			return gap->scope && seq <= gap->scope_end ? gap : NULL;
	}
	return NULL;
}

void hw_journal_set_scope(struct hw_journal *journal, const char *dir, uint32_t len, uint64_t end)
{
	struct hw_journal_gap *gap =
		journal->gap_count ? &journal->gaps[journal->gap_count - 1] : NULL;
	char *copy = gap && len ? malloc(len) : NULL;

	if (!copy)
		return; /* the root is never wrong */
	memcpy(copy, dir, len);
	hw_journal_free_gap(gap);
	gap->scope = copy;
	gap->scope_len = len;
	gap->scope_end = end;
}

/* Returns whether the path is that of the directory or of one above it. */
static bool is_above(const struct hw_journal_gap *gap, const char *path, uint32_t len)
{
	return path && len <= gap->scope_len && memcmp(gap->scope, path, len) == 0 &&
	       (len == gap->scope_len || gap->scope[len] == '/');
}

/* The directory is now the deepest one above this path that is also above the old one. */
static void widen(struct hw_journal_gap *gap, const char *path, uint32_t len)
{
	uint32_t deepest = 0;

	if (len > gap->scope_len && path[gap->scope_len] == '/' &&
	    memcmp(gap->scope, path, gap->scope_len) == 0)
		return;
	for (uint32_t i = 0; i < len && i < gap->scope_len && path[i] == gap->scope[i]; i++)
		if (path[i] == '/')
			deepest = i;
	gap->scope_len = deepest;
}

void hw_journal_follow_scopes(struct hw_journal *journal, const struct hw_event *event)
{
	for (uint32_t i = 0; i < journal->gap_count; i++) {
		struct hw_journal_gap *gap = &journal->gaps[i];

		if (!gap->scope || (event->kind != HW_MOVE && event->kind != HW_DELETE) ||
		    (!is_above(gap, event->path, event->path_len) &&
		     !is_above(gap, event->from, event->from_len)))
			continue;
		if (event->path)
			widen(gap, event->path, event->path_len);
		if (event->from)
			widen(gap, event->from, event->from_len);
		if (!gap->scope_len)
			hw_journal_free_gap(gap);
	}
}

void hw_journal_make_rescan(const struct hw_journal_gap *gap, struct hw_event *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct hw_event){
		.struct_size = sizeof(*ret),
		.kind = HW_RESCAN,
		.seq = gap->end,
		.time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec,
		.path = gap->scope,
		.path_len = gap->scope_len,
	};
}
