/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may differ between the tree and the disk. hint.h adds to it, verify.h and settle.h take from
 * it. */
#ifndef HW_UNVERIFIED_H
#define HW_UNVERIFIED_H

#include "ids.h"
#include "suspects.h"

struct hw_unverified {
	struct hw_suspects names;
	struct hw_ids entries; /* under whatever name they have when they are examined */
	bool full; /* names were dropped: a scan of the share follows */
	struct hw_suspects spare; /* spare memory: see hw_observe() */
	int64_t since_ns; /* settle.since_ns when the first waiting name was noted; 0: none */
	struct hw_ids lost; /* directories in which a written file was never examined */
	uint64_t lost_ns; /* loop time when the first one was added */
	hw_token audit; /* hints about directories contradicted each other in or below it: to be
			   compared when no hints arrive */
};

static inline bool hw_unverified_any(const struct hw_unverified *unverified)
{
	return unverified->names.count || unverified->entries.count;
}

#endif
