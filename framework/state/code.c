/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "code.h"

#include "disk.h"
#include "state.h"
#include "valid.h"

#include <string.h>

/* Members of an entry that need no bytes. */
#define SAME_PARENT 0x01u /* as in the entry before */
#define SAME_ATTR 0x02u /* likewise */
#define SAME_KIND 0x04u /* likewise: fs, type and identity */
#define CTIME_IS_MTIME 0x08u
#define ONE_LINK 0x10u
#define NO_FLAGS 0x20u
#define IDENT_IS_CTIME 0x40u

/* Flags that mean the same after a restart; directories have none. */
#define KEPT (HW_ENTRY_DIRTY | HW_ENTRY_NEW | HW_ENTRY_TRANSIENT | HW_ENTRY_MODIFIED)

#define ABSENT 0x01u /* of an event: it has no path */
#define NO_FROM 0x02u

/* ---- writing ---- */

static void put_byte(struct hw_state_writer *w, unsigned byte)
{
	w->bytes[w->used++] = (unsigned char)byte;
}

static void put_number(struct hw_state_writer *w, uint64_t n)
{
	for (; n > 0x7f; n >>= 7)
		put_byte(w, 0x80u | (n & 0x7f));
	put_byte(w, (unsigned)n);
}

/* Small differences in both directions are short. */
static void put_difference(struct hw_state_writer *w, uint64_t now, uint64_t before)
{
	uint64_t d = now - before;

	put_number(w, d << 1 ^ (d >> 63 ? UINT64_MAX : 0));
}

static void put_word(struct hw_state_writer *w, uint32_t word)
{
	for (unsigned i = 0; i < 4; i++)
		put_byte(w, word >> (8 * i) & 0xff);
}

static void put_bytes(struct hw_state_writer *w, const char *bytes, size_t len)
{
	if (len)
		memcpy(w->bytes + w->used, bytes, len);
	w->used += len;
}

static uint32_t fold(int64_t ns)
{
	return (uint32_t)((uint64_t)ns ^ (uint64_t)ns >> 32);
}

static unsigned omit(const struct hw_state_last *last, const struct hw_entry *e, uint8_t flags)
{
	unsigned omitted = 0;

	if (e->parent == last->parent)
		omitted |= SAME_PARENT;
	if (e->attr == last->attr)
		omitted |= SAME_ATTR;
	if (e->fs == last->fs && e->type == last->type && e->identity == last->identity)
		omitted |= SAME_KIND;
	if (e->ctime_ns == e->mtime_ns)
		omitted |= CTIME_IS_MTIME;
	if (e->nlink == 1)
		omitted |= ONE_LINK;
	if (!flags)
		omitted |= NO_FLAGS;
	if (e->ident == fold(e->ctime_ns))
		omitted |= IDENT_IS_CTIME;
	return omitted;
}

static void remember(struct hw_state_last *last, uint32_t id, const struct hw_entry *e)
{
	last->id = id;
	last->parent = e->parent;
	last->attr = e->attr;
	last->fs = e->fs;
	last->type = e->type;
	last->identity = e->identity;
	last->ino = e->ino;
	last->mtime_ns = e->mtime_ns;
}

void hw_state_put_entry(struct hw_state_writer *w, uint32_t id, const struct hw_entry *e,
			const char *name)
{
	uint8_t flags = e->type == HW_TYPE_DIR ? e->flags & HW_ENTRY_TRANSIENT : e->flags & KEPT;
	unsigned omitted = omit(&w->last, e, flags);

	put_byte(w, HW_STATE_ENTRY);
	put_byte(w, omitted);
	put_difference(w, id, w->last.id);
	if (!(omitted & SAME_PARENT))
		put_difference(w, e->parent, w->last.parent);
	put_byte(w, e->name_len);
	put_bytes(w, name, e->name_len);
	if (!(omitted & SAME_KIND)) {
		put_number(w, e->fs);
		put_byte(w, e->type);
		put_byte(w, e->identity);
	}
	put_difference(w, e->ino, w->last.ino);
	put_difference(w, (uint64_t)e->mtime_ns, (uint64_t)w->last.mtime_ns);
	if (!(omitted & CTIME_IS_MTIME))
		put_difference(w, (uint64_t)e->ctime_ns, (uint64_t)e->mtime_ns);
	if (e->type != HW_TYPE_DIR)
		put_number(w, e->size);
	if (!(omitted & SAME_ATTR))
		put_word(w, e->attr);
	if (!(omitted & ONE_LINK))
		put_number(w, e->nlink);
	if (!(omitted & NO_FLAGS))
		put_byte(w, flags);
	if (!(omitted & IDENT_IS_CTIME))
		put_word(w, e->ident);
	remember(&w->last, id, e);
}

void hw_state_put_gone(struct hw_state_writer *w, uint32_t id)
{
	put_byte(w, HW_STATE_GONE);
	put_difference(w, id, w->last.id);
	w->last.id = id;
}

void hw_state_put_event(struct hw_state_writer *w, const struct hw_event *event)
{
	put_byte(w, HW_STATE_EVENT);
	put_byte(w, event->kind);
	put_byte(w, event->type);
	put_number(w, event->flags);
	put_difference(w, (uint64_t)event->time_ns, (uint64_t)w->last.time_ns);
	put_byte(w, (event->path ? 0 : ABSENT) | (event->from ? 0 : NO_FROM));
	if (event->path) {
		put_number(w, event->path_len);
		put_bytes(w, event->path, event->path_len);
	}
	if (event->from) {
		put_number(w, event->from_len);
		put_bytes(w, event->from, event->from_len);
	}
	w->last.time_ns = event->time_ns;
}

void hw_state_put_known(struct hw_state_writer *w, int64_t ns)
{
	put_byte(w, HW_STATE_KNOWN);
	put_number(w, (uint64_t)ns);
}

void hw_state_put_unread(struct hw_state_writer *w, int64_t ns)
{
	put_byte(w, HW_STATE_UNREAD);
	put_number(w, (uint64_t)ns);
}

static void put_directory(struct hw_state_writer *w, const struct hw_state_scope *scope)
{
	put_number(w, scope->end);
	put_number(w, scope->len);
	put_bytes(w, scope->path, scope->len);
}

void hw_state_put_scope(struct hw_state_writer *w, const struct hw_state_scope *scope)
{
	put_byte(w, HW_STATE_SCOPE);
	put_directory(w, scope);
}

void hw_state_put_gap(struct hw_state_writer *w, uint64_t next_seq,
		      const struct hw_state_scope *scope)
{
	put_byte(w, scope->len ? HW_STATE_GAP : HW_STATE_SKIP);
	put_number(w, next_seq);
	if (scope->len)
		put_directory(w, scope);
}

void hw_state_put_shift(struct hw_state_writer *w, uint64_t after, uint64_t next_seq)
{
	put_byte(w, HW_STATE_SHIFT);
	put_number(w, after);
	put_number(w, next_seq);
}

void hw_state_put_end(struct hw_state_writer *w, uint64_t entries, uint64_t events)
{
	put_byte(w, HW_STATE_END);
	put_number(w, entries);
	put_number(w, events);
}

/* ---- reading ---- */

static unsigned get_byte(struct hw_state_reader *r)
{
	if (r->at == r->end) {
		r->bad = true;
		return 0;
	}
	return *r->at++;
}

static uint64_t get_number(struct hw_state_reader *r)
{
	uint64_t n = 0;
	unsigned shift = 0, byte;

	do {
		byte = get_byte(r);
		if (shift == 63 && byte > 1)
			r->bad = true;
		n |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && shift < 64 && !r->bad);
	r->bad |= (byte & 0x80) != 0;
	return n;
}

static uint64_t get_difference(struct hw_state_reader *r, uint64_t before)
{
	uint64_t n = get_number(r);

	return before + (n >> 1 ^ (n & 1 ? UINT64_MAX : 0));
}

static uint32_t get_small(struct hw_state_reader *r, uint64_t number, uint32_t max)
{
	r->bad |= number > max;
	return (uint32_t)number;
}

static uint32_t get_word(struct hw_state_reader *r)
{
	uint32_t word = 0;

	for (unsigned i = 0; i < 4; i++)
		word |= (uint32_t)get_byte(r) << (8 * i);
	return word;
}

static const char *get_bytes(struct hw_state_reader *r, size_t len)
{
	const char *bytes = (const char *)r->at;

	if ((size_t)(r->end - r->at) < len) {
		r->bad = true;
		return "";
	}
	r->at += len;
	return bytes;
}

static void get_place(struct hw_state_reader *r, unsigned omitted, struct hw_state_record *ret)
{
	struct hw_entry *e = &ret->entry;

	ret->id = get_small(r, get_difference(r, r->last.id), UINT32_MAX - 1);
	e->parent = omitted & SAME_PARENT
			    ? r->last.parent
			    : get_small(r, get_difference(r, r->last.parent), UINT32_MAX - 1);
	e->name_len = (uint8_t)get_byte(r);
	ret->name = get_bytes(r, e->name_len);
	if (!r->bad)
		r->bad = !ret->id || (e->name_len && !hw_state_is_name(ret->name, e->name_len));
}

static void get_kind(struct hw_state_reader *r, unsigned omitted, struct hw_entry *e)
{
	if (omitted & SAME_KIND) {
		e->fs = r->last.fs;
		e->type = r->last.type;
		e->identity = r->last.identity;
	} else {
		e->fs = (uint16_t)get_small(r, get_number(r), HW_FILESYSTEMS_MAX - 1);
		e->type = (uint8_t)get_byte(r);
		e->identity = (uint8_t)get_byte(r);
	}
	r->bad |=
		e->type == HW_TYPE_NONE || e->type > HW_TYPE_OTHER || e->identity > HW_UNIDENTIFIED;
}

static void get_entry(struct hw_state_reader *r, struct hw_state_record *ret)
{
	struct hw_entry *e = &ret->entry;
	unsigned omitted = get_byte(r);

	*e = (struct hw_entry){ 0 };
	r->bad |= omitted > 0x7f;
	get_place(r, omitted, ret);
	get_kind(r, omitted, e);
	e->ino = get_difference(r, r->last.ino);
	e->mtime_ns = (int64_t)get_difference(r, (uint64_t)r->last.mtime_ns);
	e->ctime_ns = omitted & CTIME_IS_MTIME ? e->mtime_ns
					       : (int64_t)get_difference(r, (uint64_t)e->mtime_ns);
	if (e->type != HW_TYPE_DIR)
		e->size = get_number(r);
	e->attr = omitted & SAME_ATTR ? r->last.attr : get_word(r);
	e->nlink = omitted & ONE_LINK ? 1 : (uint16_t)get_small(r, get_number(r), UINT16_MAX);
	e->flags = omitted & NO_FLAGS ? 0 : (uint8_t)get_byte(r);
	e->ident = omitted & IDENT_IS_CTIME ? fold(e->ctime_ns) : get_word(r);
	r->bad |= e->flags & ~KEPT;
	remember(&r->last, ret->id, e);
}

static void get_path(struct hw_state_reader *r, const char **ret, uint32_t *ret_len)
{
	*ret_len = get_small(r, get_number(r), HW_PATH_MAX);
	*ret = get_bytes(r, *ret_len);
}

static void get_event(struct hw_state_reader *r, struct hw_event *event)
{
	unsigned absent;

	*event = (struct hw_event){ .struct_size = sizeof(*event) };
	event->kind = (uint8_t)get_byte(r);
	event->type = (uint8_t)get_byte(r);
	event->flags = (uint16_t)get_small(r, get_number(r), UINT16_MAX);
	event->time_ns = (int64_t)get_difference(r, (uint64_t)r->last.time_ns);
	absent = get_byte(r);
	if (!(absent & ABSENT))
		get_path(r, &event->path, &event->path_len);
	if (!(absent & NO_FROM))
		get_path(r, &event->from, &event->from_len);
	r->last.time_ns = event->time_ns;
	r->bad = r->bad || !hw_state_is_event(event);
}

static void get_directory(struct hw_state_reader *r, struct hw_state_record *ret)
{
	ret->scope_end = get_number(r);
	ret->scope_len = get_small(r, get_number(r), HW_STATE_SCOPE_MAX);
	ret->scope = get_bytes(r, ret->scope_len);
	r->bad = r->bad || ret->scope_end > HW_STATE_SEQ_MAX ||
		 (ret->scope_len && !hw_state_is_path(ret->scope, ret->scope_len));
}

bool hw_state_get(struct hw_state_reader *r, struct hw_state_record *ret)
{
	if (r->bad || r->at == r->end)
		return false;
	ret->tag = get_byte(r);
	switch (ret->tag) {
	case HW_STATE_ENTRY:
		get_entry(r, ret);
		break;
	case HW_STATE_GONE:
		ret->id = get_small(r, get_difference(r, r->last.id), UINT32_MAX - 1);
		r->last.id = ret->id;
		r->bad |= !ret->id;
		break;
	case HW_STATE_EVENT:
		get_event(r, &ret->event);
		break;
	case HW_STATE_KNOWN:
		ret->known_ns = (int64_t)get_number(r);
		break;
	case HW_STATE_UNREAD:
		ret->unread_ns = (int64_t)get_number(r);
		break;
	case HW_STATE_SCOPE:
		get_directory(r, ret);
		break;
	case HW_STATE_SKIP:
	case HW_STATE_GAP:
		ret->next_seq = get_number(r);
		ret->scope_len = 0;
		if (ret->tag == HW_STATE_GAP)
			get_directory(r, ret);
		break;
	case HW_STATE_SHIFT:
		ret->after = get_number(r);
		ret->next_seq = get_number(r);
		break;
	case HW_STATE_END:
		ret->entries = get_number(r);
		ret->events = get_number(r);
		break;
	default:
		r->bad = true;
	}
	return !r->bad;
}
