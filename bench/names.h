/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that a list of changes contains, in a hash table. An error ends the program. */
#ifndef HW_BENCH_NAMES_H
#define HW_BENCH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_PATH_MAX 4096

struct name {
	char *path; /* owned */
	unsigned happened, seen; /* REPORT_...: changes that were made, and that were reported */
	unsigned allowed; /* REPORT_...: changes that may be reported, but need not */
	unsigned last; /* REPORT_CREATED or REPORT_DELETED, whichever was reported last; 0: neither
			*/
	bool before, exists; /* before the first change, and after the last one */
	bool is_dir;
	bool replaced; /* another file took the name */
	bool carried; /* a directory above it was renamed */
};

struct names {
	struct name **all; /* owned: count items, each owned */
	size_t count, size;
	size_t *table; /* owned: indexes into all, plus 1; 0: free. slots is a power of two */
	size_t slots;
};

/* Returns the name; adds it if necessary. It stays where it is until names_free(). */
struct name *names_get(struct names *names, const char *path);
/* Returns the name, or NULL. */
struct name *names_find(const struct names *names, const char *path);
void names_free(struct names *names);

#endif
