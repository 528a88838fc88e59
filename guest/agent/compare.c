/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE 256 /* entries that are examined in one slice */

/* ---- watched objects ---- */

static void done_with(struct hw_compare *c, struct hw_known *e)
{
	hw_known_clear(&c->known, e, HW_KNOWN_DUE | HW_KNOWN_FRESH);
	/* the next ones come first in the list */
	hw_known_requeue(&c->known, e, false);
}

static bool is_lost(const struct hw_known *e)
{
	for (; e; e = e->parent)
		if (e->difference == HW_PENDING_GONE || (e->flags & HW_KNOWN_COVERED))
			return true;
	return false;
}

static struct hw_known *find_todo(struct hw_compare *c, bool may_list)
{
	uint32_t wanted = HW_KNOWN_DUE | (may_list ? (uint32_t)HW_KNOWN_FRESH : 0u);
	struct hw_list *at = c->known.watched.next;

	while (at != &c->known.watched) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		at = at->next;
		if (!(e->flags & wanted) || (e->flags & HW_KNOWN_STUCK))
			continue;
		if (!is_lost(e))
			return e;
		hw_known_set(&c->known, e, HW_KNOWN_STUCK);
		hw_known_requeue(&c->known, e, false);
	}
	return NULL;
}

/* Other errors do not tell whether the entry is there. */
static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ESTALE;
}

/* Its path leads to nothing, or to another entry. If its directory is compared, that finds it. */
static void is_unreachable(struct hw_compare *c, struct hw_known *e)
{
	hw_known_set(&c->known, e, HW_KNOWN_STUCK);
	hw_known_requeue(&c->known, e, false);
	if (!e->parent || (e->parent->flags & HW_KNOWN_LISTED) || (e->flags & HW_KNOWN_FRESH))
		return;
	hw_known_differ(&c->known, e, HW_PENDING_GONE);
}

static void compare_self(struct hw_compare *c, struct hw_known *e, const struct hw_guest_seen *now)
{
	enum hw_pending difference;

	if (e->flags & HW_KNOWN_FRESH) {
		if (e->state.ino == 0)
			e->state = *now;
		return;
	}
	/* otherwise found with the other names of its directory */
	difference = hw_compare_states(&e->state, now, false);
	if (difference && !(e->parent && (e->parent->flags & HW_KNOWN_LISTED)))
		hw_known_differ(&c->known, e, difference);
}

/* Examines an object that is not a directory. */
static void compare_file(struct hw_compare *c, struct hw_known *e, const struct hw_guest_seen *now)
{
	compare_self(c, e, now);
	if (e->flags & HW_KNOWN_FRESH)
		e->state = *now;
	done_with(c, e);
}

/* The number of an inode that was deleted may be used again. A symbolic link cannot be changed. */
static bool is_same_object(const struct hw_known *e, const struct hw_guest_seen *now)
{
	const struct hw_guest_seen *old = &e->state;

	if (old->ino == 0 || !e->parent)
		return true;
	if (old->ino != now->ino || (old->mode & S_IFMT) != (now->mode & S_IFMT))
		return false;
	return !S_ISLNK(now->mode) || (old->size == now->size && old->mtime_ns == now->mtime_ns);
}

/* ---- names of a directory ---- */

static int add_name(struct hw_compare *c, const char *name)
{
	size_t len = strlen(name) + 1;

	if (c->names_len + len > c->names_room) {
		size_t room = 2 * c->names_room + len + 4096;
		char *names = room > c->known.max_bytes ? NULL : realloc(c->names, room);

		if (!names)
			return -ENOMEM;
		c->names = names;
		c->names_room = room;
	}
	memcpy(c->names + c->names_len, name, len);
	c->names_len += len;
	return 0;
}

static int read_names(struct hw_compare *c, int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	c->names_len = c->names_at = 0;
	if (!dir) {
		r = -errno;
		if (copy >= 0)
			(void)close(copy); /* nothing was written */
		return r;
	}
	do {
		errno = 0;
		entry = readdir(dir);
		r = entry ? 0 : -errno;
		if (entry && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = add_name(c, entry->d_name);
	} while (entry && r == 0);
	(void)closedir(dir); /* only read from */
	return r;
}

static void begin_directory(struct hw_compare *c, struct hw_known *dir)
{
	struct hw_list *at = dir->children.next;

	while (at != &dir->children) {
		struct hw_known *child = HW_KNOWN_OF(at, sibling);

		at = at->next;
		hw_known_clear(&c->known, child, HW_KNOWN_MET | HW_KNOWN_REPEAT);
		if (child->flags & HW_KNOWN_ABSENT)
			hw_known_remove(&c->known, child);
	}
	hw_known_set(&c->known, dir, HW_KNOWN_LISTED); /* events add and remove names from now on */
	c->known.current = dir;
}

static void found_new(struct hw_compare *c, struct hw_known *e, const struct hw_guest_seen *now)
{
	hw_known_clear(&c->known, e, HW_KNOWN_ABSENT);
	hw_known_set(&c->known, e, HW_KNOWN_MET);
	hw_known_differ(&c->known, e, HW_PENDING_NEW);
	e->state = *now;
}

static struct hw_known *add_entry(struct hw_compare *c, struct hw_known *dir, const char *name)
{
	struct hw_known *e = hw_known_add(&c->known, dir, name, (uint32_t)strlen(name));

	if (!e)
		hw_known_give_up(&c->known, dir);
	return e;
}

static void found_replaced(struct hw_compare *c, struct hw_known *e, const char *name,
			   const struct hw_guest_seen *now)
{
	struct hw_known *dir = e->parent, *new;

	hw_known_cover(e);
	hw_known_differ(&c->known, e, HW_PENDING_GONE);
	new = add_entry(c, dir, name);
	if (!new)
		return;
	found_new(c, new, now);
	hw_known_set_over(new, e);
}

static void list_entry(struct hw_compare *c, struct hw_known *dir, const char *name,
		       const struct hw_guest_seen *now)
{
	struct hw_known *e = hw_known_child(dir, name, (uint32_t)strlen(name));

	if (!e)
		e = add_entry(c, dir, name);
	if (!e)
		return;
	if (!(e->flags & HW_KNOWN_NAME) && e->state.ino == 0)
		e->state = *now;
	hw_known_set(&c->known, e, HW_KNOWN_NAME | HW_KNOWN_MET);
}

static void compare_entry(struct hw_compare *c, struct hw_known *dir, const char *name,
			  const struct hw_guest_seen *now)
{
	struct hw_known *e = hw_known_child(dir, name, (uint32_t)strlen(name));

	if (!e) {
		e = add_entry(c, dir, name);
		if (e)
			found_new(c, e, now);
		return;
	}
	if (e->over && is_same_object(e->over, now)) {
		struct hw_known *back = e->over;

		hw_known_remove(&c->known, e); /* the other one has its name again */
		e = back;
	}
	if (!(e->flags & HW_KNOWN_NAME)) {
		found_new(c, e, now);
		return;
	}
	hw_known_set(&c->known, e, HW_KNOWN_MET);
	if (now->ino == 0)
		hw_known_differ(&c->known, e, HW_PENDING_NONE);
	else if (is_same_object(e, now))
		hw_known_differ(&c->known, e, hw_compare_states(&e->state, now, false));
	else
		found_replaced(c, e, name, now);
}

static void end_directory(struct hw_compare *c, struct hw_known *dir)
{
	struct hw_list *at = dir->children.next;

	c->known.current = NULL;
	c->joined = false;
	while (at != &dir->children) {
		struct hw_known *child = HW_KNOWN_OF(at, sibling);

		at = at->next;
		if (child->flags & (HW_KNOWN_MET | HW_KNOWN_COVERED | HW_KNOWN_ABSENT))
			continue;
		if (hw_known_is_new(child))
			hw_known_remove(&c->known, child);
		else
			hw_known_differ(&c->known, child, HW_PENDING_GONE);
	}
	done_with(c, dir);
}

/* Examines some names of the current directory. Returns how many. */
static int examine_names(struct hw_compare *c, int fd, int max)
{
	int n = 0;

	while (c->known.current && n < max && c->names_at < c->names_len) {
		struct hw_known *dir = c->known.current;
		const char *name = c->names + c->names_at;
		struct hw_guest_seen now;
		int r = hw_compare_look(fd, name, &now);

		c->names_at += strlen(name) + 1;
		n++;
		if (is_gone(r)) /* deleted since: the event follows, or the name counts as gone */
			continue;
		if (r < 0)
			now = (struct hw_guest_seen){ .ino = 0 };
		if (dir->flags & HW_KNOWN_FRESH)
			list_entry(c, dir, name, &now);
		else
			compare_entry(c, dir, name, &now);
		if (!(dir->flags & HW_KNOWN_LISTED)) { /* no memory: it cannot be compared */
			c->known.current = NULL;
			done_with(c, dir);
		}
	}
	if (c->known.current && c->names_at == c->names_len)
		end_directory(c, c->known.current);
	return n + 1;
}

/* ---- slices ---- */

static int open_object(struct hw_compare *c, int root, struct hw_known *e,
		       struct hw_guest_seen *ret)
{
	int len = hw_known_path(e, c->path), fd, r;

	if (len < 0)
		return len;
	c->path[len] = '\0';
	fd = hw_compare_open(root, c->path, O_PATH);
	r = fd < 0 ? fd : hw_compare_look(fd, "", ret);
	if (r == 0 || fd < 0)
		return fd;
	(void)close(fd); /* O_PATH: nothing to lose */
	return r;
}

/* It cannot be examined. Its watchers are notified. */
static void is_unknown(struct hw_compare *c, struct hw_known *e)
{
	c->known.current = NULL;
	if (e->flags & HW_KNOWN_LISTED)
		hw_known_give_up(&c->known, e);
	hw_known_differ(&c->known, e, HW_PENDING_ATTRIB);
	done_with(c, e);
}

/* Begins with a directory, or continues. Returns the number of examined entries. */
static int examine_directory(struct hw_compare *c, struct hw_known *dir, int fd,
			     const struct hw_guest_seen *now, int max)
{
	if (c->known.current != dir) {
		compare_self(c, dir, now);
		begin_directory(c, dir);
		if (read_names(c, fd) < 0) {
			is_unknown(c, dir);
			return 1;
		}
	}
	return examine_names(c, fd, max);
}

static int examine(struct hw_compare *c, int root, struct hw_known *e, int max)
{
	struct hw_guest_seen now;
	int fd = open_object(c, root, e, &now), n = 1;

	if (fd == -EXDEV) { /* another filesystem is mounted there */
		c->known.current = NULL;
		done_with(c, e);
	} else if (fd < 0 && !is_gone(fd)) {
		is_unknown(c, e);
	} else if (fd < 0 || !is_same_object(e, &now)) {
		c->known.current = NULL;
		is_unreachable(c, e);
	} else if (S_ISDIR(now.mode)) {
		n = examine_directory(c, e, fd, &now, max);
	} else {
		compare_file(c, e, &now);
	}
	if (fd >= 0)
		(void)close(fd); /* only read from */
	return n;
}

int hw_compare_work_some(struct hw_compare *c, bool may_list, int left)
{
	int root, r = 1;

	if (c->idle && !c->active)
		return 0;
	root = c->ops->open_root(c->arg);
	if (root < 0)
		return root == -ENODEV ? root : 0;
	c->root = root;
	while (left > 0) {
		struct hw_known *e = c->known.current;

		if (!e)
			e = find_todo(c, may_list || c->active);
		if (!e)
			break;
		left -= examine(c, root, e, left);
	}
	if (left > 0) {
		c->idle = may_list || c->active;
		r = c->active ? hw_compare_report(c) : 0;
		/* a reported move makes work; what cannot be reached has to wait for its move */
		if (r == 0 && c->active)
			r = c->active = find_todo(c, false) != NULL;
	}
	(void)close(root); /* O_PATH: nothing to lose */
	return r;
}

int hw_compare_work(struct hw_compare *c, bool may_list)
{
	return hw_compare_work_some(c, may_list, SLICE);
}

void hw_compare_begin(struct hw_compare *c, const char *path, uint32_t len)
{
	struct hw_known *top = hw_known_find(&c->known, path, len);
	const struct hw_list *end;

	if (!c->active)
		c->reported = 0;
	c->active = true;
	c->joined = false;
	c->idle = false;
	c->known.current = NULL;
	if (!top)
		return;
	end = hw_known_advance(&c->known, top, HW_KNOWN_WATCHED);
	for (struct hw_list *at = c->known.watched.next; at != end; at = at->next) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		if (e->flags & HW_KNOWN_TOO_LARGE)
			hw_known_set(&c->known, e, HW_KNOWN_FRESH); /* may fit now */
		hw_known_clear(&c->known, e, HW_KNOWN_STUCK | HW_KNOWN_TOO_LARGE);
		/* the interrupted examination of a fresh one begins again */
		if (!(e->flags & HW_KNOWN_FRESH))
			hw_known_set(&c->known, e, HW_KNOWN_DUE);
	}
}

static bool is_known_name(const struct hw_known *e)
{
	return e && (e->flags & HW_KNOWN_NAME) && e->parent && !(e->parent->flags & HW_KNOWN_FRESH);
}

/* If programs know the name, its deletion was missed. */
static int precede_create(struct hw_compare *c, const struct hw_event *event)
{
	struct hw_known *e = hw_known_find(&c->known, event->path, event->path_len);

	if (e && e->over)
		e = e->over; /* is what programs know */
	return is_known_name(e) ? hw_compare_report_gone(c, e) : 0;
}

static struct hw_known *find_watched(const struct hw_compare *c, uint64_t ino)
{
	struct hw_list *at = c->known.watched.next;

	for (; at != &c->known.watched; at = at->next)
		if (HW_KNOWN_OF(at, watched)->state.ino == ino)
			return HW_KNOWN_OF(at, watched);
	return NULL;
}

static void put_text(char *to, const char *text, uint32_t len)
{
	memcpy(to, text, len);
	to[len] = '\0';
}

/* If programs know the directory under another name, its move to the old name was missed. */
static int precede_move(struct hw_compare *c, const struct hw_event *event)
{
	const struct hw_known *from = hw_known_find(&c->known, event->from, event->from_len);
	struct hw_known *dir = NULL;
	struct hw_guest_seen now;
	int root = is_known_name(from) ? -1 : c->ops->open_root(c->arg), r = 0;

	if (root < 0)
		return root == -ENODEV ? root : 0;
	put_text(c->path, event->path, event->path_len);
	if (hw_compare_look_below(root, c->path, &now) == 0 && now.ino != 0)
		dir = find_watched(c, now.ino);
	if (dir && dir->parent && dir != from)
		r = hw_compare_report_passage(c, dir, event->from, event->from_len);
	(void)close(root); /* O_PATH: nothing to lose */
	return r;
}

/* Without an old name, a move onto a name may concern another entry than the one that was reported.
 */
static bool may_be_repeat(struct hw_compare *c, const struct hw_event *event)
{
	const struct hw_known *e;
	struct hw_guest_seen now;
	int root;
	bool ret;

	if (c->known.repeats == 0)
		return false;
	if (event->kind != HW_MOVE || event->from || !event->path)
		return true;
	e = hw_known_find(&c->known, event->path, event->path_len);
	root = e && (e->flags & HW_KNOWN_REPEAT) ? c->ops->open_root(c->arg) : -1;
	if (root < 0)
		return false;
	put_text(c->path, event->path, event->path_len);
	ret = hw_compare_look_below(root, c->path, &now) == 0 && now.ino == e->state.ino;
	(void)close(root); /* O_PATH: nothing to lose */
	return ret;
}

bool hw_compare_waits(const struct hw_compare *c, const struct hw_event *event)
{
	return c->active || hw_known_may_repeat(&c->known, event);
}

int hw_compare_event(struct hw_compare *c, const struct hw_event *event)
{
	int r = 0;

	if (may_be_repeat(c, event) && hw_known_is_repeat(&c->known, event))
		return 0;
	if (c->active && event->kind == HW_CREATE)
		r = precede_create(c, event);
	else if (c->active && event->kind == HW_MOVE && event->type == HW_TYPE_DIR && event->from &&
		 event->path)
		r = precede_move(c, event);
	return r < 0 ? r : 1;
}

void hw_compare_unstick(struct hw_compare *c, const struct hw_known *top)
{
	const struct hw_list *end = hw_known_advance(&c->known, top, HW_KNOWN_STUCK);

	for (struct hw_list *at = c->known.watched.next; at != end; at = at->next) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		hw_known_clear(&c->known, e, HW_KNOWN_STUCK);
		c->idle = false;
		if (e->flags & HW_KNOWN_DUE)
			c->active = true;
	}
}

/* Returns whether the name is in a directory that is still to be compared. */
static bool is_todo(const struct hw_compare *c, const char *path, uint32_t len)
{
	const struct hw_known *e = hw_known_find(&c->known, path, len);

	return e && e->parent && (e->parent->flags & HW_KNOWN_DUE);
}

/* Returns whether the event takes a name out of such a directory. */
static bool leaves_todo(const struct hw_compare *c, const struct hw_event *event)
{
	if (event->kind != HW_MOVE || !event->from)
		return false;
	return is_todo(c, event->from, event->from_len) ||
	       ((event->flags & HW_FLAG_EXCHANGE) && is_todo(c, event->path, event->path_len));
}

/* What moved can be reached under its new name. A file may have come from a directory that is still
 * to be compared into one that was compared. */
static void has_moved(struct hw_compare *c, const char *path, uint32_t len, bool todo)
{
	struct hw_known *e = hw_known_find(&c->known, path, len);

	if (!e)
		return;
	hw_compare_unstick(c, e);
	if (todo && (e->flags & HW_KNOWN_NAME) && !e->difference && !S_ISDIR(e->state.mode))
		hw_known_differ(&c->known, e, HW_PENDING_DATA);
	if (e->difference)
		c->active = true;
}

void hw_compare_follow(struct hw_compare *c, const struct hw_event *event,
		       const struct hw_guest_seen *seen)
{
	bool todo = c->active || leaves_todo(c, event);

	hw_known_follow(&c->known, event, seen);
	if (event->kind != HW_MOVE || !event->path)
		return;
	has_moved(c, event->path, event->path_len, todo);
	if (event->flags & HW_FLAG_EXCHANGE)
		has_moved(c, event->from, event->from_len, todo);
}

bool hw_compare_covers(const struct hw_compare *c, const char *path, uint32_t len)
{
	const struct hw_known *top = hw_known_find(&c->known, path, len);
	const struct hw_list *at = c->known.watched.next;

	if (c->uncovered || c->known.full)
		return false;
	for (; top && at != &c->known.watched; at = at->next) {
		const struct hw_known *e = HW_KNOWN_OF(at, watched);

		if ((e->flags & HW_KNOWN_FRESH) && hw_known_is_below(e, top))
			return false;
	}
	return true;
}

int hw_compare_init(struct hw_compare *c, size_t max_bytes, const struct hw_compare_ops *ops,
		    void *arg)
{
	*c = (struct hw_compare){ .ops = ops, .arg = arg, .idle = true };
	return hw_knowns_init(&c->known, max_bytes);
}

void hw_compare_free(struct hw_compare *c)
{
	hw_knowns_free(&c->known);
	free(c->names);
	free(c->numbers);
}
