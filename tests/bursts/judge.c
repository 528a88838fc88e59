/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The streams of inotify and fanotify must be equal, event for event. The stream of polling may
 * differ by the LIMITS of hostwatch-events(7): a scan compares files by name, size, mtime, mode,
 * owner and ctime.
 *
 * - If size and mtime are unchanged, polling cannot detect a write. It reports a change of ctime as
 * attrib if the names are unchanged, and else attributes it to the change of names.
 * - If an entry arrived, polling does not know the state that the entry had on arrival. If times
 * were set after the arrival, the other watchers also report attrib.
 * - If several names of one inode disappeared and appeared, polling cannot tell which name became
 * which.
 *
 * Polling can open an inode that left by its file handle. The other watchers need a record that
 * proves it, and report a delete otherwise: a new directory may contain the entry,
 * another entry that arrived later and was removed may be it, or it left by a name that it got in
 * the burst.
 */
#include "judge.h"

#include <hostwatch/event.h>

#include <stdlib.h>
#include <string.h>

enum mistake {
	BROKEN,
	TWICE,
	SILENT,
	UNCLOSED,
	FALSE_MODIFY,
	DELETED,
	NEW,
	CAME,
	LEFT,
	DIFFER,
	POLLING,
	ORDER,
	POLLING_ORDER,
};

static const char *const mistakes[] = {
	[BROKEN] = "not a history that ends at the disk",
	[TWICE] = "an event twice",
	[SILENT] = "a change of data is not announced",
	[UNCLOSED] = "a change of data is not closed",
	[FALSE_MODIFY] = "a change of data is announced and did not happen",
	[DELETED] = "a name that was and is there is deleted",
	[NEW] = "an entry that was there is new",
	[CAME] = "an entry came that was not outside",
	[LEFT] = "an entry left that is not outside",
	[DIFFER] = "the kernel's watchers differ",
	[POLLING] = "polling differs from the kernel's watchers",
	[ORDER] = "the kernel's watchers report in another order",
	[POLLING_ORDER] = "polling reports in another order",
};
#define MISTAKES (sizeof(mistakes) / sizeof(*mistakes))

struct verdict {
	const struct hw_stream *stream;
	FILE *report;
	uint32_t ignored;
	const char *wrong;
};

static void blame(struct verdict *v, enum mistake mistake, const char *detail)
{
	if (v->wrong || v->ignored >> mistake & 1)
		return;
	v->wrong = mistakes[mistake];
	fprintf(v->report, "%s: %s: %s\n", v->stream->backend, v->wrong, detail);
}

const char *hw_judge_mistake(unsigned i)
{
	return i < MISTAKES ? mistakes[i] : NULL;
}

static bool is_polling(const struct hw_stream *stream)
{
	return !strcmp(stream->backend, "polling");
}

static bool is_inotify(const struct hw_stream *stream)
{
	return !strcmp(stream->backend, "inotify");
}

static bool is_same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool has_same_data(const struct hw_census_entry *a, const struct hw_census_entry *b)
{
	return a->hash == b->hash && a->st.stx_size == b->st.stx_size &&
	       is_same_time(&a->st.stx_mtime, &b->st.stx_mtime);
}

/* Returns the entry of the same inode before the burst, in the share or beside it. */
static const struct hw_census_entry *origin(const struct hw_stream *stream,
					    const struct hw_census_entry *e)
{
	unsigned names;

	return hw_census_inode(&stream->before, e, &names);
}

/* ---- limits of polling ---- */

/* Returns whether polling may miss this modify, attrib or close_write: it depends on data and
 * attributes of the entry before and after the burst. */
static bool is_hidden_from_polling(const struct hw_stream *stream,
				   const struct hw_burst_event *event)
{
	const struct hw_census_entry *before, *after;

	if (event->kind != HW_MODIFY && event->kind != HW_ATTRIB && event->kind != HW_CLOSE_WRITE)
		return false;
	after = hw_census_at(&stream->after, event->after);
	before = after ? origin(stream, after) : NULL;
	if (!before)
		return false;
	if (before->is_outside)
		return true;
	if (event->kind == HW_ATTRIB && S_ISDIR(after->st.stx_mode))
		return before->st.stx_mode == after->st.stx_mode;
	if (before->st.stx_size != after->st.stx_size ||
	    !is_same_time(&before->st.stx_mtime, &after->st.stx_mtime))
		return event->kind == HW_ATTRIB && before->st.stx_mode == after->st.stx_mode;
	return event->kind != HW_ATTRIB || before->hash != after->hash ||
	       before->st.stx_mode == after->st.stx_mode;
}

/* Returns whether the inode of an entry has this name in the share before and after the burst. */
static bool keeps_name(const struct hw_stream *stream, const struct hw_census_entry *e)
{
	const struct hw_census_entry *after = hw_census_at(&stream->after, e->path);
	unsigned names;

	return after && hw_census_inode(&stream->before, after, &names) &&
	       hw_census_is_same(&after->st, &e->st);
}

/* Returns whether several names of an inode disappeared or appeared, in the share or beside it, so
 * that polling cannot pair them. */
static bool is_ambiguous_to_polling(const struct hw_stream *stream)
{
	for (size_t i = 0; i < stream->before.count; i++) {
		const struct hw_census_entry *e = &stream->before.entries[i];
		unsigned gone = 0, came = 0;

		for (size_t k = 0; k < stream->before.count; k++)
			gone += !stream->before.entries[k].is_outside &&
				hw_census_is_same(&stream->before.entries[k].st, &e->st) &&
				!keeps_name(stream, &stream->before.entries[k]);
		for (size_t k = 0; k < stream->after.count; k++)
			came += hw_census_is_same(&stream->after.entries[k].st, &e->st);
		for (size_t k = 0; k < stream->before.count; k++)
			came -= hw_census_is_same(&stream->before.entries[k].st, &e->st) &&
				!stream->before.entries[k].is_outside &&
				keeps_name(stream, &stream->before.entries[k]);
		if (gone && came && e->st.stx_nlink + gone + came > 3)
			return true;
	}
	return false;
}

/* ---- limits of the kernel's watchers ---- */

/* Returns whether the entry is in a directory that left the share: it was moved there before. */
static bool left_with_dir(const struct hw_stream *stream, const struct hw_census_entry *before)
{
	unsigned names;
	const struct hw_census_entry *after = hw_census_inode(&stream->after, before, &names);

	return after && after->is_outside && strchr(after->path, '/');
}

/* Returns whether the inode, or a directory above this path, is the one that left. */
static bool is_at_or_below(const struct hw_stream *stream, const char *path, const struct statx *st)
{
	char *top = strdup(path), *end;
	bool found = false;

	if (!top)
		abort();
	end = top + strlen(top);
	while (end && !found) {
		*end = '\0';
		const struct hw_census_entry *e = hw_census_at(&stream->before, top);

		found = e && hw_census_is_same(&e->st, st);
		end = strrchr(top, '/');
	}
	free(top);
	return found;
}

/* Returns whether the entry that had this path left the share, which is in doubt. */
static bool is_doubted(const struct hw_stream *stream, const char *path, unsigned doubt)
{
	const struct hw_census_entry *before = path ? hw_census_at(&stream->before, path) : NULL;
	const struct hw_passages *all = &stream->passages;

	for (size_t i = 0; before && i < all->leave_count; i++)
		if (all->leaves[i].doubts & doubt &&
		    (is_at_or_below(stream, path, &all->leaves[i].st) ||
		     left_with_dir(stream, before)))
			return true;
	return false;
}

/* Returns whether this event reports that such an entry left, or what has its name now. */
static bool is_about_doubted(const struct hw_stream *stream, const struct hw_burst_event *event,
			     unsigned doubt)
{
	bool leaves = event->kind == HW_DELETE || (event->kind == HW_MOVE && !event->path);
	bool comes = event->kind == HW_CREATE || (event->kind == HW_MOVE && !event->from);

	return (leaves || comes) && is_doubted(stream, event->before, doubt);
}

/* The directory of the entry was not in the share before the burst. */
static bool is_in_new_dir(const struct hw_stream *stream, const struct hw_census_entry *after)
{
	const char *slash = strrchr(after->path, '/');
	char *dir = slash ? strndup(after->path, (size_t)(slash - after->path)) : NULL;
	const struct hw_census_entry *e = dir ? hw_census_at(&stream->after, dir) : NULL;
	const struct hw_census_entry *was = e ? origin(stream, e) : NULL;

	free(dir);
	return e && (!was || was->is_outside);
}

/* Returns whether somebody set the mtime to one at which the file did not exist. */
static bool has_old_time(const struct hw_census_entry *e)
{
	const struct statx_timestamp *mtime = &e->st.stx_mtime, *btime = &e->st.stx_btime;

	return mtime->tv_sec != btime->tv_sec ? mtime->tv_sec < btime->tv_sec
					      : mtime->tv_nsec < btime->tv_nsec;
}

/* The file was moved into such a directory. The kernel reports no write in it until it is watched,
 * and the rename explains the new ctime. The state in which a file arrived is not known. */
static bool is_hidden_by_new_dir(const struct hw_stream *stream,
				 const struct hw_census_entry *before,
				 const struct hw_census_entry *after)
{
	if (!before || hw_census_at(&stream->before, after->path) || !is_in_new_dir(stream, after))
		return false;
	return (before->is_outside && has_old_time(after)) ||
	       (before->st.stx_size == after->st.stx_size &&
		is_same_time(&before->st.stx_mtime, &after->st.stx_mtime));
}

/* The file came into the share, left, and came again. inotify does not know that it is one file;
 * its last arrival is reported after all its changes. */
static bool came_again(const struct hw_stream *stream, const struct hw_census_entry *after)
{
	const struct hw_census_entry *before = after ? origin(stream, after) : NULL;

	for (size_t i = 0; before && before->is_outside && i < stream->passages.leave_count; i++)
		if (hw_census_is_same(&stream->passages.leaves[i].st, &after->st))
			return true;
	return false;
}

/* A file came from outside onto a name that another one had just got. inotify merges the records of
 * both, and the mtime proves nothing if it may have been set. */
static bool came_with_another(const struct hw_stream *stream, const struct hw_census_entry *after)
{
	const struct hw_passages *all = &stream->passages;

	for (size_t i = 0; after && i < all->arrival_count; i++)
		if (all->arrivals[i].merged && all->arrivals[i].dated &&
		    hw_census_is_same(&all->arrivals[i].st, &after->st))
			return true;
	return false;
}

static bool has_lost(const struct hw_stream *stream, const char *path, const struct statx *st)
{
	const struct hw_census_entry *after = hw_census_at(&stream->after, path);

	return !after || !hw_census_is_same(&after->st, st);
}

/* The file got another name and lost the one by which its attributes were set. That one was made in
 * the burst, so inotify does not know that it was a name of this file. */
static bool is_attrib_of_linked(const struct hw_stream *stream, const struct hw_burst_event *event)
{
	const struct hw_passages *all = &stream->passages;
	const struct hw_census_entry *e;

	if (event->kind != HW_ATTRIB || !(e = hw_census_at(&stream->after, event->after)))
		return false;
	for (size_t i = 0; i < all->linked_count; i++) {
		const struct hw_linked *linked = &all->linked[i];

		if (!hw_census_is_same(&linked->st, &e->st))
			continue;
		if (linked->dated && linked->lost)
			return true;
		for (size_t k = 0; k < all->arrival_count; k++)
			if (hw_census_is_same(&all->arrivals[k].st, &e->st) &&
			    all->arrivals[k].dated &&
			    has_lost(stream, all->arrivals[k].path, &e->st))
				return true;
	}
	return false;
}

/* Returns whether inotify may report this event, or none, by the limits above. */
static bool is_hidden_from_inotify(const struct hw_stream *stream,
				   const struct hw_burst_event *event)
{
	const struct hw_census_entry *after =
		event->after ? hw_census_at(&stream->after, event->after) : NULL;

	if (event->kind != HW_MODIFY && event->kind != HW_ATTRIB && event->kind != HW_CLOSE_WRITE)
		return false;
	return came_again(stream, after) || came_with_another(stream, after) ||
	       is_attrib_of_linked(stream, event);
}

/* Returns whether a name becomes free only when this entry has moved: another entry has the name,
 * which moves to one that the next entry has, and so on; or the directory that has it is removed,
 * and the entry was moved out of it. */
static bool is_held(const struct hw_stream *stream, const char *name,
		    const struct hw_census_entry *entry)
{
	const struct hw_census_entry *holder = hw_census_at(&stream->before, name), *now;
	unsigned names;

	for (size_t i = 0; holder && i < stream->before.count; i++) {
		if (hw_census_is_same(&holder->st, &entry->st))
			return true;
		now = hw_census_inode(&stream->after, holder, &names);
		if (!now)
			return is_at_or_below(stream, entry->path, &holder->st);
		holder = now->is_outside ? NULL : hw_census_at(&stream->before, now->path);
	}
	return false;
}

/* Returns whether no order of moves leads to this place: a directory above it is new, and its name
 * is free only when the entry has moved. */
static bool waits_for_itself(const struct hw_stream *stream, const char *path)
{
	const struct hw_census_entry *after = hw_census_at(&stream->after, path);
	const struct hw_census_entry *entry = after ? origin(stream, after) : NULL;
	char *dir = strdup(path), *end;
	bool held = false;

	if (!dir)
		abort();
	while (entry && !entry->is_outside && !held && (end = strrchr(dir, '/'))) {
		*end = '\0';
		held = is_held(stream, dir, entry);
	}
	free(dir);
	return held;
}

/* Likewise for the entry, or for a directory that it is in at the end. */
static bool is_in_what_waits(const struct hw_stream *stream, const char *path)
{
	char *top = strdup(path), *end = top;
	bool waits = false;

	if (!top)
		abort();
	while (end && !waits) {
		waits = waits_for_itself(stream, top);
		end = strrchr(top, '/');
		if (end)
			*end = '\0';
	}
	free(top);
	return waits;
}

/* ---- each stream by itself ---- */

static bool announces(const struct hw_stream *stream, uint8_t kind, const char *path)
{
	for (size_t i = 0; i < stream->count; i++)
		if (stream->events[i].kind == kind && stream->events[i].after &&
		    !strcmp(stream->events[i].after, path))
			return true;
	return false;
}

/* The times were set after the arrival: no event shows the times that the entry had on arrival. A
 * file that got a second name meanwhile is created under both. */
static bool is_dated_after_arrival(const struct hw_stream *stream,
				   const struct hw_census_entry *before,
				   const struct hw_census_entry *after)
{
	return before && before->is_outside && before->hash == after->hash &&
	       before->st.stx_size == after->st.stx_size &&
	       (announces(stream, HW_ATTRIB, after->path) ||
		announces(stream, HW_CREATE, after->path));
}

/* The entry is in a directory that was outside. The state in which it arrived is unknown: a new
 * name or new attributes may hide new data. */
static bool came_with_dir(const struct hw_stream *stream, const struct hw_census_entry *after)
{
	char *dir = strdup(after->path), *end;
	bool came = false;

	if (!dir)
		abort();
	while (!came && (end = strrchr(dir, '/'))) {
		*end = '\0';
		const struct hw_census_entry *e = hw_census_at(&stream->after, dir);
		const struct hw_census_entry *before = e ? origin(stream, e) : NULL;

		came = before && before->is_outside;
	}
	free(dir);
	return came;
}

static void check_file(struct verdict *v, const struct hw_census_entry *after)
{
	const struct hw_stream *stream = v->stream;
	const struct hw_census_entry *before = origin(stream, after);
	const struct hw_burst_event modify = { .kind = HW_MODIFY, .after = after->path };
	bool announced = announces(stream, HW_MODIFY, after->path);
	bool closed = announces(stream, HW_CLOSE_WRITE, after->path);
	bool changed = before ? !has_same_data(before, after) : after->st.stx_size > 0;

	if (is_polling(stream) && is_hidden_from_polling(stream, &modify))
		return;
	if (!announced &&
	    (is_dated_after_arrival(stream, before, after) ||
	     is_hidden_by_new_dir(stream, before, after) || came_again(stream, after)))
		return;
	if (is_inotify(stream) && came_with_another(stream, after))
		return;
	if (changed && !announced && (before || !announces(stream, HW_CREATE, after->path)))
		blame(v, SILENT, after->path);
	if (changed && !closed)
		blame(v, UNCLOSED, after->path);
	if (before && !changed && (announced || closed) &&
	    (is_same_time(&before->st.stx_ctime, &after->st.stx_ctime) ||
	     !came_with_dir(stream, after)) &&
	    !is_in_what_waits(stream, after->path))
		blame(v, FALSE_MODIFY, after->path);
}

static void check_event(struct verdict *v, const struct hw_burst_event *event)
{
	const struct hw_stream *stream = v->stream;
	const struct hw_census_entry *before, *after;
	unsigned names;

	after = event->after ? hw_census_at(&stream->after, event->after) : NULL;
	before = event->before ? hw_census_at(&stream->before, event->before) : NULL;
	if (event->kind == HW_DELETE) {
		if (before && after && !S_ISDIR(before->st.stx_mode) &&
		    !S_ISDIR(after->st.stx_mode))
			blame(v, DELETED, event->path);
	}
	if (event->kind == HW_CREATE && after && after->st.stx_nlink == 1) {
		before = origin(stream, after);
		if (before && !before->is_outside && before->st.stx_nlink == 1 &&
		    !is_in_what_waits(stream, event->after))
			blame(v, NEW, event->path);
	}
	if (event->kind == HW_MOVE && event->path && !event->from && after &&
	    event->flags != HW_FLAG_REPLACED) {
		before = origin(stream, after);
		if ((!before || !before->is_outside) && !is_in_what_waits(stream, event->after))
			blame(v, CAME, event->path);
	}
	if (event->kind == HW_MOVE && event->from && !event->path) {
		after = before ? hw_census_inode(&stream->after, before, &names) : NULL;
		if (before && !after)
			blame(v, LEFT, event->from);
	}
}

static void check_stream(struct verdict *v)
{
	const struct hw_stream *stream = v->stream;

	if (stream->broken)
		blame(v, BROKEN, stream->broken);
	for (size_t i = 0; i < stream->count; i++) {
		for (size_t k = 0; k < i; k++)
			if (!strcmp(stream->events[i].text, stream->events[k].text))
				blame(v, TWICE, stream->events[i].text);
		check_event(v, &stream->events[i]);
	}
	for (size_t i = 0; i < stream->after.count; i++)
		if (!stream->after.entries[i].is_outside &&
		    S_ISREG(stream->after.entries[i].st.stx_mode))
			check_file(v, &stream->after.entries[i]);
}

/* ---- comparison of two streams ---- */

/* Returns why a move out that inotify reports may be missing in this stream, as HW_DOUBT_*. */
static unsigned doubts_of(const struct hw_stream *stream)
{
	if (is_polling(stream))
		return HW_DOUBT_RECORDS | HW_DOUBT_LINK | HW_DOUBT_NEW_NAME;
	return HW_DOUBT_LINK | HW_DOUBT_NUMBER | HW_DOUBT_AGAIN | HW_DOUBT_UNSEEN |
	       (strcmp(stream->backend, "fanotify") ? HW_DOUBT_MERGED : 0);
}

/* Returns the texts of the events that inotify and the other watcher must both report. The caller
 * owns the array, the stream owns the texts. */
static const char **comparable(const struct hw_stream *stream, const struct hw_stream *other,
			       size_t *ret_count)
{
	const char **texts = calloc(stream->count + 1, sizeof(*texts));

	if (!texts)
		abort();
	*ret_count = 0;
	for (size_t i = 0; i < stream->count; i++) {
		const struct hw_burst_event *event = &stream->events[i];

		if (!is_hidden_from_inotify(stream, event) &&
		    !(is_polling(other) && is_hidden_from_polling(stream, event)) &&
		    !is_about_doubted(stream, event, doubts_of(other)))
			texts[(*ret_count)++] = event->text;
	}
	return texts;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_equal(const char *const *a, const char *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}

static void compare(struct verdict *v, const struct hw_stream *first)
{
	bool polling = is_polling(v->stream);
	size_t n, m;
	const char **a = comparable(first, v->stream, &n);
	const char **b = comparable(v->stream, v->stream, &m);

	if (n != m) {
		blame(v, polling ? POLLING : DIFFER, first->backend);
	} else if (!is_equal(a, b, n)) {
		qsort(a, n, sizeof(*a), by_text);
		qsort(b, n, sizeof(*b), by_text);
		if (is_equal(a, b, n))
			blame(v, polling ? POLLING_ORDER : ORDER, first->backend);
		else
			blame(v, polling ? POLLING : DIFFER, first->backend);
	}
	free(a);
	free(b);
}

const char *hw_judge(const struct hw_stream *streams, size_t count, uint32_t ignored, FILE *report)
{
	struct verdict v = { .report = report, .ignored = ignored };

	for (size_t i = 0; i < count && !v.wrong; i++) {
		v.stream = &streams[i];
		check_stream(&v);
	}
	for (size_t i = 1; i < count && !v.wrong; i++) {
		v.stream = &streams[i];
		if (!is_polling(&streams[i]) || !is_ambiguous_to_polling(&streams[i]))
			compare(&v, &streams[0]);
	}
	return v.wrong;
}

void hw_judge_show(const struct hw_stream *stream, FILE *out)
{
	fprintf(out, "  %s:%s\n", stream->backend, stream->count ? "" : " nothing");
	for (size_t i = 0; i < stream->count; i++)
		fprintf(out, "    %s\n", stream->events[i].text);
}
