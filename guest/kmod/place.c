// SPDX-License-Identifier: GPL-2.0-only
#include "hostwatch.h"

#include "compat.h"

/* The hash function depends on the directory's file system. */
static int set_name(struct hw_place *place, struct dentry *dir, const char *name, size_t len)
{
	memcpy(place->text, name, len);
	place->text[len] = '\0';
	place->name.name = place->text;
	place->name.len = len;
	place->name.hash = full_name_hash(dir, place->text, len);
	if (dir->d_flags & DCACHE_OP_HASH)
		return dir->d_op->d_hash(dir, &place->name);
	return 0;
}

struct dentry *hw_place_cached(struct hw_place *place)
{
	return d_lookup(place->dir, &place->name);
}

struct dentry *hw_place_ask(struct hw_file *f, struct hw_place *place)
{
	struct path path;
	int r;

	hw_count(f, HW_LOOKUPS);
	r = vfs_path_lookup(place->dir, f->mnt, place->text, LOOKUP_REVAL | LOOKUP_NO_XDEV, &path);
	if (r == 0)
		mntput(path.mnt);
	else
		path.dentry = ERR_PTR(r);
	hw_asked_name(f, place, path.dentry);
	return path.dentry;
}

/* Walks one component. A cached negative dentry may be stale, so the server is also asked in that
 * case. */
static struct dentry *step(struct hw_file *f, struct hw_place *place, bool ask)
{
	struct dentry *child = hw_place_cached(place);

	if (!child || d_is_negative(child)) {
		dput(child);
		if (!ask)
			return ERR_PTR(-EAGAIN);
		child = hw_place_ask(f, place);
		if (IS_ERR(child))
			return child;
	}
	if (!d_can_lookup(child) || (child->d_flags & DCACHE_NEED_AUTOMOUNT)) {
		dput(child);
		return ERR_PTR(-ENOTDIR);
	}
	return child;
}

int hw_place_find(struct hw_file *f, const char *path, u32 len, bool ask, struct hw_place *ret)
{
	const char *end = path + len;
	int r;

	ret->dir = dget(f->mnt->mnt_root);
	for (;;) {
		const char *slash = memchr(path, '/', end - path);
		struct dentry *child;

		r = set_name(ret, ret->dir, path, (slash ? slash : end) - path);
		if (r == 0 && !slash)
			return 0;
		child = r == 0 ? step(f, ret, ask) : ERR_PTR(r);
		hw_place_put(ret);
		if (IS_ERR(child))
			return PTR_ERR(child);
		ret->dir = child;
		path = slash + 1;
	}
}

void hw_place_put(struct hw_place *place)
{
	dput(place->dir);
	place->dir = NULL;
}

struct dentry *hw_path_find(struct hw_file *f, const char *path, u32 len, bool ask)
{
	struct dentry *dentry;
	int r;

	if (len == 0)
		return dget(f->mnt->mnt_root);
	r = hw_place_find(f, path, len, ask, &f->place);
	if (r < 0)
		return ERR_PTR(r);
	dentry = step(f, &f->place, ask);
	hw_place_put(&f->place);
	return dentry;
}
