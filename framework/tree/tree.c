/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL /* names are short: a call would take as long as the hash */
#include <xxhash.h>

/* ---- the two indexes ---- */

static uint32_t hash_name(const struct hw_tree *tree, uint32_t dir, const char *name, size_t len)
{
	return (uint32_t)XXH3_64bits_withSeed(name, len,
					      tree->seed + dir * UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t hash_ino(const struct hw_tree *tree, uint16_t fs, uint64_t ino)
{
	uint64_t h = (ino + tree->seed + fs) * UINT64_C(0x9e3779b97f4a7c15);

	/* The index uses the low bits. After a single multiplication, these are not uniform for
	 * consecutive numbers. */
	h = (h ^ (h >> 32)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32);
}

static uint32_t name_hash(const void *owner, uint32_t id)
{
	const struct hw_tree *tree = owner;
	const struct hw_entry *e = hw_tree_entry(tree, id);

	return hash_name(tree, e->parent, hw_names_get(&tree->names, e->name_ref), e->name_len);
}

static uint32_t *name_next(void *owner, uint32_t id)
{
	return &hw_tree_entry(owner, id)->name_link;
}

static uint32_t ino_hash(const void *owner, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(owner, id);

	return hash_ino(owner, e->fs, e->ino);
}

static uint32_t *ino_next(void *owner, uint32_t id)
{
	return &hw_tree_entry(owner, id)->ino_link;
}

static void ino_note(void *owner, uint32_t id, uint32_t before)
{
	struct hw_entry *e = hw_tree_entry(owner, id);

	if (e->type != HW_TYPE_DIR)
		e->ino_before = (uint16_t)before;
}

/* Tries each id whose lower half was noted: fewer than the names of an inode that make it worth it.
 */
static uint32_t ino_before(const void *owner, uint32_t id)
{
	const struct hw_tree *tree = owner;
	const struct hw_entry *e = hw_tree_entry(tree, id);

	if (e->type == HW_TYPE_DIR)
		return 0;
	for (uint64_t before = e->ino_before; before < tree->used; before += UINT16_MAX + 1u)
		if (before >= HW_ROOT && hw_tree_entry(tree, (uint32_t)before)->ino_link == id)
			return (uint32_t)before;
	return 0;
}

static void name_prefetch(const void *owner, uint32_t id)
{
	const struct hw_tree *tree = owner;

	__builtin_prefetch(hw_names_get(&tree->names, hw_tree_entry(tree, id)->name_ref));
}

static const struct hw_index_ops name_ops = {
	.hash = name_hash,
	.next = name_next,
	.prefetch = name_prefetch,
};
static const struct hw_index_ops ino_ops = {
	.hash = ino_hash,
	.next = ino_next,
	.note = ino_note,
	.before = ino_before,
};

/* ---- entries ---- */

static int add_chunk(struct hw_tree *tree)
{
	if (tree->chunk_count == tree->chunk_room) {
		uint32_t room = tree->chunk_room ? tree->chunk_room * 2 : 16;
		struct hw_entry **chunks = realloc(tree->chunks, room * sizeof(*chunks));

		if (!chunks)
			return -ENOMEM;
		tree->chunks = chunks;
		tree->chunk_room = room;
	}
	struct hw_entry *chunk = malloc(HW_TREE_CHUNK * sizeof(*chunk));

	if (!chunk)
		return -ENOMEM;
	tree->chunks[tree->chunk_count++] = chunk;
	return 0;
}

static uint32_t take_id(struct hw_tree *tree)
{
	uint32_t id = tree->free;

	if (id) {
		tree->free = hw_tree_entry(tree, id)->name_link;
	} else {
		if (tree->used == UINT32_MAX)
			return 0;
		if (tree->used >> HW_TREE_CHUNK_BITS >= tree->chunk_count && add_chunk(tree) < 0)
			return 0;
		id = tree->used++;
	}
	memset(hw_tree_entry(tree, id), 0, sizeof(struct hw_entry));
	return id;
}

static void give_id(struct hw_tree *tree, uint32_t id)
{
	struct hw_entry *e = hw_tree_entry(tree, id);

	e->type = HW_TYPE_NONE;
	e->flags = 0;
	e->name_link = tree->free;
	tree->free = id;
}

static void copy_stat(struct hw_entry *e, const struct hw_stat *stat)
{
	e->mtime_ns = stat->mtime_ns;
	e->ctime_ns = stat->ctime_ns;
	e->attr = stat->attr;
	e->nlink = (uint16_t)stat->nlink;
	if (stat->type != HW_TYPE_DIR)
		e->size = stat->size;
}

static void set_stat(struct hw_tree *tree, struct hw_entry *e, const struct hw_stat *stat)
{
	e->ino = stat->ino;
	e->fs = stat->fs;
	e->ident = stat->ident;
	e->identity = stat->identity;
	e->type = stat->type;
	if (stat->type == HW_TYPE_DIR) {
		e->dir.first_child = 0;
		e->dir.serial = ++tree->serial;
		e->watcher = UINT8_MAX;
	}
	copy_stat(e, stat);
}

int hw_tree_init(struct hw_tree *tree)
{
	static const struct hw_stat nothing = { .type = HW_TYPE_DIR };

	memset(tree, 0, sizeof(*tree));
	tree->used = HW_ROOT;
	/* With unseeded hashes, names could be chosen to collide. */
	if (getrandom(&tree->seed, sizeof(tree->seed), 0) != sizeof(tree->seed))
		return -EIO;
	int r = hw_index_init(&tree->by_name);

	if (r == 0)
		r = hw_index_init(&tree->by_ino);
	if (r == 0 && !take_id(tree))
		r = -ENOMEM;
	if (r < 0) {
		hw_tree_free(tree);
		return r;
	}
	set_stat(tree, hw_tree_entry(tree, HW_ROOT), &nothing);
	hw_index_add(&tree->by_ino, &ino_ops, tree, HW_ROOT);
	tree->entries = tree->directories = 1;
	return 0;
}

void hw_tree_free(struct hw_tree *tree)
{
	for (uint32_t i = 0; i < tree->chunk_count; i++)
		free(tree->chunks[i]);
	free(tree->chunks);
	hw_names_free_all(&tree->names);
	hw_index_free(&tree->by_name);
	hw_index_free(&tree->by_ino);
	memset(tree, 0, sizeof(*tree));
}

/* ---- places ---- */

static void link_sibling(struct hw_tree *tree, uint32_t id, uint32_t dir)
{
	struct hw_entry *e = hw_tree_entry(tree, id), *d = hw_tree_entry(tree, dir);

	e->parent = dir;
	e->prev_sibling = 0;
	e->next_sibling = d->dir.first_child;
	if (e->next_sibling)
		hw_tree_entry(tree, e->next_sibling)->prev_sibling = id;
	d->dir.first_child = id;
}

static void link_child(struct hw_tree *tree, uint32_t id, uint32_t dir)
{
	link_sibling(tree, id, dir);
	hw_index_add(&tree->by_name, &name_ops, tree, id);
}

static void unlink_child(struct hw_tree *tree, uint32_t id)
{
	struct hw_entry *e = hw_tree_entry(tree, id);

	tree->places++;
	hw_index_remove(&tree->by_name, &name_ops, tree, id);
	if (e->prev_sibling)
		hw_tree_entry(tree, e->prev_sibling)->next_sibling = e->next_sibling;
	else
		hw_tree_entry(tree, e->parent)->dir.first_child = e->next_sibling;
	if (e->next_sibling)
		hw_tree_entry(tree, e->next_sibling)->prev_sibling = e->prev_sibling;
}

static bool is_named(const struct hw_tree *tree, uint32_t id, uint32_t dir, const char *name,
		     size_t len)
{
	const struct hw_entry *e = hw_tree_entry(tree, id);

	return e->parent == dir && e->name_len == len &&
	       memcmp(hw_names_get(&tree->names, e->name_ref), name, len) == 0;
}

static uint32_t find(const struct hw_tree *tree, uint32_t hash, uint32_t dir, const char *name,
		     size_t len)
{
	uint32_t id = hw_index_head(&tree->by_name, hash);

	while (id && !is_named(tree, id, dir, name, len))
		id = hw_tree_entry(tree, id)->name_link;
	return id;
}

uint32_t hw_tree_find(const struct hw_tree *tree, uint32_t dir, const char *name, size_t len)
{
	return find(tree, hash_name(tree, dir, name, len), dir, name, len);
}

uint32_t hw_tree_find_near(const struct hw_tree *tree, uint32_t near, uint32_t dir,
			   const char *name, size_t len)
{
	const struct hw_entry *e = near ? hw_tree_entry(tree, near) : NULL;

	if (e && e->next_sibling && is_named(tree, e->next_sibling, dir, name, len))
		return e->next_sibling;
	if (e && e->prev_sibling && is_named(tree, e->prev_sibling, dir, name, len))
		return e->prev_sibling;
	return hw_tree_find(tree, dir, name, len);
}

int hw_tree_reserve(struct hw_tree *tree, const char *name, size_t len)
{
	uint32_t ref = hw_names_add(&tree->names, name, len);
	uint32_t id = ref ? take_id(tree) : 0;

	if (ref)
		hw_names_remove(&tree->names, ref, len);
	if (!id)
		return -ENOMEM;
	give_id(tree, id);
	return 0;
}

uint32_t hw_tree_add(struct hw_tree *tree, uint32_t dir, const char *name, size_t len,
		     const struct hw_stat *stat)
{
	uint32_t by_name = hash_name(tree, dir, name, len);
	uint32_t by_ino = hash_ino(tree, stat->fs, stat->ino);

	hw_index_prefetch(&tree->by_name, by_name);
	hw_index_prefetch(&tree->by_ino, by_ino);
	uint32_t ref = hw_names_add(&tree->names, name, len);

	if (!ref)
		return 0;
	uint32_t id = take_id(tree);

	if (!id) {
		hw_names_remove(&tree->names, ref, len);
		return 0;
	}
	struct hw_entry *e = hw_tree_entry(tree, id);

	set_stat(tree, e, stat);
	e->name_ref = ref;
	e->name_len = (uint8_t)len;
	link_sibling(tree, id, dir);
	hw_index_add_hashed(&tree->by_name, &name_ops, tree, id, by_name);
	hw_index_add_hashed(&tree->by_ino, &ino_ops, tree, id, by_ino);
	tree->entries++;
	tree->directories += e->type == HW_TYPE_DIR;
	hw_tree_note(tree, id);
	return id;
}

void hw_tree_remove(struct hw_tree *tree, uint32_t id)
{
	struct hw_entry *e = hw_tree_entry(tree, id);

	hw_tree_note(tree, id);
	tree->entries--;
	tree->directories -= e->type == HW_TYPE_DIR;
	hw_index_remove(&tree->by_ino, &ino_ops, tree, id);
	unlink_child(tree, id);
	hw_names_remove(&tree->names, e->name_ref, e->name_len);
	give_id(tree, id);
}

int hw_tree_move(struct hw_tree *tree, uint32_t id, uint32_t dir, const char *name, size_t len)
{
	struct hw_entry *e = hw_tree_entry(tree, id);
	uint32_t ref = hw_names_add(&tree->names, name, len);

	if (!ref)
		return -ENOMEM;
	hw_tree_note(tree, id);
	unlink_child(tree, id);
	hw_names_remove(&tree->names, e->name_ref, e->name_len);
	e->name_ref = ref;
	e->name_len = (uint8_t)len;
	link_child(tree, id, dir);
	return 0;
}

void hw_tree_swap(struct hw_tree *tree, uint32_t a, uint32_t b)
{
	struct hw_entry *x = hw_tree_entry(tree, a), *y = hw_tree_entry(tree, b);
	uint32_t dir_a = x->parent, dir_b = y->parent, ref = x->name_ref;
	uint8_t len = x->name_len;

	hw_tree_note(tree, a);
	hw_tree_note(tree, b);
	unlink_child(tree, a);
	unlink_child(tree, b);
	x->name_ref = y->name_ref;
	x->name_len = y->name_len;
	y->name_ref = ref;
	y->name_len = len;
	link_child(tree, a, dir_b);
	link_child(tree, b, dir_a);
}

uint32_t hw_tree_attr_seen(const struct hw_entry *e, const struct hw_stat *stat)
{
	return e->attr == stat->attr ? e->attr : HW_ATTR_UNKNOWN;
}

void hw_tree_update(struct hw_tree *tree, uint32_t id, const struct hw_stat *stat)
{
	struct hw_entry *e = hw_tree_entry(tree, id);

	hw_tree_note(tree, id);
	if (e->ino != stat->ino || e->fs != stat->fs) {
		hw_index_remove(&tree->by_ino, &ino_ops, tree, id);
		e->ino = stat->ino;
		e->fs = stat->fs;
		hw_index_add(&tree->by_ino, &ino_ops, tree, id);
	}
	e->ident = stat->ident;
	e->identity = stat->identity;
	e->type = stat->type;
	e->flags &= (uint8_t)~HW_ENTRY_STALE;
	copy_stat(e, stat);
}

void hw_tree_prefetch_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino)
{
	uint32_t id = hw_index_head(&tree->by_ino, hash_ino(tree, fs, ino));

	if (id)
		__builtin_prefetch(hw_tree_entry(tree, id));
}

uint32_t hw_tree_same_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino, uint32_t after)
{
	uint32_t id = after ? hw_tree_entry(tree, after)->ino_link
			    : hw_index_head(&tree->by_ino, hash_ino(tree, fs, ino));

	while (id) {
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if (e->ino == ino && e->fs == fs)
			return id;
		id = e->ino_link;
	}
	return 0;
}

/* ---- filling a tree whose ids are known ---- */

static int make_ids(struct hw_tree *tree, uint32_t end)
{
	while ((uint64_t)tree->chunk_count * HW_TREE_CHUNK < end)
		if (add_chunk(tree) < 0)
			return -ENOMEM;
	for (; tree->used < end; tree->used++)
		memset(hw_tree_entry(tree, tree->used), 0, sizeof(struct hw_entry));
	return 0;
}

void hw_tree_drop(struct hw_tree *tree, uint32_t id)
{
	if (id >= tree->used)
		return;
	struct hw_entry *e = hw_tree_entry(tree, id);

	if (e->name_ref)
		hw_names_remove(&tree->names, e->name_ref, e->name_len);
	memset(e, 0, sizeof(*e));
}

int hw_tree_put(struct hw_tree *tree, uint32_t id, const struct hw_entry *entry, const char *name)
{
	uint32_t ref = entry->name_len ? hw_names_add(&tree->names, name, entry->name_len) : 0;

	if (id < HW_ROOT || id == UINT32_MAX || (entry->name_len && !ref))
		return id < HW_ROOT || id == UINT32_MAX ? -EINVAL : -ENOMEM;
	if (make_ids(tree, id + 1) < 0)
		return -ENOMEM;
	hw_tree_drop(tree, id);
	struct hw_entry *e = hw_tree_entry(tree, id);

	*e = *entry;
	e->name_ref = ref;
	e->ino_link = e->name_link = e->next_sibling = e->prev_sibling = 0;
	e->renamed = e->active = 0;
	e->watcher = UINT8_MAX;
	if (e->type == HW_TYPE_DIR) {
		e->dir.first_child = 0;
		e->dir.serial = 0;
	}
	return 0;
}

/* Entries are linked in batches, so that their accesses to memory overlap. */
#define BATCH 32u

struct batch {
	uint32_t ids[BATCH], names[BATCH], inodes[BATCH]; /* hashes */
	unsigned count;
};

static bool has_parent(const struct hw_tree *tree, const struct hw_entry *e, uint32_t id)
{
	if (id == HW_ROOT)
		return e->type == HW_TYPE_DIR && !e->parent && !e->name_len;
	return e->parent >= HW_ROOT && e->parent < tree->used && e->name_len &&
	       hw_tree_entry(tree, e->parent)->type == HW_TYPE_DIR;
}

static void prefetch_batch(const struct hw_tree *tree, struct batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		uint32_t id = batch->ids[i];

		batch->inodes[i] = ino_hash(tree, id);
		hw_index_prefetch(&tree->by_ino, batch->inodes[i]);
		batch->names[i] = hw_tree_entry(tree, id)->name_len ? name_hash(tree, id) : 0;
		hw_index_prefetch(&tree->by_name, batch->names[i]);
	}
	for (unsigned i = 0; i < batch->count; i++) {
		uint32_t head = hw_index_head(&tree->by_name, batch->names[i]);

		if (head)
			__builtin_prefetch(&hw_tree_entry(tree, head)->parent);
	}
}

/* Returns false if a parent is missing or a name is used twice. Empties the batch. */
static bool link_batch(struct hw_tree *tree, struct batch *batch)
{
	prefetch_batch(tree, batch);
	for (unsigned i = 0; i < batch->count; i++) {
		uint32_t id = batch->ids[i], hash = batch->names[i];
		struct hw_entry *e = hw_tree_entry(tree, id);

		if (!has_parent(tree, e, id))
			return false;
		if (id != HW_ROOT) {
			if (find(tree, hash, e->parent, hw_tree_name(tree, id), e->name_len))
				return false;
			link_sibling(tree, id, e->parent);
			hw_index_add_hashed(&tree->by_name, &name_ops, tree, id, hash);
		}
		hw_index_add_hashed(&tree->by_ino, &ino_ops, tree, id, batch->inodes[i]);
		if (e->type == HW_TYPE_DIR) {
			e->dir.serial = ++tree->serial;
			tree->directories++;
		}
		tree->entries++;
	}
	batch->count = 0;
	return true;
}

/* Returns whether the root leads to each directory: marks, from each one up, those that it leads
 * to. A way up that is longer than their number is a circle. */
static bool is_connected(struct hw_tree *tree)
{
	bool connected = true;

	hw_tree_entry(tree, HW_ROOT)->active = 1;
	for (uint32_t id = HW_ROOT; id < tree->used && connected; id++) {
		uint32_t up = id, steps = 0;

		if (hw_tree_entry(tree, id)->type != HW_TYPE_DIR)
			continue;
		for (; !hw_tree_entry(tree, up)->active && connected; steps++) {
			connected = steps < tree->directories;
			up = hw_tree_entry(tree, up)->parent;
		}
		for (up = id; connected && !hw_tree_entry(tree, up)->active;
		     up = hw_tree_entry(tree, up)->parent)
			hw_tree_entry(tree, up)->active = 1;
	}
	for (uint32_t id = HW_ROOT; id < tree->used; id++)
		hw_tree_entry(tree, id)->active = 0;
	return connected;
}

static bool link_all(struct hw_tree *tree)
{
	struct batch batch = { .count = 0 };

	for (uint32_t id = HW_ROOT; id < tree->used; id++) {
		if (hw_tree_entry(tree, id)->type != HW_TYPE_NONE)
			batch.ids[batch.count++] = id;
		if (batch.count == BATCH && !link_batch(tree, &batch))
			return false;
	}
	return link_batch(tree, &batch);
}

int hw_tree_finish(struct hw_tree *tree)
{
	hw_index_free(&tree->by_ino); /* it has the root that hw_tree_init() made */
	if (hw_index_init(&tree->by_ino) < 0 || hw_index_reserve(&tree->by_ino, tree->used) < 0 ||
	    hw_index_reserve(&tree->by_name, tree->used) < 0)
		return -ENOMEM;
	tree->entries = tree->directories = 0;
	if (!link_all(tree))
		return -EINVAL;
	for (uint32_t id = tree->used; id-- > HW_ROOT;)
		if (hw_tree_entry(tree, id)->type == HW_TYPE_NONE)
			give_id(tree, id);
	return hw_tree_entry(tree, HW_ROOT)->type == HW_TYPE_DIR && is_connected(tree) ? 0
										       : -EINVAL;
}

/* ---- tokens ---- */

hw_token hw_tree_token(const struct hw_tree *tree, uint32_t dir)
{
	return (hw_token)hw_tree_entry(tree, dir)->dir.serial << 32 | dir;
}

uint32_t hw_tree_by_token(const struct hw_tree *tree, hw_token token)
{
	uint32_t id = (uint32_t)token;

	if (id < HW_ROOT || id >= tree->used)
		return 0;
	const struct hw_entry *e = hw_tree_entry(tree, id);

	return e->type == HW_TYPE_DIR && e->dir.serial == token >> 32 ? id : 0;
}

size_t hw_tree_bytes(const struct hw_tree *tree)
{
	return (size_t)tree->used * sizeof(struct hw_entry) + tree->chunk_room * sizeof(void *) +
	       hw_names_bytes(&tree->names) +
	       ((size_t)tree->by_name.room + tree->by_ino.room) * sizeof(uint32_t);
}
