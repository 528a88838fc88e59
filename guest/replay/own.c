/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "own.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define STATES_MAX 16u
#define STATES_AT_FIRST 2u
#define KEY_MAX (sizeof(void *) + NAME_MAX + 1)

struct state {
	mode_t type; /* S_IFMT; 0: no entry */
	struct hw_node *node; /* with a reference, or NULL */
};

struct hw_ahead {
	UT_hash_handle hh; /* by the parent's address and the name */
	struct hw_node *parent; /* with a reference */
	unsigned count, room;
	struct state *states; /* owned; the first is what the host has reported */
	unsigned char key[];
};

static size_t make_key(unsigned char key[KEY_MAX], const struct hw_node *parent, const char *name)
{
	size_t len = strnlen(name, NAME_MAX);

	memcpy(key, &parent, sizeof(parent));
	memcpy(key + sizeof(parent), name, len);
	return sizeof(parent) + len;
}

static struct hw_ahead *find(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	unsigned char key[KEY_MAX];
	size_t len = make_key(key, parent, name);
	struct hw_ahead *found;

	HASH_FIND(hh, view->ahead, key, len, found);
	return found;
}

static struct state state_of(struct hw_view *view, struct hw_node *node)
{
	struct state state = { .node = node };
	struct stat st;

	if (!node)
		return state;
	hw_node_hold(node);
	if (hw_node_stat(view, node, &st) == 0)
		state.type = st.st_mode & S_IFMT;
	return state;
}

static void drop_states(struct hw_view *view, struct hw_ahead *ahead, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ahead->states[i].node)
			hw_node_put(view, ahead->states[i].node);
	ahead->count -= count;
	memmove(ahead->states, ahead->states + count, ahead->count * sizeof(ahead->states[0]));
}

static void drop(struct hw_view *view, struct hw_ahead *ahead)
{
	HASH_DELETE(hh, view->ahead, ahead);
	drop_states(view, ahead, ahead->count);
	hw_node_put(view, ahead->parent);
	free(ahead->states);
	free(ahead);
}

static struct hw_ahead *make(struct hw_view *view, struct hw_node *parent, const char *name,
			     struct hw_node *before)
{
	unsigned char key[KEY_MAX];
	size_t len = make_key(key, parent, name);
	struct hw_ahead *ahead = calloc(1, sizeof(*ahead) + len);

	if (!ahead)
		return NULL;
	ahead->room = STATES_AT_FIRST;
	ahead->states = calloc(ahead->room, sizeof(*ahead->states));
	if (!ahead->states) {
		free(ahead);
		return NULL;
	}
	memcpy(ahead->key, key, len);
	ahead->parent = parent;
	hw_node_hold(parent);
	ahead->states[0] = state_of(view, before);
	ahead->count = 1;
	HASH_ADD_KEYPTR(hh, view->ahead, ahead->key, len, ahead);
	return ahead;
}

/* Returns whether there is room for one more; the oldest state gives way in a long queue. */
static bool make_room(struct hw_view *view, struct hw_ahead *ahead)
{
	struct state *more;

	if (ahead->count == STATES_MAX)
		drop_states(view, ahead, 1);
	if (ahead->count < ahead->room)
		return true;
	more = realloc(ahead->states, 2 * ahead->room * sizeof(*more));
	if (!more)
		return false;
	ahead->states = more;
	ahead->room *= 2;
	return true;
}

unsigned hw_own_count(const struct hw_view *view)
{
	return HASH_COUNT(view->ahead);
}

void hw_own_name(struct hw_view *view, struct hw_node *parent, const char *name,
		 struct hw_node *before, struct hw_node *after)
{
	struct hw_ahead *ahead = find(view, parent, name);

	/* the host does not report all: not names that the share excludes */
	if (!ahead && HASH_COUNT(view->ahead) >= HW_OWN_NAMES_MAX)
		drop(view, view->ahead); /* the oldest */
	if (!ahead)
		ahead = make(view, parent, name, before);
	if (!ahead)
		return;
	if (!make_room(view, ahead)) {
		drop(view, ahead);
		return;
	}
	ahead->states[ahead->count++] = state_of(view, after);
}

bool hw_own_reported(struct hw_view *view, const struct hw_node *parent, const char *name,
		     struct hw_node **ret)
{
	const struct hw_ahead *ahead = find(view, parent, name);

	if (!ahead)
		return false;
	*ret = ahead->states[0].node;
	return true;
}

/* Returns the first state of the queue, behind its head, that an event leads to; 0: none. */
static unsigned find_state(const struct hw_ahead *ahead, mode_t type)
{
	for (unsigned i = 1; ahead && i < ahead->count; i++)
		if (ahead->states[i].type == type)
			return i;
	return 0;
}

static void advance(struct hw_view *view, struct hw_ahead *ahead, unsigned to)
{
	drop_states(view, ahead, to);
	if (ahead->count == 1)
		drop(view, ahead);
}

bool hw_own_takes(struct hw_view *view, const struct hw_own_change changes[2])
{
	struct hw_ahead *ahead[2] = { NULL, NULL };
	unsigned to[2] = { 0, 0 };
	bool all = true;

	for (unsigned i = 0; i < 2; i++) {
		if (!changes[i].parent)
			continue;
		ahead[i] = find(view, changes[i].parent, changes[i].name);
		to[i] = find_state(ahead[i], changes[i].type);
		all = all && to[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		if (ahead[i] && all)
			advance(view, ahead[i], to[i]);
		else if (ahead[i])
			drop(view, ahead[i]);
	}
	return all;
}

/* ---- data and attributes ---- */

static void take_state(struct hw_view *view, struct hw_node *node)
{
	struct stat st;

	node->own.known = !node->is_ghost && hw_node_stat(view, node, &st) == 0;
	if (!node->own.known)
		return;
	node->own.size = st.st_size;
	node->own.mtime = st.st_mtim;
	node->own.ctime = st.st_ctim;
	node->own.mode = st.st_mode;
	node->own.uid = st.st_uid;
	node->own.gid = st.st_gid;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void hw_own_write(struct hw_view *view, struct hw_node *node)
{
	const bool listed = node->written_ms != 0;

	node->written_ms = now_ms();
	node->own.writing = true;
	(void)pthread_cond_signal(&view->wrote);
	if (listed)
		return;
	hw_node_hold(node);
	DL_APPEND2(view->written, node, written_prev, written_next);
}

void hw_own_attributes(struct hw_view *view, struct hw_node *node)
{
	if (!node->own.writing)
		take_state(view, node);
}

void hw_own_rename(struct hw_view *view, struct hw_node *node)
{
	const struct hw_own_state before = node->own;

	if (!before.known || before.writing)
		return;
	take_state(view, node);
	/* anything but ctime was changed by the host */
	if (before.size != node->own.size || !same_time(&before.mtime, &node->own.mtime) ||
	    before.mode != node->own.mode || before.uid != node->own.uid ||
	    before.gid != node->own.gid)
		node->own.known = false;
}

bool hw_own_state_is(struct hw_view *view, struct hw_node *node)
{
	const struct hw_own_state *own = &node->own;
	struct stat st;

	if (own->writing)
		return true;
	return own->known && hw_node_stat(view, node, &st) == 0 && own->size == st.st_size &&
	       same_time(&own->mtime, &st.st_mtim) && same_time(&own->ctime, &st.st_ctim) &&
	       own->mode == st.st_mode && own->uid == st.st_uid && own->gid == st.st_gid;
}

bool hw_own_settle(struct hw_view *view, int64_t idle_ms)
{
	const int64_t before = now_ms() - idle_ms;
	struct hw_node *node, *next;

	for (node = view->written; node; node = next) {
		next = node->written_next;
		if (node->data_users)
			continue;
		if (node->own.writing)
			take_state(view, node);
		node->own.writing = false;
		if (node->written_ms > before || !hw_node_close_data(view, node))
			continue;
		DL_DELETE2(view->written, node, written_prev, written_next);
		node->written_ms = 0;
		hw_node_put(view, node);
	}
	return view->written != NULL;
}

void hw_own_free(struct hw_view *view)
{
	struct hw_ahead *ahead, *next;

	for (ahead = view->ahead; ahead; ahead = next) {
		next = ahead->hh.next;
		drop(view, ahead);
	}
}
