/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ahead.h"

#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 4096u
#define DEPTH_MAX 16u
#define PATH_ROOM ((DEPTH_MAX + 2) * (HW_NAME_MAX + 1))

struct walk {
	struct hw_share *share;
	const struct hw_ahead_place *place;
	char *path; /* of the directory that is listed, below that of the place; room: PATH_ROOM */
	const struct hw_ahead *how;
	uint32_t *budget; /* entries that may be examined */
};

/* Returns false if a mount point or an error hides the state of the entry. */
static bool state_of(const struct walk *walk, const struct hw_found *found, struct hw_stat *ret)
{
	int fs = found->error || found->foreign
			 ? -1
			 : hw_disk_filesystem(&walk->share->disk, found->dev);

	*ret = found->stat;
	ret->fs = (uint16_t)fs;
	return fs >= 0;
}

/* Appends a slash and a name to a path of `len` bytes. Returns its new length. */
static size_t append(const struct walk *walk, size_t len, const char *name, size_t name_len)
{
	if (len)
		walk->path[len++] = '/';
	memcpy(walk->path + len, name, name_len);
	return len + name_len;
}

/* Excluded entries do not exist for the share: marks them as such. */
static void leave_out(const struct walk *walk, size_t len, struct hw_listing *listing)
{
	for (uint32_t i = 0; i < listing->count && walk->share->filter.count; i++) {
		struct hw_found *found = &listing->found[i];
		size_t end = append(walk, len, listing->names + found->name, found->name_len);

		if (hw_share_is_excluded(walk->share, walk->place->dir, walk->path, end,
					 found->stat.type == HW_TYPE_DIR))
			found->error = ENOENT;
	}
}

static bool visit_all(const struct walk *walk, int fd, const struct hw_listing *listing)
{
	struct hw_stat stat;

	for (uint32_t i = 0; i < listing->count; i++) {
		const struct hw_found *found = &listing->found[i];

		if (state_of(walk, found, &stat) &&
		    walk->how->visit(walk->how->arg, fd, listing->names + found->name, &stat))
			return true;
	}
	return false;
}

/* Keeps the listing while directories in it are walked. Returns whether a visit ended the walk. */
static bool walk_dir(const struct walk *walk, int fd, size_t len, unsigned depth)
{
	struct hw_listing listing = { 0 };
	struct hw_stat self;
	bool ended;

	if (hw_disk_stat_fd(&walk->share->disk, fd, &self) < 0)
		return false;
	hw_share_list(walk->share, fd, *walk->budget < AT_ONCE ? *walk->budget : AT_ONCE, self.fs,
		      &listing);
	*walk->budget -= listing.count < *walk->budget ? listing.count : *walk->budget;
	leave_out(walk, len, &listing);
	ended = visit_all(walk, fd, &listing);
	for (uint32_t i = 0; i < listing.count && !ended && depth && *walk->budget; i++)
		if (!listing.found[i].error && listing.found[i].stat.type == HW_TYPE_DIR) {
			const char *name = listing.names + listing.found[i].name;
			int below = hw_disk_openat(&walk->share->disk, fd, name,
						   O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

			if (below < 0)
				continue;
			ended = walk_dir(walk, below,
					 append(walk, len, name, listing.found[i].name_len),
					 depth - 1);
			close(below);
		}
	hw_list_free(&listing);
	return ended;
}

void hw_ahead_walk(struct hw_share *share, const struct hw_ahead_place *place,
		   const struct hw_ahead *how, uint32_t *budget)
{
	int parent = hw_disk_dir(&share->disk, place->dir), fd;
	char name[HW_NAME_MAX + 1], path[PATH_ROOM];
	const struct walk walk = {
		.share = share, .place = place, .path = path, .how = how, .budget = budget
	};

	if (parent < 0)
		return;
	memcpy(name, place->name, place->len);
	name[place->len] = '\0';
	fd = hw_disk_openat(&share->disk, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return;
	(void)walk_dir(&walk, fd, append(&walk, 0, name, place->len), DEPTH_MAX);
	close(fd);
}
