/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests that replace a function of libc: calls the one that is replaced. */
#ifndef HW_TESTS_NEXT_H
#define HW_TESTS_NEXT_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Returns the function that ours replaces. */
static inline void *next_of(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (!symbol)
		abort();
	return symbol;
}

#define NEXT(function, ...)                                                                        \
	({                                                                                         \
		__typeof__(&(function)) next_;                                                     \
		void *symbol_ = next_of(#function);                                                \
		memcpy(&next_, &symbol_, sizeof(next_));                                           \
		next_(__VA_ARGS__);                                                                \
	})

#endif
