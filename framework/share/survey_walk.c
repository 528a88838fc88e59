/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Visits the directories of a survey as the first walk of a share would: depth first, no excluded
 * directories, no bind mounts of a directory above. The waiting paths are a stack in one buffer. */
#include "list.h"
#include "pseudo.h"
#include "survey_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define NO_FILESYSTEM SIZE_MAX

struct waiting {
	size_t fs; /* of the directory above */
	uint32_t len; /* of its path, which ends where the next one's begins */
	uint8_t above; /* rank of the directory above */
};

/* Directories of filesystems that are mounted at several places. */
struct seen {
	int index;
	uint64_t ino;
};

struct walk {
	struct hw_surveying *s;
	struct waiting *stack; /* owned */
	size_t depth, room;
	char *paths; /* owned */
	size_t used, size;
	char *current; /* owned: the path being visited */
	size_t current_size;
	struct hw_listing listing;
	struct seen *seen; /* owned: open addressing, ino 0 is free */
	size_t seen_count, seen_room; /* a power of two */
	struct hw_survey_sample *samples; /* owned: for each filesystem */
	size_t sample_count;
};

/* ---- the stack ---- */

static void *grow(struct walk *w, void *memory, size_t *room, size_t wanted, size_t size)
{
	size_t more = *room ? *room : 256;
	void *grown;

	while (more < wanted)
		more *= 2;
	if (more == *room)
		return memory;
	grown = reallocarray(memory, more, size);
	if (!grown) {
		w->s->error = -ENOMEM;
		return memory;
	}
	*room = more;
	return grown;
}

/* `name` in the directory being visited; len 0: the root. */
static void push(struct walk *w, const struct waiting *above, const char *name, size_t len)
{
	size_t dir = len ? above->len : 0, total = dir + (dir > 0) + len;
	char *to;

	w->stack = grow(w, w->stack, &w->room, w->depth + 1, sizeof(*w->stack));
	w->paths = grow(w, w->paths, &w->size, w->used + total + 1, 1);
	if (w->s->error)
		return;
	to = w->paths + w->used;
	memcpy(to, w->current ? w->current : "", dir);
	if (dir)
		to[dir] = '/';
	memcpy(to + total - len, name, len);
	w->used += total;
	w->stack[w->depth] = *above;
	w->stack[w->depth++].len = (uint32_t)total;
}

static bool pop(struct walk *w, struct waiting *ret)
{
	if (!w->depth)
		return false;
	*ret = w->stack[--w->depth];
	w->current = grow(w, w->current, &w->current_size, ret->len + 1u, 1);
	if (w->s->error)
		return false;
	w->used -= ret->len;
	memcpy(w->current, w->paths + w->used, ret->len);
	w->current[ret->len] = '\0';
	return true;
}

/* ---- directories at two places ---- */

static struct seen *find_seen(const struct walk *w, int index, uint64_t ino)
{
	uint64_t key[2] = { (uint64_t)index, ino };
	size_t at = (size_t)XXH3_64bits(key, sizeof(key));

	for (;; at++) {
		struct seen *seen = &w->seen[at & (w->seen_room - 1)];

		if (!seen->ino || (seen->ino == ino && seen->index == index))
			return seen;
	}
}

static void grow_seen(struct walk *w)
{
	struct walk bigger = { .seen_room = w->seen_room ? w->seen_room * 2 : 1024 };

	bigger.seen = calloc(bigger.seen_room, sizeof(*bigger.seen));
	if (!bigger.seen) {
		w->s->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < w->seen_room; i++)
		if (w->seen[i].ino)
			*find_seen(&bigger, w->seen[i].index, w->seen[i].ino) = w->seen[i];
	free(w->seen);
	w->seen = bigger.seen;
	w->seen_room = bigger.seen_room;
}

static bool is_repeated(const struct hw_surveying *s, dev_t dev)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (s->mounts[i].repeated && s->mounts[i].dev == dev)
			return true;
	return false;
}

/* Returns whether the directory was visited at another place. Remembers directories only of
 * filesystems that are mounted more than once, so that memory stays small. */
static bool is_again(struct walk *w, const struct hw_survey_visit *visit, int index)
{
	struct seen *seen;

	if (!visit->ino || !is_repeated(w->s, visit->dev))
		return false;
	if (w->seen_count >= w->seen_room / 2)
		grow_seen(w);
	if (w->s->error)
		return false;
	seen = find_seen(w, index, visit->ino);
	if (seen->ino)
		return true;
	*seen = (struct seen){ index, visit->ino };
	w->seen_count++;
	return false;
}

/* Returns whether a directory above it is mounted here: the walk would never end. */
static bool is_loop(struct walk *w, const struct hw_survey_visit *visit)
{
	struct hw_survey_visit above;

	for (size_t len = visit->len; len;) {
		const char *slash = memrchr(visit->path, '/', len);

		len = slash ? (size_t)(slash - visit->path) : 0;
		if (hw_survey_open(w->s, visit->path, len, &above) < 0)
			continue;
		(void)close(above.fd); /* O_PATH */
		if (above.dev == visit->dev && above.ino == visit->ino)
			return true;
	}
	return false;
}

/* Returns whether the share does not enter what is mounted here, because the kernel makes it. */
static bool is_pseudo(const struct walk *w, const struct hw_survey_visit *visit)
{
	return !w->s->share->pseudo && visit->dev != w->s->share->disk.root_dev &&
	       hw_pseudo_name(visit->fd);
}

/* ---- time ---- */

static struct hw_survey_sample *sample_of(struct walk *w, size_t fs)
{
	struct hw_survey_sample *samples;

	if (fs >= w->sample_count) {
		samples = reallocarray(w->samples, fs + 1, sizeof(*samples));
		if (!samples) {
			w->s->error = -ENOMEM;
			return NULL;
		}
		w->samples = samples;
		while (w->sample_count <= fs)
			w->samples[w->sample_count++] = (struct hw_survey_sample){ .stride = 1 };
	}
	return &w->samples[fs];
}

static void add_sample(struct walk *w, size_t fs, const struct hw_survey_visit *visit)
{
	struct hw_survey_sample *sample = sample_of(w, fs);

	if (sample)
		hw_survey_sample_add(w->s, sample, visit);
}

static void estimate(struct walk *w)
{
	for (size_t i = 0; i < w->sample_count; i++) {
		if (w->s->error == 0)
			hw_survey_sample_measure(w->s, &w->samples[i],
						 &w->s->survey->filesystems[i]);
		hw_survey_sample_free(&w->samples[i]);
	}
	free(w->samples);
}

/* ---- one directory ---- */

static void take_entries(struct walk *w, const struct waiting *here)
{
	struct hw_survey *survey = w->s->survey;

	for (uint32_t i = 0; i < w->listing.count; i++) {
		const struct hw_found *found = &w->listing.found[i];
		const char *name = w->listing.names + found->name;
		bool is_dir = found->stat.type == HW_TYPE_DIR;

		push(w, here, name, found->name_len);
		if (w->s->error)
			return;
		/* The path is on top of the stack. It stays there if it is to be visited. */
		size_t len = w->stack[w->depth - 1].len;
		const char *path = w->paths + w->used - len;
		bool excluded = hw_survey_is_excluded(w->s, path, len, is_dir);

		if (!excluded) {
			survey->entries++;
			survey->filesystems[here->fs].entries++;
		}
		if (excluded || !is_dir) {
			w->depth--;
			w->used -= len;
		}
	}
}

static void list(struct walk *w, const struct waiting *here, const struct hw_survey_visit *visit)
{
	struct hw_survey *survey = w->s->survey;
	int fd = openat(visit->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool failed = fd < 0;

	while (fd >= 0) {
		hw_list_read(fd, HW_LIST_MAX, (struct hw_identify){ 0 }, &w->listing);
		take_entries(w, here);
		failed |= w->listing.error != 0;
		if (w->s->error || !w->listing.more)
			break;
	}
	if (fd >= 0)
		(void)close(fd); /* read only */
	if (failed)
		hw_survey_add_path(w->s, &survey->unreadable, visit->path, visit->len);
	else
		add_sample(w, here->fs, visit);
}

static void enter(struct walk *w, const struct waiting *from, const struct hw_survey_visit *visit)
{
	struct hw_survey *survey = w->s->survey;
	struct waiting here = { .len = (uint32_t)visit->len };
	bool crossed = from->fs == NO_FILESYSTEM, again;
	int fs;

	if (!crossed)
		crossed = survey->filesystems[from->fs].mount != visit->mount;
	if (crossed && visit->len && is_loop(w, visit)) {
		hw_survey_add_path(w->s, &survey->loops, visit->path, visit->len);
		survey->directories++;
		survey->filesystems[from->fs].directories++;
		return;
	}
	if (crossed && visit->len && is_pseudo(w, visit)) {
		hw_survey_add_path(w->s, &survey->pseudo, visit->path, visit->len);
		return;
	}
	fs = hw_survey_filesystem(w->s, visit);
	if (fs < 0) {
		w->s->error = fs;
		return;
	}
	here.fs = (size_t)fs;
	if (from->fs != NO_FILESYSTEM &&
	    survey->filesystems[from->fs].index == survey->filesystems[fs].index)
		here.above = from->above;
	again = is_again(w, visit, survey->filesystems[fs].index);
	survey->directories++;
	survey->filesystems[fs].directories++;
	survey->filesystems[fs].again += again;
	here.above = hw_survey_take(w->s, here.fs, here.above, visit, again);
	list(w, &here, visit);
}

void hw_survey_walk(struct hw_surveying *s)
{
	const struct waiting root = { .fs = NO_FILESYSTEM };
	struct walk w = { .s = s };
	struct hw_survey_visit visit;
	struct waiting at;

	push(&w, &root, "", 0);
	s->survey->counted = true;
	while (s->error == 0 && pop(&w, &at)) {
		if (s->how->step && !s->how->step(s->how->arg, s->survey)) {
			s->survey->counted = false;
			break;
		}
		/* It may have been deleted. */
		if (hw_survey_open(s, w.current, at.len, &visit) < 0)
			continue;
		enter(&w, &at, &visit);
		(void)close(visit.fd); /* O_PATH */
	}
	estimate(&w);
	hw_list_free(&w.listing);
	free(w.seen);
	free(w.stack);
	free(w.paths);
	free(w.current);
}
