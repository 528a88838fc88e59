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
/* A change that is as old as this may have left a queue that the host never reported. */
#define FRESH_MS 1000

struct state {
	mode_t type; /* see hw_own_type(); 0: no entry */
	struct hw_node *node; /* with a reference, or NULL */
};

struct hw_ahead {
	UT_hash_handle hh; /* by the parent's address and the name */
	struct hw_node *parent; /* with a reference */
	unsigned count, room;
	unsigned left_out; /* changes after the first state for which there was no room */
	int64_t changed_ms; /* of the monotonic clock: the last change */
	struct state *states; /* owned; the first is what the host has reported */
	unsigned char key[];
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

mode_t hw_own_type(mode_t mode)
{
	const mode_t type = mode & S_IFMT;

	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK ? type : S_IFIFO;
}

static struct hw_ahead *find(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	struct hw_ahead *found;

	HW_NAME_FIND(view->ahead, parent, name, found);
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
		state.type = hw_own_type(st.st_mode);
	return state;
}

static void drop_states(struct hw_view *view, struct hw_ahead *ahead, unsigned first,
			unsigned count)
{
	struct state *states = &ahead->states[first];

	for (unsigned i = 0; i < count; i++)
		if (states[i].node)
			hw_node_put(view, states[i].node);
	ahead->count -= count;
	memmove(states, states + count, (ahead->count - first) * sizeof(*states));
}

static void drop(struct hw_view *view, struct hw_ahead *ahead)
{
	HASH_DELETE(hh, view->ahead, ahead);
	drop_states(view, ahead, 0, ahead->count);
	hw_node_put(view, ahead->parent);
	free(ahead->states);
	free(ahead);
}

static struct hw_ahead *make(struct hw_view *view, struct hw_node *parent, const char *name,
			     struct hw_node *before)
{
	unsigned char key[HW_NAME_KEY_MAX];
	size_t len = hw_name_key(key, parent, name);
	struct hw_ahead *ahead = len ? calloc(1, sizeof(*ahead) + len) : NULL;

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

/* Returns whether there is room for one more; in a long queue, the oldest change is counted only.
 */
static bool make_room(struct hw_view *view, struct hw_ahead *ahead)
{
	struct state *more;

	if (ahead->count == STATES_MAX) {
		drop_states(view, ahead, 1, 1);
		ahead->left_out++;
	}
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
	ahead->changed_ms = now_ms();
}

bool hw_own_is_ahead(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	return find(view, parent, name) != NULL;
}

mode_t hw_own_reported_type(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	const struct hw_ahead *ahead = find(view, parent, name);
	struct hw_node *node;
	struct stat st;

	if (ahead)
		return ahead->states[0].type;
	node = hw_view_find(view, parent, name);
	return node && hw_node_stat(view, node, &st) == 0 ? hw_own_type(st.st_mode) : 0;
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
	for (unsigned i = 1; !ahead->left_out && i < ahead->count; i++)
		if (ahead->states[i].type == type)
			return i;
	return 0;
}

/* Returns whether the event leads to the last state, which was made a short time ago. */
static bool is_certain(const struct hw_ahead *ahead, mode_t type)
{
	const unsigned to = find_state(ahead, type);

	return to && to == ahead->count - 1 && now_ms() - ahead->changed_ms < FRESH_MS;
}

enum hw_own_match hw_own_match(struct hw_view *view, const struct hw_own_change changes[2])
{
	bool any = false, certain = true;

	for (unsigned i = 0; i < 2; i++) {
		const struct hw_ahead *ahead;

		if (!changes[i].parent)
			continue;
		ahead = find(view, changes[i].parent, changes[i].name);
		any = any || ahead;
		certain = certain && ahead && is_certain(ahead, changes[i].type);
	}
	if (!any)
		return HW_OWN_NO;
	return certain ? HW_OWN_YES : HW_OWN_IF_SAME;
}

static void advance(struct hw_view *view, struct hw_ahead *ahead, mode_t type)
{
	const unsigned to = find_state(ahead, type);

	if (ahead->left_out) {
		ahead->left_out--;
		ahead->states[0].type = type;
		return;
	}
	drop_states(view, ahead, 0, to); /* none, if several changes were reported as one */
	if (ahead->count == 1)
		drop(view, ahead);
}

void hw_own_pass(struct hw_view *view, const struct hw_own_change changes[2], bool own)
{
	for (unsigned i = 0; i < 2; i++) {
		struct hw_ahead *ahead = NULL;

		if (changes[i].parent)
			ahead = find(view, changes[i].parent, changes[i].name);
		if (ahead && own)
			advance(view, ahead, changes[i].type);
		else if (ahead)
			drop(view, ahead);
	}
}

/* ---- data and attributes ---- */

static void set_state(struct hw_own_state *state, const struct stat *st)
{
	state->known = true;
	state->size = st->st_size;
	state->mtime = st->st_mtim;
	state->ctime = st->st_ctim;
	state->mode = st->st_mode;
	state->uid = st->st_uid;
	state->gid = st->st_gid;
}

void hw_own_seen(struct hw_node *node, const struct stat *st)
{
	set_state(&node->seen, st);
}

static void take_state(struct hw_view *view, struct hw_node *node)
{
	struct stat st;

	node->own.known = false;
	if (!node->is_ghost && hw_node_stat(view, node, &st) == 0)
		set_state(&node->own, &st);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool hw_own_data_differs(const struct hw_own_state *seen, const struct stat *st)
{
	return seen->size != st->st_size || !same_time(&seen->mtime, &st->st_mtim);
}

void hw_own_write(struct hw_view *view, struct hw_node *node)
{
	const bool listed = node->written_ms != 0;

	node->written_ms = now_ms();
	if (node->own.writing)
		node->own.known = false; /* of writes that overlap, the size does not tell */
	node->own.writing = true;
	node->own.writes++;
	(void)pthread_cond_signal(&view->wrote);
	if (listed)
		return;
	hw_node_hold(node);
	DL_APPEND2(view->written, node, written_prev, written_next);
}

void hw_own_wrote(struct hw_node *node, const struct stat *st, off_t end, uint32_t writes)
{
	const struct hw_own_state before = node->own;

	if (before.writes != writes)
		return;
	set_state(&node->own, st);
	hw_own_seen(node, st);
	node->own.writing = false;
	if (before.known && st->st_size != (end > before.size ? end : before.size))
		node->own.known = false;
}

void hw_own_truncated(struct hw_node *node, off_t size)
{
	if (node->own.size != size)
		node->own.known = false;
}

void hw_own_attributes(struct hw_view *view, struct hw_node *node)
{
	if (!node->own.writing)
		take_state(view, node);
}

void hw_own_names_changed(struct hw_view *view, struct hw_node *node)
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

/* Changes of names in a directory set both times; they are no change of its attributes. */
static bool same_change(const struct hw_own_state *own, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) && same_time(&st->st_ctim, &st->st_mtim))
		return true;
	return own->size == st->st_size && same_time(&own->mtime, &st->st_mtim) &&
	       same_time(&own->ctime, &st->st_ctim);
}

bool hw_own_state_is(struct hw_view *view, struct hw_node *node)
{
	const struct hw_own_state *own = &node->own;
	struct stat st;

	if (own->writing)
		return true;
	return own->known && hw_node_stat(view, node, &st) == 0 && same_change(own, &st) &&
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
