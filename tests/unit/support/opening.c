/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opening.h"
#include "next.h"
#include "tests/common/sanitized.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local hw_opening_fn *before;

void hw_opening_call(hw_opening_fn *fn)
{
	before = fn;
}

static void call(const char *path)
{
	hw_opening_fn *fn = before;

	if (!fn)
		return;
	before = NULL;
	fn(path);
	before = fn;
}

#pragma GCC visibility push(default)
int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	call(path);
	return NEXT(openat, dir, path, flags, mode);
}

HW_READS_SIX_ARGUMENTS long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_openat2) {
		const char *path;

		memcpy(&path, &a[1], sizeof(path));
		call(path);
	}
	return NEXT(syscall, number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
#pragma GCC visibility pop
