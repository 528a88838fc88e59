/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "passage.h"

#include "trail.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *list, size_t count, size_t size)
{
	char *longer = reallocarray(list, count + 1, size);

	if (!longer)
		abort();
	memset(longer + count * size, 0, size);
	return longer;
}

static char *text_of(const struct hw_bytes *bytes)
{
	char *text = strndup(bytes->data, bytes->len);

	if (!text)
		abort();
	return text;
}

static bool is_in(const struct hw_census *census, const struct statx *st)
{
	for (size_t i = 0; i < census->count; i++)
		if (hw_census_is_same(&census->entries[i].st, st))
			return true;
	return false;
}

static bool is_op(const struct hw_op *op, const char *name)
{
	size_t len = strlen(name);

	return !op->outside && !strncmp(op->text, name, len) && op->text[len] == ' ';
}

/* Returns false, and an inode number of 0, if there is nothing. */
static bool stat_path(const struct hw_passing *p, const struct hw_bytes *path, struct statx *ret)
{
	char name[PATH_MAX];
	int len = snprintf(name, sizeof(name), "%s/%.*s", p->root, (int)path->len, path->data);

	if (len > 0 && (size_t)len < sizeof(name) &&
	    !statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, ret))
		return true;
	ret->stx_ino = 0;
	return false;
}

/* Returns whether this is in a directory that was not in the share before: no watcher may know it
 * yet. */
static bool is_in_new_dir(const struct hw_passing *p, const struct hw_bytes *path)
{
	struct hw_bytes dir = *path;
	struct statx st;

	while (dir.len && dir.data[dir.len - 1] != '/')
		dir.len--;
	return stat_path(p, &dir, &st) && !is_in(p->before, &st);
}

/* ---- leaving ---- */

static void note_strayed(struct hw_passages *all, const struct statx *st)
{
	for (size_t i = 0; i < all->arrival_count; i++)
		all->arrivals[i].strayed |=
			all->arrivals[i].proved && hw_census_is_same(&all->arrivals[i].st, st);
}

static bool has_name(const struct hw_passing *p, const struct hw_linked *linked)
{
	const struct hw_bytes now = { linked->now, strlen(linked->now) };
	struct statx st;

	return stat_path(p, &now, &st) && hw_census_is_same(&st, &linked->st);
}

/* Returns whether a name that a file got by link(2) is at this path or below it. */
static bool holds_link(const struct hw_passing *p, const char *path)
{
	bool found = false;

	for (size_t i = 0; i < p->passages->linked_count && !found; i++) {
		const struct hw_linked *linked = &p->passages->linked[i];
		char *rest = hw_trail_replace(linked->now, path, "");

		found = rest && has_name(p, linked);
		free(rest);
	}
	return found;
}

static void note_leave(const struct hw_passing *p)
{
	struct hw_passages *all = p->passages;

	all->leaves = grow(all->leaves, all->leave_count, sizeof(*all->leaves));
	struct hw_leave *leave = &all->leaves[all->leave_count++];

	leave->st = p->at[0];
	leave->path = text_of(&p->op->args[0]);
	leave->hidden = all->has_new_dir;
	leave->by_link = holds_link(p, leave->path);
	if (leave->hidden)
		note_strayed(all, &leave->st);
}

/* ---- arriving ---- */

static struct hw_arrival *note_arrival(const struct hw_passing *p, const struct hw_bytes *path)
{
	struct hw_passages *all = p->passages;
	struct statx st;

	if (!stat_path(p, path, &st))
		return NULL;
	all->arrivals = grow(all->arrivals, all->arrival_count, sizeof(*all->arrivals));
	struct hw_arrival *arrival = &all->arrivals[all->arrival_count++];

	arrival->st = st;
	arrival->path = text_of(path);
	arrival->leaves_before = all->leave_count;
	arrival->proved = !all->has_new_dir;
	return arrival;
}

static bool is_path(const struct hw_bytes *a, const struct hw_bytes *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static void note_movein(const struct hw_passing *p)
{
	const struct hw_bytes *path = &p->op->args[1];
	struct hw_arrival *arrival = note_arrival(p, path);

	if (!arrival)
		return;
	p->passages->has_new_dir |= S_ISDIR(arrival->st.stx_mode);
	if (!p->last || !is_op(p->last, "rename") || !is_path(&p->last->args[1], path))
		return;
	arrival->merged = true;
	arrival->merged_with = p->at[1];
}

/* ---- within the share ---- */

/* An entry that was moved out of a new directory is like one that came from outside. */
static void note_rename(const struct hw_passing *p, const struct hw_bytes *from,
			const struct hw_bytes *to)
{
	struct statx st;

	if (is_in_new_dir(p, to) && stat_path(p, to, &st))
		note_strayed(p->passages, &st);
	else if (!is_in_new_dir(p, to) && is_in_new_dir(p, from))
		(void)note_arrival(p, to); /* nothing more is known of it */
}

static void note_link(const struct hw_passing *p)
{
	struct hw_passages *all = p->passages;

	all->linked = grow(all->linked, all->linked_count, sizeof(*all->linked));
	all->linked[all->linked_count].st = p->at[0];
	all->linked[all->linked_count].now = text_of(&p->op->args[1]);
	all->linked[all->linked_count++].path = text_of(&p->op->args[1]);
}

/* The names move with the entry that was renamed, or with the directories that are above them. */
static void move_links(const struct hw_passing *p, bool exchange)
{
	char *from, *to;
	struct statx st;

	if (!exchange && stat_path(p, &p->op->args[0], &st))
		return; /* both are names of one file */
	from = text_of(&p->op->args[0]);
	to = text_of(&p->op->args[1]);
	for (size_t i = 0; i < p->passages->linked_count; i++) {
		struct hw_linked *linked = &p->passages->linked[i];
		char *now = hw_trail_replace(linked->now, from, to);

		if (!now && exchange)
			now = hw_trail_replace(linked->now, to, from);
		if (!now)
			continue;
		free(linked->now);
		linked->now = now;
	}
	free(from);
	free(to);
}

static void note_attributes(struct hw_passages *all, const struct statx *st)
{
	for (size_t i = 0; i < all->arrival_count; i++)
		all->arrivals[i].dated |= hw_census_is_same(&all->arrivals[i].st, st);
	for (size_t i = 0; i < all->linked_count; i++)
		all->linked[i].dated |= hw_census_is_same(&all->linked[i].st, st);
}

static void note_names(const struct hw_passing *p)
{
	struct hw_passages *all = p->passages;
	struct statx now;

	for (unsigned i = 0; i < p->op->argc; i++) {
		bool there = stat_path(p, &p->op->args[i], &now);

		if (there ? p->at[i].stx_ino && hw_census_is_same(&p->at[i], &now)
			  : !p->at[i].stx_ino)
			continue;
		all->changes = grow(all->changes, all->change_count, sizeof(*all->changes));
		all->changes[all->change_count++].path = text_of(&p->op->args[i]);
	}
}

void hw_passing_begin(struct hw_passing *p)
{
	for (unsigned i = 0; i < p->op->argc; i++)
		(void)stat_path(p, &p->op->args[i], &p->at[i]); /* or there is nothing */
	if (is_op(p->op, "moveout") && p->at[0].stx_ino)
		note_leave(p);
}

void hw_passing_end(struct hw_passing *p)
{
	const struct hw_op *op = p->op;

	p->passages->has_new_dir |= is_op(op, "mkdir");
	if (is_op(op, "rename") || is_op(op, "exchange"))
		note_rename(p, &op->args[0], &op->args[1]);
	if (is_op(op, "exchange"))
		note_rename(p, &op->args[1], &op->args[0]);
	if (is_op(op, "rename") || is_op(op, "exchange"))
		move_links(p, is_op(op, "exchange"));
	if (is_op(op, "movein"))
		note_movein(p);
	if (is_op(op, "link"))
		note_link(p);
	if (is_op(op, "chmod"))
		note_attributes(p->passages, &p->at[1]);
	if (is_op(op, "touch") || is_op(op, "setxattr"))
		note_attributes(p->passages, &p->at[0]);
	note_names(p);
}

/* ---- what cannot be known ---- */

/* Returns how often the path got or lost an inode. */
static size_t count_changes(const struct hw_passages *all, const char *path)
{
	size_t count = 0;

	for (size_t i = 0; i < all->change_count; i++)
		count += !strcmp(all->changes[i].path, path);
	return count;
}

static bool is_linked(const struct hw_passages *all, const struct statx *st)
{
	for (size_t i = 0; i < all->linked_count; i++)
		if (hw_census_is_same(&all->linked[i].st, st))
			return true;
	return false;
}

static bool is_same_leave(const struct hw_leave *a, const struct hw_leave *b)
{
	return hw_census_is_same(&a->st, &b->st) && !strcmp(a->path, b->path);
}

/* Returns how often the entry left from this path, and came to it. */
static size_t count_passages(const struct hw_passages *all, const struct hw_leave *leave)
{
	size_t count = 0;

	for (size_t i = 0; i < all->leave_count; i++)
		count += is_same_leave(&all->leaves[i], leave);
	for (size_t i = 0; i < all->arrival_count; i++)
		count += hw_census_is_same(&all->arrivals[i].st, &leave->st) &&
			 !strcmp(all->arrivals[i].path, leave->path);
	return count;
}

/* An entry that arrived and was removed may be one that left before. So may one that was moved
 * while a directory was not watched, and, under inotify, one that has only a name it got by
 * link(2). */
static void judge_arrival(struct hw_passages *all, const struct hw_arrival *arrival,
			  const struct hw_census *after)
{
	const struct hw_census_entry *e = hw_census_at(after, arrival->path);
	bool moved = !e || !hw_census_is_same(&e->st, &arrival->st);

	for (size_t i = 0; i < arrival->leaves_before; i++) {
		if (arrival->strayed || !is_in(after, &arrival->st))
			all->leaves[i].doubts |= HW_DOUBT_RECORDS;
		else if (moved && is_linked(all, &arrival->st))
			all->leaves[i].doubts |= HW_DOUBT_LINK;
		if (arrival->merged)
			all->leaves[i].doubts |= HW_DOUBT_UNSEEN;
	}
}

/* The record of a name that the file got in the burst may be about another file with its number,
 * unless nothing else had the name that it left from. */
static bool is_doubtful_link(const struct hw_passages *all, const struct hw_leave *leave)
{
	return is_linked(all, &leave->st) && count_changes(all, leave->path) > 1;
}

/* An entry left twice from one name: the two records are merged. Returns whether that hides the
 * second one: something else happened, too, so that the absence of the entry proves nothing. */
static bool is_merged(const struct hw_passages *all, const struct hw_leave *leave,
		      const struct hw_leave *again, const struct hw_census *before)
{
	const struct hw_census_entry *e = hw_census_at(before, leave->path);

	return is_same_leave(leave, again) &&
	       (all->has_new_dir || !e || !hw_census_is_same(&e->st, &leave->st) ||
		count_changes(all, leave->path) != count_passages(all, leave));
}

static void judge_leave(struct hw_passages *all, size_t i, const struct hw_census *before)
{
	struct hw_leave *leave = &all->leaves[i];

	if (leave->hidden)
		leave->doubts |= HW_DOUBT_RECORDS;
	if (leave->by_link)
		leave->doubts |= HW_DOUBT_NEW_NAME;
	if (is_doubtful_link(all, leave))
		leave->doubts |= HW_DOUBT_NUMBER;
	for (size_t k = 0; k < i; k++) {
		if (!is_merged(all, &all->leaves[k], leave, before))
			continue;
		for (size_t earlier = 0; earlier <= i; earlier++)
			all->leaves[earlier].doubts |= HW_DOUBT_MERGED;
	}
}

/* An entry that left, came back, and left again when nothing was in doubt any more: file handles
 * show that. */
static void judge_again(struct hw_passages *all, size_t i)
{
	const struct hw_leave *leave = &all->leaves[i];

	for (size_t k = 0; k < i && !(leave->doubts & HW_DOUBT_RECORDS); k++)
		if (hw_census_is_same(&all->leaves[k].st, &leave->st) &&
		    all->leaves[k].doubts & HW_DOUBT_RECORDS)
			all->leaves[k].doubts |= HW_DOUBT_AGAIN;
}

void hw_passages_judge(struct hw_passages *all, const struct hw_census *before,
		       const struct hw_census *after)
{
	for (size_t i = 0; i < all->linked_count; i++)
		all->linked[i].lost = count_changes(all, all->linked[i].path) > 1;
	for (size_t i = 0; i < all->leave_count; i++)
		judge_leave(all, i, before);
	for (size_t i = 0; i < all->arrival_count; i++)
		judge_arrival(all, &all->arrivals[i], after);
	for (size_t i = 0; i < all->leave_count; i++)
		judge_again(all, i);
}

void hw_passages_free(struct hw_passages *all)
{
	for (size_t i = 0; i < all->leave_count; i++)
		free(all->leaves[i].path);
	for (size_t i = 0; i < all->arrival_count; i++)
		free(all->arrivals[i].path);
	for (size_t i = 0; i < all->change_count; i++)
		free(all->changes[i].path);
	for (size_t i = 0; i < all->linked_count; i++) {
		free(all->linked[i].path);
		free(all->linked[i].now);
	}
	free(all->leaves);
	free(all->arrivals);
	free(all->changes);
	free(all->linked);
	*all = (struct hw_passages){ 0 };
}
