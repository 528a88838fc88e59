// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the server answered since the current write began. All events of a write happened before it,
 * so an answer includes them, and the events of one entry need only one request. An answer is not
 * used if a program of this guest changed the cached entry since.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/jhash.h>

static u64 hash_of(const struct qstr *name)
{
	u32 low = jhash(name->name, name->len, 0x68777461);

	return low | (u64)jhash(name->name, name->len, low) << 32;
}

static struct hw_asked *slot_of(struct hw_file *f, const struct hw_object *dir, u64 name)
{
	u32 hash = hw_object_hash(dir) ^ (u32)name ^ (u32)(name >> 32);

	return &f->asked[hash % HW_ASKED_MAX];
}

static struct hw_asked *find(struct hw_file *f, const struct hw_object *dir, u64 name)
{
	struct hw_asked *a = slot_of(f, dir, name);

	return a->batch == f->batch && a->name == name && hw_is_same(&a->dir, dir) ? a : NULL;
}

static void add(struct hw_file *f, const struct hw_object *dir, u64 name,
		const struct hw_object *entry)
{
	*slot_of(f, dir, name) = (struct hw_asked){
		.batch = f->batch,
		.dir = *dir,
		.name = name,
		.entry = *entry,
	};
}

void hw_asked_name(struct hw_file *f, struct hw_place *place, struct dentry *answer)
{
	struct hw_object dir = hw_object_of(d_inode(place->dir)), entry = {};

	if (!IS_ERR(answer))
		entry = hw_object_of(d_inode(answer));
	else if (PTR_ERR(answer) != -ENOENT)
		return;
	add(f, &dir, hash_of(&place->name), &entry);
}

struct dentry *hw_place_get(struct hw_file *f, struct hw_place *place)
{
	struct hw_object dir = hw_object_of(d_inode(place->dir)), entry = {};
	struct hw_asked *a = find(f, &dir, hash_of(&place->name));
	struct dentry *cached = a ? hw_place_cached(place) : NULL;
	bool exists = cached && d_is_positive(cached);

	if (exists)
		entry = hw_object_of(d_inode(cached));
	if (a && hw_is_same(&a->entry, &entry) && exists)
		return cached;
	dput(cached);
	return a && !exists && !a->entry.number ? ERR_PTR(-ENOENT) : hw_place_ask(f, place);
}

void hw_refresh_dir(struct hw_file *f, struct dentry *dir)
{
	struct hw_object object = hw_object_of(d_inode(dir));

	if (!find(f, &object, 0)) {
		/* on failure it is gone: its own delete will follow */
		(void)hw_refresh(f, dir);
		add(f, &object, 0, &object);
	}
	hw_forget_data(d_inode(dir));
}
