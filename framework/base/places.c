/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "places.h"

#include "loop_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READS_MAX 16u /* before a rest */

struct place {
	int watch;
	const char *name; /* borrowed; or NULL */
	hw_places_fn *fn;
	void *arg; /* borrowed */
};

struct hw_places {
	int fd; /* owned: inotify */
	struct hw_io *io; /* owned */
	struct hw_timer *rest; /* owned */
	struct place *list; /* owned, sorted by watch */
	size_t count, room;
};

/* ---- reading ---- */

/* Returns the index of the first place with this watch, or where it would be. */
static size_t find(const struct hw_places *places, int watch)
{
	size_t low = 0, high = places->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (places->list[middle].watch < watch)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_about(const struct place *place, const struct inotify_event *event)
{
	return !event->len || (place->name && strcmp(place->name, event->name) == 0);
}

static void tell(const struct hw_places *places, const struct inotify_event *event)
{
	bool all = event->mask & IN_Q_OVERFLOW;

	for (size_t i = all ? 0 : find(places, event->wd);
	     i < places->count && (all || places->list[i].watch == event->wd); i++)
		if (is_about(&places->list[i], event))
			places->list[i].fn(places->list[i].arg);
}

/* Rests afterwards: the directory above a root may be as busy as /tmp. */
static int on_readable(void *arg, struct hw_io *io, uint32_t ready, uint32_t budget)
{
	struct hw_places *places = arg;
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t len;

	(void)ready;
	(void)budget;
	for (unsigned i = 0; i < READS_MAX && (len = read(places->fd, buf, sizeof(buf))) > 0; i++) {
		for (const char *at = buf; at < buf + len;) {
			const struct inotify_event *event = (const void *)at;

			tell(places, event);
			at += sizeof(*event) + event->len;
		}
	}
	hw_io_set(io, 0);
	hw_timer_set(places->rest, HW_PLACES_REST_NS);
	return 0;
}

static void on_rested(void *arg, struct hw_timer *timer)
{
	struct hw_places *places = arg;

	(void)timer;
	hw_io_set(places->io, HW_IO_READ);
}

/* ---- the list ---- */

static void destroy(struct hw_loop *loop)
{
	struct hw_places *places = loop->places;

	hw_io_del(places->io);
	hw_timer_del(places->rest);
	if (places->fd >= 0)
		(void)close(places->fd); /* nothing is written to it */
	free(places->list);
	free(places);
	loop->places = NULL;
}

static int create(struct hw_loop *loop)
{
	struct hw_places *places = calloc(1, sizeof(*places));
	int r;

	if (!places)
		return -ENOMEM;
	loop->places = places;
	places->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	r = places->fd < 0 ? -errno : hw_timer_add(loop, on_rested, places, &places->rest);
	if (r == 0)
		r = hw_io_add(loop, places->fd, HW_IO_READ, on_readable, places, &places->io);
	if (r < 0)
		destroy(loop);
	return r;
}

static int make_room(struct hw_places *places)
{
	size_t room = places->room ? 2 * places->room : 16;
	struct place *list;

	if (places->count < places->room)
		return 0;
	list = reallocarray(places->list, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	places->list = list;
	places->room = room;
	return 0;
}

static int watch(const struct hw_places *places, int fd, const char *name, bool attributes)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	uint32_t mask = IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD;
	int r;

	if (attributes)
		mask |= IN_ATTRIB;
	if (name)
		mask |= IN_DELETE | IN_MOVED_FROM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = inotify_add_watch(places->fd, path, mask);
	return r < 0 ? -errno : r;
}

int hw_places_add(struct hw_loop *loop, int fd, const char *name, bool attributes, hw_places_fn *fn,
		  void *arg)
{
	int r = loop->places ? 0 : create(loop);
	struct hw_places *places = loop->places;

	if (r == 0)
		r = make_room(places);
	if (r == 0)
		r = watch(places, fd, name, attributes);
	if (r >= 0) {
		size_t at = find(places, r);

		memmove(places->list + at + 1, places->list + at,
			(places->count - at) * sizeof(*places->list));
		places->list[at] = (struct place){ .watch = r, .name = name, .fn = fn, .arg = arg };
		places->count++;
	} else if (places && !places->count) {
		destroy(loop);
	}
	return r < 0 ? r : 0;
}

/* Keeps those of other arguments in a group of places with one watch, which begins at *at. */
static void remove_from_group(struct hw_places *places, size_t *at, size_t *kept, const void *arg)
{
	size_t before = *kept;
	int watch = places->list[*at].watch;

	for (; *at < places->count && places->list[*at].watch == watch; ++*at)
		if (places->list[*at].arg != arg)
			places->list[(*kept)++] = places->list[*at];
	if (*kept == before) /* fails if the directory is gone */
		(void)inotify_rm_watch(places->fd, watch);
}

void hw_places_del(struct hw_loop *loop, const void *arg)
{
	struct hw_places *places = loop->places;
	size_t at = 0, kept = 0;

	if (!places)
		return;
	while (at < places->count)
		remove_from_group(places, &at, &kept, arg);
	places->count = kept;
	if (!kept)
		destroy(loop);
}
