/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ahead.h"

#include "fill.h"

#include <fcntl.h>
#include <unistd.h>

#define AT_ONCE 4096u
#define DEPTH_MAX 16u

/* Directories of one listing that are still to be entered are few: the listing is kept. */
static bool holds(struct hw_share *share, int fd, unsigned depth, uint32_t *budget)
{
	struct hw_listing listing = { 0 };
	struct hw_stat self;
	bool found = false;

	if (hw_disk_stat_fd(&share->disk, fd, &self) < 0)
		return false;
	hw_list_read(fd, *budget < AT_ONCE ? *budget : AT_ONCE,
		     hw_disk_identify(&share->disk, self.fs, false), &listing);
	*budget -= listing.count < *budget ? listing.count : *budget;
	for (uint32_t i = 0; i < listing.count && !found; i++) {
		struct hw_stat *stat = &listing.found[i].stat;

		if (listing.found[i].error)
			continue;
		int fs = hw_disk_filesystem(&share->disk, listing.found[i].dev, -1);

		stat->fs = (uint16_t)fs;
		found = fs >= 0 && !listing.found[i].foreign && hw_fill_renamed_from(share, stat);
	}
	for (uint32_t i = 0; i < listing.count && !found && depth && *budget; i++)
		if (listing.found[i].stat.type == HW_TYPE_DIR) {
			const char *name = listing.names + listing.found[i].name;
			int below = hw_disk_openat(&share->disk, fd, name,
						   O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

			if (below < 0)
				continue;
			found = holds(share, below, depth - 1, budget);
			close(below);
		}
	hw_list_free(&listing);
	return found;
}

bool hw_ahead_holds_moved(struct hw_share *share, int parent, const char *name, uint32_t *budget)
{
	int fd = hw_disk_openat(&share->disk, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return false;
	bool found = holds(share, fd, DEPTH_MAX, budget);
	close(fd);
	return found;
}
