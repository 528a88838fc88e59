/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "brief.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>

#define SLOTS 8192u /* a record has at least 48 bytes, so a batch fills at most a third */
_Static_assert(HW_BRIEF_BYTES / 48 <= SLOTS / 3, "there is always a free slot");
#define LINKED 4096u

#define BOTH (FAN_CREATE | FAN_DELETE)

struct hw_brief_inode {
	struct hw_handle_key key;
	uint32_t batch; /* the slot is free unless this is the current batch */
	uint16_t names; /* records with a name; a rename counts as two */
	bool linked; /* its link count changed before a record with a name */
};

int hw_brief_init(struct hw_brief *brief)
{
	*brief = (struct hw_brief){
		.inodes = calloc(SLOTS, sizeof(*brief->inodes)),
		.linked = calloc(LINKED, sizeof(*brief->linked)),
	};
	if (brief->inodes && brief->linked)
		return 0;
	hw_brief_finish(brief);
	return -ENOMEM;
}

void hw_brief_finish(struct hw_brief *brief)
{
	free(brief->inodes);
	free(brief->linked);
	*brief = (struct hw_brief){ 0 };
}

static bool is_link_count(const struct hw_record *record)
{
	return record->mask & FAN_ATTRIB && !record->at.name;
}

static uint64_t mark_of(const struct hw_handle_key *key)
{
	uint64_t mark;

	memcpy(&mark, key->words, sizeof(mark));
	return mark | 1; /* 0 marks a free slot */
}

static uint64_t *linked_place(const struct hw_brief *brief, uint64_t mark)
{
	return &brief->linked[mark >> 1 & (LINKED - 1)];
}

static struct hw_brief_inode *find(const struct hw_brief *brief, const struct hw_handle_key *key)
{
	uint32_t slot = key->words[1] & (SLOTS - 1);
	struct hw_brief_inode *inode;

	for (;; slot = (slot + 1) & (SLOTS - 1)) {
		inode = &brief->inodes[slot];
		if (inode->batch != brief->batch || memcmp(&inode->key, key, sizeof(*key)) == 0)
			return inode;
	}
}

static void note(struct hw_brief *brief, const struct hw_handle_seed *seed,
		 const struct hw_record *record)
{
	struct hw_handle_key key;
	struct hw_brief_inode *inode;

	if (!record->object.bytes)
		return;
	key = hw_handle_key(seed, &record->object);
	inode = find(brief, &key);
	if (inode->batch != brief->batch)
		*inode = (struct hw_brief_inode){ .key = key, .batch = brief->batch };
	if (is_link_count(record))
		inode->linked |= !inode->names;
	else if (inode->names < UINT16_MAX)
		inode->names = (uint16_t)(inode->names + (record->mask & FAN_RENAME ? 2 : 1));
}

/* Reads only the heads of the records, so that a batch without brief files costs little. */
static bool may_be_brief(const char *bytes, size_t len)
{
	struct fanotify_event_metadata event;

	for (; len >= sizeof(event); bytes += event.event_len, len -= event.event_len) {
		memcpy(&event, bytes, sizeof(event));
		if (event.event_len < sizeof(event) || event.event_len > len)
			return false;
		if ((event.mask & BOTH) == BOTH)
			return true;
	}
	return false;
}

void hw_brief_begin(struct hw_brief *brief, const struct hw_handle_seed *seed, const char *bytes,
		    size_t len)
{
	struct hw_record record;

	brief->usable = brief->inodes && len <= HW_BRIEF_BYTES && may_be_brief(bytes, len);
	if (!brief->usable)
		return;
	if (++brief->batch == 0) { /* the number wrapped: old slots may contain it */
		memset(brief->inodes, 0, SLOTS * sizeof(*brief->inodes));
		brief->batch = 1;
	}
	for (; len; bytes += record.len, len -= record.len) {
		if (hw_record_parse(bytes, len, &record) < 0) {
			brief->usable = false;
			return;
		}
		note(brief, seed, &record);
	}
}

void hw_brief_skip(struct hw_brief *brief)
{
	brief->usable = false;
}

bool hw_brief_take(struct hw_brief *brief, const struct hw_handle_seed *seed,
		   const struct hw_record *record)
{
	bool both = (record->mask & (BOTH | FAN_RENAME)) == BOTH;
	const struct hw_brief_inode *inode;
	struct hw_handle_key key;
	uint64_t mark;

	if (!brief->linked || !record->object.bytes || !(is_link_count(record) || both))
		return false;
	key = hw_handle_key(seed, &record->object);
	mark = mark_of(&key);
	if (is_link_count(record)) {
		*linked_place(brief, mark) = mark;
		return false;
	}
	inode = brief->usable ? find(brief, &key) : NULL;
	return inode && inode->batch == brief->batch && inode->names == 1 && !inode->linked &&
	       *linked_place(brief, mark) != mark;
}
