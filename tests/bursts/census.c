/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	unsigned char bytes[4096];
	uint64_t hash = FNV_BASIS;
	ssize_t len;

	while (fd >= 0 && (len = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < len; i++)
			hash = (hash ^ bytes[i]) * FNV_PRIME;
	if (fd >= 0)
		(void)close(fd); /* only read */
	return hash;
}

static struct hw_census_entry *grow(struct hw_census *census)
{
	struct hw_census_entry *entries =
		reallocarray(census->entries, census->count + 1, sizeof(*entries));

	if (!entries)
		return NULL;
	census->entries = entries;
	entries[census->count] = (struct hw_census_entry){ 0 };
	return &entries[census->count++];
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int take(struct hw_census *census, int top, const char *path, bool is_outside);

static int take_below(struct hw_census *census, int top, const char *path, bool is_outside)
{
	struct dirent **entries;
	int count = scandirat(top, *path ? path : ".", &entries, no_dots, by_bytes);
	int r = count < 0 ? -errno : 0;

	for (int i = 0; i < count; i++) {
		char *below;

		if (!r &&
		    asprintf(&below, "%s%s%s", path, *path ? "/" : "", entries[i]->d_name) < 0)
			r = -ENOMEM;
		else if (!r) {
			r = take(census, top, below, is_outside);
			free(below);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return r;
}

static int take(struct hw_census *census, int top, const char *path, bool is_outside)
{
	struct hw_census_entry *e = grow(census);

	if (!e)
		return -ENOMEM;
	e->is_outside = is_outside;
	e->path = strdup(path);
	if (!e->path || statx(top, *path ? path : ".", AT_SYMLINK_NOFOLLOW,
			      STATX_BASIC_STATS | STATX_BTIME, &e->st))
		return -errno;
	if (S_ISREG(e->st.stx_mode))
		e->hash = hash_file(top, path);
	return S_ISDIR(e->st.stx_mode) ? take_below(census, top, path, is_outside) : 0;
}

int hw_census_take(const struct hw_world *world, struct hw_census *ret)
{
	static const char *const tops[] = { "share", "outside" };
	int r = 0;

	*ret = (struct hw_census){ 0 };
	for (unsigned i = 0; !r && i < 2; i++) {
		int top = openat(world->fd, tops[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = top < 0 ? -errno : take(ret, top, "", i == 1);
		if (top >= 0)
			(void)close(top); /* only read */
	}
	return r;
}

void hw_census_release(struct hw_census *census)
{
	for (size_t i = 0; i < census->count; i++)
		free(census->entries[i].path);
	free(census->entries);
	*census = (struct hw_census){ 0 };
}

const struct hw_census_entry *hw_census_at(const struct hw_census *census, const char *path)
{
	for (size_t i = 0; i < census->count; i++)
		if (!census->entries[i].is_outside && !strcmp(census->entries[i].path, path))
			return &census->entries[i];
	return NULL;
}

bool hw_census_is_same(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_btime.tv_sec == b->stx_btime.tv_sec &&
	       a->stx_btime.tv_nsec == b->stx_btime.tv_nsec;
}

const struct hw_census_entry *hw_census_inode(const struct hw_census *census,
					      const struct hw_census_entry *other,
					      unsigned *ret_names)
{
	const struct hw_census_entry *found = NULL;

	*ret_names = 0;
	for (size_t i = 0; i < census->count; i++) {
		const struct hw_census_entry *e = &census->entries[i];

		if (!hw_census_is_same(&e->st, &other->st))
			continue;
		*ret_names += !e->is_outside;
		if (!found || found->is_outside)
			found = e;
	}
	return found;
}
