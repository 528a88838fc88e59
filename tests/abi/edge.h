/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that ends where a structure ends: a host that reads or writes one byte more than the
 * structure's struct_size does not survive it. Kept binaries contain this.
 */
#ifndef HW_TESTS_ABI_EDGE_H
#define HW_TESTS_ABI_EDGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* NULL without memory. */
static inline void *edge_alloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t stamp = (uint32_t)size;

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) < 0)
		return NULL;
	memset(pages, 0xa5, page);
	memcpy(pages + page - size, &stamp, sizeof(stamp));
	return pages + page - size;
}

static inline void edge_free(void *structure)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (structure)
		(void)munmap((void *)((uintptr_t)structure & ~(uintptr_t)(page - 1)), 2 * page);
}

/* Ends the program unless the host has left the stamp alone. */
static inline void edge_check(const void *structure, size_t size)
{
	uint32_t stamp;

	memcpy(&stamp, structure, sizeof(stamp));
	if (stamp == size)
		return;
	(void)fprintf(stderr, "struct_size was %zu and is %u\n", size, stamp);
	abort();
}

#ifdef HW_TESTS_GROWN
/* The host, which is older than this plugin, must have zeroed what it does not know. */
static inline void edge_check_grown(const uint64_t *grown)
{
	for (unsigned i = 0; i < HW_TESTS_GROWN; i++)
		if (grown[i]) {
			(void)fprintf(stderr, "a member that the host does not know is not 0\n");
			abort();
		}
}
#define EDGE_CHECK_GROWN(p) edge_check_grown((p)->grown)
#else
#define EDGE_CHECK_GROWN(p) ((void)(p))
#endif

#endif
