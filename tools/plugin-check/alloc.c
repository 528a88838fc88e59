/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alloc.h"

#include <errno.h>
#include <stdlib.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
	__has_feature(memory_sanitizer)
#define COUNTED 0
#else
#define COUNTED 1
#endif

static __thread bool inside;
static uint64_t calls, fail_at;
static int64_t live;

bool hw_alloc_available(void)
{
	return COUNTED;
}

bool hw_alloc_enter(bool now)
{
	bool before = inside;

	inside = now;
	return before;
}

void hw_alloc_fail(uint64_t n)
{
	calls = 0;
	fail_at = n;
}

uint64_t hw_alloc_calls(void)
{
	return calls;
}

int64_t hw_alloc_live(void)
{
	return live;
}

#if COUNTED

/* glibc exports its allocator under these names for programs that replace malloc(). */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static bool may_allocate(void)
{
	if (!inside || ++calls != fail_at)
		return true;
	errno = ENOMEM;
	return false;
}

static void *note(void *block)
{
	live += inside && block;
	return block;
}

#define REPLACES __attribute__((visibility("default")))

REPLACES void *malloc(size_t size)
{
	return may_allocate() ? note(__libc_malloc(size)) : NULL;
}

REPLACES void *calloc(size_t count, size_t size)
{
	return may_allocate() ? note(__libc_calloc(count, size)) : NULL;
}

REPLACES void free(void *block)
{
	live -= inside && block;
	__libc_free(block);
}

REPLACES void *realloc(void *block, size_t size)
{
	void *moved;

	if (!block)
		return malloc(size);
	if (!size) {
		free(block);
		return NULL;
	}
	if (!may_allocate())
		return NULL;
	moved = __libc_realloc(block, size);
	return moved;
}

REPLACES void *memalign(size_t alignment, size_t size);
REPLACES void *memalign(size_t alignment, size_t size)
{
	return may_allocate() ? note(__libc_memalign(alignment, size)) : NULL;
}

REPLACES void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

REPLACES int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *block;

	if (!alignment || alignment % sizeof(void *) || (alignment & (alignment - 1)))
		return EINVAL;
	block = memalign(alignment, size);
	if (!block)
		return ENOMEM;
	*ret = block;
	return 0;
}

#endif
