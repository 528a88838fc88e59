/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

void hw_share_list(struct hw_share *share, int fd, uint32_t max, uint16_t fs,
		   struct hw_listing *listing)
{
	struct hw_identify how = hw_disk_identify(&share->disk, fs, false);
	uint32_t before;

	hw_list_reset(listing);
	do {
		before = listing->count;
		listing->more = hw_list_some(fd, how, listing);
		hw_slices_step(&share->work, listing->count - before);
	} while (listing->more && listing->count < max);
}
